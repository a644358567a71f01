//! The pages of the operator's console.

use std::time::Duration;

use app::console::look::Look;
use app::console::{
    BadRun, Counts, Facts, Fault, Filter, Line, Listed, OperatorAct, Overview, PortalView, Runs,
    StuckRun, TraceUrl, Trail, Trouble, Used,
};
use app::members::{Member, Role};
use app::session::FormToken;
use askama::Template;
use chrono::TimeDelta;
use domain::failure::{Failure, Stage};
use domain::portal::{CurrentRun, Need, NeedCode, PortalState};
use domain::run::{Phase, RunKind, RunState};
use domain::{HubId, RunId, UserId};
use serde_json::json;
use uuid::Uuid;

use super::console::acts::ActsPage;
use super::console::look::{AskPage, LookPage};
use super::console::overview::OverviewPage;
use super::console::portal::{PortalPage, Refused};
use super::console::portals::PortalsPage;
use super::console::runs::RunsPage;
use super::console::sign_in::SignInPage;
use super::run_samples::account;
use super::samples::{HOSTILE, now, portal, status};
use super::shell::Viewer;

fn operator() -> Viewer {
    Viewer {
        name: "ana".to_owned(),
        is_owner: false,
        csrf_token: FormToken::new("token"),
    }
}

fn trace() -> TraceUrl {
    TraceUrl::parse("https://traces.example/run/{run_id}").unwrap()
}

fn runs(error: &str) -> Runs {
    let stuck = |hub: i64, state, minutes| StuckRun {
        hub_id: HubId(hub),
        hub_domain: Some("northwind.example".to_owned()),
        run_id: RunId(Uuid::nil()),
        kind: RunKind::Sync,
        state,
        created_at: now() - TimeDelta::minutes(minutes),
        overdue: TimeDelta::minutes(minutes - 1),
    };
    let bad = |hub: i64, domain: Option<&str>, kind, state, error: Option<&str>| BadRun {
        hub_id: HubId(hub),
        hub_domain: domain.map(str::to_owned),
        run_id: RunId(Uuid::nil()),
        kind,
        state,
        error: error.map(str::to_owned),
        finished_at: now() - TimeDelta::hours(hub % 7 + 1),
    };
    Runs {
        stuck: vec![
            stuck(48_151_623, RunState::Running, 12),
            stuck(48_151_624, RunState::Queued, 4),
        ],
        bad: vec![
            bad(
                7_001,
                Some("fabrikam.example"),
                RunKind::Backfill,
                RunState::Dead,
                None,
            ),
            bad(7_002, None, RunKind::Sync, RunState::Failed, Some(error)),
            bad(
                7_003,
                Some("contoso.example"),
                RunKind::Sweep,
                RunState::Failed,
                Some("Thnks is unavailable: HTTP 502"),
            ),
            bad(
                7_004,
                Some("a-company-with-a-rather-long-name-of-its-own.example"),
                RunKind::Reassociate,
                RunState::Failed,
                Some("HubSpot is unavailable: HTTP 503"),
            ),
        ],
    }
}

fn overview(is_well: bool) -> Overview {
    let trouble = |number: i64| if is_well { 0 } else { number };
    Overview {
        counts: Counts {
            states: PortalState::ALL
                .into_iter()
                .zip([12, trouble(38), 4, 9_871, 21, 54])
                .collect(),
            late: trouble(17),
            failing: trouble(6),
            refused: 212,
            failed_rows: 4_310,
            dirty: 18_204,
            orphans: 120_377,
            open_runs: 41,
            held_runs: 3,
            oldest_due_secs: (!is_well).then_some(660),
            notices: 2,
            oldest_notice_secs: None,
        },
        runs: if is_well {
            Runs::default()
        } else {
            runs("Thnks is unavailable: the connection was refused")
        },
        redis_answers: is_well,
        hubspot_down: !is_well,
        version: "0.1.0",
    }
}

fn line(hub: i64, domain: Option<&str>, state: PortalState) -> Line {
    Line {
        hub_id: HubId(hub),
        hub_domain: domain.map(str::to_owned),
        state,
        installed_at: now() - TimeDelta::days(90),
        erased_at: None,
        succeeded_at: Some(now() - TimeDelta::minutes(hub % 60)),
        next_sync_at: Some(now() + TimeDelta::minutes(12)),
        dirty: hub % 5,
        failed: 0,
        orphans: hub % 400,
        is_late: false,
        is_failing: false,
    }
}

fn listed(domain: &str, knows_budgets: bool) -> Listed {
    let used = |calls, secs| Used {
        calls,
        limit: 100,
        blocked: Duration::from_secs(secs),
    };
    let lines = vec![
        (
            line(7_001, Some("fabrikam.example"), PortalState::Active),
            used(0, 0),
        ),
        (
            Line {
                succeeded_at: Some(now() - TimeDelta::hours(9)),
                is_late: true,
                is_failing: true,
                failed: 38,
                dirty: 1_204,
                ..line(7_002, Some(domain), PortalState::Active)
            },
            used(97, 0),
        ),
        (
            Line {
                succeeded_at: None,
                dirty: 118_400,
                ..line(7_003, None, PortalState::Backfilling)
            },
            used(100, 8),
        ),
        (
            line(7_004, Some("contoso.example"), PortalState::NeedsSetup),
            used(0, 0),
        ),
        (
            line(7_005, Some("adatum.example"), PortalState::Paused),
            used(0, 0),
        ),
        (
            Line {
                erased_at: Some(now() - TimeDelta::days(3)),
                succeeded_at: None,
                ..line(7_006, None, PortalState::Disconnected)
            },
            used(0, 0),
        ),
    ];
    Listed {
        lines: lines
            .into_iter()
            .map(|(line, used)| (line, knows_budgets.then_some(used)))
            .collect(),
        next: Some(HubId(7_006)),
    }
}

fn view(state: PortalState) -> PortalView {
    let current = (state == PortalState::Active).then(|| CurrentRun {
        id: RunId(Uuid::nil()),
        kind: RunKind::Sync,
        state: RunState::Running,
        done: 12,
        total: Some(40),
        started_at: Some(now() - TimeDelta::minutes(2)),
        phase: Some(Phase::Writing),
    });
    let mut status = status(state);
    status.current_run = current;
    if state == PortalState::NeedsSetup {
        status.needs = vec![Need {
            code: NeedCode::ScopeMissing,
            detail: "HubSpot did not grant the scope crm.objects.custom.write.".to_owned(),
            remedy: "Install the app again.".to_owned(),
        }];
    }
    let has_work = state != PortalState::Connecting;
    let mut runs = Vec::new();
    if has_work {
        let mut failed = account(RunKind::Sync, RunState::Failed, 64);
        failed.error = Some("Thnks is unavailable: HTTP 502".to_owned());
        runs = vec![
            account(RunKind::Sync, RunState::Running, 2),
            failed,
            account(RunKind::Reassociate, RunState::Dead, 600),
            account(RunKind::Sync, RunState::Succeeded, 1_240),
            account(RunKind::Backfill, RunState::Succeeded, 9_000),
        ];
    }
    PortalView {
        summary: portal(),
        status,
        synced_through: has_work.then(|| now() - TimeDelta::minutes(20)),
        facts: Facts {
            installed_at: now() - TimeDelta::days(40),
            needs_checked_at: Some(now() - TimeDelta::minutes(3)),
            key_made_at: has_work.then(|| now() - TimeDelta::days(40)),
            token_expires_at: has_work.then(|| now() + TimeDelta::minutes(21)),
            thnks_connected_at: has_work.then(|| now() - TimeDelta::days(39)),
            next_sweep_at: has_work.then(|| now() + TimeDelta::days(4)),
            next_check_at: None,
            members: 4,
            owners: 1,
        },
        runs,
        calls_of_a_day: 1_320,
        used: Some(Used {
            calls: 12,
            limit: 100,
            blocked: Duration::ZERO,
        }),
        acts: format!(
            "128:{}:{}",
            "9f86d081884c7d65".repeat(4),
            "a3bf4f1b2b0b822c".repeat(4)
        )
        .parse()
        .ok(),
        writes: format!(
            "96:{}:{}",
            "60303ae22b998861".repeat(4),
            "6c93c076dbe9f558".repeat(4)
        )
        .parse()
        .ok(),
        look_until: (state == PortalState::Paused).then(|| now() + TimeDelta::minutes(22)),
    }
}

fn trail(reason: &str) -> Trail {
    let act = |number: i64, action: &str, detail| OperatorAct {
        number,
        at: now() - TimeDelta::minutes(70 - number),
        action: action.to_owned(),
        detail,
    };
    let at_portal = json!({"operator": "ana", "portal": 48_151_623, "reason": reason});
    Trail {
        acts: vec![
            act(
                60,
                "console look-end",
                json!({"operator": "ana", "portal": 48_151_623}),
            ),
            act(59, "console look", at_portal.clone()),
            act(58, "console again", at_portal),
            act(57, "console sign-in", json!({"operator": "ana"})),
            act(56, "console sign-in-refused", json!({"operator": "ana"})),
            act(11, "org add", json!({"portal": null})),
        ],
        next: Some(11),
    }
}

fn look(text: &str, count: usize) -> Look {
    let member = |id: i64, email: Option<&str>, role| Member {
        user_id: UserId(id),
        email: email.map(str::to_owned),
        role,
        joined_at: now() - TimeDelta::days(id),
    };
    let failure = |stage, key: &str| Failure {
        stage,
        key: key.to_owned(),
        transaction_id: (stage != Stage::Row).then(|| key.to_owned()),
        code: "INVALID_EMAIL".to_owned(),
        field: Some("recipient_email".to_owned()),
        reason: text.to_owned(),
        at: now() - TimeDelta::hours(2),
    };
    Look {
        until: now() + TimeDelta::minutes(22),
        members: [
            member(40, Some("ana.souza@northwind.example"), Role::Owner),
            member(12, Some(text), Role::Member),
            member(3, None, Role::Member),
        ][..count.min(3)]
            .to_vec(),
        failures: [
            failure(Stage::Record, "txn_01HF3Z0000000000000000001"),
            failure(Stage::Link, "txn_01HF3Z0000000000000000002"),
            failure(Stage::Row, "9f86d081884c7d65"),
        ][..count.min(3)]
            .to_vec(),
    }
}

pub(super) fn pages() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    let (operator, trace, now) = (operator(), trace(), now());
    let mut add = |name: &str, page: String| pages.push((format!("console-{name}"), page));
    let sign_in = |error| SignInPage::new(FormToken::new("token"), "ana".to_owned(), error);
    add("sign-in", sign_in(None).render().unwrap());
    add(
        "sign-in-refused",
        sign_in(Some(SignInPage::REFUSED)).render().unwrap(),
    );
    for (name, is_well) in [("overview", true), ("overview-troubled", false)] {
        let page = OverviewPage::new(&overview(is_well), Some(&trace), &operator, now);
        add(name, page.render().unwrap());
    }
    for (name, runs, trace) in [
        ("runs", runs("Thnks is unavailable: HTTP 502"), Some(&trace)),
        ("runs-hostile", runs(HOSTILE), None),
        ("runs-none", Runs::default(), None),
    ] {
        add(
            name,
            RunsPage::new(&runs, trace, &operator, now)
                .render()
                .unwrap(),
        );
    }
    let late = Filter {
        trouble: Some(Trouble::Late),
        words: Some("north".to_owned()),
        ..Filter::default()
    };
    let everything = Filter::default();
    for (name, listed, filter, is_first) in [
        (
            "portals",
            listed("northwind.example", true),
            &everything,
            true,
        ),
        (
            "portals-hostile",
            listed(HOSTILE, false),
            &everything,
            false,
        ),
        ("portals-none", Listed::default(), &everything, true),
        ("portals-none-such", Listed::default(), &late, true),
    ] {
        let page = PortalsPage::new(&listed, filter, is_first, &operator, now);
        add(name, page.render().unwrap());
    }
    for (name, trail) in [
        ("acts", trail("ticket 4711: gifts are missing")),
        ("acts-hostile", trail(HOSTILE)),
        ("acts-none", Trail::default()),
    ] {
        let page = ActsPage::new(&trail, name != "acts-none", &operator, now);
        add(name, page.render().unwrap());
    }
    for (name, state, refused) in [
        ("portal-active", PortalState::Active, None),
        ("portal-paused", PortalState::Paused, None),
        ("portal-needs-setup", PortalState::NeedsSetup, None),
        ("portal-connecting", PortalState::Connecting, None),
        (
            "portal-refused",
            PortalState::Active,
            Some(("pause", "x", Refused::Reason(Fault::TooShort))),
        ),
        (
            "portal-no-act",
            PortalState::Active,
            Some(("", HOSTILE, Refused::NoAct)),
        ),
    ] {
        let refused = refused.map(|(act, why, refused)| (act.to_owned(), why.to_owned(), refused));
        let page = PortalPage::new(&view(state), Some(&trace), &operator, refused, now);
        add(name, page.render().unwrap());
    }
    let ask = |refused| AskPage::new(&portal(), &operator, refused);
    add("ask", ask(None).render().unwrap());
    let refused = Some((HOSTILE.to_owned(), Fault::TooLong));
    add("ask-refused", ask(refused).render().unwrap());
    for (name, look) in [
        ("look", look("sam.okafor@client was not valid.", 3)),
        ("look-hostile", look(HOSTILE, 3)),
        ("look-nothing", look("", 0)),
    ] {
        add(
            name,
            LookPage::new(&portal(), &look, &operator, now)
                .render()
                .unwrap(),
        );
    }
    pages
}
