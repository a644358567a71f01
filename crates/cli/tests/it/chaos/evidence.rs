//! What is left after a schedule: the sandbox's log and stores, the rows of the database, and what pages showed. Plain data,
//! so that the judge can be shown broken worlds.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sandbox::Verdict;
use sandbox::log::Entry;
use sandbox::witness::Sighting;
use serde::Deserialize;
use serde_json::Value;

use super::play::{Expiry, Notes, Stroke};
use super::site::{Site, Tenant};

/// An attempt to bring a record to HubSpot, as the service noted it.
#[derive(Debug, Clone, Deserialize)]
pub struct Attempt {
    pub hub_id: i64,
    pub transaction_id: String,
    pub seq: i64,
    pub at: DateTime<Utc>,
    pub what: String,
    pub outcome: String,
}

/// A gift in the service's ledger.
#[derive(Debug, Clone, Deserialize)]
#[expect(clippy::struct_field_names, reason = "columns have their names")]
pub struct LedgerRow {
    pub hub_id: i64,
    pub transaction_id: String,
    pub record_id: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct RunRow {
    pub hub_id: i64,
    pub run_id: String,
    pub state: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct LeaseRow {
    pub hub_id: i64,
    pub run_id: Option<String>,
}

/// One portal.
#[derive(Debug, Clone)]
pub struct Portal {
    pub hub_id: i64,
    /// The referee's judgement of records, values and links.
    pub verdict: Verdict,
    /// The ids of its records by transaction.
    pub records: BTreeMap<String, Vec<u64>>,
    /// Of each of its organization's transactions the statuses that it went through, in order.
    pub histories: BTreeMap<String, Vec<String>>,
    /// `status.json` and `statistics.json`
    pub status: Value,
    pub statistics: Value,
    /// What `audit verify` said, when it was not content.
    pub broken_chain: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Everything was done within the patience, after the faults had stopped.
    pub is_drained: bool,
    pub portals: Vec<Portal>,
    pub log: Vec<Entry>,
    pub writes: Vec<Sighting>,
    pub strokes: Vec<Stroke>,
    pub expiries: Vec<Expiry>,
    pub attempts: Vec<Attempt>,
    pub ledger: Vec<LedgerRow>,
    pub runs: Vec<RunRow>,
    pub leases: Vec<LeaseRow>,
    /// Processes that did not stop in order at the end.
    pub bad_exits: Vec<String>,
}

async fn rows<T: for<'a> Deserialize<'a>>(site: &Site, table: &str) -> Vec<T> {
    let rows = site.addresses().scratch().rows_of_all(table).await;
    let rows = rows.into_iter();
    rows.map(|row| serde_json::from_value(row).unwrap())
        .collect()
}

/// Gathers everything; the processes have stopped. `pages` are `status.json` and `statistics.json` of each portal.
pub async fn gather(
    site: &Site,
    notes: &Notes,
    is_drained: bool,
    pages: Vec<(Value, Value)>,
    bad_exits: Vec<String>,
) -> Evidence {
    let control = site.control();
    let mut portals = Vec::new();
    for (tenant, (status, statistics)) in site.tenants.iter().zip(pages) {
        let organization = Some(tenant.organization.as_str());
        portals.push(Portal {
            hub_id: tenant.hub_id,
            verdict: control.verify(tenant.hub_id, organization).unwrap(),
            records: control.records(tenant.hub_id).unwrap(),
            histories: histories(site, tenant),
            status,
            statistics,
            broken_chain: verify_chain(site, tenant),
        });
    }
    let mut attempts: Vec<Attempt> = rows(site, "write_attempts").await;
    attempts.sort_by_key(|attempt| attempt.seq);
    Evidence {
        is_drained,
        portals,
        log: control.log(None, None, 0, usize::MAX),
        writes: control.writes(),
        strokes: notes.strokes.clone(),
        expiries: notes.expiries.clone(),
        attempts,
        ledger: rows(site, "transactions").await,
        runs: rows(site, "runs").await,
        leases: rows(site, "portal_leases").await,
        bad_exits,
    }
}

fn histories(site: &Site, tenant: &Tenant) -> BTreeMap<String, Vec<String>> {
    let gifts = site.control().transactions(&tenant.organization).unwrap();
    let gifts = gifts.iter().map(|gift| {
        let steps = gift["status_history"].as_array().unwrap().iter();
        let mut steps: Vec<(DateTime<Utc>, String)> = steps
            .map(|step| {
                let status = step["status"].as_str().unwrap().trim().to_lowercase();
                (step["at"].as_str().unwrap().parse().unwrap(), status)
            })
            .collect();
        // Of an expiry and a refund in one moment the refund is the later.
        steps.sort_by_key(|(at, status)| (*at, status == "refunded"));
        let id = gift["id"].as_str().unwrap().to_owned();
        (id, steps.into_iter().map(|(_, status)| status).collect())
    });
    gifts.collect()
}

fn verify_chain(site: &Site, tenant: &Tenant) -> Option<String> {
    let hub_id = tenant.hub_id.to_string();
    let mut command = site.command(&["audit", "verify", "--portal", &hub_id]);
    let done = command.output().unwrap();
    let words = [done.stdout, done.stderr].concat();
    (!done.status.success()).then(|| String::from_utf8_lossy(&words).into_owned())
}

impl Portal {
    /// The transactions of its own organization.
    pub fn own(&self) -> BTreeSet<&str> {
        self.histories.keys().map(String::as_str).collect()
    }
}

impl Evidence {
    /// Writes that HubSpot did and nobody could note, as a worker died or the database was away.
    pub fn superseded(&self) -> usize {
        let done = self.writes.iter().filter(|write| write.applied);
        let done: BTreeSet<_> = done.map(|write| (write.portal, &write.trace_id)).collect();
        let noted = self.attempts.iter();
        let noted = noted.filter(|row| row.what == "record" && row.outcome == "written");
        done.len().saturating_sub(noted.count())
    }
}
