//! What the portal's numbers are and how they are written. Who adds them up is `store`'s business.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use crate::pace::{self, Step};
use crate::{Status, TransactionId, money};

/// A matured transaction was sent at least this many days ago: one that nobody opened has expired by then.
pub const MATURE_AFTER_DAYS: i64 = 30;
/// How many of the most frequent types are shown.
pub const TOP_TYPES: usize = 10;
/// How many entries recent activity has.
pub const RECENT_ACTIVITY: i64 = 20;

/// The days that are asked for, both inclusive, in the portal's time zone; open where `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Range {
    /// First day.
    pub from: Option<NaiveDate>,
    /// Last day.
    pub to: Option<NaiveDate>,
}

impl Range {
    /// Whether `day` lies in it.
    pub fn contains(self, day: NaiveDate) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }

    /// As many days right before it, one that is open to the end ending `today`; `None` where it has no first day, or has
    /// not begun.
    pub fn before(self, today: NaiveDate) -> Option<Self> {
        let from = self.from?;
        let days = (self.to.unwrap_or(today) - from).num_days() + 1;
        let days = u64::try_from(days).ok().filter(|days| *days > 0)?;
        Some(Self {
            from: Some(from.checked_sub_days(Days::new(days))?),
            to: Some(from.pred_opt()?),
        })
    }
}

/// Money per currency, written with [`crate::money`].
pub type Amounts = BTreeMap<String, String>;

/// `statistics.json` (contracts/app.md).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// Transactions that have left `scheduled`.
    pub total_sent: i64,
    /// Their amounts.
    pub total_value: Amounts,
    /// Value by count, per currency.
    pub average_value: Amounts,
    /// Share of sent ones that reached `redeemed`; `None` when nothing was sent.
    #[serde(serialize_with = "rate")]
    pub redemption_rate: Option<Decimal>,
    /// The same over those sent at least [`MATURE_AFTER_DAYS`] ago.
    #[serde(serialize_with = "rate")]
    pub matured_redemption_rate: Option<Decimal>,
    /// Transactions by current status; every status is present.
    pub by_status: ByStatus,
    /// The most frequent gift types, by count, then name.
    pub top_types: Vec<TypeTotal>,
    /// The latest status events that are `sent` or `redeemed`.
    pub recent_activity: Vec<Activity>,
    /// Synced records with no contact, now, whatever the range.
    pub orphans: i64,
}

/// Counts by status, all statuses present, zero or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByStatus(pub BTreeMap<Status, i64>);

impl ByStatus {
    /// How many have `status`.
    pub fn count(&self, status: Status) -> i64 {
        self.0.get(&status).copied().unwrap_or(0)
    }
}

impl Serialize for ByStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            Status::ALL
                .into_iter()
                .map(|status| (status.as_str(), self.count(status))),
        )
    }
}

/// One line of the top types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TypeTotal {
    /// The gift type.
    #[serde(rename = "type")]
    pub gift_type: String,
    /// How many were sent.
    pub count: i64,
    /// Their amounts.
    pub value: Amounts,
}

/// One line of recent activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Activity {
    /// The transaction.
    pub transaction_id: TransactionId,
    /// Its gift.
    pub gift_name: Option<String>,
    /// `sent` or `redeemed`.
    pub status: Status,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The recipient's name, else the address, else nobody.
    pub recipient: Option<String>,
}

/// One month of the dashboard's chart, in the portal's time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Month {
    /// The month's first day.
    pub month: NaiveDate,
    /// Transactions sent in it.
    pub sent: i64,
    /// Those of them that reached `redeemed`, whenever that was.
    pub redeemed: i64,
}

/// A group of transactions with one status, type and currency: what the roll-ups hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// Current status.
    pub status: Status,
    /// Gift type.
    pub gift_type: Option<String>,
    /// Currency.
    pub currency: Option<String>,
    /// How many.
    pub transactions: i64,
    /// Those that were delivered, or got further.
    pub delivered: i64,
    /// Those that were opened, or got further.
    pub opened: i64,
    /// Those that reached `redeemed`.
    pub redeemed: i64,
    /// Those with an amount.
    pub priced: i64,
    /// The sum of their amounts.
    pub amount: Decimal,
}

impl Total {
    /// Those that took `step`, or a later one.
    pub fn reached(&self, step: Step) -> i64 {
        match step {
            Step::Delivered => self.delivered,
            Step::Opened => self.opened,
            Step::Redeemed => self.redeemed,
        }
    }
}

/// How far the gifts of some days got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Funnel {
    /// Gifts sent.
    pub sent: i64,
    /// What became of them, in the order of the steps.
    pub steps: [FunnelStep; 3],
}

/// One step of a [`Funnel`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunnelStep {
    /// Which.
    pub step: Step,
    /// Gifts that took it, or a later one.
    pub reached: i64,
    /// Half of those of which Thnks tells when they took it had done so this long after they were sent.
    pub median: Option<TimeDelta>,
}

impl Funnel {
    /// The funnel that `totals` make; `paces` are step, bucket and gifts, in the order of the buckets.
    pub fn assemble(totals: &[Total], paces: &[(Step, i16, i64)]) -> Self {
        let sent = || {
            totals
                .iter()
                .filter(|total| total.status != Status::Scheduled)
        };
        let steps = Step::ALL.map(|step| {
            let counted: Vec<(i16, i64)> = paces
                .iter()
                .filter(|(of, ..)| *of == step)
                .map(|(_, bucket, gifts)| (*bucket, *gifts))
                .collect();
            FunnelStep {
                step,
                reached: sent().map(|total| total.reached(step)).sum(),
                median: pace::median(&counted),
            }
        });
        Self {
            sent: sent().map(|total| total.transactions).sum(),
            steps,
        }
    }
}

impl Statistics {
    /// The statistics that `totals` make. `matured` is how many were sent long enough ago, and how many of them reached
    /// `redeemed`.
    pub fn assemble(
        totals: &[Total],
        matured: (i64, i64),
        recent_activity: Vec<Activity>,
        orphans: i64,
    ) -> Self {
        let sent: Vec<&Total> = totals
            .iter()
            .filter(|total| total.status != Status::Scheduled)
            .collect();
        let total_sent = sent.iter().map(|total| total.transactions).sum();
        let redeemed = sent.iter().map(|total| total.redeemed).sum();
        let mut by_status = BTreeMap::new();
        for total in totals {
            *by_status.entry(total.status).or_default() += total.transactions;
        }
        let mut by_type: BTreeMap<&str, Vec<&Total>> = BTreeMap::new();
        for total in &sent {
            if let Some(gift_type) = &total.gift_type {
                by_type.entry(gift_type).or_default().push(total);
            }
        }
        let mut top_types: Vec<TypeTotal> = by_type
            .into_iter()
            .map(|(gift_type, totals)| TypeTotal {
                gift_type: gift_type.to_owned(),
                count: totals.iter().map(|total| total.transactions).sum(),
                value: values(&sums(&totals)),
            })
            .collect();
        // By name already; a stable sort keeps that within a count.
        top_types.sort_by_key(|line| std::cmp::Reverse(line.count));
        top_types.truncate(TOP_TYPES);
        let sums = sums(&sent);
        Self {
            total_sent,
            total_value: values(&sums),
            average_value: sums
                .iter()
                .filter_map(|(currency, (amount, priced))| {
                    Some((
                        (*currency).to_owned(),
                        money::average_text(*amount, *priced)?,
                    ))
                })
                .collect(),
            redemption_rate: money::rate(redeemed, total_sent),
            matured_redemption_rate: money::rate(matured.1, matured.0),
            by_status: ByStatus(by_status),
            top_types,
            recent_activity,
            orphans,
        }
    }
}

/// Sum and count of amounts per currency.
fn sums<'a>(totals: &[&'a Total]) -> BTreeMap<&'a str, (Decimal, i64)> {
    let mut sums: BTreeMap<&str, (Decimal, i64)> = BTreeMap::new();
    for total in totals {
        if let Some(currency) = &total.currency {
            let (amount, priced) = sums.entry(currency).or_default();
            *amount += total.amount;
            *priced += total.priced;
        }
    }
    sums
}

fn values(sums: &BTreeMap<&str, (Decimal, i64)>) -> Amounts {
    sums.iter()
        .map(|(currency, (amount, _))| {
            ((*currency).to_owned(), money::total_text(*amount, currency))
        })
        .collect()
}

/// A rate as a JSON number: `0.4312`.
#[expect(clippy::ref_option, reason = "serde hands the field over as it is")]
fn rate<S: Serializer>(value: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
    use rust_decimal::prelude::ToPrimitive;
    value.and_then(|value| value.to_f64()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(
        status: Status,
        gift_type: &str,
        currency: &str,
        transactions: i64,
        redeemed: i64,
        cents: i64,
    ) -> Total {
        Total {
            status,
            gift_type: Some(gift_type.into()),
            currency: Some(currency.into()),
            transactions,
            delivered: redeemed,
            opened: redeemed,
            redeemed,
            priced: transactions,
            amount: Decimal::new(cents, 2),
        }
    }

    #[test]
    fn the_days_before_are_as_many() {
        let day = |text: &str| text.parse::<NaiveDate>().ok();
        let range = |from, to| Range { from, to };
        let today = day("2026-11-23").unwrap();
        assert_eq!(
            range(day("2026-11-17"), None).before(today),
            Some(range(day("2026-11-10"), day("2026-11-16")))
        );
        assert_eq!(
            range(day("2026-03-01"), day("2026-03-01")).before(today),
            Some(range(day("2026-02-28"), day("2026-02-28")))
        );
        assert_eq!(Range::default().before(today), None);
        assert_eq!(range(day("2027-01-01"), None).before(today), None);
    }

    #[test]
    fn a_funnel_counts_what_was_sent() {
        let mut early = total(Status::Opened, "Lunch", "USD", 4, 1, 8_000);
        (early.delivered, early.opened) = (3, 2);
        let totals = [early, total(Status::Scheduled, "Lunch", "USD", 9, 0, 0)];
        let funnel = Funnel::assemble(&totals, &[(Step::Opened, 94, 2)]);
        let reached = funnel.steps.clone().map(|step| step.reached);
        assert_eq!((funnel.sent, reached), (4, [3, 2, 1]));
        assert_eq!(funnel.steps[0].median, None);
        assert!(funnel.steps[1].median.is_some());
    }

    #[test]
    fn scheduled_ones_are_counted_by_status_only() {
        let totals = [
            total(Status::Scheduled, "Lunch", "USD", 4, 0, 8_000),
            total(Status::Redeemed, "Coffee", "USD", 3, 3, 1_500),
            total(Status::Refunded, "Coffee", "EUR", 1, 1, 500),
            total(Status::Delivered, "Books", "USD", 4, 0, 10_000),
        ];
        let statistics = Statistics::assemble(&totals, (8, 4), Vec::new(), 2);
        assert_eq!(statistics.total_sent, 8);
        assert_eq!(statistics.total_value["USD"], "115.00");
        assert_eq!(statistics.average_value["USD"], "16.43");
        assert_eq!(statistics.redemption_rate.unwrap(), Decimal::new(5, 1));
        assert_eq!(statistics.by_status.count(Status::Scheduled), 4);
        // Books and Coffee have four each: by name then.
        let names: Vec<_> = statistics
            .top_types
            .iter()
            .map(|line| line.gift_type.as_str())
            .collect();
        assert_eq!(names, ["Books", "Coffee"]);
        let json = serde_json::to_value(&statistics).unwrap();
        assert_eq!(json["redemption_rate"], 0.5);
        assert_eq!(json["by_status"]["donated"], 0);
        assert_eq!(json["top_types"][1]["type"], "Coffee");
    }

    #[test]
    fn nothing_sent_has_no_rate() {
        let statistics = Statistics::assemble(&[], (0, 0), Vec::new(), 0);
        assert_eq!(
            serde_json::to_value(&statistics).unwrap()["redemption_rate"],
            serde_json::Value::Null
        );
    }
}
