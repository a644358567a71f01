//! What the portal's numbers are and how they are written. Who adds them up is `store`'s business.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use crate::{Status, TransactionId};

/// A matured transaction was sent at least this many days ago: one that nobody opened has expired by then.
pub const MATURE_AFTER_DAYS: i64 = 30;
/// How many of the most frequent types are shown.
pub const TOP_TYPES: usize = 10;
/// How many entries recent activity has.
pub const RECENT_ACTIVITY: i64 = 20;

/// The days that are asked for, both inclusive, in the portal's time zone; open where `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

/// A rate as a JSON number: `0.4312`.
#[expect(clippy::ref_option, reason = "serde hands the field over as it is")]
fn rate<S: Serializer>(value: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
    use rust_decimal::prelude::ToPrimitive;
    value.and_then(|value| value.to_f64()).serialize(serializer)
}
