//! Searching contacts, and removing links: what is sent and how answers are read.

use domain::RecordId;
use hubspot::CallClass;
use serde_json::{Value, json};

use crate::harness::{Reply, json as reply, world};

#[tokio::test]
async fn a_search_asks_for_any_of_the_properties_and_follows_its_pages() {
    let contact = |id: &str| json!({"id": id, "properties": {"phone": "+1 202 555 0123"}});
    let script = vec![
        reply(
            200,
            &json!({"total": 2, "results": [contact("1")], "paging": {"next": {"after": "200"}}}),
        ),
        reply(
            200,
            &json!({"total": 2, "results": [contact("2"), contact("1")]}),
        ),
    ];
    let world = world(CallClass::Webhook, script).await;
    let values = ["2025550123".to_owned()];
    let found = world
        .portal
        .contacts_having(&["a", "b"], &values, Some("work_email"))
        .await
        .unwrap();
    let ids: Vec<i64> = found.iter().map(|contact| contact.id.0).collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(found[0].phones, ["+1 202 555 0123"]);
    let asked = world.server.asked();
    assert!(
        asked[0].line.contains("/contacts/search "),
        "{}",
        asked[0].line
    );
    let body = asked[0].json();
    assert_eq!(
        body["filterGroups"],
        json!([
            {"filters": [{"propertyName": "a", "operator": "IN", "values": ["2025550123"]}]},
            {"filters": [{"propertyName": "b", "operator": "IN", "values": ["2025550123"]}]},
        ])
    );
    let properties = body["properties"].as_array().unwrap();
    assert!(properties.contains(&json!("work_email")));
    assert_eq!(
        (&body["after"], &asked[1].json()["after"]),
        (&Value::Null, &json!("200"))
    );
}

#[tokio::test]
async fn a_search_stays_within_hubspots_characters_and_is_not_made_for_nothing() {
    let nothing = || reply(200, &json!({"total": 0, "results": []}));
    let world = world(CallClass::Webhook, vec![nothing(), nothing(), nothing()]).await;
    let found = world
        .portal
        .contacts_having(&["a"], &[], None)
        .await
        .unwrap();
    assert_eq!((found.len(), world.portal.calls().total()), (0, 0));
    let values: Vec<String> = (0..150)
        .map(|n| format!("somebody.with.a.name.{n:03}@client.example"))
        .collect();
    world
        .portal
        .contacts_having(&["work_email"], &values, None)
        .await
        .unwrap();
    let mut sent = 0;
    for asked in world.server.asked() {
        let body = asked.json();
        assert!(
            body.to_string().len() <= 3_000,
            "{}",
            body.to_string().len()
        );
        sent += body["filterGroups"][0]["filters"][0]["values"]
            .as_array()
            .unwrap()
            .len();
    }
    assert_eq!(sent, 150);
}

#[tokio::test]
async fn links_are_removed_and_a_bad_pair_stands_alone() {
    let refusal = || {
        reply(
            400,
            &json!({"category": "VALIDATION_ERROR", "message": "no"}),
        )
    };
    let script = vec![refusal(), Reply::Answer(204, &[], String::new()), refusal()];
    let world = world(CallClass::Sync, script).await;
    let pairs = [(RecordId(1), RecordId(11)), (RecordId(2), RecordId(12))];
    let answer = world
        .portal
        .dissociate("2-77", "contacts", &pairs)
        .await
        .unwrap();
    assert_eq!(answer.refused.len(), 1);
    assert_eq!(
        (answer.refused[0].from, answer.refused[0].to),
        (Some(RecordId(2)), Some(RecordId(12)))
    );
    let asked = world.server.asked();
    assert!(
        asked[0].line.contains("/2-77/contacts/batch/archive "),
        "{}",
        asked[0].line
    );
    assert_eq!(
        asked[1].json()["inputs"],
        json!([{"from": {"id": "1"}, "to": [{"id": "11"}]}])
    );
}
