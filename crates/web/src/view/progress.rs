//! The run in work: how far it is, for how long, and how long it still takes.

use chrono::{DateTime, TimeDelta, Utc};
use domain::portal::{CurrentRun, PortalState, PortalStatus};
use domain::run::{Phase, RunKind, RunState};

use super::format;
use super::health::was_cancelled;

/// Seconds between two loads in a browser without script while a run is in work.
pub const RELOAD_SECS: u32 = 5;

/// A bar with its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is going on.
    pub title: &'static str,
    /// What it means for the reader.
    pub sentence: &'static str,
    /// How many are done, grouped.
    pub done: String,
    /// What is counted while the total is not known.
    pub so_far: &'static str,
    /// Out of how many, grouped, where that is known.
    pub total: Option<String>,
    /// The bar's values, where the total is known.
    pub bar: Option<Bar>,
    /// Whether nothing moves, so that a bar without values would mislead.
    pub still: bool,
    /// Small facts under the bar: time spent, time left.
    pub facts: Vec<String>,
}

/// The values of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// Done, at most `max`.
    pub value: i64,
    /// All of it, at least 1.
    pub max: i64,
}

impl Progress {
    /// The progress to show; `None` while nothing is in work that a person would wait for.
    pub fn of(status: &PortalStatus, now: DateTime<Utc>) -> Option<Self> {
        match &status.current_run {
            Some(run) => Some(Self::of_run(run, status, now)),
            None if status.state == PortalState::Backfilling && was_cancelled(status) => {
                Some(Self {
                    title: "Your history waits",
                    sentence: "Its import was cancelled. It goes on where it stopped with the next sync.",
                    done: format::number(status.transactions),
                    so_far: "found so far",
                    total: None,
                    bar: None,
                    still: true,
                    facts: vec![format!("{} in HubSpot", format::number(status.synced))],
                })
            }
            None if status.state == PortalState::Backfilling => Some(Self {
                title: "Your history arrives soon",
                sentence: "The import starts within moments. You can close this page; it goes on by itself.",
                done: format::number(status.transactions),
                so_far: "found so far",
                total: None,
                bar: None,
                still: false,
                facts: vec!["Waiting for a worker".to_owned()],
            }),
            None => None,
        }
    }

    fn of_run(run: &CurrentRun, status: &PortalStatus, now: DateTime<Utc>) -> Self {
        let (title, sentence) = match run.kind {
            RunKind::Backfill => (
                "Bringing in your history",
                "Every gift becomes a record in HubSpot, linked to its contact, company and open deals. You can close this page; it goes on by itself.",
            ),
            RunKind::Sync => (
                "Syncing with Thnks",
                "New gifts and changes since the last sync.",
            ),
            RunKind::Resync => (
                "Syncing again",
                "Reading everything since the chosen day once more, and writing it to HubSpot again.",
            ),
            RunKind::Sweep => (
                "Looking for missed changes",
                "Reading the gifts again whose story is not over. Only what went by unseen is written.",
            ),
            RunKind::Reassociate => (
                "Linking orphans",
                "Looking again for a contact with each recipient’s address.",
            ),
            RunKind::Link => (
                "Linking",
                "Following up on contacts that changed in HubSpot, or on what you asked for.",
            ),
            RunKind::Check => (
                "Checking again",
                "Looking whether what was missing is there now.",
            ),
        };
        let total = run.total.filter(|total| *total > 0);
        let bar = total.map(|max| Bar {
            value: run.done.clamp(0, max),
            max,
        });
        // While reading nothing is written yet; what is found grows, until it is known how many there are: of these none
        // is done.
        let (done, so_far) = match run.phase {
            Some(Phase::Reading) if total.is_none() => (status.transactions, "found so far"),
            _ => (run.done, "so far"),
        };
        Self {
            title,
            sentence,
            done: format::number(done),
            so_far,
            total: total.map(format::number),
            bar,
            still: status.state == PortalState::Paused,
            facts: facts(run, status, bar, now),
        }
    }
}

fn facts(
    run: &CurrentRun,
    status: &PortalStatus,
    bar: Option<Bar>,
    now: DateTime<Utc>,
) -> Vec<String> {
    if status.state == PortalState::Paused {
        return vec!["Waiting for the pause to end".to_owned()];
    }
    if run.state == RunState::Queued {
        return vec![queued(run).to_owned()];
    }
    let mut facts = Vec::new();
    if let Some(bar) = bar {
        facts.push(format!("{}%", bar.value.saturating_mul(100) / bar.max));
    }
    if let Some(phase) = run.phase {
        facts.push(words(phase).to_owned());
    }
    if let Some(started_at) = run.started_at {
        let spent = (now - started_at).max(TimeDelta::zero());
        facts.push(format!("Running for {}", format::duration(spent)));
        if let Some(left) = bar.and_then(|bar| time_left(bar, spent)) {
            facts.push(format!("About {} left", format::duration(left)));
        }
    }
    if run.kind == RunKind::Backfill {
        facts.push(format!("{} in HubSpot", format::number(status.synced)));
    }
    facts
}

/// What a run waits for: one that has begun has only had its turn.
fn queued(run: &CurrentRun) -> &'static str {
    if run.started_at.is_some() {
        "Waiting for its next turn"
    } else {
        "Waiting for a worker"
    }
}

fn words(phase: Phase) -> &'static str {
    match phase {
        Phase::Preparing => "Looking whether all is in place",
        Phase::Reading => "Reading from Thnks",
        Phase::Writing => "Writing to HubSpot",
        Phase::Linking => "Linking records",
    }
}

/// What the rest takes at the speed so far; `None` before there is a speed to speak of.
fn time_left(bar: Bar, spent: TimeDelta) -> Option<TimeDelta> {
    let left = bar.max - bar.value;
    if bar.value == 0 || left == 0 || spent < TimeDelta::seconds(3) {
        return None;
    }
    let millis = i128::from(spent.num_milliseconds()) * i128::from(left) / i128::from(bar.value);
    TimeDelta::try_milliseconds(i64::try_from(millis).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_the_speed_so_far_says() {
        let bar = Bar {
            value: 1_000,
            max: 5_000,
        };
        let left = time_left(bar, TimeDelta::seconds(30));
        assert_eq!(left, Some(TimeDelta::seconds(120)));
    }

    #[test]
    fn nothing_is_foretold_without_a_speed() {
        let none = Bar { value: 0, max: 10 };
        assert_eq!(time_left(none, TimeDelta::seconds(30)), None);
        let full = Bar { value: 10, max: 10 };
        assert_eq!(time_left(full, TimeDelta::seconds(30)), None);
    }

    #[test]
    fn what_is_found_is_not_yet_done() {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let mut run = CurrentRun {
            id: domain::RunId(uuid::Uuid::nil()),
            kind: RunKind::Backfill,
            state: RunState::Running,
            done: 0,
            total: None,
            started_at: Some(now),
            phase: Some(Phase::Reading),
        };
        let status = PortalStatus {
            state: PortalState::Backfilling,
            current_run: None,
            last_run: None,
            transactions: 5_000,
            synced: 0,
            failed: 0,
            orphans: 0,
            next_sync_at: None,
            needs: Vec::new(),
        };
        assert_eq!(Progress::of_run(&run, &status, now).done, "5,000");
        run.total = Some(5_000);
        assert_eq!(Progress::of_run(&run, &status, now).done, "0");
    }
}
