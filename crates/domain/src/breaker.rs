//! When a whole service is down: calls stop, and one in a while asks whether it is back. And how many repeats a caller may
//! make. Both are told the time and the outcomes; they know no clock.

use std::ops::Add;
use std::time::Duration;

/// Failures in a row, whoever has them, after which a service counts as down. A single caller with a trouble of its own does
/// not get there while others are answered.
pub const OPENS_AFTER: u32 = 20;
/// While the service is down one call goes in this time.
pub const PROBE_EVERY: Duration = Duration::from_mins(1);

/// A circuit breaker over times of type `T`.
#[derive(Debug, Clone)]
pub struct Breaker<T> {
    failures: u32,
    next_probe: Option<T>,
}

impl<T> Default for Breaker<T> {
    fn default() -> Self {
        Self {
            failures: 0,
            next_probe: None,
        }
    }
}

impl<T: Copy + Ord + Add<Duration, Output = T>> Breaker<T> {
    /// Whether a call may go; while the service is down only a probe may, and everybody else is told when the next one goes.
    pub fn pass(&mut self, now: T) -> Result<(), T> {
        match self.next_probe {
            Some(at) if at > now => Err(at),
            Some(_) => {
                self.next_probe = Some(now + PROBE_EVERY);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The service has answered, well or badly: it is up.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// A call broke: no connection, no answer, a server error, or a page that is not the service's.
    pub fn broke(&mut self, now: T) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= OPENS_AFTER && self.next_probe.is_none() {
            self.next_probe = Some(now + PROBE_EVERY);
        }
    }

    /// Whether the service counts as down.
    pub fn is_open(&self) -> bool {
        self.next_probe.is_some()
    }
}

/// Repeats that a caller has before it has earned any.
const FIRST_REPEATS: u32 = 10;
/// Answers that earn one repeat: repeats stay under a tenth of what goes well, so that a service in trouble is not pushed
/// further down.
const ANSWERS_PER_REPEAT: u32 = 10;

/// How many repeats a caller may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatBudget {
    /// In tenths of a repeat.
    earned: u32,
}

impl Default for RepeatBudget {
    fn default() -> Self {
        Self {
            earned: FIRST_REPEATS * ANSWERS_PER_REPEAT,
        }
    }
}

impl RepeatBudget {
    /// A call went well.
    pub fn earn(&mut self) {
        self.earned = (self.earned + 1).min(FIRST_REPEATS * ANSWERS_PER_REPEAT);
    }

    /// Takes one repeat; `false` when there is none.
    pub fn spend(&mut self) -> bool {
        match self.earned.checked_sub(ANSWERS_PER_REPEAT) {
            Some(left) => {
                self.earned = left;
                true
            }
            None => false,
        }
    }

    /// Whether it is as it was at the beginning.
    pub fn is_full(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Times in this test are durations since its beginning.
    fn down(breaker: &mut Breaker<Duration>) {
        for _ in 0..OPENS_AFTER {
            breaker.pass(Duration::ZERO).unwrap();
            breaker.broke(Duration::ZERO);
        }
    }

    #[test]
    fn a_service_that_is_down_for_a_day_is_asked_once_a_minute() {
        let mut breaker = Breaker::default();
        down(&mut breaker);
        let mut asked = 0;
        for second in 0..86_400 {
            let now = SECOND * second;
            if breaker.pass(now).is_ok() {
                asked += 1;
                breaker.broke(now);
            }
        }
        assert_eq!(asked, 1_439);
    }

    #[test]
    fn one_answer_opens_the_way_for_everybody() {
        let mut breaker = Breaker::default();
        down(&mut breaker);
        assert_eq!(breaker.pass(SECOND), Err(PROBE_EVERY));
        breaker.pass(PROBE_EVERY).unwrap();
        breaker.answered();
        assert!(!breaker.is_open());
        breaker.pass(PROBE_EVERY).unwrap();
        breaker.pass(PROBE_EVERY).unwrap();
    }

    #[test]
    fn one_callers_trouble_beside_answers_to_others_is_no_outage() {
        let mut breaker = Breaker::default();
        for second in 0..1_000 {
            breaker.pass(SECOND * second).unwrap();
            breaker.broke(SECOND * second);
            if second % 10 == 0 {
                breaker.answered();
            }
        }
        assert!(!breaker.is_open());
    }

    #[test]
    fn with_half_of_all_calls_failing_repeats_stay_under_a_tenth_of_what_goes_well() {
        let mut budget = RepeatBudget::default();
        let (mut went_well, mut repeats) = (0_u32, 0_u32);
        for call in 0..10_000 {
            if call % 2 == 0 {
                budget.earn();
                went_well += 1;
            } else if budget.spend() {
                repeats += 1;
            }
        }
        assert!(repeats <= went_well / 10 + FIRST_REPEATS, "{repeats}");
        assert!(repeats >= went_well / 10);
    }
}
