//! Where days begin.

use std::ops::Add;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use domain::statistics::Range;

/// The first moment of a day in a zone; where clocks leap over midnight, the moment after the leap.
pub fn midnight(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    (0..=8)
        .find_map(|quarters| {
            let local = midnight.add(TimeDelta::minutes(15 * quarters));
            zone.from_local_datetime(&local).earliest()
        })
        .map_or_else(|| midnight.and_utc(), |at| at.to_utc())
}

/// When the days in `range` begin, and when they are over.
pub(crate) fn instants(range: Range, zone: Tz) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    let after = range.to.and_then(|day| day.succ_opt());
    (
        range.from.map(|day| midnight(day, zone)),
        after.map(|day| midnight(day, zone)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_its_own_midnight() {
        let at = |day: &str, zone| midnight(day.parse().unwrap(), zone).to_rfc3339();
        assert_eq!(
            at("2026-11-23", chrono_tz::Europe::Berlin),
            "2026-11-22T23:00:00+00:00"
        );
        // Chile's clocks leap from midnight to one.
        assert_eq!(
            at("2026-09-06", chrono_tz::America::Santiago),
            "2026-09-06T04:00:00+00:00"
        );
    }
}
