//! The list of figures: name, kind and one sentence. `docs/metrics.md` has a row for each.

/// How a figure behaves.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// As it is now.
    Gauge,
    /// How long something took, in seconds, by these bounds.
    Seconds(&'static [f64]),
}

/// One figure.
pub struct Figure {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
}

/// Bounds for what somebody waits for: a page, a call.
const SHORT: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Bounds for what goes on in the background: a slice ends after some 10 s, a backfill takes hours.
const LONG: &[f64] = &[0.5, 2.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0];

macro_rules! figures {
    ($($constant:ident = $name:literal, $kind:expr, $help:literal;)*) => {
        $(pub const $constant: &str = $name;)*
        /// All of them.
        pub const ALL: &[Figure] = &[$(Figure { name: $name, kind: $kind, help: $help }),*];
    };
}

figures! {
    // Of this process.
    BUILD = "thnks_build_info", Kind::Gauge, "1, with the version of this process";
    LOG_LINES = "thnks_log_lines_total", Kind::Counter, "Log lines of a level that somebody should look at, those that RUST_LOG hides included";
    HTTP_REQUEST = "thnks_http_request_seconds", Kind::Seconds(SHORT), "Requests, until the answer begins, by method, route and status";
    HTTP_CONNECTIONS = "thnks_http_connections", Kind::Gauge, "Open connections to the pages";
    HTTP_STREAMS = "thnks_http_streams", Kind::Gauge, "Open streams of events to browsers";
    HUBSPOT_CALL = "thnks_hubspot_call_seconds", Kind::Seconds(SHORT), "Calls to HubSpot by kind and status, repeats included";
    HUBSPOT_WAIT = "thnks_hubspot_wait_seconds", Kind::Seconds(SHORT), "Time that calls to HubSpot waited for their turn, by class and reason";
    HUBSPOT_DOWN = "thnks_hubspot_down", Kind::Gauge, "1 while HubSpot as a whole counts as down";
    REFRESHES = "thnks_token_refreshes_total", Kind::Counter, "Refreshes of portals' tokens by outcome";
    THNKS_CALL = "thnks_thnks_call_seconds", Kind::Seconds(SHORT), "Calls to Thnks by kind and status, repeats included";
    THNKS_DOWN = "thnks_thnks_down", Kind::Gauge, "1 while Thnks as a whole counts as down";
    RUNS_IN_WORK = "thnks_runs_in_work", Kind::Gauge, "Runs that this process works on, by kind";
    RUN_TURN = "thnks_run_turn_seconds", Kind::Seconds(LONG), "Turns that runs had here, by kind and outcome";
    RUN_AGE = "thnks_run_seconds", Kind::Seconds(LONG), "Runs that ended here, from being asked for to the end, by kind and state";
    RUNS_DEAD = "thnks_runs_dead_total", Kind::Counter, "Runs that were given up: they started too often without progress";
    RUN_STOPS = "thnks_run_stops_total", Kind::Counter, "Turns that something stopped before their end, by cause";
    NOTICES = "thnks_notice_attempts_total", Kind::Counter, "Attempts to deliver a notice, by channel and outcome";
    DATABASE_CONNECTIONS = "thnks_database_connections", Kind::Gauge, "Connections of this process to PostgreSQL, by state";
    DATABASE_CONNECTIONS_MAX = "thnks_database_connections_max", Kind::Gauge, "The most connections that this process opens";
    DATABASE_WAIT = "thnks_database_wait_seconds", Kind::Seconds(SHORT), "Time until a transaction had begun, the wait for a connection included";

    // Of the whole installation: every process tells the same.
    DATABASE_UP = "thnks_database_up", Kind::Gauge, "1 while PostgreSQL answers";
    REDIS_UP = "thnks_redis_up", Kind::Gauge, "1 while Redis answers";
    FIGURES_READ = "thnks_figures_read_timestamp_seconds", Kind::Gauge, "When the figures of the whole installation were last read";
    QUEUE_DEPTH = "thnks_queue_depth", Kind::Gauge, "Rings that wait in Redis";
    RUNS_OPEN = "thnks_runs_open", Kind::Gauge, "Open runs on the board, by what they wait for";
    RUN_OLDEST_DUE = "thnks_run_oldest_due_seconds", Kind::Gauge, "How late the latest run on the board is";
    SCHEDULE_OLDEST_DUE = "thnks_schedule_oldest_due_seconds", Kind::Gauge, "How late the schedule is with asking for a run";
    ROWS_DIRTY = "thnks_rows_dirty", Kind::Gauge, "Gifts that are not yet in HubSpot as they should be, of connected portals";
    ROWS_FAILED = "thnks_rows_failed", Kind::Gauge, "Rows that HubSpot refused or that could not be read, of connected portals";
    PORTALS = "thnks_portals", Kind::Gauge, "Portals by state, as status.json has it";
    NOTICES_WAITING = "thnks_notices_waiting", Kind::Gauge, "Portals with deliveries of notices that wait";
    NOTICES_OLDEST_DUE = "thnks_notices_oldest_due_seconds", Kind::Gauge, "How late the latest delivery of a notice is";
}
