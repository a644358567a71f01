//! The custom object in the portal: created, adopted, repaired, or named with what is missing.

use domain::portal::{NeedCode, PortalState};
use domain::run::RunKind;
use serde_json::{Value, json};

use crate::harness::{HUB, World, with, world};

const STATUSES: &str =
    "scheduled sent delivered opened redeemed refunded expired undelivered donated other";
const SCHEMAS: &str = "/crm-object-schemas/2026-09/schemas";

/// The properties of contracts/app.md: name, label, type, field type.
fn contract() -> Vec<(&'static str, String, &'static str, &'static str)> {
    let mut all = vec![
        ("transaction_id", "Transaction ID", "string", "text"),
        ("gift_amount", "Gift Amount", "number", "number"),
        ("status", "Status", "enumeration", "select"),
        ("source_status", "Thnks Status", "string", "text"),
        ("message", "Message", "string", "textarea"),
        ("delivery_type", "Delivery Type", "enumeration", "select"),
        ("tracking_url", "Tracking URL", "string", "text"),
    ];
    for (name, label) in [
        ("gift_name", "Gift Name"),
        ("gift_type", "Gift Type"),
        ("gift_currency", "Gift Currency"),
        ("sender_name", "Sender Name"),
        ("sender_email", "Sender Email"),
        ("recipient_name", "Recipient Name"),
        ("recipient_email", "Recipient Email"),
        ("recipient_phone", "Recipient Phone"),
    ] {
        all.push((name, label, "string", "text"));
    }
    for (name, label) in [
        ("sent_date", "Sent Date"),
        ("scheduled_date", "Scheduled Date"),
        ("delivered_date", "Delivered Date"),
        ("opened_date", "Opened Date"),
        ("redeemed_date", "Redeemed Date"),
        ("refunded_date", "Refunded Date"),
        ("expired_date", "Expired Date"),
        ("undelivered_date", "Undelivered Date"),
        ("donated_date", "Donated Date"),
    ] {
        all.push((name, label, "datetime", "date"));
    }
    all.into_iter()
        .map(|(name, label, kind, field)| (name, label.to_owned(), kind, field))
        .collect()
}

fn options(property: &str) -> Vec<&'static str> {
    match property {
        "status" => STATUSES.split(' ').collect(),
        "delivery_type" => vec!["email", "sms"],
        _ => Vec::new(),
    }
}

/// The object as an admin makes it from the guide.
fn made_by_hand() -> Value {
    let properties: Vec<Value> = contract()
        .into_iter()
        .map(|(name, label, kind, field)| {
            let options: Vec<Value> = options(name)
                .iter()
                .enumerate()
                .map(|(at, value)| json!({"label": value, "value": value, "displayOrder": at}))
                .collect();
            json!({"name": name, "label": label, "type": kind, "fieldType": field,
                "hasUniqueValue": name == "transaction_id", "options": options})
        })
        .collect();
    json!({"name": "thnks", "labels": {"singular": "Thnks", "plural": "Thnks"},
        "primaryDisplayProperty": "gift_name", "requiredProperties": ["transaction_id"],
        "properties": properties, "associatedObjects": ["CONTACT", "COMPANY", "DEAL"]})
}

async fn properties_path(world: &World, name: &str) -> String {
    format!("/crm/properties/2026-09/{}/{name}", world.object().await)
}

#[tokio::test]
async fn the_object_is_made_as_the_contract_says() {
    let world = world(10).await;
    world.backfilled().await;
    let schema = world.schema().await.unwrap();
    assert_eq!(
        schema["labels"],
        json!({"singular": "Thnks", "plural": "Thnks"})
    );
    assert_eq!(schema["primaryDisplayProperty"], "gift_name");
    assert_eq!(
        schema["secondaryDisplayProperties"],
        json!(["recipient_name", "status"])
    );
    assert_eq!(schema["requiredProperties"], json!(["transaction_id"]));
    let mut searchable: Vec<&str> = schema["searchableProperties"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    searchable.sort_unstable();
    assert_eq!(
        searchable,
        [
            "gift_name",
            "recipient_email",
            "recipient_name",
            "sender_name",
            "transaction_id"
        ]
    );
    let all = schema["properties"].as_array().unwrap();
    let contract = contract();
    assert_eq!(contract.len(), 24);
    for (name, label, kind, field) in contract {
        let found = all.iter().find(|property| property["name"] == name);
        let found = found.unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(found["label"], *label, "{name}");
        assert_eq!(
            (&found["type"], &found["fieldType"]),
            (&json!(kind), &json!(field)),
            "{name}"
        );
        assert_eq!(
            found["hasUniqueValue"].as_bool().unwrap_or(false),
            name == "transaction_id"
        );
        let held: Vec<&str> = found["options"]
            .as_array()
            .map(|options| {
                options
                    .iter()
                    .map(|o| o["value"].as_str().unwrap())
                    .collect()
            })
            .unwrap_or_default();
        assert_eq!(held, options(name), "{name}");
        if name == "gift_amount" {
            assert_eq!(found["showCurrencySymbol"], true);
        }
    }
    for kind in ["0-1", "0-2", "0-3"] {
        let links = schema["associations"].as_array().unwrap();
        assert!(
            links.iter().any(|link| link["toObjectTypeId"] == kind),
            "{kind}"
        );
    }
    world.end().await;
}

#[tokio::test]
async fn without_the_right_to_make_it_the_object_is_asked_for_and_then_adopted() {
    let world = with(|config| {
        config.world = sandbox::WorldSpec::small(config.world.now, 40);
        config.rules.schema_write_approved = false;
    })
    .await;
    let session = world.install_from_link().await;
    world.drain().await;
    let status = world.status().await;
    assert_eq!(status.state, PortalState::NeedsSetup);
    assert_eq!(world.needs().await, [NeedCode::ObjectMissing]);
    assert!(!status.needs[0].remedy.is_empty());
    assert_eq!(world.verdict().records, 0);

    world.by_hand("POST", SCHEMAS, &made_by_hand()).await;
    world.run(&session, RunKind::Check).await;
    assert_eq!(world.status().await.state, PortalState::Active);
    assert_eq!(world.calls("properties.batch_create"), 0);
    assert_eq!(world.assert_good().await.records, 40);
    world.end().await;
}

#[tokio::test]
async fn an_object_that_is_there_is_adopted() {
    let world = world(40).await;
    world.install(None).await;
    world.by_hand("POST", SCHEMAS, &made_by_hand()).await;
    let before = world.calls("schemas.create");
    let link = world.setup_link().await;
    world.install(Some(&link)).await;
    world.drain().await;
    assert_eq!(world.calls("schemas.create"), before);
    assert_eq!(world.assert_good().await.records, 40);
    world.end().await;
}

#[tokio::test]
async fn what_is_missing_on_the_object_is_repaired_where_we_may() {
    let world = world(20).await;
    let session = world.backfilled().await;
    break_object(&world).await;
    world.run(&session, RunKind::Check).await;
    assert_eq!(world.needs().await, []);
    let schema = world.schema().await.unwrap();
    let held = schema["properties"].as_array().unwrap();
    assert!(
        held.iter()
            .any(|property| property["name"] == "tracking_url")
    );
    let status = held
        .iter()
        .find(|property| property["name"] == "status")
        .unwrap();
    assert_eq!(status["options"].as_array().unwrap().len(), 10);
    world.end().await;
}

#[tokio::test]
async fn what_is_missing_on_the_object_is_named_where_we_may_not() {
    let world = world(20).await;
    let session = world.backfilled().await;
    break_object(&world).await;
    // The portal's grant shrinks with the next install.
    world
        .control
        .merge_rules(&json!({"schema_write_approved": false}))
        .unwrap();
    world.install(None).await;
    world.drain().await;
    world.run(&session, RunKind::Check).await;
    let status = world.status().await;
    assert_eq!(status.state, PortalState::NeedsSetup);
    let mut codes = world.needs().await;
    codes.sort_by_key(|code| format!("{code:?}"));
    assert_eq!(
        codes,
        [NeedCode::PropertyDiffers, NeedCode::PropertyMissing]
    );
    let words: String = status
        .needs
        .iter()
        .map(|need| need.detail.as_str())
        .collect();
    assert!(
        words.contains("tracking_url") && words.contains("donated"),
        "{words}"
    );
    world.end().await;
}

/// Somebody deletes a property, and an option of another.
async fn break_object(world: &World) {
    let path = properties_path(world, "tracking_url").await;
    world.by_hand("DELETE", &path, &Value::Null).await;
    let path = properties_path(world, "status").await;
    let options: Vec<Value> = STATUSES
        .split(' ')
        .filter(|status| *status != "donated")
        .enumerate()
        .map(|(at, status)| json!({"label": status, "value": status, "displayOrder": at}))
        .collect();
    world
        .by_hand("PATCH", &path, &json!({"options": options}))
        .await;
}

#[tokio::test]
async fn a_portal_that_loses_its_edition_needs_it_back_and_then_goes_on() {
    let world = world(20).await;
    let session = world.install_from_link().await;
    world.control.set_enterprise(HUB, false).unwrap();
    world.drain().await;
    assert_eq!(world.needs().await, [NeedCode::TierMissing]);
    world.control.set_enterprise(HUB, true).unwrap();
    world.run(&session, RunKind::Check).await;
    assert_eq!(world.status().await.state, PortalState::Active);
    assert_eq!(world.assert_good().await.records, 20);
    world.end().await;
}

#[tokio::test]
async fn a_portal_without_room_for_another_object_is_told_so() {
    let world = with(|config| config.rules.definition_limit = 0).await;
    world.install_from_link().await;
    world.drain().await;
    assert_eq!(world.needs().await, [NeedCode::ObjectMissing]);
    world.end().await;
}
