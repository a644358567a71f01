//! Phone numbers and last activity of contacts: how they are computed, and found by search.

use sandbox::control::Contact;
use sandbox::{DEMO_HUB_ID, Rules};
use serde_json::{Value, json};

use crate::harness::{Bench, Portal, now};

const CONTACTS: &str = "/crm/objects/2026-09/contacts";
const PHONE: &str = "hs_searchable_calculated_phone_number";
const MOBILE: &str = "hs_searchable_calculated_mobile_number";

async fn bench() -> Bench {
    let bench = Bench::start().await;
    bench.control().set_rules(Rules {
        search_lag_millis: 0,
        searches_per_second: None,
        ..Rules::default()
    });
    bench
}

fn add(bench: &Bench, phone: &str, mobile: &str) -> u64 {
    let contact = Contact {
        first_name: Some("Ann".into()),
        phone: Some(phone.into()),
        mobile_phone: Some(mobile.into()),
        ..Contact::default()
    };
    bench.control().add_contact(DEMO_HUB_ID, &contact).unwrap()
}

async fn shown(portal: &Portal<'_>, id: u64) -> Value {
    let names = format!("phone,mobilephone,{PHONE},{MOBILE},notes_last_updated");
    let reply = portal
        .get(&format!("{CONTACTS}/{id}?properties={names}"))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body["properties"].clone()
}

/// The ids that one filter finds.
async fn found(portal: &Portal<'_>, filter: Value) -> Vec<u64> {
    let body = json!({"filterGroups": [{"filters": [filter]}], "limit": 200});
    let reply = portal.post(&format!("{CONTACTS}/search"), body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let rows = reply.body["results"].as_array().unwrap();
    rows.iter()
        .map(|row| row["id"].as_str().unwrap().parse().unwrap())
        .collect()
}

fn eq(name: &str, value: &str) -> Value {
    json!({"propertyName": name, "operator": "EQ", "value": value})
}

fn among(name: &str, values: &[&str]) -> Value {
    json!({"propertyName": name, "operator": "IN", "values": values})
}

#[tokio::test]
async fn searchable_numbers_follow_the_phones() {
    let bench = bench().await;
    let portal = bench.install().await;
    let id = add(&bench, "+49 30 901820-7", "(0151) 234-567");
    let values = shown(&portal, id).await;
    assert_eq!(values["phone"], "+49 30 901820-7");
    assert_eq!(
        (&values[PHONE], &values[MOBILE]),
        (&json!("309018207"), &json!("0151234567"))
    );

    let path = format!("{CONTACTS}/{id}");
    let change = |name: &str, value: &str| json!({"properties": {name: value}});
    let reply = portal
        .patch(&path, change("mobilephone", "+353 87 123 4567"))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(shown(&portal, id).await[MOBILE], "871234567");
    let values = [("phone".to_owned(), json!("+1 (212) 555-0100"))].into();
    bench
        .control()
        .change_record(DEMO_HUB_ID, "contacts", id, &values)
        .unwrap();
    assert_eq!(shown(&portal, id).await[PHONE], "2125550100");
    portal.patch(&path, change("phone", "")).await;
    let values = shown(&portal, id).await;
    assert_eq!(
        (&values[PHONE], &values[MOBILE]),
        (&Value::Null, &json!("871234567"))
    );

    for computed in [PHONE, MOBILE, "notes_last_updated"] {
        let reply = portal.patch(&path, change(computed, "1")).await;
        assert_eq!(reply.status, 400, "{computed} is read only");
    }
}

#[tokio::test]
async fn contacts_are_found_by_their_numbers() {
    let bench = bench().await;
    let portal = bench.install().await;
    let one = add(&bench, "+49 30 901820", "0151 7");
    let two = add(&bench, "+1 30 901820", "151 7");
    for filter in [eq(PHONE, "30901820"), among(PHONE, &["30901820", "5"])] {
        assert_eq!(found(&portal, filter).await, [one, two]);
    }
    assert_eq!(found(&portal, eq("phone", "+49 30 901820")).await, [one]);
    assert_eq!(
        found(&portal, among("mobilephone", &["151 7"])).await,
        [two]
    );
    // Digits, not numbers: the zero in front counts.
    assert_eq!(found(&portal, eq(MOBILE, "01517")).await, [one]);
    assert_eq!(found(&portal, among(MOBILE, &["1517"])).await, [two]);
    assert!(found(&portal, eq(PHONE, "4930901820")).await.is_empty());
}

#[tokio::test]
async fn text_in_a_list_is_compared_in_lower_case_only() {
    let bench = bench().await;
    let portal = bench.install().await;
    let id = add(&bench, "+49 30 1 EXT", "0");
    assert_eq!(
        found(&portal, among("phone", &["+49 30 1 ext"])).await,
        [id]
    );
    let capitals = among("phone", &["+49 30 1 EXT"]);
    assert!(found(&portal, capitals.clone()).await.is_empty());
    assert_eq!(found(&portal, eq("phone", "+49 30 1 EXT")).await, [id]);
    let mut without = capitals;
    without["operator"] = json!("NOT_IN");
    let everybody = json!({"propertyName": "hs_object_id", "operator": "HAS_PROPERTY"});
    assert_eq!(
        found(&portal, without).await.len(),
        found(&portal, everybody).await.len()
    );
}

#[tokio::test]
async fn an_activity_sets_the_last_activity_date() {
    let bench = bench().await;
    let portal = bench.install().await;
    let control = bench.control();
    let (id, other) = (add(&bench, "1", "2"), add(&bench, "3", "4"));
    assert_eq!(shown(&portal, id).await["notes_last_updated"], Value::Null);
    control.note_activity(DEMO_HUB_ID, id, now()).unwrap();
    let at = "2026-11-23T12:00:00.000Z";
    assert_eq!(shown(&portal, id).await["notes_last_updated"], at);
    let millis = now().timestamp_millis().to_string();
    for filter in [
        eq("notes_last_updated", &millis),
        eq("notes_last_updated", "2026-11-23T12:00:00Z"),
        among("notes_last_updated", &["5", &millis]),
    ] {
        assert_eq!(found(&portal, filter).await, [id]);
    }
    control.note_activity(DEMO_HUB_ID, 1, now()).unwrap_err();

    let url = bench.url(&format!(
        "/sandbox/portals/{DEMO_HUB_ID}/contacts/{other}/activity"
    ));
    let body = json!({"at": "2026-11-24T08:30:00Z"});
    let reply = crate::harness::reply(bench.client.post(url).json(&body)).await;
    assert_eq!(reply.status, 200);
    let later = "2026-11-24T08:30:00.000Z";
    assert_eq!(shown(&portal, other).await["notes_last_updated"], later);
    // The survivor of a merge keeps the later activity.
    control
        .merge_records(DEMO_HUB_ID, "contacts", id, other)
        .unwrap();
    assert_eq!(shown(&portal, id).await["notes_last_updated"], later);
    let property = portal
        .get("/crm/properties/2026-09/contacts/notes_last_updated")
        .await;
    assert_eq!(property.body["label"], "Last Activity Date");
}
