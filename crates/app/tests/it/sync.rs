//! The hourly sync: what changed and nothing else.

use chrono::{TimeDelta, Utc};
use domain::portal::PortalState;
use domain::run::{RunKind, RunState};
use sandbox::control::{Change, Sent};
use serde_json::json;

use crate::harness::{ORGANIZATION, World, empty_world, world};

/// A gift that has been delivered, whatever else there is.
async fn delivered_gift(world: &World) -> String {
    let sent = Sent {
        email: Some("sam@client.example".into()),
        ..Sent::default()
    };
    let id = world.control.send_gift(ORGANIZATION, sent).unwrap();
    advance(world, &id, "delivered", None);
    world.sync().await;
    id
}

fn advance(world: &World, id: &str, status: &str, at: Option<chrono::DateTime<Utc>>) {
    let change = Change {
        id: Some(id.to_owned()),
        count: 1,
        status: Some(status.into()),
        at,
    };
    world.control.advance(ORGANIZATION, &change).unwrap();
}

#[tokio::test]
async fn a_sync_without_changes_calls_hubspot_for_nothing() {
    let world = world(60).await;
    world.backfilled().await;
    let calls = world.all_calls();
    for _ in 0..3 {
        world.sync().await;
    }
    assert_eq!(world.all_calls(), calls);
    let last = world.status().await.last_run.unwrap();
    assert_eq!(
        (last.kind, last.state),
        (RunKind::Sync, RunState::Succeeded)
    );
    world.end().await;
}

#[tokio::test]
async fn one_changed_gift_costs_at_most_three_calls() {
    let world = world(60).await;
    world.backfilled().await;
    let id = delivered_gift(&world).await;
    advance(&world, &id, "opened", None);
    let calls = world.all_calls();
    world.sync().await;
    let spent = world.all_calls() - calls;
    println!("calls for one changed gift: {spent}");
    assert!((1..=3).contains(&spent), "{spent}");
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn every_status_arrives_with_its_date() {
    let world = world(60).await;
    world.backfilled().await;
    let id = delivered_gift(&world).await;
    let opened = world.now();
    advance(&world, &id, "Opened", Some(opened));
    world.sync().await;
    let record = world.record(&id).await;
    assert_eq!(
        (&record["status"], &record["source_status"]),
        (&json!("opened"), &json!("Opened"))
    );
    assert_eq!(moment(&record["opened_date"]), opened.timestamp_millis());
    assert_eq!(record["redeemed_date"].as_str().unwrap_or_default(), "");
    let redeemed = world.now();
    advance(&world, &id, "redeemed", Some(redeemed));
    // Late news of something that came before.
    advance(&world, &id, "opened", Some(opened - TimeDelta::minutes(5)));
    world.sync().await;
    let record = world.record(&id).await;
    assert_eq!(record["status"], "redeemed");
    assert_eq!(
        moment(&record["redeemed_date"]),
        redeemed.timestamp_millis()
    );
    assert_eq!(
        moment(&record["opened_date"]),
        (opened - TimeDelta::minutes(5)).timestamp_millis()
    );
    world.assert_good().await;
    world.end().await;
}

fn moment(value: &serde_json::Value) -> i64 {
    let text = value.as_str().unwrap_or_default();
    let at: chrono::DateTime<Utc> = text.parse().unwrap_or_else(|_| panic!("no time: {value}"));
    at.timestamp_millis()
}

#[tokio::test]
async fn an_unknown_status_is_kept_as_it_came() {
    let world = world(30).await;
    world.backfilled().await;
    let id = delivered_gift(&world).await;
    advance(&world, &id, "Teleported", None);
    world.sync().await;
    let record = world.record(&id).await;
    assert_eq!(
        (&record["status"], &record["source_status"]),
        (&json!("other"), &json!("Teleported"))
    );
    assert_eq!(world.status().await.failed, 0);
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn a_value_that_thnks_takes_away_is_cleared() {
    let world = empty_world().await;
    let sent = Sent {
        email: Some("ana@client.example".into()),
        name: Some("Ana".into()),
        phone: Some("+15550100".into()),
        message: Some("Thank you".into()),
        ..Sent::default()
    };
    let id = world.control.send_gift(ORGANIZATION, sent).unwrap();
    world.backfilled().await;
    assert_eq!(world.record(&id).await["recipient_phone"], "+15550100");
    let without =
        json!({"recipient": {"name": "Ana", "email": "ana@client.example"}, "message": null});
    world
        .control
        .edit_transaction(ORGANIZATION, &id, &without)
        .unwrap();
    world.sync().await;
    let record = world.record(&id).await;
    for name in ["recipient_phone", "message"] {
        assert_eq!(record[name].as_str().unwrap_or_default(), "", "{name}");
    }
    assert_eq!(record["recipient_name"], "Ana");
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn new_gifts_come_with_the_next_sync() {
    let world = world(30).await;
    world.backfilled().await;
    for number in 0..3 {
        let sent = Sent {
            email: Some(format!("new{number}@client.example")),
            ..Sent::default()
        };
        world.control.send_gift(ORGANIZATION, sent).unwrap();
    }
    world.sync().await;
    assert_eq!(world.assert_good().await.records, 33);
    assert_eq!(world.status().await.state, PortalState::Active);
    world.end().await;
}
