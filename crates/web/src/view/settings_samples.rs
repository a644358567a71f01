//! The trail of acts and the settings in every state; see `samples`.

use app::audit::{Entry, People, Trail};
use app::disconnect::Parting;
use app::members::{Member, Role};
use app::orphans::Preview;
use app::preflight::{About, Found, Group, Item, Preflight, What};
use app::session::Open;
use app::trial::{Linked, Trial};
use askama::Template;
use chrono::TimeDelta;
use domain::matching::{Companies, Rules};
use domain::portal::{CurrentRun, LastRun, Need, NeedCode, PortalState};
use domain::run::{RunKind, RunState};
use domain::{RunId, SessionId, TransactionId, UserId, record, scopes};
use serde_json::{Value, json};

use super::audit::{Asked, AuditPage};
use super::disconnect::DisconnectPage;
use super::landing::LandingPage;
use super::members::{Looking, MembersPage};
use super::preflight::PreflightPage;
use super::rules::RulesPage;
use super::samples::{HOSTILE, now, portal, status, viewer};
use super::shell::Viewer;
use uuid::Uuid;

fn entry(seq: i64, actor: &str, action: &str, detail: Value) -> Entry {
    Entry {
        seq,
        at: now() - TimeDelta::minutes((60 - seq) * (60 - seq) * 7),
        actor: actor.to_owned(),
        action: action.to_owned(),
        detail,
    }
}

fn acts() -> Vec<Entry> {
    let run = "01a20000-0000-7000-8000-000000000000";
    let gift = "txn_01J9ZK7Q4W8X2M";
    let entries = vec![
        entry(60, "user:1", "audit.export", json!({})),
        entry(
            59,
            "user:1",
            "run.cancel",
            json!({"run": run, "kind": "sync", "was": "running"}),
        ),
        entry(
            58,
            "user:2",
            "run.request",
            json!({"run": run, "kind": "sync", "is_new": false}),
        ),
        entry(
            57,
            "user:1",
            "member.role",
            json!({"member": 2, "role": "owner"}),
        ),
        entry(
            56,
            "user:1",
            "member.remove",
            json!({"member": 9, "was": "member"}),
        ),
        entry(55, "user:1", "rules.change", json!({"rules": {}})),
        entry(
            54,
            "user:1",
            "recipient.choose",
            json!({"transaction": gift, "contact": 90_000_001}),
        ),
        entry(
            53,
            "user:1",
            "recipient.alias",
            json!({"transaction": gift}),
        ),
        entry(52, "user:1", "gift.look", json!({"transaction": gift})),
        entry(
            51,
            "user:1",
            "failures.retry",
            json!({"failures": 1_204, "run": run}),
        ),
        entry(50, "user:1", "failures.dismiss", json!({"failures": 1})),
        entry(
            49,
            "hubspot",
            "recipient.erase",
            json!({"transactions": 3, "rows": 0}),
        ),
        entry(48, "user:1", "portal.resume", json!({})),
        entry(47, "user:1", "portal.pause", json!({})),
        entry(
            46,
            "worker",
            "portal.needs",
            json!({"needs": ["property_missing", "scope_missing"]}),
        ),
        entry(
            45,
            "operator",
            "run.request",
            json!({"run": run, "kind": "resync", "since": "2026-10-01T00:00:00Z", "is_new": true}),
        ),
        entry(44, HOSTILE, HOSTILE, json!({})),
        entry(
            43,
            "user:1",
            "thnks.connect",
            json!({"thnks_organization": "org_1"}),
        ),
        entry(42, "user:404", "session.begin", json!({"owner": false})),
        entry(41, "user:1", "portal.install", json!({"owner": true})),
    ];
    entries
}

fn audit_pages(pages: &mut Vec<(String, String)>) {
    let all = Trail {
        entries: acts(),
        has_more: true,
        actors: [
            "hubspot", "operator", "user:1", "user:2", "user:404", "worker",
        ]
        .map(str::to_owned)
        .into(),
        actions: acts().into_iter().map(|act| act.action).collect(),
        people: People::from([
            (UserId(1), "ana.souza@northwind.example".to_owned()),
            (
                UserId(2),
                "priya.nair-of-the-very-long-name@northwind.example".to_owned(),
            ),
        ]),
    };
    let none = Trail::default();
    let one = Trail {
        entries: acts().split_off(19),
        has_more: false,
        ..all.clone()
    };
    let narrowed = Asked {
        who: "user:1".to_owned(),
        action: "moon.land".to_owned(),
        from: "2026-11-01".to_owned(),
        to: "2026-11-23".to_owned(),
    };
    let everything = Asked::default();
    let nothing_found = Trail {
        entries: Vec::new(),
        ..one.clone()
    };
    for (name, trail, asked, is_first) in [
        ("all", &all, &everything, true),
        ("older", &one, &everything, false),
        ("narrowed", &all, &narrowed, false),
        ("nothing-found", &nothing_found, &narrowed, true),
        ("none", &none, &everything, true),
    ] {
        let active = status(PortalState::Active);
        let page = AuditPage::new(&portal(), &active, trail, asked, is_first, viewer(), now());
        pages.push((format!("audit-{name}"), page.render().unwrap()));
    }
}

fn member() -> Viewer {
    Viewer {
        is_owner: false,
        ..viewer()
    }
}

fn bad(detail: &str) -> Found {
    Found::Bad {
        detail: detail.to_owned(),
        remedy: "Create it in HubSpot (Settings → Properties → Thnks) with the type our guide names, then choose \"Check again\".".to_owned(),
    }
}

/// The list with the same found everywhere, except where `found` says otherwise.
fn groups(everywhere: &Found, found: impl Fn(&What) -> Option<Found>) -> Vec<Group> {
    let item = |what: What| {
        let found = found(&what).unwrap_or_else(|| everywhere.clone());
        Item { what, found }
    };
    let all_scopes = scopes::REQUIRED
        .into_iter()
        .chain(scopes::OPTIONAL.map(|scope| scope.name));
    let object = (*everywhere == Found::Good).then(|| "2-48151623".to_owned());
    vec![
        Group {
            about: About::Connections,
            items: vec![
                item(What::Thnks(Some("Northwind Traders".to_owned()))),
                item(What::HubSpot),
            ],
        },
        Group {
            about: About::Scopes,
            items: all_scopes.map(|name| item(What::Scope(name))).collect(),
        },
        Group {
            about: About::Object,
            items: vec![item(What::Tier), item(What::Object(object))],
        },
        Group {
            about: About::Properties,
            items: record::PROPERTIES
                .iter()
                .map(|property| item(What::Property(property.label, property.name)))
                .collect(),
        },
        Group {
            about: About::Associations,
            items: ["contacts", "companies", "deals"]
                .map(|to| item(What::Association(to)))
                .into(),
        },
    ]
}

fn preflight_pages(pages: &mut Vec<(String, String)>) {
    let run = |state| LastRun {
        id: RunId(Uuid::nil()),
        kind: RunKind::Sync,
        state,
        finished_at: Some(now() - TimeDelta::minutes(17)),
    };
    let ready = Preflight {
        portal: portal(),
        status: status(PortalState::Active),
        checked_at: Some(now() - TimeDelta::days(3)),
        groups: groups(&Found::Good, |what| match what {
            What::Scope(scopes::OWNERS_READ) => Some(Found::Off(
                "senders are not matched with HubSpot owners, which nothing does yet",
            )),
            _ => None,
        }),
    };
    let mut missing = ready.clone();
    missing.status = status(PortalState::NeedsSetup);
    missing.status.next_sync_at = None;
    missing.groups = groups(&Found::Good, |what| match what {
        What::Property("Status", _) => Some(bad(
            "The property \"Status\" (status) lacks the options donated, undelivered.",
        )),
        What::Property("Message", _) => Some(bad(
            "The property \"Message\" (message) is missing on the Thnks object.",
        )),
        What::Association("deals") => {
            Some(bad("The Thnks object cannot be associated with deals."))
        }
        _ => None,
    });
    missing.checked_at = Some(now() - TimeDelta::seconds(20));
    let mut fresh = ready.clone();
    fresh.status = status(PortalState::Backfilling);
    fresh.status.last_run = None;
    fresh.status.current_run = Some(CurrentRun {
        id: RunId(Uuid::nil()),
        kind: RunKind::Backfill,
        state: RunState::Running,
        done: 1,
        total: None,
        started_at: Some(now()),
        phase: None,
    });
    fresh.checked_at = None;
    fresh.groups = groups(&Found::NotLookedAt, |what| {
        matches!(what, What::Thnks(_) | What::HubSpot | What::Scope(_)).then_some(Found::Good)
    });
    let mut disconnected = ready.clone();
    disconnected.status = status(PortalState::Disconnected);
    disconnected.status.next_sync_at = None;
    disconnected.groups = groups(&Found::NotLookedAt, |what| match what {
        What::Thnks(_) => Some(Found::Good),
        What::HubSpot => Some(bad("This portal was disconnected.")),
        _ => None,
    });
    let mut paused = ready.clone();
    paused.status = status(PortalState::Paused);
    paused.status.next_sync_at = None;
    paused.status.last_run = Some(run(RunState::Cancelled));
    for (name, preflight, viewer) in [
        ("ready", &ready, viewer()),
        ("missing", &missing, viewer()),
        ("fresh", &fresh, viewer()),
        ("disconnected", &disconnected, viewer()),
        ("paused", &paused, viewer()),
        ("member", &missing, member()),
    ] {
        let page = PreflightPage::new(preflight, viewer, now());
        pages.push((format!("setup-{name}"), page.render().unwrap()));
    }
}

fn sessions_open() -> Vec<Open> {
    let browsers = [
        (Some("Firefox on a Mac"), 2, 0),
        (Some("Chrome on an iPhone"), 190, 4),
        (Some("Samsung Internet on Android"), 45, 12),
        (None, 600, 21),
        // As many letters as there can be.
        (
            Some("WWWWWWWWWWWWWWWWWWWW WWWWWWWWWWWWWWWWWWWW WWWWWWWWWWWWWWWWWW"),
            90,
            29,
        ),
    ];
    let open = browsers
        .into_iter()
        .enumerate()
        .map(|(at, (browser, since, used))| Open {
            session_id: SessionId(Uuid::from_u128(at as u128)),
            browser: browser.map(str::to_owned),
            created_at: now() - TimeDelta::minutes(since),
            last_seen_at: now() - TimeDelta::minutes(used),
            is_current: at == 0,
        });
    open.collect()
}

fn member_pages(pages: &mut Vec<(String, String)>) {
    let person = |id, email: Option<&str>, role, days| Member {
        user_id: UserId(id),
        email: email.map(str::to_owned),
        role,
        joined_at: now() - TimeDelta::days(days),
    };
    let one = vec![person(
        1,
        Some("ana.souza@northwind.example"),
        Role::Owner,
        300,
    )];
    let mut many = one.clone();
    many.push(person(
        2,
        Some("priya.nair-of-the-very-long-name@northwind.example"),
        Role::Owner,
        40,
    ));
    many.push(person(
        3,
        Some("sam.lee@northwind.example"),
        Role::Member,
        0,
    ));
    many.push(person(4, None, Role::Member, 2));
    many.push(person(5, Some(HOSTILE), Role::Member, 2));
    let refused = Some("A portal always has an owner. Make somebody else an owner first.");
    for (name, members, viewer, refused, sessions) in [
        ("one", &one, viewer(), None, 1),
        ("many", &many, viewer(), None, 5),
        ("refused", &one, viewer(), refused, 2),
        ("member", &many, member(), None, 3),
    ] {
        let user_id = UserId(if viewer.is_owner { 1 } else { 3 });
        let looking = Looking {
            user_id,
            sessions: sessions_open().into_iter().take(sessions).collect(),
            viewer,
        };
        let login = "https://gifts.example/login".to_owned();
        let active = status(PortalState::Active);
        let page = MembersPage::new(&portal(), &active, members, looking, refused, login, now());
        pages.push((format!("people-{name}"), page.render().unwrap()));
    }
}

fn disconnect_pages(pages: &mut Vec<(String, String)>) {
    let parting = Parting {
        portal: portal(),
        status: status(PortalState::Active),
        kept_days: 30,
        sessions: 3,
    };
    let mut lost = parting.clone();
    lost.portal.hub_domain = None;
    lost.status = status(PortalState::Disconnected);
    lost.status.needs = vec![Need {
        code: NeedCode::AuthorizationLost,
        detail: "Lost.".to_owned(),
        remedy: "Install again.".to_owned(),
    }];
    lost.sessions = 1;
    let wrong = (
        HOSTILE.to_owned(),
        "This is not this portal. Nothing was disconnected.",
    );
    for (name, parting, refused) in [
        ("ready", &parting, None),
        ("refused", &parting, Some(wrong)),
        ("lost", &lost, None),
    ] {
        let page = DisconnectPage::new(parting, viewer(), refused);
        pages.push((format!("disconnect-{name}"), page.render().unwrap()));
    }
    for (name, told) in [("told", true), ("untold", false)] {
        let page = LandingPage::new(None).after_disconnect(told);
        pages.push((
            format!("landing-disconnected-{name}"),
            page.render().unwrap(),
        ));
    }
}

fn trial_pages(pages: &mut Vec<(String, String)>) {
    let orphans = Preview {
        orphans: 340,
        lookable: 309,
        recipients: 288,
        is_asked: true,
        looked_at: 288,
        is_whole: true,
        would_link: 41,
        ..Preview::default()
    };
    let linked = Linked {
        gifts: 500,
        other_contact: 12,
        no_contact: 3,
        other_companies: 141,
        other_deals: 17,
        unchanged: 344,
        examples: ["txn_01J9ZK7Q4W8X2M", "txn_01J9ZK7Q4W8X2N", HOSTILE]
            .map(|id| TransactionId(id.to_owned()))
            .into(),
        ..Linked::default()
    };
    let usual = Trial {
        orphans: Some(orphans.clone()),
        linked: Some(linked.clone()),
        calls: 38,
        ..Trial::default()
    };
    let nothing = Trial {
        is_same: true,
        orphans: Some(Preview {
            would_link: 0,
            ..orphans.clone()
        }),
        linked: Some(Linked {
            gifts: 1,
            is_whole: true,
            unchanged: 1,
            ..Linked::default()
        }),
        calls: 9,
        ..Trial::default()
    };
    let troubled = Trial {
        orphans: Some(Preview {
            orphans: 128_441,
            recipients: 98_112,
            looked_at: 2_000,
            is_whole: false,
            ambiguous: 8,
            ..orphans
        }),
        linked: Some(Linked {
            unclear: 20,
            unchanged: 324,
            ..linked
        }),
        trouble: Some(format!("Property 'work_email' does not exist {HOSTILE}")),
        calls: 71,
        ..Trial::default()
    };
    let unasked = Trial {
        orphans: Some(Preview::default()),
        ..Trial::default()
    };
    let rules = Rules {
        phone: true,
        companies: Companies::All,
        ..Rules::default()
    };
    for (name, trial) in [
        ("usual", usual),
        ("nothing", nothing),
        ("troubled", troubled),
        ("unasked", unasked),
    ] {
        let active = status(PortalState::Active);
        let page = RulesPage::new(
            &portal(),
            &active,
            &rules,
            Some(Vec::new()),
            None,
            false,
            viewer(),
        )
        .with_trial(&trial);
        pages.push((format!("trial-{name}"), page.render().unwrap()));
    }
}

/// The pages, by name.
pub(super) fn pages() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    audit_pages(&mut pages);
    preflight_pages(&mut pages);
    member_pages(&mut pages);
    disconnect_pages(&mut pages);
    trial_pages(&mut pages);
    pages
}
