//! When a portal's sync is due: every portal has its own place in the interval, so that the load is spread.

use chrono::{DateTime, TimeDelta, Utc};

use crate::HubId;

/// The first time after `now` that lies on the portal's place in the interval. Times that were missed are not made up.
pub fn next_slot(hub_id: HubId, interval: TimeDelta, now: DateTime<Utc>) -> DateTime<Utc> {
    let interval = interval.num_milliseconds().max(1);
    let place = i64::try_from(spread(hub_id) % interval.unsigned_abs()).unwrap_or(0);
    let since = (now.timestamp_millis() - place).rem_euclid(interval);
    now + TimeDelta::milliseconds(interval - since)
}

/// Neighbouring ids land far apart (the finalizer of the `SplitMix64` generator).
fn spread(hub_id: HubId) -> u64 {
    let mut mixed = hub_id.0.cast_unsigned().wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_repeats_with_the_interval_and_lies_ahead() {
        let now: DateTime<Utc> = "2026-11-23T10:00:00.25Z".parse().unwrap();
        let hour = TimeDelta::hours(1);
        for hub in 1..500 {
            let next = next_slot(HubId(hub), hour, now);
            assert!(next > now && next - now <= hour);
            assert_eq!(next_slot(HubId(hub), hour, next), next + hour);
            assert_eq!(
                next_slot(HubId(hub), hour, now + TimeDelta::days(3)),
                next + TimeDelta::days(3)
            );
        }
    }

    #[test]
    fn ten_thousand_portals_are_spread_over_the_hour() {
        let now: DateTime<Utc> = "2026-11-23T10:00:00Z".parse().unwrap();
        let mut starts = [0_u32; 60];
        for hub in 0..10_000 {
            let wait = next_slot(HubId(4_000_000 + hub), TimeDelta::hours(1), now) - now;
            starts[usize::try_from(wait.num_minutes() % 60).unwrap()] += 1;
        }
        assert!(
            *starts.iter().max().unwrap() < 10_000 / 60 * 3 / 2,
            "{starts:?}"
        );
    }
}
