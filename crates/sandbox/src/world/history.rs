//! What becomes of a gift, by Thnks' rules: 30 days to open, then expired and refunded on the 10th of the next month;
//! 365 days to redeem; a bounce is expired and refunded at once.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::thnks::Step;

/// The course of one gift up to `now`.
pub(super) struct Story {
    pub(super) status: String,
    pub(super) steps: Vec<Step>,
    pub(super) updated_at: DateTime<Utc>,
}

/// Tells what happened to a gift made at `created`. A scheduled one names the time it is planned for.
pub(super) fn story(
    created: DateTime<Utc>,
    scheduled: bool,
    donation: bool,
    now: DateTime<Utc>,
    rng: &mut StdRng,
) -> Story {
    let mut steps = Vec::new();
    let mut sent_at = created;
    if scheduled {
        sent_at = created + TimeDelta::hours(rng.random_range(1..24 * 40));
        steps.push(step("scheduled", sent_at));
    }
    if sent_at <= now {
        course(&mut steps, sent_at, donation, rng);
        steps.retain(|step| step.at <= now);
    }
    let current = steps
        .iter()
        .max_by_key(|step| (step.at, rank(&step.status)))
        .cloned();
    let last = steps
        .iter()
        .map(|step| step.at)
        .filter(|at| *at <= now)
        .max()
        .unwrap_or(created);
    // Thnks writes a row a moment after what it tells of.
    let updated_at =
        (last.max(created) + TimeDelta::microseconds(rng.random_range(0..900_000))).min(now);
    match rng.random_range(0..200) {
        0..=1 => steps.shuffle(rng),
        2 => steps.extend(steps.last().cloned()),
        _ => {}
    }
    Story {
        status: current.map_or_else(|| "scheduled".to_owned(), |step| step.status),
        steps,
        updated_at: updated_at.max(created),
    }
}

fn step(status: &str, at: DateTime<Utc>) -> Step {
    Step {
        status: status.to_owned(),
        at,
    }
}

/// Thnks' order for ties.
fn rank(status: &str) -> usize {
    const ORDER: [&str; 9] = [
        "scheduled",
        "sent",
        "delivered",
        "undelivered",
        "opened",
        "redeemed",
        "donated",
        "expired",
        "refunded",
    ];
    ORDER
        .iter()
        .position(|known| *known == status)
        .unwrap_or_default()
}

fn course(steps: &mut Vec<Step>, sent: DateTime<Utc>, donation: bool, rng: &mut StdRng) {
    steps.push(step("sent", sent));
    let arrival = sent + TimeDelta::microseconds(rng.random_range(800_000..12_000_000));
    match rng.random_range(0..1000) {
        0..=11 => {
            steps.push(step("expired", arrival));
            steps.push(step("refunded", arrival));
            return;
        }
        12..=15 => {
            steps.push(step("undelivered", arrival));
            return;
        }
        _ => steps.push(step("delivered", arrival)),
    }
    if !rng.random_bool(0.7) {
        let expired = sent + TimeDelta::days(30);
        steps.push(step("expired", expired));
        steps.push(step("refunded", refund_day(expired)));
        return;
    }
    let minutes = rng.random_range(1.0_f64..10.6).exp2();
    #[expect(clippy::cast_possible_truncation, reason = "some days in microseconds")]
    let wait = (minutes * 60_000_000.0) as i64;
    let opened = arrival + TimeDelta::microseconds(wait);
    steps.push(step("opened", opened));
    if rng.random_bool(0.72) {
        let secs = rng.random_range(20..60 * 60 * 24 * 45);
        let status = if donation && rng.random_bool(0.6) {
            "donated"
        } else {
            "redeemed"
        };
        steps.push(step(status, opened + TimeDelta::seconds(secs)));
    } else {
        steps.push(step("expired", sent + TimeDelta::days(365)));
    }
}

/// The 10th of the month after.
fn refund_day(expired: DateTime<Utc>) -> DateTime<Utc> {
    let (year, month) = match expired.month() {
        12 => (expired.year() + 1, 1),
        month => (expired.year(), month + 1),
    };
    let morning = NaiveTime::from_hms_opt(6, 0, 0).unwrap_or_default();
    NaiveDate::from_ymd_opt(year, month, 10).map_or(expired, |day| day.and_time(morning).and_utc())
}
