//! The trail of acts and the settings in every state; see `samples`.

use app::audit::{Entry, People, Trail};
use askama::Template;
use chrono::TimeDelta;
use domain::UserId;
use domain::portal::PortalState;
use serde_json::{Value, json};

use super::audit::{Asked, AuditPage};
use super::samples::{HOSTILE, now, portal, status, viewer};

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

/// The pages, by name.
pub(super) fn pages() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    audit_pages(&mut pages);
    pages
}
