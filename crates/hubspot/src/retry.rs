//! What an attempt's end asks for, decided without a network: repeat, wait, or give up.

use std::time::Duration;

use rand::Rng;

use crate::budget::CallClass;
use crate::error::{Error, Fault};
use crate::limits;

/// What a second sending of the same call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Changes nothing: always repeatable.
    Read,
    /// Writes, and ends in the same state however often it is sent.
    Idempotent,
    /// Writes something new each time: repeated only when it certainly did not happen.
    Once,
}

/// Why an attempt has no usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection: the request never left.
    NotSent(String),
    /// It left, and the connection broke or the time ran out.
    Lost(String),
    /// HubSpot's or a proxy's server error.
    ServerError(u16),
    /// A 2xx answer that is no JSON, cut off or too large.
    Unreadable(String),
}

impl Failure {
    /// For log lines.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::NotSent(_) => "not sent",
            Self::Lost(_) => "lost",
            Self::ServerError(_) => "server error",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// Whether the call may have happened.
    fn in_doubt(&self) -> bool {
        !matches!(self, Self::NotSent(_))
    }

    fn into_error(self) -> Error {
        match self {
            Self::NotSent(reason) | Self::Lost(reason) => Error::Unavailable(reason),
            Self::ServerError(status) => Error::Unavailable(format!("status {status}")),
            Self::Unreadable(reason) => Error::Unreadable(reason),
        }
    }
}

/// What an answer's status asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// An answer to be read, good or bad.
    Read,
    /// 429: all calls of the portal wait.
    SlowDown(Duration),
    /// 423 or 477: this call waits.
    Pause(Duration),
    /// A server error.
    Broken,
}

/// Sorts an answer by its status, its `Retry-After` and, for 429, the limit that its body names.
pub(crate) fn reaction(status: u16, retry_after: Option<Duration>, fault: &Fault) -> Reaction {
    let bounded = |wait: Duration| wait.min(limits::LONGEST_WAIT);
    match status {
        429 => {
            let default = match fault.policy_name.as_str() {
                "DAILY" => limits::DAILY_WAIT,
                "SECONDLY" => limits::SECONDLY_WAIT,
                _ if fault.message.contains("secondly limit")
                    && !fault.message.contains("ten_secondly") =>
                {
                    limits::SECONDLY_WAIT
                }
                _ => limits::RATE_INTERVAL,
            };
            let wait = retry_after.unwrap_or(default);
            // "Retry after 0 s" must not become a loop.
            Reaction::SlowDown(bounded(wait.max(limits::SECONDLY_WAIT)))
        }
        423 => Reaction::Pause(bounded(
            retry_after.unwrap_or_default().max(limits::LOCKED_WAIT),
        )),
        477 => {
            let wait = retry_after.unwrap_or(limits::RATE_INTERVAL);
            Reaction::Pause(bounded(wait.max(limits::SECONDLY_WAIT)))
        }
        500..=599 => Reaction::Broken,
        _ => Reaction::Read,
    }
}

/// What is left of a call's patience.
#[derive(Debug)]
pub(crate) struct Patience {
    failures: u32,
    attempts: u32,
    wait_left: Duration,
    effect: Effect,
    doubt: Option<String>,
}

impl Patience {
    /// A person and an event's sender get an answer soon; background work waits out a short trouble.
    pub(crate) fn new(class: CallClass, effect: Effect) -> Self {
        let (attempts, wait_left) = match class {
            CallClass::Interactive | CallClass::Webhook => (3, Duration::from_secs(4)),
            CallClass::Sync | CallClass::Backfill => (5, limits::LONGEST_PATIENCE),
        };
        Self {
            failures: 0,
            attempts,
            wait_left,
            effect,
            doubt: None,
        }
    }

    /// After a failure: how long to wait before the call is repeated, or the error that ends it. `may_repeat` is asked only
    /// when this call's own patience would allow it.
    pub(crate) fn after_failure(
        &mut self,
        failure: Failure,
        may_repeat: impl FnOnce() -> bool,
        rng: &mut impl Rng,
    ) -> Result<Duration, Error> {
        self.failures += 1;
        if failure.in_doubt() && self.effect != Effect::Read {
            self.doubt = Some(failure.clone().into_error().to_string());
        }
        let repeatable = self.effect != Effect::Once || !failure.in_doubt();
        if repeatable && self.failures < self.attempts && may_repeat() {
            return Ok(backoff(self.failures, rng));
        }
        // A write that once may have arrived stays in doubt, whatever the last attempt died of.
        Err(match &self.doubt {
            Some(reason) => Error::UnknownOutcome(reason.clone()),
            None => failure.into_error(),
        })
    }

    /// Whether a sending of a write may have been done although its answer never came.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// After HubSpot asked to wait: `Ok` when the call has the patience, else the error that ends it.
    pub(crate) fn after_wait_asked(&mut self, wait: Duration) -> Result<(), Error> {
        match self.wait_left.checked_sub(wait) {
            Some(left) => {
                self.wait_left = left;
                Ok(())
            }
            None => Err(Error::Throttled { retry_after: wait }),
        }
    }
}

/// Full jitter: anything between nothing and a bound that doubles with each failure.
fn backoff(failures: u32, rng: &mut impl Rng) -> Duration {
    let doubled = limits::BACKOFF_BASE.saturating_mul(1 << failures.min(10).saturating_sub(1));
    rng.random_range(Duration::ZERO..=doubled.min(limits::BACKOFF_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(policy_name: &str, message: &str) -> Fault {
        Fault {
            policy_name: policy_name.into(),
            message: message.into(),
            ..Fault::default()
        }
    }

    #[test]
    fn each_limit_has_its_wait_and_retry_after_goes_first() {
        let wait = |policy, message| reaction(429, None, &fault(policy, message));
        assert_eq!(
            wait("TEN_SECONDLY_ROLLING", ""),
            Reaction::SlowDown(limits::RATE_INTERVAL)
        );
        assert_eq!(
            wait("", "You have reached your ten_secondly_rolling limit."),
            Reaction::SlowDown(limits::RATE_INTERVAL)
        );
        assert_eq!(
            wait("", "You have reached your secondly limit."),
            Reaction::SlowDown(limits::SECONDLY_WAIT)
        );
        assert_eq!(wait("DAILY", ""), Reaction::SlowDown(limits::DAILY_WAIT));
        assert_eq!(
            reaction(429, Some(Duration::from_secs(3)), &fault("DAILY", "")),
            Reaction::SlowDown(Duration::from_secs(3))
        );
        let at_once = Some(Duration::ZERO);
        assert_eq!(
            reaction(429, at_once, &fault("", "")),
            Reaction::SlowDown(limits::SECONDLY_WAIT)
        );
        assert_eq!(
            reaction(477, at_once, &fault("", "")),
            Reaction::Pause(limits::SECONDLY_WAIT)
        );
    }

    #[test]
    fn locked_waits_two_seconds_at_least_and_no_wait_is_longer_than_a_day() {
        let none = Fault::default();
        assert_eq!(
            reaction(423, Some(Duration::ZERO), &none),
            Reaction::Pause(Duration::from_secs(2))
        );
        assert_eq!(
            reaction(477, Some(Duration::from_secs(1_000_000)), &none),
            Reaction::Pause(limits::LONGEST_WAIT)
        );
        for status in [500, 502, 503, 504, 521, 522, 523, 524, 525, 526] {
            assert_eq!(reaction(status, None, &none), Reaction::Broken);
        }
        for status in [200, 207, 302, 400, 401, 403, 404, 409, 414] {
            assert_eq!(reaction(status, None, &none), Reaction::Read);
        }
    }

    #[test]
    fn a_read_is_repeated_a_few_times_and_then_unavailable() {
        let mut patience = Patience::new(CallClass::Interactive, Effect::Read);
        let mut rng = rand::rng();
        for _ in 0..2 {
            let wait = patience.after_failure(Failure::ServerError(502), || true, &mut rng);
            assert!(wait.unwrap() <= limits::BACKOFF_BASE * 2);
        }
        let end = patience.after_failure(Failure::ServerError(502), || true, &mut rng);
        assert!(matches!(end, Err(Error::Unavailable(_))));
    }

    #[test]
    fn a_write_that_may_have_arrived_stays_in_doubt() {
        let mut patience = Patience::new(CallClass::Interactive, Effect::Idempotent);
        let mut rng = rand::rng();
        assert!(
            patience
                .after_failure(Failure::Lost("reset".into()), || true, &mut rng)
                .is_ok()
        );
        assert!(
            patience
                .after_failure(Failure::NotSent("refused".into()), || true, &mut rng)
                .is_ok()
        );
        let end = patience.after_failure(Failure::NotSent("refused".into()), || true, &mut rng);
        assert!(matches!(end, Err(Error::UnknownOutcome(_))));
    }

    #[test]
    fn a_write_that_is_new_each_time_is_repeated_only_when_it_never_left() {
        let mut rng = rand::rng();
        let mut patience = Patience::new(CallClass::Sync, Effect::Once);
        assert!(
            patience
                .after_failure(Failure::NotSent("refused".into()), || true, &mut rng)
                .is_ok()
        );
        for failure in [
            Failure::Lost("reset".into()),
            Failure::ServerError(500),
            Failure::Unreadable("html".into()),
        ] {
            let mut patience = Patience::new(CallClass::Sync, Effect::Once);
            let end = patience.after_failure(failure, || true, &mut rng);
            assert!(matches!(end, Err(Error::UnknownOutcome(_))));
        }
    }

    #[test]
    fn patience_with_limits_runs_out() {
        let mut patience = Patience::new(CallClass::Sync, Effect::Read);
        assert!(patience.after_wait_asked(Duration::from_secs(10)).is_ok());
        assert!(patience.after_wait_asked(Duration::from_secs(5)).is_ok());
        assert!(matches!(
            patience.after_wait_asked(Duration::from_secs(10)),
            Err(Error::Throttled { retry_after }) if retry_after == Duration::from_secs(10)
        ));
    }

    #[test]
    fn no_class_waits_longer_at_a_time_than_for_its_turn() {
        for class in [
            CallClass::Interactive,
            CallClass::Webhook,
            CallClass::Sync,
            CallClass::Backfill,
        ] {
            let wait = class.patience() + Duration::from_secs(1);
            let end = Patience::new(class, Effect::Read).after_wait_asked(wait);
            assert!(
                matches!(end, Err(Error::Throttled { retry_after }) if retry_after == wait),
                "{class:?}"
            );
        }
    }

    #[test]
    fn backoff_is_bounded() {
        let mut rng = rand::rng();
        for failures in 0..40 {
            assert!(backoff(failures, &mut rng) <= limits::BACKOFF_MAX);
        }
    }
}
