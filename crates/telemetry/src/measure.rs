//! What can be told, one function each. Without a recorder each is a few instructions.
//!
//! Labels are words of ours or come from a short list: whoever calls from outside cannot make new ones.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::catalogue as name;

/// Something that is open as long as this is held.
#[must_use]
#[derive(Debug)]
pub struct Held(Which);

#[derive(Debug, Clone, Copy)]
enum Which {
    Connection,
    Stream,
    Run(&'static str),
}

impl Held {
    fn new(which: Which) -> Self {
        which.gauge().increment(1.0);
        Self(which)
    }
}

impl Which {
    fn gauge(self) -> metrics::Gauge {
        match self {
            Self::Connection => gauge!(name::HTTP_CONNECTIONS),
            Self::Stream => gauge!(name::HTTP_STREAMS),
            Self::Run(kind) => gauge!(name::RUNS_IN_WORK, "kind" => kind),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.gauge().decrement(1.0);
    }
}

/// A connection to the pages is open.
pub fn connection() -> Held {
    Held::new(Which::Connection)
}

/// A stream of events to a browser is open.
pub fn stream() -> Held {
    Held::new(Which::Stream)
}

/// A run of this kind is worked on.
pub fn run_in_work(kind: &'static str) -> Held {
    Held::new(Which::Run(kind))
}

/// Something of level `error` or `warn` was said, whether a line of it is shown or not.
pub(crate) fn log_line(level: &'static str) {
    counter!(name::LOG_LINES, "level" => level).increment(1);
}

/// A request was answered. `route` is the route's pattern, never the address.
pub fn http_request(method: &'static str, route: &'static str, code: u16, took: Duration) {
    histogram!(name::HTTP_REQUEST, "method" => method, "route" => route, "status" => status(code))
        .record(took);
}

/// HubSpot was called; without a status the call broke.
pub fn hubspot_call(kind: &'static str, code: Option<u16>, took: Duration) {
    let status = code.map_or("none", status);
    histogram!(name::HUBSPOT_CALL, "kind" => kind, "status" => status).record(took);
}

/// A call of this class waited for its turn: for our `budget`, or because HubSpot asked (`throttled`).
pub fn hubspot_wait(class: &'static str, reason: &'static str, took: Duration) {
    histogram!(name::HUBSPOT_WAIT, "class" => class, "reason" => reason).record(took);
}

/// Thnks was called; without a status the call broke.
pub fn thnks_call(kind: &'static str, code: Option<u16>, took: Duration) {
    let status = code.map_or("none", status);
    histogram!(name::THNKS_CALL, "kind" => kind, "status" => status).record(took);
}

/// A portal's tokens were refreshed, or why not.
pub fn token_refresh(outcome: &'static str) {
    counter!(name::REFRESHES, "outcome" => outcome).increment(1);
}

/// A run had its turn.
pub fn run_turn(kind: &'static str, outcome: &'static str, took: Duration) {
    histogram!(name::RUN_TURN, "kind" => kind, "outcome" => outcome).record(took);
}

/// A run has ended, so long after it was asked for.
pub fn run_ended(kind: &'static str, state: &'static str, age: Duration) {
    histogram!(name::RUN_AGE, "kind" => kind, "state" => state).record(age);
}

/// A run was given up: it started too often without progress.
pub fn run_died() {
    counter!(name::RUNS_DEAD).increment(1);
}

/// Something stopped a run's turn.
pub fn run_stopped(cause: &'static str) {
    counter!(name::RUN_STOPS, "cause" => cause).increment(1);
}

/// An attempt to deliver a notice has ended.
pub fn notice_attempt(channel: &'static str, outcome: &'static str) {
    counter!(name::NOTICES, "channel" => channel, "outcome" => outcome).increment(1);
}

/// A transaction has begun, so long after it was asked for.
pub fn database_wait(took: Duration) {
    histogram!(name::DATABASE_WAIT).record(took);
}

/// Those statuses that mean something by themselves; of the others the class.
fn status(code: u16) -> &'static str {
    match code {
        200 => "200",
        303 => "303",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        409 => "409",
        422 => "422",
        423 => "423",
        429 => "429",
        477 => "477",
        500 => "500",
        502 => "502",
        503 => "503",
        504 => "504",
        _ => match code / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            5 => "5xx",
            _ => "other",
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn whatever_a_server_answers_there_are_few_labels() {
        let labels: BTreeSet<&str> = (0..=u16::MAX).map(status).collect();
        assert!(labels.len() <= 25, "{labels:?}");
        assert_eq!(
            (status(429), status(418), status(599)),
            ("429", "4xx", "5xx")
        );
    }
}
