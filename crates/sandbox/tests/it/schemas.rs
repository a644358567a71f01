//! Definitions and properties, their limits, and the tier.

use sandbox::{DEMO_HUB_ID, Rules};
use serde_json::{Value, json};

use crate::harness::{Bench, object};

const SCHEMAS: &str = "/crm-object-schemas/2026-09/schemas";
const PROPERTIES: &str = "/crm/properties/2026-09/p_thnks";

#[tokio::test]
async fn a_definition_is_created_listed_and_has_associations_both_ways() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    assert_eq!(portal.get(SCHEMAS).await.body["results"], json!([]));
    let made = portal.create_object().await;
    assert_eq!(made["fullyQualifiedName"], format!("p{DEMO_HUB_ID}_thnks"));
    assert!(made["objectTypeId"].as_str().unwrap().starts_with("2-"));
    assert_eq!(made["associations"].as_array().unwrap().len(), 6);
    let names: Vec<&str> = made["properties"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"hs_object_id") && names.contains(&"gift_name"));
    let one = portal.get(&format!("{SCHEMAS}/p_thnks")).await;
    assert_eq!(one.body["objectTypeId"], made["objectTypeId"]);
    assert_eq!(
        portal.get(SCHEMAS).await.body["results"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let limit = portal.get("/crm/limits/2026-09/custom-object-types").await;
    assert_eq!(
        (&limit.body["usage"], &limit.body["limit"]),
        (&json!(1), &json!(10))
    );
}

#[tokio::test]
async fn a_duplicate_name_is_refused_with_the_status_of_the_rules() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    portal.create_object().await;
    for status in [409, 400] {
        bench.control().set_rules(Rules {
            duplicate_schema_status: status,
            ..Rules::default()
        });
        assert_eq!(portal.post(SCHEMAS, object("thnks")).await.status, status);
    }
}

#[tokio::test]
async fn definitions_that_break_a_rule_are_refused() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let broken: [fn(&mut Value); 8] = [
        |o| o["name"] = json!("1thnks"),
        |o| o["primaryDisplayProperty"] = json!("nope"),
        |o| o["searchableProperties"] = json!(["nope"]),
        |o| o["requiredProperties"] = json!(["nope"]),
        |o| o["properties"][1]["name"] = json!("Gift Name"),
        |o| o["properties"][1]["type"] = json!("text"),
        |o| o["properties"][1]["fieldType"] = json!("number"),
        |o| o["associatedObjects"] = json!(["thnks"]),
    ];
    for (index, breaking) in broken.iter().enumerate() {
        let mut body = object("thnks");
        breaking(&mut body);
        assert_eq!(portal.post(SCHEMAS, body).await.status, 400, "{index}");
    }
    let mut unique = object("thnks");
    unique["properties"] = (0..11)
        .map(|i| json!({"name": format!("u{i}"), "label": "u", "type": "string", "fieldType": "text", "hasUniqueValue": true}))
        .collect();
    for part in [
        "primaryDisplayProperty",
        "secondaryDisplayProperties",
        "searchableProperties",
        "requiredProperties",
    ] {
        unique.as_object_mut().unwrap().remove(part);
    }
    assert_eq!(portal.post(SCHEMAS, unique).await.status, 400);
    bench.control().set_rules(Rules {
        definition_limit: 0,
        ..Rules::default()
    });
    assert_eq!(portal.post(SCHEMAS, object("thnks")).await.status, 400);
}

#[tokio::test]
async fn without_the_scope_or_the_tier_definitions_are_403() {
    let mut config = sandbox::Config::new(sandbox::WorldSpec::small(crate::harness::now(), 10));
    config.rules.schema_write_approved = false;
    let bench = Bench::with(config).await;
    let portal = bench.install().await;
    let refused = portal.post(SCHEMAS, object("thnks")).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.body["category"], "MISSING_SCOPES");
    assert_eq!(
        refused.body["errors"][0]["context"]["requiredGranularScopes"],
        json!(["crm.schemas.custom.write"])
    );
    assert_eq!(portal.get(SCHEMAS).await.status, 200);
    bench.control().set_enterprise(DEMO_HUB_ID, false).unwrap();
    assert_eq!(portal.get(SCHEMAS).await.status, 403);
    assert_eq!(
        portal.get("/crm/objects/2026-09/contacts").await.status,
        200
    );
}

#[tokio::test]
async fn properties_are_created_restored_and_partly_fixed() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    portal.create_object().await;
    let property = json!({"name": "extra", "label": "Extra", "type": "string", "fieldType": "text", "groupName": "thnks_information"});
    let groups = portal.get(&format!("{PROPERTIES}/groups")).await;
    assert_eq!(groups.body["results"][0]["name"], "thnks_information");
    assert_eq!(portal.post(PROPERTIES, property.clone()).await.status, 201);
    let again = portal.post(PROPERTIES, property.clone()).await;
    assert_eq!(again.status, 409);
    assert_eq!(
        again.body["subCategory"],
        "Properties.PROPERTY_WITH_NAME_EXISTS"
    );
    assert_eq!(again.body["category"], "OBJECT_ALREADY_EXISTS");
    let one = format!("{PROPERTIES}/extra");
    assert_eq!(
        portal.patch(&one, json!({"label": "More"})).await.body["label"],
        "More"
    );
    assert_eq!(
        portal
            .patch(&one, json!({"hasUniqueValue": true}))
            .await
            .status,
        400
    );
    assert_eq!(portal.delete(&one).await.status, 204);
    assert_eq!(portal.get(&one).await.status, 404);
    assert_eq!(
        portal.post(PROPERTIES, property.clone()).await.body["label"],
        "More",
        "restored"
    );
    let mut elsewhere = property;
    elsewhere["name"] = json!("other");
    elsewhere["groupName"] = json!("nope");
    let batch = json!({"inputs": [elsewhere, {"name": "fine", "label": "Fine", "type": "number", "fieldType": "number", "groupName": "thnks_information"}]});
    let reply = portal
        .post(&format!("{PROPERTIES}/batch/create"), batch)
        .await;
    assert_eq!(
        (reply.status.as_u16(), &reply.body["numErrors"]),
        (207, &json!(1))
    );
    assert_eq!(portal.get(&format!("{PROPERTIES}/fine")).await.status, 200);
}

#[tokio::test]
async fn changing_options_replaces_the_list() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    portal.create_object().await;
    let body = json!({"options": [{"label": "Opened", "value": "opened", "displayOrder": 0, "hidden": false}]});
    assert_eq!(
        portal
            .patch(&format!("{PROPERTIES}/status"), body)
            .await
            .status,
        200
    );
    let refused = portal
        .upsert(json!([crate::harness::input(
            "a",
            json!({"status": "sent"})
        )]))
        .await;
    assert_eq!(refused.status, 207);
    let taken = portal
        .upsert(json!([crate::harness::input(
            "a",
            json!({"status": "opened"})
        )]))
        .await;
    assert_eq!(taken.status, 200);
}

#[tokio::test]
async fn a_definition_with_records_cannot_be_deleted_and_its_name_is_free_only_for_good() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let made = portal.create_object().await;
    let reply = portal
        .upsert(json!([crate::harness::input("a", json!({}))]))
        .await;
    let id = reply.body["results"][0]["id"].as_str().unwrap();
    let one = format!("{SCHEMAS}/{}", made["objectTypeId"].as_str().unwrap());
    assert_eq!(portal.delete(&one).await.status, 400);
    portal
        .delete(&format!("/crm/objects/2026-09/p_thnks/{id}"))
        .await;
    assert_eq!(portal.delete(&one).await.status, 204);
    assert_eq!(portal.post(SCHEMAS, object("thnks")).await.status, 409);
    assert_eq!(
        portal.delete(&format!("{one}?archived=true")).await.status,
        204
    );
    assert_eq!(portal.post(SCHEMAS, object("thnks")).await.status, 201);
}
