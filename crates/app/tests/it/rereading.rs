//! Reading again: from a date, from the oldest open story, after a walk that led in a circle, and single rows on demand.

use app::runs::Wish;
use chrono::{DateTime, TimeDelta, Utc};
use domain::failure::Selection;
use domain::portal::PortalState;
use domain::run::{RunKind, RunState};
use sandbox::control::{Change, Sent};
use serde_json::{Value, json};

use crate::harness::{HUB, ORGANIZATION, World, empty_world, with, world};

async fn last_run(world: &World, kind: &str) -> Value {
    let runs = world.runs().await;
    runs.into_iter().rfind(|run| run["kind"] == kind).unwrap()
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_re_sync_writes_everything_since_its_date_again_and_nothing_older() {
    let world = world(300).await;
    let session = world.backfilled().await;
    let gifts = world.gifts().await;
    let since = world.now() - TimeDelta::days(90);
    let concerned = gifts
        .iter()
        .filter(|gift| time(&gift["updated_at"]) >= since)
        .count();
    assert!(concerned > 0 && concerned < 300);
    // Somebody has spoilt a record that it concerns, and deleted another one.
    let mut ids = gifts
        .iter()
        .filter(|gift| time(&gift["updated_at"]) >= since)
        .map(|gift| gift["id"].as_str().unwrap());
    let (spoilt, deleted) = (ids.next().unwrap(), ids.next().unwrap());
    let object = world.object().await;
    let record = |row: &Value| row["record_id"].as_u64().unwrap();
    let spoilt_record = record(&world.row(spoilt).await);
    let change = [("gift_name".to_owned(), json!("Nonsense"))].into();
    world
        .control
        .change_record(HUB, &object, spoilt_record, &change)
        .unwrap();
    let deleted_record = record(&world.row(deleted).await);
    world
        .control
        .delete_record(HUB, &object, deleted_record, false)
        .unwrap();
    assert!(!world.verdict().ok);

    let wish = Wish {
        kind: RunKind::Resync,
        since: Some(since),
    };
    app::runs::request(&world.app, &session, wish)
        .await
        .unwrap();
    world.drain().await;
    let run = last_run(&world, "resync").await;
    assert_eq!(run["state"], "succeeded");
    assert_eq!(run["counts"]["written"], json!(concerned));
    assert_eq!(run["counts"]["unchanged"], json!(concerned));
    // The deleted record is another one now, with its links; the rest is as it was.
    assert_ne!(record(&world.row(deleted).await), deleted_record);
    assert_eq!(world.assert_good().await.records, 300);
    world.end().await;
}

#[tokio::test]
async fn a_sweep_finds_what_thnks_changed_without_saying_so_and_reads_no_more_than_open_stories() {
    let world = world(120).await;
    let session = world.backfilled().await;
    let calls = world.all_calls();
    world.run(&session, RunKind::Sweep).await;
    let idle = last_run(&world, "sweep").await;
    assert_eq!(idle["state"], "succeeded");
    assert_eq!(world.all_calls(), calls, "nothing to write, nothing called");
    assert!(idle["counts"]["read"].as_i64().unwrap() > 0);

    // A change that keeps its old time, as a repair in Thnks' database would.
    let id = world
        .control
        .send_gift(ORGANIZATION, Sent::default())
        .unwrap();
    world.sync().await;
    world.let_pass(TimeDelta::days(40));
    world
        .control
        .send_gift(ORGANIZATION, Sent::default())
        .unwrap();
    world.sync().await;
    let before = world.row(&id).await["updated_at"].clone();
    let change = Change {
        id: Some(id.clone()),
        count: 1,
        status: Some("opened".into()),
        at: None,
    };
    world.control.advance(ORGANIZATION, &change).unwrap();
    world
        .control
        .edit_transaction(ORGANIZATION, &id, &json!({"updated_at": before}))
        .unwrap();
    world.sync().await;
    assert_eq!(
        world.row(&id).await["status"],
        "sent",
        "a sync cannot see it"
    );
    world.run(&session, RunKind::Sweep).await;
    assert_eq!(world.record(&id).await["status"], "opened");
    world.end().await;
}

#[tokio::test]
async fn a_portal_is_swept_once_a_week_by_itself_and_not_at_all_when_every_story_is_over() {
    let world = empty_world().await;
    let id = world
        .control
        .send_gift(ORGANIZATION, Sent::default())
        .unwrap();
    world.backfilled().await;
    let sweeps = async || {
        let runs = world.runs().await;
        runs.iter().filter(|run| run["kind"] == "sweep").count()
    };
    for _ in 0..14 {
        world.let_pass(TimeDelta::days(1));
        app::schedule::insert_due_runs(&world.app).await.unwrap();
        world.drain().await;
    }
    assert_eq!(sweeps().await, 2);
    let change = Change {
        id: Some(id),
        count: 1,
        status: Some("redeemed".into()),
        at: None,
    };
    world.control.advance(ORGANIZATION, &change).unwrap();
    world.let_pass(TimeDelta::days(7));
    // What is late after these days is spread first.
    for _ in 0..2 {
        app::schedule::insert_due_runs(&world.app).await.unwrap();
        world.drain().await;
        world.let_pass(TimeDelta::minutes(16));
    }
    world.let_pass(TimeDelta::days(7));
    app::schedule::insert_due_runs(&world.app).await.unwrap();
    world.drain().await;
    let run = last_run(&world, "sweep").await;
    assert_eq!(
        (&run["state"], &run["counts"]["read"]),
        (&json!("succeeded"), &json!(0))
    );
    world.end().await;
}

#[tokio::test]
async fn a_cursor_that_leads_in_a_circle_is_noticed_and_every_gift_arrives() {
    let world = with(|config| {
        config.world = sandbox::WorldSpec::small(config.world.now, 2_600);
        config.rules.thnks_circle = Some(3);
    })
    .await;
    world.install_from_link().await;
    world.drain().await;
    let run = last_run(&world, "backfill").await;
    assert_eq!(run["state"], "succeeded", "{run}");
    assert_eq!(world.assert_good().await.records, 2_600);
    world.end().await;
}

#[tokio::test]
async fn a_cursor_that_never_leads_on_ends_the_run_with_the_reason() {
    let world = with(|config| {
        config.world = sandbox::WorldSpec::small(config.world.now, 3_600);
        // Not even the first page is followed by the second.
        config.rules.thnks_circle = Some(1);
    })
    .await;
    world.install_from_link().await;
    world.drain().await;
    let run = last_run(&world, "backfill").await;
    assert_eq!(run["state"], RunState::Failed.as_str(), "{run}");
    assert!(run["error"].as_str().unwrap().contains("cursor"), "{run}");
    // What could be read is there, and no more is claimed.
    let read = run["counts"]["new"].as_i64().unwrap();
    assert!((2_000..3_600).contains(&read), "{run}");
    assert_eq!(world.status().await.synced, read);
    assert_eq!(world.status().await.state, PortalState::Backfilling);
    // Once Thnks is well, the next sync brings the rest.
    world
        .control
        .merge_rules(&json!({"thnks_circle": null}))
        .unwrap();
    world.sync().await;
    assert_eq!(world.assert_good().await.records, 3_600);
    world.end().await;
}

#[tokio::test]
async fn a_malformed_row_that_is_tried_again_is_read_alone() {
    let world = world(40).await;
    let session = world.backfilled().await;
    let id = world.gifts().await[0]["id"].as_str().unwrap().to_owned();
    let updated_at = world.gifts().await[0]["updated_at"].clone();
    world
        .control
        .edit_transaction(ORGANIZATION, &id, &json!({"amount": "lots"}))
        .unwrap();
    world.sync().await;
    assert_eq!(world.status().await.failed, 1);
    // Thnks mends the row in its database, without a word.
    world
        .control
        .edit_transaction(
            ORGANIZATION,
            &id,
            &json!({"amount": "31.50", "updated_at": updated_at}),
        )
        .unwrap();
    world.sync().await;
    assert_eq!(world.status().await.failed, 1);
    let retried = app::failures::retry(&world.app, &session, &Selection::default())
        .await
        .unwrap();
    assert_eq!(retried.failures, 1);
    world.drain().await;
    assert_eq!(world.status().await.failed, 0);
    world.end().await;
}
