//! How far gifts get after they were sent, and how long that takes: the steps, and the table of spans from which medians
//! are read.
//!
//! Spans are counted in buckets that grow by an eighth of an octave, so a median is true to about 4.5 %:
//!
//! | bucket | span in seconds |
//! |---|---|
//! | 0 | below 2^(1/8), about one |
//! | b | from 2^(b/8), below 2^((b+1)/8) |

use chrono::TimeDelta;
use serde::Serialize;

use crate::status::{Status, first_reached};
use crate::{Transaction, status};

/// Buckets of one octave. The database's trigger counts by the same number.
const PER_OCTAVE: f64 = 8.0;

/// A step that a gift takes after it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It reached the recipient.
    Delivered,
    /// The recipient looked at it.
    Opened,
    /// The recipient took it.
    Redeemed,
}

impl Step {
    /// All steps in their order.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Opened, Self::Redeemed];

    /// The value in the ledger and in JSON.
    pub fn as_str(self) -> &'static str {
        self.status().as_str()
    }

    /// The step that a stored value means.
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }

    /// The status that tells of it.
    pub fn status(self) -> Status {
        match self {
            Self::Delivered => Status::Delivered,
            Self::Opened => Status::Opened,
            Self::Redeemed => Status::Redeemed,
        }
    }

    /// Whether a gift has taken this step: one that took a later step has taken it, told or not.
    pub fn is_reached(self, transaction: &Transaction) -> bool {
        Self::ALL
            .into_iter()
            .filter(|step| *step >= self)
            .any(|step| {
                transaction.status() == step.status()
                    || status::first_reached(&transaction.history, step.status()).is_some()
            })
    }

    /// Whole seconds from sent to this step, where Thnks tells when it was taken; never negative.
    pub fn seconds_after_sent(self, transaction: &Transaction) -> Option<i32> {
        let at = first_reached(&transaction.history, self.status())?;
        let span = (at - transaction.sent_at()).max(TimeDelta::zero());
        Some(i32::try_from(span.num_seconds()).unwrap_or(i32::MAX))
    }
}

/// The median of spans that were counted by bucket, in the order of the buckets; `None` where nothing was counted.
pub fn median(counted: &[(i16, i64)]) -> Option<TimeDelta> {
    let all: i64 = counted.iter().map(|(_, gifts)| gifts).sum();
    if all <= 0 {
        return None;
    }
    let mut below = 0;
    let bucket = counted.iter().find_map(|(bucket, gifts)| {
        below += gifts;
        (below * 2 >= all).then_some(*bucket)
    })?;
    Some(middle(bucket))
}

/// The middle of a bucket.
fn middle(bucket: i16) -> TimeDelta {
    if bucket <= 0 {
        return TimeDelta::zero();
    }
    let seconds = ((f64::from(bucket) + 0.5) / PER_OCTAVE).exp2();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a bucket of seconds in 32 bits is below 256"
    )]
    let seconds = seconds.min(f64::from(i32::MAX)).round() as i64;
    TimeDelta::seconds(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::StatusEntry;
    use crate::transaction::sample;

    fn entry(status: &str, secs: i64) -> StatusEntry {
        let sent = sample("txn_1").history[0].at;
        StatusEntry {
            status: status.into(),
            at: sent + TimeDelta::seconds(secs),
        }
    }

    #[test]
    fn a_later_step_includes_the_earlier_ones() {
        let mut gift = sample("txn_1");
        assert!(!Step::Delivered.is_reached(&gift));
        gift.history.push(entry("Opened", 3_600));
        assert!(Step::Delivered.is_reached(&gift) && Step::Opened.is_reached(&gift));
        assert!(!Step::Redeemed.is_reached(&gift));
        assert_eq!(Step::Opened.seconds_after_sent(&gift), Some(3_600));
        assert_eq!(Step::Delivered.seconds_after_sent(&gift), None);
    }

    #[test]
    fn a_step_before_the_beginning_took_no_time() {
        let mut gift = sample("txn_1");
        gift.history.push(entry("delivered", -5));
        assert_eq!(Step::Delivered.seconds_after_sent(&gift), Some(0));
    }

    #[test]
    fn the_median_is_true_to_a_bucket() {
        let bucket = |secs: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "small")]
            let bucket = (secs.log2() * PER_OCTAVE).floor() as i16;
            bucket
        };
        let secs = [60.0, 7_200.0, 7_200.0, 86_400.0];
        let counted: Vec<(i16, i64)> = secs.iter().map(|secs| (bucket(*secs), 1)).collect();
        let median = median(&counted).unwrap().num_seconds();
        assert!((6_870..7_540).contains(&median), "{median}");
        assert_eq!(super::median(&[]), None);
        assert_eq!(super::median(&[(0, 3)]), Some(TimeDelta::zero()));
    }
}
