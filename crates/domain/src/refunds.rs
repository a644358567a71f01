//! Which refunds are to be expected of Thnks, and when. Thnks' rules (contracts/thnks-api.md):
//!
//! | the gift | its refund |
//! |---|---|
//! | bounced | at once: expired and refunded at the same time |
//! | not opened 30 days after it was sent | it expires; the refund follows on the 10th of the next month |
//! | opened, whatever comes then | none |

use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, TimeZone, Utc};
use rust_decimal::Decimal;

use crate::Transaction;
use crate::pace::Step;
use crate::status::{Status, first_reached};

/// An unopened gift expires this long after it was sent.
pub const EXPIRES_AFTER_HOURS: i64 = 30 * 24;
/// The day of the month on which Thnks refunds.
pub const REFUND_DAY: u32 = 10;

/// How sure a refund is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// The gift has expired unopened.
    Certain,
    /// The gift may still be opened.
    Possible,
}

/// Refunds of one day, certainty and currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refunds {
    /// The day on which Thnks refunds, in the portal's time zone.
    pub on: NaiveDate,
    /// How sure they are.
    pub certainty: Certainty,
    /// The currency; `None` of gifts without one.
    pub currency: Option<String>,
    /// Gifts.
    pub gifts: i64,
    /// The sum of their amounts; 0 without a currency.
    pub amount: Decimal,
}

impl Refunds {
    /// Whether the day has passed: Thnks should have told of the refund.
    pub fn is_overdue(&self, today: NaiveDate) -> bool {
        self.on < today
    }
}

/// What a gift with this status and this story lets expect; `None` for no refund, for one that was made, and for a status
/// that is not known here.
pub fn certainty(status: Status, is_opened: bool) -> Option<Certainty> {
    match status {
        _ if is_opened => None,
        Status::Expired => Some(Certainty::Certain),
        Status::Sent | Status::Delivered | Status::Undelivered => Some(Certainty::Possible),
        Status::Other
        | Status::Scheduled
        | Status::Opened
        | Status::Redeemed
        | Status::Donated
        | Status::Refunded => None,
    }
}

/// The day on which Thnks refunds a gift that expired on the day `expired`: the 10th of the next month.
pub fn refunded_on(expired: NaiveDate) -> NaiveDate {
    // The first of a month has a next month up to the end of the calendar.
    let next = expired
        .with_day(1)
        .and_then(|first| first.checked_add_months(Months::new(1)));
    next.and_then(|first| first.with_day(REFUND_DAY))
        .unwrap_or(expired)
}

/// The refund to be expected of a transaction, and when, in the portal's `zone`.
pub fn expected<Z: TimeZone>(
    transaction: &Transaction,
    zone: &Z,
) -> Option<(Certainty, NaiveDate)> {
    let is_opened = Step::Opened.is_reached(transaction);
    let certainty = certainty(transaction.status(), is_opened)?;
    let expires_at: DateTime<Utc> = match certainty {
        Certainty::Certain => {
            first_reached(&transaction.history, Status::Expired).unwrap_or(transaction.updated_at)
        }
        Certainty::Possible => transaction.sent_at() + TimeDelta::hours(EXPIRES_AFTER_HOURS),
    };
    let day = expires_at.with_timezone(zone).date_naive();
    Some((certainty, refunded_on(day)))
}

#[cfg(test)]
mod tests {
    use chrono::FixedOffset;
    use proptest::prelude::*;

    use super::*;
    use crate::status::StatusEntry;
    use crate::transaction::sample;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// A gift sent at that moment, and what became of it after so many hours.
    fn gift(sent: &str, then: &[(&str, i64)]) -> Transaction {
        let sent: DateTime<Utc> = sent.parse().unwrap();
        let mut gift = sample("txn_1");
        let entry = |status: &str, hours| StatusEntry {
            status: status.into(),
            at: sent + TimeDelta::hours(hours),
        };
        gift.history = vec![entry("sent", 0)];
        gift.history
            .extend(then.iter().map(|(status, hours)| entry(status, *hours)));
        gift
    }

    fn in_utc(gift: &Transaction) -> Option<(Certainty, NaiveDate)> {
        expected(gift, &Utc)
    }

    #[test]
    fn an_unopened_gift_may_be_refunded_on_the_tenth_after_its_thirty_days() {
        let sent = "2026-11-02T15:00:00Z";
        // It would expire on 2 December.
        let possible = Some((Certainty::Possible, day("2027-01-10")));
        assert_eq!(in_utc(&gift(sent, &[])), possible);
        assert_eq!(in_utc(&gift(sent, &[("delivered", 1)])), possible);
        assert_eq!(in_utc(&gift(sent, &[("undelivered", 1)])), possible);
        let expired = gift(sent, &[("delivered", 1), ("expired", 721)]);
        assert_eq!(
            in_utc(&expired),
            Some((Certainty::Certain, day("2027-01-10")))
        );
    }

    #[test]
    fn a_bounce_is_refunded_already() {
        let bounced = gift("2026-11-02T15:00:00Z", &[("expired", 1), ("refunded", 1)]);
        assert_eq!(in_utc(&bounced), None);
    }

    #[test]
    fn an_opened_gift_is_never_refunded() {
        let sent = "2025-11-02T15:00:00Z";
        assert_eq!(in_utc(&gift(sent, &[("opened", 5)])), None);
        assert_eq!(
            in_utc(&gift(sent, &[("opened", 5), ("expired", 8_760)])),
            None
        );
        // Opened is not told, but what comes after it is.
        assert_eq!(
            in_utc(&gift(sent, &[("redeemed", 5), ("expired", 8_760)])),
            None
        );
    }

    #[test]
    fn what_is_not_sent_or_not_known_is_not_expected() {
        let mut gift = gift("2026-11-02T15:00:00Z", &[]);
        gift.history[0].status = "scheduled".into();
        assert_eq!(in_utc(&gift), None);
        gift.history[0].status = "sparkled".into();
        assert_eq!(in_utc(&gift), None);
    }

    #[test]
    fn the_portals_month_decides() {
        // 23:30 on 30 November in UTC is December an hour further east.
        let expired = gift("2026-10-31T23:30:00Z", &[("expired", 720)]);
        assert_eq!(in_utc(&expired).unwrap().1, day("2026-12-10"));
        let east = FixedOffset::east_opt(3_600).unwrap();
        assert_eq!(expected(&expired, &east).unwrap().1, day("2027-01-10"));
    }

    #[test]
    fn a_refund_is_overdue_from_the_day_after() {
        let refunds = Refunds {
            on: day("2026-11-10"),
            certainty: Certainty::Certain,
            currency: None,
            gifts: 1,
            amount: Decimal::ZERO,
        };
        assert!(!refunds.is_overdue(day("2026-11-10")));
        assert!(refunds.is_overdue(day("2026-11-11")));
    }

    proptest! {
        #[test]
        fn a_refund_comes_on_a_tenth_ten_to_forty_days_after_expiry(days in -200_000_i64..200_000) {
            let expired = day("2026-11-23") + TimeDelta::days(days);
            let on = refunded_on(expired);
            prop_assert_eq!(on.day(), REFUND_DAY);
            let wait = (on - expired).num_days();
            prop_assert!((10..=40).contains(&wait), "{} days", wait);
        }

        #[test]
        fn what_was_opened_or_paid_back_is_never_expected(
            then in proptest::collection::vec(
                (
                    proptest::sample::select(vec![
                        "delivered", "undelivered", "opened", "redeemed", "expired", "refunded", "donated", "sparkled",
                    ]),
                    0..9_000_i64,
                ),
                0..5,
            ),
        ) {
            let gift = gift("2026-03-02T15:00:00Z", &then);
            let has = |wanted: &str| then.iter().any(|(status, _)| *status == wanted);
            let refund = in_utc(&gift);
            if has("opened") || has("redeemed") || gift.status() == Status::Refunded {
                prop_assert_eq!(refund, None);
            }
            if let Some((certainty, on)) = refund {
                prop_assert_eq!(certainty == Certainty::Certain, gift.status() == Status::Expired);
                prop_assert!(on > gift.sent_at().date_naive());
            }
        }
    }
}
