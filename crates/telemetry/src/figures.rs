//! What a scrape gets: the figures of this process, and those of the whole installation as they were last read.

use std::time::{Duration, SystemTime};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

use crate::catalogue::{self as name, Kind};

/// Histograms are brought up to date so often even when nobody scrapes, or they would keep every single value.
pub const UPKEEP: Duration = Duration::from_secs(5);

/// The figures of this process.
#[derive(Debug, Clone)]
pub struct Figures {
    handle: PrometheusHandle,
    process: Collector,
}

/// The state of a pool of connections.
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    /// Open ones.
    pub open: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
    /// The most that are opened.
    pub max: u32,
}

/// The figures of the whole installation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Installation {
    /// Open runs that are due and not rung for.
    pub runs_due: i64,
    /// Open runs that a worker was rung for.
    pub runs_rung: i64,
    /// Open runs that are worked on, or go on later.
    pub runs_later: i64,
    /// Open runs of portals that are paused.
    pub runs_held: i64,
    /// How late the latest open run is, in seconds.
    pub run_oldest_due_secs: f64,
    /// How late the schedule is, in seconds.
    pub schedule_oldest_due_secs: f64,
    /// Gifts whose record is not as it should be.
    pub rows_dirty: i64,
    /// Rows that HubSpot refused, or that could not be read.
    pub rows_failed: i64,
    /// Portals that have not connected Thnks yet.
    pub portals_connecting: i64,
    /// Portals in which a person must act first.
    pub portals_in_need: i64,
    /// Portals that their people paused.
    pub portals_paused: i64,
    /// Portals whose history is not all in yet.
    pub portals_backfilling: i64,
    /// Portals that are in step.
    pub portals_active: i64,
    /// Portals whose connection has ended.
    pub portals_disconnected: i64,
    /// Portals with deliveries of notices that wait.
    pub notices_waiting: i64,
    /// How late the latest of them is, in seconds.
    pub notices_oldest_due_secs: f64,
}

impl Figures {
    /// Begins to count, once in a process.
    pub fn start() -> Result<Self, BuildError> {
        let mut builder = PrometheusBuilder::new();
        for figure in name::ALL {
            if let Kind::Seconds(bounds) = figure.kind {
                let matcher = Matcher::Full(figure.name.to_owned());
                builder = builder.set_buckets_for_metric(matcher, bounds)?;
            }
        }
        let handle = builder.install_recorder()?;
        for figure in name::ALL {
            match figure.kind {
                Kind::Counter => describe_counter!(figure.name, figure.help),
                Kind::Gauge => describe_gauge!(figure.name, figure.help),
                Kind::Seconds(_) => describe_histogram!(figure.name, figure.help),
            }
        }
        let process = Collector::default();
        process.describe();
        gauge!(name::BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        begin_at_nothing();
        Ok(Self { handle, process })
    }

    /// In Prometheus' text format.
    pub fn render(&self) -> String {
        self.process.collect();
        self.handle.render()
    }

    /// Brings histograms up to date; to be called every [`UPKEEP`].
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

/// A rate needs a beginning: what has not happened yet stands at 0.
fn begin_at_nothing() {
    for level in ["warn", "error"] {
        counter!(name::LOG_LINES, "level" => level).absolute(0);
    }
    for outcome in [
        "renewed",
        "refused",
        "our_fault",
        "unavailable",
        "not_stored",
    ] {
        counter!(name::REFRESHES, "outcome" => outcome).absolute(0);
    }
    for cause in ["hubspot", "thnks", "needs", "internal", "other"] {
        counter!(name::RUN_STOPS, "cause" => cause).absolute(0);
    }
    for channel in ["email", "webhook"] {
        for outcome in ["delivered", "refused", "unavailable"] {
            counter!(name::NOTICES, "channel" => channel, "outcome" => outcome).absolute(0);
        }
    }
    for class in ["interactive", "webhook", "sync", "backfill"] {
        for reason in ["budget", "throttled"] {
            // Known from the beginning, with nothing in it.
            let _ = histogram!(name::HUBSPOT_WAIT, "class" => class, "reason" => reason);
        }
    }
    counter!(name::RUNS_DEAD).absolute(0);
    gauge!(name::HTTP_CONNECTIONS).set(0.0);
    gauge!(name::HTTP_STREAMS).set(0.0);
}

/// Runs of these kinds may end in these states here: none has so far.
pub fn begin_runs(kinds: impl IntoIterator<Item = &'static str>, states: &[&'static str]) {
    for kind in kinds {
        for &state in states {
            let _ = histogram!(name::RUN_AGE, "kind" => kind, "state" => state);
        }
    }
}

/// Tells how this process reaches the database.
pub fn set_pool(pool: Pool) {
    let used = pool.open.saturating_sub(pool.idle);
    gauge!(name::DATABASE_CONNECTIONS, "state" => "idle").set(pool.idle);
    gauge!(name::DATABASE_CONNECTIONS, "state" => "used").set(used);
    gauge!(name::DATABASE_CONNECTIONS_MAX).set(pool.max);
}

/// Tells whether those outside are there, as this process sees it.
pub fn set_outside(hubspot_is_down: bool, thnks_is_down: bool) {
    gauge!(name::HUBSPOT_DOWN).set(flag(hubspot_is_down));
    gauge!(name::THNKS_DOWN).set(flag(thnks_is_down));
}

/// Tells how many rings wait; `None` when Redis does not answer.
pub fn set_queue(depth: Option<i64>) {
    gauge!(name::REDIS_UP).set(flag(depth.is_some()));
    if let Some(depth) = depth {
        gauge!(name::QUEUE_DEPTH).set(number(depth));
    }
}

/// Tells how the installation is, read at `now`; `None` when the database does not answer: then the figures stay as they were,
/// and `name::FIGURES_READ` says how old they are.
pub fn set_installation(installation: Option<&Installation>, now: SystemTime) {
    gauge!(name::DATABASE_UP).set(flag(installation.is_some()));
    let Some(is) = installation else { return };
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    gauge!(name::FIGURES_READ).set(since.unwrap_or_default().as_secs_f64());
    for (state, runs) in [
        ("due", is.runs_due),
        ("rung", is.runs_rung),
        ("later", is.runs_later),
        ("held", is.runs_held),
    ] {
        gauge!(name::RUNS_OPEN, "state" => state).set(number(runs));
    }
    for (state, portals) in [
        ("connecting", is.portals_connecting),
        ("needs_setup", is.portals_in_need),
        ("paused", is.portals_paused),
        ("backfilling", is.portals_backfilling),
        ("active", is.portals_active),
        ("disconnected", is.portals_disconnected),
    ] {
        gauge!(name::PORTALS, "state" => state).set(number(portals));
    }
    gauge!(name::RUN_OLDEST_DUE).set(is.run_oldest_due_secs);
    gauge!(name::SCHEDULE_OLDEST_DUE).set(is.schedule_oldest_due_secs);
    gauge!(name::ROWS_DIRTY).set(number(is.rows_dirty));
    gauge!(name::ROWS_FAILED).set(number(is.rows_failed));
    gauge!(name::NOTICES_WAITING).set(number(is.notices_waiting));
    gauge!(name::NOTICES_OLDEST_DUE).set(is.notices_oldest_due_secs);
}

fn flag(on: bool) -> f64 {
    if on { 1.0 } else { 0.0 }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus' numbers are floats; counts are far below 2^53"
)]
fn number(count: i64) -> f64 {
    count as f64
}
