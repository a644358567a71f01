//! The custom object: made, found, compared, repaired.

use domain::record::{self, PROPERTIES};
use hubspot::{CallClass, Difference, Repair, Schema, differences};
use serde_json::{Value, json};

use crate::harness::{Reply, json as reply, world};

/// The definition that `create_schema` sends, as HubSpot would give it back.
async fn created() -> Value {
    let answer = reply(201, &json!({"objectTypeId": "2-77", "name": "thnks"}));
    let world = world(CallClass::Interactive, vec![answer]).await;
    world.portal.create_schema().await.unwrap();
    let mut schema = world.server.asked()[0].json();
    schema["objectTypeId"] = "2-77".into();
    schema["fullyQualifiedName"] = "p4242_thnks".into();
    schema["associations"] = ["0-1", "0-2", "0-3"]
        .iter()
        .zip(30..)
        .map(|(to, id)| {
            json!({"id": id.to_string(), "fromObjectTypeId": "2-77", "toObjectTypeId": to, "name": "x"})
        })
        .collect();
    for property in schema["properties"].as_array_mut().unwrap() {
        property["groupName"] = "thnks_information".into();
    }
    schema
}

fn read(schema: &Value) -> Schema {
    serde_json::from_value(schema.clone()).unwrap()
}

#[tokio::test]
async fn what_is_created_has_no_difference() {
    let schema = read(&created().await);
    assert_eq!(differences(&schema), []);
    assert_eq!(schema.association_type("0-2").unwrap().type_id, 31);
    assert_eq!(schema.association_type("0-9"), None);
}

#[tokio::test]
async fn each_difference_says_who_can_repair_it() {
    let mut schema = created().await;
    let properties = schema["properties"].as_array_mut().unwrap();
    let of = |properties: &mut Vec<Value>, name: &str| {
        properties
            .iter()
            .position(|property| property["name"] == name)
            .unwrap()
    };
    let at = of(properties, "transaction_id");
    properties[at]["hasUniqueValue"] = false.into();
    let at = of(properties, "sent_date");
    properties[at]["type"] = "date".into();
    let at = of(properties, "status");
    properties[at]["options"]
        .as_array_mut()
        .unwrap()
        .truncate(8);
    let at = of(properties, "message");
    properties.remove(at);
    let at = of(properties, "gift_name");
    properties[at]["archived"] = true.into();
    schema["associations"].as_array_mut().unwrap().remove(0);
    let found = differences(&read(&schema));
    let repairs: Vec<_> = found.iter().map(Difference::repair).collect();
    assert_eq!(
        repairs,
        [
            Repair::ByHand,
            Repair::CreateProperty,
            Repair::AddOptions,
            Repair::CreateProperty,
            Repair::ByHand,
            Repair::AllowAssociation,
        ]
    );
    assert!(found.iter().any(|difference| matches!(difference,
        Difference::MissingOptions { missing, .. } if *missing == ["donated", "other"])));
}

#[tokio::test]
async fn an_object_is_found_by_its_name() {
    let list = json!({"results": [{"objectTypeId": "2-1", "name": "pets"}, created().await]});
    let script = vec![reply(200, &list), reply(200, &json!({"results": []}))];
    let world = world(CallClass::Interactive, script).await;
    let found = world.portal.find_schema(record::OBJECT_NAME).await.unwrap();
    assert_eq!(found.unwrap().object_type_id, "2-77");
    assert_eq!(world.portal.find_schema("thnks").await.unwrap(), None);
}

#[tokio::test]
async fn creating_is_not_repeated_when_its_outcome_is_unknown() {
    let world = world(CallClass::Sync, vec![Reply::HangUp]).await;
    let error = world.portal.create_schema().await.unwrap_err();
    assert!(error.is_in_doubt(), "{error}");
}

#[tokio::test]
async fn new_properties_join_the_objects_group_and_existing_ones_are_no_refusal() {
    let schema = read(&created().await);
    let exists = json!({"category": "OBJECT_ALREADY_EXISTS", "subCategory": "Properties.PROPERTY_WITH_NAME_EXISTS"});
    let limit = json!({"category": "VALIDATION_ERROR", "message": "too many properties"});
    let script = vec![
        reply(207, &json!({"results": [], "errors": [exists, limit]})),
        reply(409, &exists),
        reply(409, &exists),
        reply(201, &json!({"name": "gift_name"})),
    ];
    let world = world(CallClass::Sync, script).await;
    let answer = world
        .portal
        .create_properties(&schema, &PROPERTIES[..2])
        .await;
    assert_eq!(answer.unwrap().refused.len(), 1);
    let answer = world
        .portal
        .create_properties(&schema, &PROPERTIES[..2])
        .await;
    assert!(answer.unwrap().refused.is_empty());
    let asked = world.server.asked();
    assert_eq!(
        asked[0].json()["inputs"][1]["groupName"],
        "thnks_information"
    );
    assert_eq!(asked[3].line, "POST /crm/properties/2026-09/2-77 HTTP/1.1");
}

#[tokio::test]
async fn added_options_leave_the_accounts_own_in_place() {
    let mut schema = created().await;
    let status = PROPERTIES
        .iter()
        .find(|property| property.name == "status")
        .unwrap();
    let at = PROPERTIES
        .iter()
        .position(|property| property.name == "status")
        .unwrap();
    schema["properties"][at]["options"] = json!([{"value": "mine", "label": "Mine", "displayOrder": 0, "hidden": false},
        {"value": "sent", "label": "Gone out", "displayOrder": 1}]);
    let schema = read(&schema);
    let world = world(
        CallClass::Sync,
        vec![reply(200, &json!({"name": "status"}))],
    )
    .await;
    world
        .portal
        .add_options(&schema, &schema.properties[at], status)
        .await
        .unwrap();
    let asked = &world.server.asked()[0];
    assert_eq!(
        asked.line,
        "PATCH /crm/properties/2026-09/2-77/status HTTP/1.1"
    );
    let options = asked.json()["options"].clone();
    let options = options.as_array().unwrap();
    assert_eq!(options.len(), 2 + 9);
    assert_eq!(options[0]["label"], "Mine");
    assert_eq!(options[1]["label"], "Gone out");
    assert_eq!(
        options[2],
        json!({"value": "scheduled", "label": "Scheduled", "displayOrder": 2, "hidden": false})
    );
}
