//! The dashboard in every state, from made-up values.

use std::collections::BTreeMap;

use app::dashboard::Dashboard;
use app::statistics::Overview;
use askama::Template;
use chrono::{Months, NaiveDate, TimeDelta};
use domain::pace::Step;
use domain::portal::{CurrentRun, Need, NeedCode, PortalState, PortalStatus};
use domain::run::{Phase, RunKind, RunState};
use domain::statistics::{
    Activity, ByStatus, Funnel, FunnelStep, Month, Range, Statistics, TypeTotal,
};
use domain::{RunId, Status, TransactionId};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::dashboard::DashboardPage;
use super::samples::{HOSTILE, last_run, now, portal, status, viewer};
use super::shell::Viewer;

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

pub(super) fn running(kind: RunKind, done: i64, total: Option<i64>) -> CurrentRun {
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

/// The dashboard in every state.
pub(super) fn pages(member: &Viewer) -> Vec<(String, String)> {
    let mut pages = Vec::new();
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
    let page = DashboardPage::new(&active(), member.clone(), Range::default(), now());
    pages.push(("dashboard-member".to_owned(), page.render().unwrap()));
    pages
}
