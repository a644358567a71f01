//! Every page in every state, rendered from made-up values: a check that nothing is left unfilled, and pictures to look
//! at (`target/pages/*.html`, or in the folder that `THNKS_PAGES` names, with the files they name under `static/`), which the
//! browser's tests hold to the rules.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use app::dashboard::Dashboard;
use app::portals::PortalSummary;
use app::runs::{Account, Counts};
use app::statistics::Overview;
use askama::Template;
use chrono::{DateTime, Months, NaiveDate, TimeDelta, Utc};
use domain::failure::{Failure, Group, Selection, Stage};
use domain::pace::Step;
use domain::portal::{CurrentRun, LastRun, Need, NeedCode, PortalState, PortalStatus};
use domain::run::{Phase, RunKind, RunState};
use domain::statistics::{
    Activity, ByStatus, Funnel, FunnelStep, Month, Range, Statistics, TypeTotal,
};
use domain::{HubId, RunId, Status, TransactionId, UserId};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::connect::{ConnectPage, Tried};
use super::dashboard::DashboardPage;
use super::failures::{FailureRowsPage, FailuresPage};
use super::landing::LandingPage;
use super::portals::PortalsPage;
use super::problem::ProblemPage;
use super::run::RunPage;
use super::runs::{History, RunsPage};
use super::shell::{Shell, Viewer};
use crate::assets;
use crate::error::Error;
use crate::traffic::Refused;

/// What people, Thnks or HubSpot could send by malice or by chance, all in one text: markup and handlers that would run,
/// what leaves an attribute, a title or a comment, addresses that are scripts, marks of templates, a spreadsheet's
/// formula, letters that turn the direction around, hide or pile up, control characters, and a word without an end.
pub(super) const HOSTILE: &str = concat!(
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>",
    "</title></textarea></select></svg>--><svg onload=alert(1)><iframe srcdoc=\"<script>alert(1)</script>\">",
    "\" onmouseover=alert(1) autofocus onfocus=\"alert(1)\" '`",
    "<a href=javascript:alert(1)>javascript:alert(1)</a> &lt;b&gt; &#60;script&#62; \\u003cscript\\u003e %3Cscript%3E ",
    "{{7*7}} ${7*7} {%7*7%} <%=7*7%> =HYPERLINK(\"http://evil.example\",\"x\") +1+1 @SUM(1) ",
    "'; DROP TABLE portals; -- ../../etc/passwd\r\nSet-Cookie: a=b ",
    "\u{202e}gnp.tfig\u{2066}\u{200b}\u{200d}\u{feff}\u{1}\u{8}\u{b}\u{1b}[31m\u{7f}\u{85}\u{2028} ",
    "👩\u{200d}👩\u{200d}👧\u{200d}👦🏴\u{e0067}\u{e007f} Z\u{351}\u{36b}\u{343}a\u{321}\u{34a}\u{360}lgo ﷽ ",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
);

pub(super) fn now() -> DateTime<Utc> {
    "2026-11-23T19:20:00Z".parse().unwrap()
}

pub(super) fn viewer() -> Viewer {
    Viewer {
        name: "ana.souza@northwind.example".to_owned(),
        is_owner: true,
        csrf_token: app::session::FormToken::new("token"),
    }
}

pub(super) fn portal() -> PortalSummary {
    PortalSummary {
        hub_id: HubId(48_151_623),
        hub_domain: Some("northwind.example".to_owned()),
        organization: Some("Northwind Traders".to_owned()),
        time_zone: chrono_tz::America::New_York,
        ui_domain: "app.hubspot.com".to_owned(),
        object_type: Some("2-1234567".to_owned()),
        thnks_connected: true,
    }
}

fn last_run(kind: RunKind, state: RunState) -> LastRun {
    LastRun {
        id: RunId(Uuid::nil()),
        kind,
        state,
        finished_at: Some(now() - TimeDelta::minutes(17)),
    }
}

pub(super) fn status(state: PortalState) -> PortalStatus {
    PortalStatus {
        state,
        current_run: None,
        last_run: Some(last_run(RunKind::Sync, RunState::Succeeded)),
        transactions: 5_000,
        synced: 5_000,
        failed: 0,
        orphans: 340,
        next_sync_at: Some(now() + TimeDelta::minutes(43)),
        needs: Vec::new(),
    }
}

fn amounts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(currency, amount)| ((*currency).to_owned(), (*amount).to_owned()))
        .collect()
}

fn statistics(share: i64) -> Statistics {
    let by_status = [
        (Status::Scheduled, 130),
        (Status::Sent, 10),
        (Status::Delivered, 900),
        (Status::Opened, 700),
        (Status::Redeemed, 2_100),
    ];
    let types = [
        ("Coffee", 1_402, "7010.00"),
        ("Lunch", 986, "18734.00"),
        ("Cupcakes", 641, "9615.00"),
        ("Ride home", 512, "10240.00"),
        ("Movie night", 430, "8600.00"),
        (
            "Charity donation of the recipient’s own choice",
            311,
            "7775.00",
        ),
        ("Flowers", 205, "6150.00"),
        ("Book", 98, "1470.00"),
    ];
    let people = [
        "Ana Souza",
        "山田 太郎",
        "Zoë O’Neill-Fitzgerald of Kilkenny and Beyond",
        "محمد علي",
        "Priya Nair",
        "j.doe@example.com",
        "Léa Martin",
        "Олена Коваль",
        "Sam Lee",
        "Chidi Okafor",
    ];
    let gifts = [
        "Coffee on me ☕",
        "A well-earned lunch",
        "Cupcakes for the team 🧁",
        "Ride home",
    ];
    Statistics {
        total_sent: 4_870 / share,
        total_value: amounts(&[("USD", "60875.00"), ("EUR", "8120.50"), ("JPY", "120000")]),
        average_value: amounts(&[("USD", "12.50"), ("EUR", "14.20"), ("JPY", "1500.00")]),
        redemption_rate: Some(Decimal::new(4_312, 4)),
        matured_redemption_rate: Some(Decimal::new(4_700, 4)),
        by_status: ByStatus(by_status.into()),
        top_types: types
            .into_iter()
            .map(|(name, count, value)| TypeTotal {
                gift_type: name.to_owned(),
                count,
                value: amounts(&[("USD", value)]),
            })
            .collect(),
        recent_activity: (0..20_usize)
            .map(|at| Activity {
                transaction_id: TransactionId(format!("txn_{at}")),
                gift_name: (at != 6).then(|| gifts[at % 4].to_owned()),
                status: if at % 3 == 1 {
                    Status::Redeemed
                } else {
                    Status::Sent
                },
                at: now() - TimeDelta::minutes(i64::try_from(at * at * at * 3 + 2).unwrap()),
                recipient: (at != 7).then(|| people[at % 10].to_owned()),
            })
            .collect(),
        orphans: 340,
    }
}

fn nothing_sent() -> Statistics {
    Statistics {
        total_sent: 0,
        total_value: BTreeMap::new(),
        average_value: BTreeMap::new(),
        redemption_rate: None,
        matured_redemption_rate: None,
        by_status: ByStatus(BTreeMap::new()),
        top_types: Vec::new(),
        recent_activity: Vec::new(),
        orphans: 0,
    }
}

fn months(sent: [i64; 12]) -> Vec<Month> {
    let first = NaiveDate::from_ymd_opt(2025, 12, 1).unwrap();
    sent.into_iter()
        .zip(0_u32..)
        .map(|(sent, at)| Month {
            month: first + Months::new(at),
            sent,
            redeemed: sent * i64::from(52 - at * 2) / 100,
        })
        .collect()
}

const A_YEAR: [i64; 12] = [610, 288, 302, 344, 371, 402, 366, 318, 352, 441, 486, 590];

fn funnel(sent: i64) -> Funnel {
    let step = |step, share: i64, hours| FunnelStep {
        step,
        reached: sent * share / 100,
        median: (sent > 0).then(|| TimeDelta::minutes(hours)),
    };
    Funnel {
        sent,
        steps: [
            step(Step::Delivered, 96, 0),
            step(Step::Opened, 71, 160),
            step(Step::Redeemed, 43, 1_700),
        ],
    }
}

pub(super) fn active() -> Dashboard {
    Dashboard {
        portal: portal(),
        status: status(PortalState::Active),
        overview: Overview {
            statistics: statistics(1),
            funnel: funnel(4_870),
            months: months(A_YEAR),
            before: None,
        },
        optional_missing: Vec::new(),
    }
}

fn running(kind: RunKind, done: i64, total: Option<i64>) -> CurrentRun {
    CurrentRun {
        id: RunId(Uuid::nil()),
        kind,
        state: RunState::Running,
        done,
        total,
        started_at: Some(now() - TimeDelta::seconds(48)),
        phase: Some(Phase::Writing),
    }
}

fn dashboards() -> Vec<(&'static str, Dashboard)> {
    let mut backfilling = active();
    backfilling.status = PortalStatus {
        current_run: Some(running(RunKind::Backfill, 1_900, Some(5_000))),
        last_run: None,
        transactions: 1_900,
        synced: 1_800,
        ..status(PortalState::Backfilling)
    };
    backfilling.overview.statistics = statistics(3);
    let mut just_connected = active();
    just_connected.status = PortalStatus {
        last_run: None,
        transactions: 0,
        synced: 0,
        orphans: 0,
        next_sync_at: None,
        ..status(PortalState::Backfilling)
    };
    just_connected.overview.statistics = nothing_sent();
    just_connected.overview.months = months([0; 12]);
    let mut cancelled = backfilling.clone();
    cancelled.status.current_run = None;
    cancelled.status.last_run = Some(last_run(RunKind::Backfill, RunState::Cancelled));
    let mut empty = just_connected.clone();
    empty.status = PortalStatus {
        transactions: 0,
        synced: 0,
        orphans: 0,
        ..status(PortalState::Active)
    };
    let mut linking = active();
    linking.status.current_run = Some(running(RunKind::Reassociate, 120, None));
    let mut paused = active();
    paused.status = status(PortalState::Paused);
    paused.status.next_sync_at = None;
    let mut disconnected = active();
    disconnected.status = status(PortalState::Disconnected);
    disconnected.status.next_sync_at = None;
    let needs = vec![
        Need {
            code: NeedCode::TierMissing,
            detail: "This portal’s subscription has no custom objects".to_owned(),
            remedy: "Custom objects come with HubSpot Enterprise. Upgrade, or install the app in a portal that has it."
                .to_owned(),
        },
        Need {
            code: NeedCode::ScopeMissing,
            detail: "HubSpot did not grant crm.schemas.custom.write".to_owned(),
            remedy: "Connect again as a super admin, or create the Thnks object by hand from our guide.".to_owned(),
        },
    ];
    let mut needs_setup = just_connected.clone();
    needs_setup.status.state = PortalState::NeedsSetup;
    needs_setup.status.needs.clone_from(&needs);
    let mut key_refused = active();
    key_refused.status.state = PortalState::NeedsSetup;
    key_refused.status.needs = vec![Need {
        code: NeedCode::ThnksKeyRefused,
        detail: "Thnks no longer accepts the API key".to_owned(),
        remedy: "Enter the key that is valid now.".to_owned(),
    }];
    let mut incomplete = active();
    incomplete.status.failed = 12;
    incomplete.status.synced = 4_988;
    incomplete.optional_missing = domain::scopes::OPTIONAL[..2].to_vec();
    let mut one = active();
    one.status.transactions = 1;
    one.status.synced = 1;
    one.status.orphans = 0;
    one.overview.statistics.total_sent = 1;
    one.overview.statistics.total_value = amounts(&[("USD", "5.00")]);
    one.overview.statistics.average_value = amounts(&[("USD", "5.00")]);
    one.overview.statistics.top_types.truncate(1);
    one.overview.statistics.recent_activity.truncate(1);
    one.overview.months = months([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let mut hostile = active();
    hostile.portal.organization = Some(HOSTILE.to_owned());
    for activity in &mut hostile.overview.statistics.recent_activity {
        activity.gift_name = Some(HOSTILE.to_owned());
        activity.recipient = Some(HOSTILE.to_owned());
    }
    hostile.overview.statistics.top_types[0].gift_type = HOSTILE.to_owned();
    hostile.status.needs = vec![Need {
        code: NeedCode::PropertyDiffers,
        detail: HOSTILE.to_owned(),
        remedy: HOSTILE.to_owned(),
    }];
    let mut huge = active();
    huge.status.transactions = 1_000_000;
    huge.status.synced = 999_999;
    huge.status.orphans = 70_123;
    huge.overview.statistics.total_sent = 1_000_000;
    huge.overview.statistics.total_value = amounts(&[
        ("USD", "123456789.00"),
        ("EUR", "98765432.10"),
        ("JPY", "1200000000"),
        ("KWD", "1.250"),
        ("GBP", "12.00"),
    ]);
    huge.overview.months = months(A_YEAR.map(|sent| sent * 211));
    vec![
        ("active", active()),
        ("backfilling", backfilling),
        ("cancelled", cancelled),
        ("just-connected", just_connected),
        ("empty", empty),
        ("linking", linking),
        ("paused", paused),
        ("disconnected", disconnected),
        ("needs-setup", needs_setup),
        ("key-refused", key_refused),
        ("incomplete", incomplete),
        ("one", one),
        ("hostile", hostile),
        ("huge", huge),
    ]
}

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

pub(super) fn groups() -> Vec<Group> {
    let group = |stage, code: &str, field: Option<&str>, reason: &str, rows| Group {
        stage,
        code: code.to_owned(),
        field: field.map(str::to_owned),
        reason: reason.to_owned(),
        rows,
        since: now() - TimeDelta::days(12),
        last_at: now() - TimeDelta::minutes(17),
    };
    vec![
        group(
            Stage::Record,
            "INVALID_OPTION",
            Some("delivery_type"),
            "carrier_pigeon was not one of the allowed options: [label: \"Email\" value: \"email\", label: \"SMS\" value: \"sms\"]",
            1_204,
        ),
        group(
            Stage::Link,
            "LINK_REFUSED",
            None,
            "The contact has as many links of this kind as HubSpot allows.",
            9,
        ),
        group(
            Stage::Row,
            "MALFORMED",
            Some("status_history[2].at"),
            "“yesterday” is not a time",
            1,
        ),
    ]
}

fn failures(reason: &str, key: &str, count: i64) -> Vec<Failure> {
    (0..count)
        .map(|n| Failure {
            stage: Stage::Record,
            key: format!("{key}{n:04}"),
            transaction_id: (n != 2).then(|| format!("{key}{n:04}")),
            code: "INVALID_OPTION".to_owned(),
            field: Some("delivery_type".to_owned()),
            reason: reason.to_owned(),
            at: now() - TimeDelta::minutes(17 * n),
        })
        .collect()
}

/// The pages of runs.
fn run_pages(pages: &mut Vec<(String, String)>, member: &Viewer) {
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
}

/// The pages of failures.
fn failure_pages(pages: &mut Vec<(String, String)>, member: &Viewer) {
    let (portal, mut status) = (portal(), status(PortalState::Active));
    let page = FailuresPage::new(&portal, &status, &[], viewer(), now());
    pages.push(("failures-none".to_owned(), page.render().unwrap()));
    status.failed = 1_214;
    for (name, viewer) in [("groups", viewer()), ("member", member.clone())] {
        let page = FailuresPage::new(&portal, &status, &groups(), viewer, now());
        pages.push((format!("failures-{name}"), page.render().unwrap()));
    }
    let mut hostile = groups();
    (hostile[0].code, hostile[0].field) = (HOSTILE.to_owned(), Some(HOSTILE.to_owned()));
    hostile[0].reason = HOSTILE.to_owned();
    let page = FailuresPage::new(&portal, &status, &hostile, viewer(), now());
    pages.push(("failures-hostile".to_owned(), page.render().unwrap()));
    let selection = groups()[0].selection();
    let long = format!("{}{HOSTILE}", "x".repeat(200));
    for (name, rows, is_first) in [
        (
            "rows",
            failures(&groups()[0].reason, "txn_01J9ZK", 50),
            true,
        ),
        ("rows-last", failures("No", "txn_01J9ZK", 3), false),
        ("rows-none", Vec::new(), true),
        ("rows-hostile", failures(&long, &long, 3), true),
    ] {
        let page = FailureRowsPage::new(
            &portal,
            &status,
            &selection,
            &rows,
            is_first,
            viewer(),
            now(),
        );
        pages.push((format!("failures-{name}"), page.render().unwrap()));
    }
    let all = Selection::default();
    let rows = failures("No", "txn_01J9ZK", 3);
    let page = FailureRowsPage::new(&portal, &status, &all, &rows, false, member.clone(), now());
    pages.push(("failures-rows-all".to_owned(), page.render().unwrap()));
}

fn problem(error: &Error) -> String {
    let problem = error.problem();
    let page = ProblemPage {
        shell: Shell::new(problem.title.as_str(), None),
        title: problem.title,
        detail: problem.detail,
        remedies: problem.remedies,
        action: problem.action,
        ours: problem.status.is_server_error(),
        request_id: Uuid::nil().to_string(),
    };
    page.render().unwrap()
}

fn pages() -> Vec<(String, String)> {
    use app::install::Error as Install;
    let mut pages: Vec<(String, String)> = Vec::new();
    for (name, dashboard) in dashboards() {
        let page = DashboardPage::new(&dashboard, viewer(), Range::default(), now());
        pages.push((format!("dashboard-{name}"), page.render().unwrap()));
    }
    let mut compared = active();
    compared.overview.before = Some(statistics(2));
    let month = Range {
        from: now().date_naive().checked_sub_days(chrono::Days::new(29)),
        to: None,
    };
    let page = DashboardPage::new(&compared, viewer(), month, now());
    pages.push(("dashboard-month".to_owned(), page.render().unwrap()));
    let days = Range {
        from: now().date_naive().checked_sub_days(chrono::Days::new(20)),
        to: Some(now().date_naive()),
    };
    let page = DashboardPage::new(&compared, viewer(), days, now());
    pages.push(("dashboard-days".to_owned(), page.render().unwrap()));
    let member = Viewer {
        is_owner: false,
        ..viewer()
    };
    let page = DashboardPage::new(&active(), member.clone(), Range::default(), now());
    pages.push(("dashboard-member".to_owned(), page.render().unwrap()));
    run_pages(&mut pages, &member);
    failure_pages(&mut pages, &member);
    pages.extend(super::linking_samples::pages());
    pages.extend(super::gifts_samples::pages());
    pages.extend(super::reports_samples::pages());
    pages.extend(super::notices_samples::pages());
    pages.extend(super::settings_samples::pages());
    pages.extend(super::console_samples::pages());
    pages.extend(super::attack_samples::pages());
    let mut fresh = portal();
    fresh.thnks_connected = false;
    let refused = |is_confirmed, error| Tried {
        is_confirmed,
        error: Some(error),
    };
    for (name, viewer, tried) in [
        ("connect", viewer(), Tried::default()),
        (
            "connect-refused",
            viewer(),
            refused(true, "Thnks does not know this key."),
        ),
        (
            "connect-unconfirmed",
            viewer(),
            refused(false, "Confirm that this is the right HubSpot portal."),
        ),
        ("connect-member", member, Tried::default()),
    ] {
        let page = ConnectPage::new(&fresh, viewer, &tried);
        pages.push((name.to_owned(), page.render().unwrap()));
    }
    let mut other = portal();
    other.hub_id = HubId(7);
    other.organization = None;
    let page = PortalsPage::new(&[portal(), other], HubId(48_151_623), viewer());
    pages.push(("portals".to_owned(), page.render().unwrap()));
    let page = PortalsPage::new(&[], HubId(1), viewer());
    pages.push(("portals-none".to_owned(), page.render().unwrap()));
    pages.push((
        "landing".to_owned(),
        LandingPage::new(None).render().unwrap(),
    ));
    let missing = vec!["crm.objects.custom.write", "crm.schemas.custom.read"];
    for (name, error) in [
        ("not-found", Error::NotFound),
        ("foreign-form", Error::ForeignForm),
        ("foreign-link", Error::ForeignLink),
        ("too-many", Error::TooMany(Refused(Duration::from_secs(3)))),
        ("owner-needed", Error::OwnerNeeded),
        ("consent-refused", Error::ConsentRefused),
        ("internal", Error::Panicked),
        ("link-unknown", Error::Install(Install::SetupLinkUnknown)),
        ("link-expired", Error::Install(Install::SetupLinkExpired)),
        ("link-used", Error::Install(Install::SetupLinkUsed)),
        ("state-refused", Error::Install(Install::StateRefused)),
        (
            "scopes-missing",
            Error::Install(Install::ScopesMissing { missing }),
        ),
    ] {
        pages.push((format!("problem-{name}"), problem(&error)));
    }
    pages
}

#[test]
fn every_page_renders_in_every_state() {
    let folder = std::env::var_os("THNKS_PAGES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/pages")),
        PathBuf::from,
    );
    fs::create_dir_all(folder.join("static")).unwrap();
    for name in ["app.css", "uplot.min.js", "chart.js", "live.js", "mark.svg"] {
        let address = assets::url(name).strip_prefix("/static/").unwrap();
        let asset = assets::find(address).unwrap();
        fs::write(folder.join("static").join(address), &asset.bytes).unwrap();
    }
    for (name, page) in pages() {
        let filled = page.replace("{{7*7}}", "").replace("{%7*7%}", "");
        for left_over in ["{{", "{%", "{#", "style=", "onclick", "<style", "<script>"] {
            assert!(!filled.contains(left_over), "{name} contains {left_over}");
        }
        assert_eq!(
            page.matches("<h1").count(),
            1,
            "{name} has one heading of the first level"
        );
        assert_eq!(page.matches("<main").count(), 1, "{name}");
        assert_eq!(
            page.matches("method=\"post\"").count(),
            page.matches("name=\"csrf_token\"").count(),
            "every form of {name} carries its token"
        );
        for tag in [
            "div", "section", "form", "ul", "ol", "li", "p", "details", "svg", "table", "span", "a",
        ] {
            let opened = page.matches(&format!("<{tag} ")).count()
                + page.matches(&format!("<{tag}>")).count();
            assert_eq!(
                opened,
                page.matches(&format!("</{tag}>")).count(),
                "{name} closes every <{tag}>"
            );
        }
        fs::write(folder.join(format!("{name}.html")), page).unwrap();
    }
}

#[test]
fn texts_from_outside_are_text() {
    let pages = pages();
    for name in [
        "dashboard-hostile",
        "failures-hostile",
        "failures-rows-hostile",
        "gifts-hostile",
        "run-hostile",
        "trace-hostile",
        "orphans-all",
        "settings-chosen",
        "reports-hostile",
        "report-redemption-by-type-hostile",
        "report-top-senders-hostile",
        "report-sent-per-stage-hostile",
        "audit-all",
        "people-many",
        "disconnect-refused",
        "trial-troubled",
        "console-runs-hostile",
        "console-portals-hostile",
        "console-portal-no-act",
        "console-ask-refused",
        "console-look-hostile",
    ] {
        let (_, page) = pages.iter().find(|(page, _)| page == name).unwrap();
        assert!(page.contains("&#60;script&#62;alert(1)"), "{name}");
        assert!(!page.contains("<img src=x"), "{name}");
    }
}
