//! When a portal's sync is due: every portal has its own place in the interval, so that the load is spread.

use chrono::{DateTime, TimeDelta, Utc};

use crate::HubId;

/// A portal's place in the interval: at least 0 and less than 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Place(f64);

impl Place {
    /// The place that a stored number means; what lies outside is folded in.
    pub fn new(place: f64) -> Self {
        let folded = place.rem_euclid(1.0);
        Self(if folded < 1.0 { folded } else { 0.0 })
    }

    /// As it is stored.
    pub fn value(self) -> f64 {
        self.0
    }

    /// How far into `span` it lies.
    fn within(self, span: TimeDelta) -> TimeDelta {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "milliseconds of a schedule fit a float exactly, and a part of a millisecond is nothing"
        )]
        TimeDelta::milliseconds((span.num_milliseconds() as f64 * self.0) as i64)
    }
}

/// The two places between which a new portal may choose. Chance alone would crowd some moments; whoever has two to choose
/// from and takes the emptier one keeps the crowd small (the power of two choices).
pub fn places(hub_id: HubId) -> [Place; 2] {
    let first = spread(hub_id.0.cast_unsigned());
    [first, spread(first)].map(|mixed| {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
        Place::new((mixed >> 11) as f64 / (1_u64 << 53) as f64)
    })
}

/// The first time after `now` that lies on `place` in the interval. Times that were missed are not made up.
pub fn next_slot(place: Place, interval: TimeDelta, now: DateTime<Utc>) -> DateTime<Utc> {
    let millis = interval.num_milliseconds().max(1);
    let offset = place.within(interval).num_milliseconds();
    let since = (now.timestamp_millis() - offset).rem_euclid(millis);
    now + TimeDelta::milliseconds(millis - since)
}

/// How late a sync may begin and still count as on time, as a part of the interval: five minutes of an hour.
const LATE_PART: i32 = 12;
/// After an outage those that are late are spread over this part of the interval: a quarter of an hour of an hour.
const CATCH_UP_PART: i32 = 4;

/// When a sync that was planned for `planned` begins, seen at `now`: at once when it is on time, else spread over the
/// next quarter of the interval, so that an outage does not end in a rush; never later than its next regular time.
pub fn begins(
    place: Place,
    interval: TimeDelta,
    planned: DateTime<Utc>,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    if now - planned <= interval / LATE_PART {
        return now;
    }
    let caught_up = now + place.within(interval / CATCH_UP_PART);
    caught_up.min(next_slot(place, interval, now))
}

/// Neighbouring numbers land far apart (the finalizer of the `SplitMix64` generator).
fn spread(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-23T10:00:00.25Z".parse().unwrap()
    }

    #[test]
    fn a_slot_repeats_with_the_interval_and_lies_ahead() {
        let (now, hour) = (now(), TimeDelta::hours(1));
        for hub in 1..500 {
            let [place, _] = places(HubId(hub));
            let next = next_slot(place, hour, now);
            assert!(next > now && next - now <= hour);
            assert_eq!(next_slot(place, hour, next), next + hour);
            assert_eq!(
                next_slot(place, hour, now + TimeDelta::days(3)),
                next + TimeDelta::days(3)
            );
        }
    }

    #[test]
    fn a_place_lies_in_the_interval_whatever_is_stored() {
        for stored in [0.0, 0.999_999, 1.0, -0.25, 7.5, -1e-18] {
            let place = Place::new(stored).value();
            assert!((0.0..1.0).contains(&place), "{stored} became {place}");
        }
    }

    /// Starts per ten seconds when each of `portals` takes the emptier of its two places, as the store does.
    fn starts(portals: impl Iterator<Item = HubId>) -> Vec<u32> {
        let mut starts = vec![0_u32; 360];
        let bucket = |place: Place| {
            let since = next_slot(place, TimeDelta::hours(1), DateTime::UNIX_EPOCH);
            usize::try_from((since - DateTime::UNIX_EPOCH).num_seconds() / 10 % 360).unwrap()
        };
        for hub in portals {
            let [one, other] = places(hub).map(bucket);
            let emptier = if starts[other] < starts[one] {
                other
            } else {
                one
            };
            starts[emptier] += 1;
        }
        starts
    }

    #[test]
    fn ten_thousand_portals_are_spread_over_every_ten_seconds_of_the_hour() {
        let neighbours = starts((0..10_000).map(|n| HubId(4_000_000 + n)));
        let strangers =
            starts((0..10_000).map(|n| HubId(i64::try_from(spread(n ^ 0xfeed) >> 35).unwrap())));
        for starts in [neighbours, strangers] {
            let max = f64::from(*starts.iter().max().unwrap());
            assert!(max / (10_000.0 / 360.0) <= 1.5, "{max} of {starts:?}");
        }
    }

    #[test]
    fn what_is_on_time_begins_now_and_what_is_late_is_spread() {
        let (now, hour) = (now(), TimeDelta::hours(1));
        let place = Place::new(0.5);
        let planned = now - TimeDelta::minutes(4);
        assert_eq!(begins(place, hour, planned, now), now);
        let mut begun = Vec::new();
        for hub in 0..1_000 {
            let [place, _] = places(HubId(hub));
            let at = begins(place, hour, now - TimeDelta::hours(6), now);
            assert!(at >= now && at <= now + TimeDelta::minutes(15));
            assert!(at <= next_slot(place, hour, now));
            begun.push(at);
        }
        let minute = |n: i64| {
            let from = now + TimeDelta::minutes(n);
            let until = from + TimeDelta::minutes(1);
            begun.iter().filter(|at| (from..until).contains(at)).count()
        };
        // 67 a minute on average; those whose regular time is near anyway come a little denser.
        assert!((0..15).all(|n| (20..180).contains(&minute(n))));
    }
}
