//! The trail of acts: the newest first, by who, what and when, page by page.

use chrono::TimeDelta;
use serde_json::json;
use store::PortalScope;
use store::audit::{self, Entry, Filter};

use crate::harness::{World, now, world};

/// Notes acts of one portal, an hour apart, the last of them now.
async fn note(world: &World, portal: PortalScope, acts: &[(&str, &str)]) {
    let mut tx = world.db.begin(portal).await.unwrap();
    for (nth, (actor, action)) in (1..).zip(acts) {
        let hours_ago = i64::try_from(acts.len()).unwrap() - nth;
        let at = now() - TimeDelta::hours(hours_ago);
        audit::insert(&mut tx, portal, actor, action, &json!({"nth": nth}), at)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

async fn list(world: &World, portal: PortalScope, filter: &Filter, limit: i64) -> Vec<Entry> {
    let mut tx = world.db.begin(portal).await.unwrap();
    audit::list(&mut tx, portal, filter, None, limit)
        .await
        .unwrap()
}

fn nths(entries: &[Entry]) -> Vec<i64> {
    entries
        .iter()
        .map(|entry| entry.detail["nth"].as_i64().unwrap())
        .collect()
}

const ACTS: [(&str, &str); 5] = [
    ("user:1", "portal.install"),
    ("user:1", "run.request"),
    ("user:2", "run.request"),
    ("operator", "run.request"),
    ("user:1", "portal.pause"),
];

#[tokio::test]
async fn the_trail_is_told_by_who_what_and_when_and_by_no_other_portal() {
    let world = world().await;
    let (portal, other) = (world.portal(1, "UTC").await, world.portal(2, "UTC").await);
    note(&world, portal, &ACTS).await;
    note(&world, other, &[("user:1", "portal.resume")]).await;
    let by = async |filter: Filter| nths(&list(&world, portal, &filter, 10).await);
    assert_eq!(by(Filter::default()).await, [5, 4, 3, 2, 1]);
    let actor = Some("user:1".to_owned());
    let action = Some("run.request".to_owned());
    let filter = Filter {
        actor: actor.clone(),
        ..Filter::default()
    };
    assert_eq!(by(filter).await, [5, 2, 1]);
    let filter = Filter {
        actor,
        action,
        ..Filter::default()
    };
    assert_eq!(by(filter).await, [2]);
    // From is included, until is not.
    let filter = Filter {
        from: Some(now() - TimeDelta::hours(3)),
        until: Some(now() - TimeDelta::hours(1)),
        ..Filter::default()
    };
    assert_eq!(by(filter).await, [3, 2]);
}

#[tokio::test]
async fn pages_of_the_trail_join_without_gap_or_repetition() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    note(&world, portal, &ACTS).await;
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let mut tx = world.db.begin(portal).await.unwrap();
        let page = audit::list(&mut tx, portal, &Filter::default(), before, 2)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.seq);
        seen.extend(nths(&page));
        // What is added meanwhile is newer and does not come in between.
        note(&world, portal, &[("user:9", "session.end")]).await;
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn the_choices_are_what_is_there_each_once() {
    let world = world().await;
    let (portal, other) = (world.portal(1, "UTC").await, world.portal(2, "UTC").await);
    let choices = async |portal| {
        let mut tx = world.db.begin(portal).await.unwrap();
        audit::list_choices(&mut tx, portal).await.unwrap()
    };
    assert_eq!(choices(portal).await, (vec![], vec![]));
    note(&world, portal, &ACTS).await;
    note(&world, other, &[("hubspot", "recipient.erase")]).await;
    let (actors, actions) = choices(portal).await;
    assert_eq!(actors, ["operator", "user:1", "user:2"]);
    assert_eq!(actions, ["portal.install", "portal.pause", "run.request"]);
}
