//! What an admin changes in HubSpot behind our back, in the middle of a run: noticed, mended where we may, named where we
//! may not; records that are gone are made again once.

use domain::portal::{NeedCode, PortalState};
use domain::run::RunKind;
use sandbox::control::Change;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::{HUB, ORGANIZATION, World, with, world};

const SCHEMAS: &str = "/crm-object-schemas/2026-09/schemas";
/// So many that the first step of writing leaves some for later.
const GIFTS: usize = 700;

/// Works until the first records are written and others are not.
async fn in_the_middle(world: &World) {
    let stopped = CancellationToken::new();
    stopped.cancel();
    while world.status().await.synced == 0 {
        let due = app::schedule::take_due(&world.app, 1).await.unwrap();
        app::engine::work(&world.app, due[0], &stopped)
            .await
            .unwrap();
    }
    let status = world.status().await;
    assert!(status.synced < status.transactions);
}

async fn delete_property(world: &World, name: &str) {
    let path = format!("/crm/properties/2026-09/{}/{name}", world.object().await);
    world.by_hand("DELETE", &path, &Value::Null).await;
}

async fn delete_options(world: &World, kept: &[&str]) {
    let options: Vec<Value> = kept
        .iter()
        .map(|status| json!({"label": status, "value": status}))
        .collect();
    let path = format!("/crm/properties/2026-09/{}/status", world.object().await);
    let body = json!({"options": options});
    world.by_hand("PATCH", &path, &body).await;
}

fn refused_calls(world: &World) -> u64 {
    let counters = world.control.counters(Some(HUB));
    counters.by_status.get(&400).copied().unwrap_or(0)
}

#[tokio::test]
async fn a_property_that_is_deleted_in_mid_run_is_made_again_and_filled_on_every_record() {
    let world = world(GIFTS).await;
    world.install_from_link().await;
    in_the_middle(&world).await;
    delete_property(&world, "tracking_url").await;
    world.drain().await;
    assert_eq!(world.status().await.state, PortalState::Active);
    let verdict = world.assert_good().await;
    assert_eq!(verdict.records, GIFTS);
    // Nobody takes a batch apart for a property that is not there.
    assert_eq!(refused_calls(&world), 0);
    let run = &world.runs().await[0];
    assert_eq!(
        (&run["kind"], &run["state"]),
        (&json!("backfill"), &json!("succeeded"))
    );
    world.end().await;
}

#[tokio::test]
async fn options_that_are_deleted_in_mid_run_are_added_again_and_no_row_fails() {
    let world = world(GIFTS).await;
    world.install_from_link().await;
    in_the_middle(&world).await;
    delete_options(&world, &["sent", "my_own"]).await;
    world.drain().await;
    assert_eq!(world.status().await.failed, 0);
    assert_eq!(world.assert_good().await.records, GIFTS);
    // The admin's own option stays.
    let schema = world.schema().await.unwrap();
    let properties = schema["properties"].as_array().unwrap();
    let status = properties.iter().find(|p| p["name"] == "status").unwrap();
    let options = status["options"].as_array().unwrap();
    assert!(options.iter().any(|option| option["value"] == "my_own"));
    world.end().await;
}

#[tokio::test]
async fn where_we_may_not_mend_it_the_portal_is_parked_with_the_exact_name_and_then_goes_on() {
    let world = with(|config| {
        config.world = sandbox::WorldSpec::small(config.world.now, GIFTS);
    })
    .await;
    let session = world.install_from_link().await;
    in_the_middle(&world).await;
    world
        .control
        .merge_rules(&json!({"schema_write_approved": false}))
        .unwrap();
    delete_property(&world, "recipient_phone").await;
    world.drain().await;
    let status = world.status().await;
    assert_eq!(status.state, PortalState::NeedsSetup);
    assert_eq!(world.needs().await, [NeedCode::PropertyMissing]);
    assert!(
        status.needs[0].detail.contains("recipient_phone"),
        "{:?}",
        status.needs
    );

    let path = format!("/crm/properties/2026-09/{}", world.object().await);
    let made = json!({
        "name": "recipient_phone", "label": "Recipient Phone", "type": "string", "fieldType": "text",
        "groupName": "thnks_information",
    });
    world.by_hand("POST", &path, &made).await;
    world.run(&session, RunKind::Check).await;
    let status = world.status().await;
    assert_eq!((status.state, status.failed), (PortalState::Active, 0));
    assert_eq!(world.assert_good().await.records, GIFTS);
    world.end().await;
}

#[tokio::test]
async fn an_object_that_is_deleted_in_mid_run_is_made_again_with_every_record() {
    let world = world(GIFTS).await;
    let session = world.install_from_link().await;
    in_the_middle(&world).await;
    let object = world.object().await;
    let path = format!("/crm/objects/2026-09/{object}?limit=100");
    // HubSpot deletes a definition only when it has no records.
    loop {
        let page = world.hubspot(&path).await;
        let records = page["results"].as_array().unwrap().clone();
        if records.is_empty() {
            break;
        }
        for record in records {
            let id = record["id"].as_str().unwrap().parse().unwrap();
            world.control.delete_record(HUB, &object, id, true).unwrap();
        }
    }
    let path = format!("{SCHEMAS}/{object}");
    world.by_hand("DELETE", &path, &Value::Null).await;
    world.drain().await;
    // HubSpot keeps the name of a deleted definition until it is deleted for good: only a person can do that.
    let status = world.status().await;
    assert_eq!(world.needs().await, [NeedCode::ObjectMissing]);
    assert!(
        status.needs[0].detail.contains("'thnks' already exists"),
        "{:?}",
        status.needs
    );

    let path = format!("{path}?archived=true");
    world.by_hand("DELETE", &path, &Value::Null).await;
    world.run(&session, RunKind::Check).await;
    assert_eq!(world.status().await.needs, []);
    assert_ne!(world.object().await, object);
    assert_eq!(world.assert_good().await.records, GIFTS);
    world.end().await;
}

fn change(world: &World, id: &str, status: &str) {
    let change = Change {
        id: Some(id.to_owned()),
        count: 1,
        status: Some(status.into()),
        at: None,
    };
    world.control.advance(ORGANIZATION, &change).unwrap();
}

/// Rows with a contact whose story is not over.
async fn linked_rows(world: &World) -> Vec<Value> {
    let rows = world.rows("transactions").await;
    rows.into_iter()
        .filter(|row| row["contact_id"].is_number() && row["is_final"] == false)
        .collect()
}

#[tokio::test]
async fn a_record_that_somebody_deleted_is_made_again_when_its_gift_changes_and_linked() {
    let world = world(200).await;
    world.backfilled().await;
    let row = linked_rows(&world).await.remove(0);
    let id = row["transaction_id"].as_str().unwrap();
    let object = world.object().await;
    let record = row["record_id"].as_u64().unwrap();
    world
        .control
        .delete_record(HUB, &object, record, false)
        .unwrap();
    // Nothing notices while nothing changes, and it is not there.
    world.sync().await;
    assert_eq!(world.verdict().missing_count, 1);
    change(&world, id, "redeemed");
    world.sync().await;
    let again = world.row(id).await;
    assert_ne!(again["record_id"], row["record_id"]);
    assert_eq!(again["contact_id"], row["contact_id"]);
    assert_eq!(world.assert_good().await.records, 200);
    world.end().await;
}

#[tokio::test]
async fn a_record_that_is_gone_when_it_is_to_be_linked_is_made_again_once() {
    let world = world(60).await;
    let session = world.backfilled().await;
    let rows = world.rows("transactions").await;
    let orphans: Vec<&Value> = rows
        .iter()
        .filter(|row| row["contact_id"].is_null() && row["recipient_key"].is_string())
        .collect();
    let object = world.object().await;
    for orphan in &orphans {
        let record = orphan["record_id"].as_u64().unwrap();
        world
            .control
            .delete_record(HUB, &object, record, false)
            .unwrap();
    }
    let adopted = world.control.adopt_orphans(HUB, None, 100).unwrap();
    assert!(!adopted.is_empty());
    world.run(&session, RunKind::Reassociate).await;
    let runs = world.runs().await;
    let run = runs
        .iter()
        .rfind(|run| run["kind"] == "reassociate")
        .unwrap();
    assert_eq!(run["state"], "succeeded");
    assert_eq!(run["counts"]["remade"], json!(orphans.len()));
    assert_eq!(run["counts"]["unlinked"], 0);
    assert_eq!(world.assert_good().await.records, 60);
    world.end().await;
}

#[tokio::test]
async fn records_that_somebody_merged_are_two_again_each_with_its_own_gift() {
    let world = world(200).await;
    world.backfilled().await;
    let rows = linked_rows(&world).await;
    let object = world.object().await;
    let record = |row: &Value| row["record_id"].as_u64().unwrap();
    world
        .control
        .merge_records(HUB, &object, record(&rows[0]), record(&rows[1]))
        .unwrap();
    for row in &rows[..2] {
        change(&world, row["transaction_id"].as_str().unwrap(), "redeemed");
    }
    world.sync().await;
    let (one, two) = (
        world.row(rows[0]["transaction_id"].as_str().unwrap()).await,
        world.row(rows[1]["transaction_id"].as_str().unwrap()).await,
    );
    assert_eq!(one["record_id"], rows[0]["record_id"]);
    assert_ne!(two["record_id"], one["record_id"]);
    assert_eq!(world.status().await.failed, 0);
    let verdict = world.verdict();
    assert_eq!(
        (verdict.missing_count, verdict.doubled_count),
        (0, 0),
        "{verdict:#?}"
    );
    world.end().await;
}
