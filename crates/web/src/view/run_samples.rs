//! Runs in every state, from made-up values.

use app::runs::{Account, Counts};
use askama::Template;
use chrono::TimeDelta;
use domain::failure::Stage;
use domain::portal::{CurrentRun, PortalState};
use domain::run::{RunKind, RunState};
use domain::{RunId, UserId};
use uuid::Uuid;

use super::dashboard_samples::running;
use super::failure_samples::groups;
use super::run::RunPage;
use super::runs::{History, RunsPage};
use super::samples::{HOSTILE, now, portal, status, viewer};
use super::shell::Viewer;

fn counts(failing: bool) -> Counts {
    let mut counts = Counts {
        read: 5_012,
        new: 4_980,
        changed: 20,
        unchanged: 12,
        written: 4_988,
        associated: 4_988,
        contacts: 4_648,
        companies: 4_102,
        deals: 2_961,
        orphans: 340,
        thnks_calls: 11,
        throttled_secs: 2.4,
        queued_secs: 11.0,
        ..Counts::default()
    };
    for (kind, calls) in [
        ("objects.upsert", 51),
        ("contacts.read", 50),
        ("associations.read", 11),
        ("associations.create", 9),
        ("deals.read", 4),
        ("oauth.token", 1),
        ("schemas.read", 1),
    ] {
        counts.calls.insert(kind.to_owned(), calls);
    }
    if failing {
        counts.refused = 13;
        counts.malformed = 1;
        counts.remade = 2;
        for (n, group) in groups().iter().enumerate() {
            for row in 0..group.rows.min(12) {
                let key = format!("txn_01J9ZK{n}{row:04}");
                let field = group.field.as_deref();
                counts
                    .failures
                    .add(group.stage, &group.code, field, &group.reason, &key);
            }
        }
    }
    counts
}

pub(super) fn account(kind: RunKind, state: RunState, minutes: i64) -> Account {
    let started_at = now() - TimeDelta::minutes(minutes);
    Account {
        id: RunId(Uuid::from_u128(u128::from(minutes.unsigned_abs()))),
        kind,
        state,
        requested_by: match minutes % 3 {
            0 => "user:1",
            1 => "schedule",
            _ => "operator",
        }
        .to_owned(),
        since: (kind == RunKind::Resync).then(|| now() - TimeDelta::days(90)),
        done: 4_988,
        total: Some(5_000),
        counts: counts(minutes % 4 == 1),
        error: matches!(state, RunState::Failed)
            .then(|| "HubSpot: did not answer in time: 504 for objects.upsert".to_owned()),
        created_at: started_at - TimeDelta::seconds(2),
        started_at: (state != RunState::Queued).then_some(started_at),
        finished_at: (!state.is_open())
            .then(|| started_at + TimeDelta::seconds(73 * minutes % 4_000)),
    }
}

fn accounts() -> Vec<Account> {
    let mut accounts = vec![
        account(RunKind::Sync, RunState::Queued, 1),
        account(RunKind::Backfill, RunState::Running, 3),
        account(RunKind::Reassociate, RunState::Succeeded, 14),
        account(RunKind::Sync, RunState::Succeeded, 65),
        account(RunKind::Sync, RunState::Failed, 125),
        account(RunKind::Sweep, RunState::Dead, 190),
        account(RunKind::Resync, RunState::Cancelled, 4_320),
    ];
    accounts.extend((0..43).map(|n| account(RunKind::Sync, RunState::Succeeded, 20_000 + n * 60)));
    accounts
}

/// The list of runs and their accounts in every state.
pub(super) fn pages(member: &Viewer) -> Vec<(String, String)> {
    let mut pages = Vec::new();
    let quiet = status(PortalState::Active);
    let mut busy = quiet.clone();
    busy.failed = 1_214;
    busy.current_run = Some(running(RunKind::Sync, 1_900, Some(5_000)));
    let mut held = status(PortalState::Paused);
    held.current_run = Some(CurrentRun {
        state: RunState::Queued,
        ..running(RunKind::Sync, 0, None)
    });
    let refused = || Some(("2099-01-01".to_owned(), "This day has not come yet."));
    let (all, portal) = (accounts(), portal());
    for (name, status, runs, is_older, viewer, refused) in [
        ("none", &quiet, &all[..0], false, viewer(), None),
        ("all", &busy, &all[..], false, viewer(), None),
        ("older", &quiet, &all[20..], true, viewer(), None),
        ("paused", &held, &all[2..9], false, viewer(), None),
        ("refused", &quiet, &all[2..9], false, viewer(), refused()),
        ("member", &quiet, &all[2..9], false, member.clone(), None),
    ] {
        let history = History {
            portal: &portal,
            status,
            runs,
            is_older,
            user_id: UserId(1),
        };
        let page = RunsPage::new(&history, viewer, refused, now());
        pages.push((format!("runs-{name}"), page.render().unwrap()));
    }
    let page = RunPage::new(&portal, &busy, &all[1], member.clone(), UserId(1), now());
    pages.push(("run-member".to_owned(), page.render().unwrap()));
    for (at, run) in all.iter().take(7).enumerate() {
        busy.current_run.as_mut().unwrap().id = all[1].id;
        let page = RunPage::new(&portal, &busy, run, viewer(), UserId(1), now());
        pages.push((
            format!("run-{at}-{}", run.kind.as_str()),
            page.render().unwrap(),
        ));
    }
    let mut hostile = account(RunKind::Sync, RunState::Failed, 125);
    (hostile.requested_by, hostile.error) = (HOSTILE.to_owned(), Some(HOSTILE.to_owned()));
    for stage in [Stage::Row, Stage::Record, Stage::Link] {
        let failures = &mut hostile.counts.failures;
        failures.add(stage, HOSTILE, Some(HOSTILE), HOSTILE, HOSTILE);
    }
    let page = RunPage::new(&portal, &quiet, &hostile, viewer(), UserId(1), now());
    pages.push(("run-hostile".to_owned(), page.render().unwrap()));
    pages
}
