//! The trail of acts as people see it and take it along.

use app::audit::{Entry, Filter};
use axum::http::StatusCode;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{HUB, MEMBER, OTHER, OWNER, World, now, scope, world};

async fn note(world: &World, actor: &str, action: &str, hours_ago: i64, detail: &Value) {
    let mut tx = world.db.begin(scope()).await.unwrap();
    let at = now() - TimeDelta::hours(hours_ago);
    store::audit::insert(&mut tx, scope(), actor, action, detail, at)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn trail(world: &World) -> Vec<Entry> {
    let trail = app::audit::load(&world.app, scope(), &Filter::default(), None).await;
    trail.unwrap().entries
}

fn path(query: &str) -> String {
    format!("/portals/{HUB}/audit{query}")
}

#[tokio::test]
async fn acts_are_shown_in_words_by_who_did_them_and_narrowed_by_the_address() {
    let world = world().await;
    let empty = world.get(&path(""), MEMBER.0).await;
    assert!(empty.body.contains("Nothing yet"));
    note(&world, "user:1", "portal.pause", 30, &json!({})).await;
    note(&world, "user:99", "portal.resume", 3, &json!({})).await;
    note(&world, "schedule", "moon.<b>land", 1, &json!({})).await;
    let page = world.get(&path(""), MEMBER.0).await;
    assert_eq!(page.status, StatusCode::OK);
    for text in [
        "Paused the sync",
        "ana@northwind.example",
        "Resumed the sync",
        "User 99",
        "The schedule",
    ] {
        assert!(page.body.contains(text), "{text}");
    }
    assert!(page.body.contains("moon.&#60;b&#62;land"));
    let rows = async |query: &str| {
        let page = world.get(&path(query), OWNER.0).await;
        assert_eq!(page.status, StatusCode::OK, "{query}");
        page.body.matches("<th scope=\"row\"").count()
    };
    assert_eq!(rows("?who=&action=&from=&to=").await, 3);
    assert_eq!(rows("?who=user:1").await, 1);
    assert_eq!(rows("?action=portal.resume").await, 1);
    assert_eq!(rows("?action=portal.resume&who=user:1").await, 0);
    // In Berlin it is 11 o'clock: 30 hours ago was the day before.
    assert_eq!(rows("?from=2026-11-23").await, 2);
    assert_eq!(rows("?to=2026-11-22").await, 1);
    for wrong in ["?from=yesterday", "?from=2026-11-02&to=2026-11-01"] {
        let page = world.get(&path(wrong), OWNER.0).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let nowhere = world.get(&path("?before=x"), OWNER.0).await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    let foreign = world.get(&path(""), OTHER.0).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_long_trail_is_paged_and_keeps_its_filter() {
    let world = world().await;
    for nth in 0..60 {
        note(
            &world,
            "user:1",
            "gift.look",
            60 - nth,
            &json!({"transaction": format!("txn_{nth:02}")}),
        )
        .await;
    }
    let first = world.get(&path("?who=user:1"), OWNER.0).await;
    assert!(first.body.contains("txn_59") && first.body.contains("txn_10<"));
    assert!(!first.body.contains("txn_09"));
    let (_, rest) = first.body.split_once("?who=user%3A1&#38;before=").unwrap();
    let before = rest.split('"').next().unwrap();
    let second = world
        .get(&path(&format!("?who=user:1&before={before}")), OWNER.0)
        .await;
    assert!(second.body.contains("txn_09") && second.body.contains("txn_00"));
    assert!(!second.body.contains("txn_10<") && !second.body.contains(">Older<"));
    assert!(second.body.contains("From the beginning"));
}

#[tokio::test]
async fn the_file_holds_everything_as_text_and_is_an_act_itself() {
    let world = world().await;
    let csv = format!("/portals/{HUB}/audit.csv");
    for nth in 0..1_002 {
        note(
            &world,
            "=cmd()",
            "run.request",
            2,
            &json!({"kind": "sync", "nth": nth}),
        )
        .await;
    }
    note(&world, "user:1", "portal.pause", 1, &json!({})).await;
    let file = world.get(&csv, MEMBER.0).await;
    assert_eq!(file.status, StatusCode::OK);
    assert!(file.header("content-type").starts_with("text/csv"));
    assert!(
        file.header("content-disposition")
            .contains("thnks-audit-1001.csv")
    );
    let lines: Vec<&str> = file
        .body
        .trim_start_matches('\u{feff}')
        .trim_end()
        .split("\r\n")
        .collect();
    // Its head, the export itself, and all the others, of which none is repeated.
    assert_eq!(lines.len(), 1 + 1 + 1_003);
    assert_eq!(lines[0], "Time (UTC),Who,What,Action,Actor,Detail");
    assert!(lines[1].contains("Exported this trail,audit.export,user:2"));
    assert!(lines[2].contains("ana@northwind.example,Paused the sync,portal.pause,user:1,{}"));
    assert!(lines[3].contains(",'=cmd(),Asked for a sync,run.request,'=cmd(),"));
    assert_eq!(file.body.matches("Time (UTC)").count(), 1);
    let narrowed = world
        .get(&format!("{csv}?action=portal.pause"), OWNER.0)
        .await;
    assert_eq!(narrowed.body.trim_end().split("\r\n").count(), 2);
    let exports = trail(&world).await;
    let last = exports
        .iter()
        .find(|act| act.action == "audit.export")
        .unwrap();
    assert_eq!(
        (last.actor.as_str(), &last.detail["by_action"]),
        ("user:1", &serde_json::json!(true))
    );
    let nobody = world.get(&csv, "").await;
    assert_eq!(nobody.header("location"), "/login");
}

#[tokio::test]
async fn what_a_member_was_refused_is_in_the_trail() {
    let world = world().await;
    let token = world.csrf_token(MEMBER.0).await;
    let form = format!("csrf_token={token}");
    let pause = format!("/portals/{HUB}/pause");
    let refused = world.post(&pause, MEMBER.0, &[], &form).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    // Looking at what is an owner's is no act, and a form of another site's is nobody's.
    world
        .get(&format!("/portals/{HUB}/disconnect"), MEMBER.0)
        .await;
    world.post(&pause, MEMBER.0, &[], "csrf_token=x").await;
    let entries = trail(&world).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].action, "act.refused");
    assert_eq!(entries[0].actor, "user:2");
    assert_eq!(
        entries[0].detail,
        json!({"route": "/portals/{hub_id}/pause"})
    );
    let page = world.get(&path(""), OWNER.0).await;
    assert!(page.body.contains("Was refused what only owners may do"));
    assert!(page.body.contains("It was asked for at /pause."));
}
