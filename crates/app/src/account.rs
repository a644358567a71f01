//! The account of a run: what it was to do, what it did, what it cost, how it ended.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::RunId;
use domain::failure::Tally;
use domain::run::{RunKind, RunState};
use serde::{Deserialize, Serialize};

/// What a run has counted; the shape of `runs.counts`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Rows read from Thnks; a row that a page repeats counts again.
    pub read: i64,
    /// Of these transactions that were not known.
    pub new: i64,
    /// Of these transactions that were known and are newer now.
    pub changed: i64,
    /// Of these transactions that were known as they are.
    pub unchanged: i64,
    /// Of these rows that cannot be a transaction.
    pub malformed: i64,
    /// Records written.
    pub written: i64,
    /// Records refused by HubSpot.
    pub refused: i64,
    /// Records that were gone at HubSpot and are made again.
    pub remade: i64,
    /// Rows looked at for links.
    pub associated: i64,
    /// Links made to contacts.
    pub contacts: i64,
    /// Links made to companies.
    pub companies: i64,
    /// Links made to deals.
    pub deals: i64,
    /// Links refused by HubSpot, by rows.
    pub unlinked: i64,
    /// Rows left without a contact.
    pub orphans: i64,
    /// Requests to HubSpot by kind, repeats included.
    pub calls: BTreeMap<String, u64>,
    /// Pages and single rows asked of Thnks.
    pub thnks_calls: i64,
    /// Seconds spent waiting because HubSpot asked to slow down.
    pub throttled_secs: f64,
    /// Seconds spent waiting for a turn in the portal's rate budget.
    pub queued_secs: f64,
    /// Failures by reason.
    pub failures: Tally,
}

impl Counts {
    /// Everything that did not get through: malformed rows, refused records, rows with refused links.
    pub fn failed(&self) -> i64 {
        self.malformed + self.refused + self.unlinked
    }

    /// All requests to HubSpot.
    pub fn total_calls(&self) -> u64 {
        self.calls.values().sum()
    }
}

/// The account of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Account {
    /// Its id.
    pub id: RunId,
    /// What it does.
    pub kind: RunKind,
    /// Where it stands.
    pub state: RunState,
    /// Who asked for it: `user:…`, `schedule`, `operator` and the like.
    pub requested_by: String,
    /// For a kind that reads from a date on: that date.
    pub since: Option<DateTime<Utc>>,
    /// Transactions done so far.
    pub done: i64,
    /// Out of how many, where known.
    pub total: Option<i64>,
    /// What it has counted.
    pub counts: Counts,
    /// Why it ended badly.
    pub error: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it first began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Account {
    /// How long it took, waits included; `None` before it has ended.
    pub fn duration(&self) -> Option<TimeDelta> {
        Some(self.finished_at? - self.started_at?)
    }
}

impl From<store::runs::Account> for Account {
    fn from(stored: store::runs::Account) -> Self {
        Self {
            id: stored.run_id,
            kind: stored.kind,
            state: stored.state,
            requested_by: stored.requested_by,
            since: stored.since,
            done: stored.done,
            total: stored.total,
            // An account of an older version lacks fields, never has others.
            counts: serde_json::from_value(stored.counts).unwrap_or_default(),
            error: stored.error,
            created_at: stored.created_at,
            started_at: stored.started_at,
            finished_at: stored.finished_at,
        }
    }
}
