//! The call log: append-only, bounded in memory, with counters that stay exact.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;

/// Entries kept in memory; older ones fall out, counters keep them.
const KEPT: usize = 20_000;
/// Ids kept per entry: a whole batch fits, a whole association call does not have to.
const IDS_KEPT: usize = 100;
/// The window in which HubSpot counts.
const WINDOW: Duration = Duration::from_secs(10);

/// One call to HubSpot or Thnks.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Position in the log, from 1.
    pub seq: u64,
    /// When the call was answered.
    pub at: DateTime<Utc>,
    /// The portal, when the call could be attributed to one.
    pub portal: Option<i64>,
    /// HTTP method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// The endpoint's name, such as `objects.batch_upsert`.
    pub kind: &'static str,
    /// The status answered; 0 when the connection was cut.
    pub status: u16,
    /// How many inputs a batch carried.
    pub inputs: usize,
    /// Ids that the call wrote (the first hundred).
    pub ids: Vec<String>,
    /// `objectWriteTraceId`s that the call wrote (the first hundred).
    pub trace_ids: Vec<String>,
    /// How many access tokens of the grant came before the one used, plus one.
    pub token_generation: Option<u64>,
    /// Whether a fault hit the call.
    pub fault: bool,
}

/// Exact counts of one portal's calls.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counters {
    /// All calls.
    pub total: u64,
    /// By endpoint.
    pub by_kind: BTreeMap<String, u64>,
    /// By status.
    pub by_status: BTreeMap<u16, u64>,
    /// The most calls, searches and OAuth excluded, that arrived within any sliding 10 s.
    pub max_calls_in_10s: usize,
    #[serde(skip)]
    recent: VecDeque<Instant>,
}

/// The log of a sandbox.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    last: u64,
    counters: HashMap<Option<i64>, Counters>,
}

impl Log {
    pub(crate) fn append(&mut self, mut entry: Entry) {
        self.last += 1;
        entry.seq = self.last;
        entry.ids.truncate(IDS_KEPT);
        entry.trace_ids.truncate(IDS_KEPT);
        let counters = self.counters.entry(entry.portal).or_default();
        counters.total += 1;
        *counters.by_kind.entry(entry.kind.to_owned()).or_default() += 1;
        *counters.by_status.entry(entry.status).or_default() += 1;
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// Notes that a call of `portal` which HubSpot's rolling limit counts has arrived.
    pub(crate) fn arrive(&mut self, portal: i64, at: Instant) {
        let counters = self.counters.entry(Some(portal)).or_default();
        while counters
            .recent
            .front()
            .is_some_and(|first| at.saturating_duration_since(*first) >= WINDOW)
        {
            counters.recent.pop_front();
        }
        counters.recent.push_back(at);
        counters.max_calls_in_10s = counters.max_calls_in_10s.max(counters.recent.len());
    }

    pub(crate) fn counters(&self, portal: Option<i64>) -> Counters {
        self.counters.get(&portal).cloned().unwrap_or_default()
    }

    /// Entries after `seq`, oldest first.
    pub(crate) fn list(
        &self,
        portal: Option<i64>,
        kind: Option<&str>,
        after: u64,
        limit: usize,
    ) -> Vec<Entry> {
        self.entries
            .iter()
            .filter(|entry| entry.seq > after)
            .filter(|entry| portal.is_none() || entry.portal == portal)
            .filter(|entry| kind.is_none_or(|kind| entry.kind == kind))
            .take(limit)
            .cloned()
            .collect()
    }
}
