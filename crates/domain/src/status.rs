//! The life of a gift: its statuses, their order, and which entry of a history is the current one.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A status of a transaction. [`Status::Other`] stands for one that Thnks may add one day.
///
/// The order of the variants is the lifecycle's: at equal times the later variant wins, an unknown one before all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A value outside the list; the source's spelling is kept beside it.
    Other,
    /// To be sent later.
    Scheduled,
    /// Sent, and charged to the sender.
    Sent,
    /// Reached the recipient.
    Delivered,
    /// Bounced.
    Undelivered,
    /// Looked at: no refund any more.
    Opened,
    /// Taken.
    Redeemed,
    /// Given away by the recipient.
    Donated,
    /// Never taken: 30 days unopened, or 365 days opened.
    Expired,
    /// Paid back to the sender.
    Refunded,
}

impl Status {
    /// All statuses in the order in which HubSpot's options and `by_status` show them.
    pub const ALL: [Self; 10] = [
        Self::Scheduled,
        Self::Sent,
        Self::Delivered,
        Self::Opened,
        Self::Redeemed,
        Self::Refunded,
        Self::Expired,
        Self::Undelivered,
        Self::Donated,
        Self::Other,
    ];

    /// The status that Thnks' spelling means, compared without case and surrounding space.
    pub fn from_source(text: &str) -> Self {
        let wanted = text.trim().to_lowercase();
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == wanted)
            .unwrap_or(Self::Other)
    }

    /// The internal value in HubSpot, in the ledger and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Opened => "opened",
            Self::Redeemed => "redeemed",
            Self::Refunded => "refunded",
            Self::Expired => "expired",
            Self::Undelivered => "undelivered",
            Self::Donated => "donated",
            Self::Other => "other",
        }
    }

    /// The label people read.
    pub fn label(self) -> &'static str {
        match self {
            Self::Scheduled => "Scheduled",
            Self::Sent => "Sent",
            Self::Delivered => "Delivered",
            Self::Opened => "Opened",
            Self::Redeemed => "Redeemed",
            Self::Refunded => "Refunded",
            Self::Expired => "Expired",
            Self::Undelivered => "Undelivered",
            Self::Donated => "Donated",
            Self::Other => "Other",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One entry of a transaction's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusEntry {
    /// As Thnks spelt it.
    pub status: String,
    /// When it happened, by Thnks' clock.
    pub at: DateTime<Utc>,
}

impl StatusEntry {
    /// The status this entry means.
    pub fn status(&self) -> Status {
        Status::from_source(&self.status)
    }
}

/// The current entry: the latest by time; a tie is won by the later in the lifecycle. `None` without history.
pub fn current(history: &[StatusEntry]) -> Option<&StatusEntry> {
    history.iter().max_by(|a, b| {
        (a.at, a.status())
            .cmp(&(b.at, b.status()))
            .then_with(|| a.status.cmp(&b.status))
    })
}

/// Whether a story is over: redeemed, refunded, donated, or expired after it was opened, for then nothing is paid back. What
/// Thnks changes all the same is found by its `updated_at`.
pub fn is_final(current: Status, history: &[StatusEntry]) -> bool {
    match current {
        Status::Redeemed | Status::Refunded | Status::Donated => true,
        Status::Expired => first_reached(history, Status::Opened).is_some(),
        Status::Other
        | Status::Scheduled
        | Status::Sent
        | Status::Delivered
        | Status::Undelivered
        | Status::Opened => false,
    }
}

/// The first time that `status` was reached.
pub fn first_reached(history: &[StatusEntry], status: Status) -> Option<DateTime<Utc>> {
    history
        .iter()
        .filter(|entry| entry.status() == status)
        .map(|entry| entry.at)
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(status: &str, second: i64) -> StatusEntry {
        StatusEntry {
            status: status.into(),
            at: DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap(),
        }
    }

    #[test]
    fn the_latest_entry_is_current_in_any_order() {
        let history = [entry("delivered", 4), entry("opened", 9), entry("sent", 0)];
        assert_eq!(current(&history).unwrap().status(), Status::Opened);
    }

    #[test]
    fn a_bounce_that_is_expired_and_refunded_at_once_ends_refunded() {
        let history = [entry("refunded", 5), entry("expired", 5), entry("sent", 0)];
        assert_eq!(current(&history).unwrap().status(), Status::Refunded);
    }

    #[test]
    fn an_unknown_status_loses_a_tie_and_wins_by_time() {
        assert_eq!(
            current(&[entry("sparkled", 0), entry("Scheduled", 0)])
                .unwrap()
                .status,
            "Scheduled"
        );
        assert_eq!(
            current(&[entry("sparkled", 1), entry("sent", 0)])
                .unwrap()
                .status(),
            Status::Other
        );
    }

    #[test]
    fn a_gift_that_expired_unopened_is_not_over_before_its_refund() {
        let unopened = [entry("sent", 0), entry("expired", 9)];
        assert!(!is_final(Status::Expired, &unopened));
        let opened = [entry("sent", 0), entry("Opened", 3), entry("expired", 9)];
        assert!(is_final(Status::Expired, &opened));
        assert!(is_final(Status::Refunded, &unopened));
        assert!(!is_final(Status::Opened, &opened));
    }

    #[test]
    fn spelling_is_compared_without_case() {
        assert_eq!(Status::from_source(" REDEEMED "), Status::Redeemed);
        assert_eq!(
            first_reached(&[entry("Sent", 7), entry("sent", 3)], Status::Sent).unwrap(),
            entry("", 3).at
        );
    }
}
