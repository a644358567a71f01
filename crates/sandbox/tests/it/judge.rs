//! The referee's judgement, fed by a small integration written here from the contract.

use std::collections::BTreeMap;

use sandbox::control::{Contact, Link, Sent};
use sandbox::{DEMO_HUB_ID, DEMO_ORGANIZATION_ID, Verdict};
use serde_json::{Value, json};

use crate::harness::{Bench, Portal};

/// The object of contracts/app.md, as far as values go.
fn contract_object() -> Value {
    let text =
        |name: &str| json!({"name": name, "label": name, "type": "string", "fieldType": "text"});
    let mut properties: Vec<Value> = [
        "gift_name",
        "gift_type",
        "gift_currency",
        "sender_name",
        "sender_email",
        "recipient_name",
        "recipient_email",
        "recipient_phone",
        "source_status",
        "message",
        "tracking_url",
    ]
    .map(text)
    .into();
    let mut key = text("transaction_id");
    key["hasUniqueValue"] = json!(true);
    properties.push(key);
    properties.push(
        json!({"name": "gift_amount", "label": "Amount", "type": "number", "fieldType": "number"}),
    );
    for (name, options) in [
        (
            "status",
            &[
                "scheduled",
                "sent",
                "delivered",
                "opened",
                "redeemed",
                "refunded",
                "expired",
                "undelivered",
                "donated",
                "other",
            ][..],
        ),
        ("delivery_type", &["email", "sms"][..]),
    ] {
        let options: Vec<Value> = options
            .iter()
            .map(|o| json!({"label": o, "value": o}))
            .collect();
        properties.push(json!({"name": name, "label": name, "type": "enumeration", "fieldType": "select", "options": options}));
    }
    for name in [
        "scheduled",
        "sent",
        "delivered",
        "undelivered",
        "opened",
        "redeemed",
        "donated",
        "expired",
        "refunded",
    ] {
        properties.push(json!({"name": format!("{name}_date"), "label": name, "type": "datetime", "fieldType": "date"}));
    }
    json!({
        "name": "thnks", "labels": {"singular": "Thnks", "plural": "Thnks"}, "primaryDisplayProperty": "gift_name",
        "requiredProperties": ["transaction_id"], "properties": properties,
        "associatedObjects": ["0-1", "0-2", "0-3"],
    })
}

/// What a record should hold, straight from a row of the API.
fn properties(row: &Value) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all = json!({
        "transaction_id": row["id"], "gift_name": text(&row["gift_name"]), "gift_type": text(&row["gift_type"]),
        "gift_currency": text(&row["currency"]), "gift_amount": text(&row["amount"]),
        "sender_name": text(&row["sender"]["name"]), "sender_email": text(&row["sender"]["email"]),
        "recipient_name": text(&row["recipient"]["name"]),
        "recipient_email": text(&row["recipient"]["email"]).trim(),
        "recipient_phone": text(&row["recipient"]["phone"]), "status": row["status"], "source_status": row["status"],
        "message": text(&row["message"]), "tracking_url": text(&row["tracking_url"]),
        "delivery_type": row["delivery_type"],
    });
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    for step in row["status_history"].as_array().unwrap() {
        let at = step["at"].as_str().unwrap();
        let parsed = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        let best = first.entry(text(&step["status"])).or_insert(at);
        if parsed(at) < parsed(best) {
            *best = at;
        }
    }
    for (status, at) in first {
        all[format!("{status}_date")] = json!(at);
    }
    all
}

/// Imports everything and links it; leaves out what `skip` names.
async fn import(portal: &Portal<'_>, bench: &Bench) {
    let made = portal
        .post("/crm-object-schemas/2026-09/schemas", contract_object())
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    sync(portal, bench).await;
}

async fn sync(portal: &Portal<'_>, bench: &Bench) {
    let rows = bench.thnks("/api/v1/transactions?limit=500").await.body["transactions"]
        .as_array()
        .unwrap()
        .clone();
    for rows in rows.chunks(100) {
        let inputs: Vec<Value> = rows
            .iter()
            .map(|row| json!({"id": row["id"], "idProperty": "transaction_id", "properties": properties(row)}))
            .collect();
        let reply = portal.upsert(json!(inputs)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        for record in reply.body["results"].as_array().unwrap() {
            let email = record["properties"]["recipient_email"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            link(portal, record["id"].as_str().unwrap(), &email).await;
        }
    }
}

async fn link(portal: &Portal<'_>, record: &str, email: &str) {
    if email.is_empty() {
        return;
    }
    let found = portal
        .post(
            "/crm/objects/2026-09/contacts/batch/read",
            json!({"idProperty": "email", "inputs": [{"id": email}]}),
        )
        .await;
    let Some(contact) = found.body["results"][0]["id"].as_str() else {
        return;
    };
    put(portal, record, "contacts", contact).await;
    let read = async |to: &str| {
        let path = format!("/crm/associations/2026-09/contacts/{to}/batch/read");
        let reply = portal
            .post(&path, json!({"inputs": [{"id": contact}]}))
            .await;
        reply.body["results"][0]["to"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    for company in read("companies").await {
        let primary = json!({"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"});
        if company["associationTypes"]
            .as_array()
            .unwrap()
            .contains(&primary)
        {
            put(
                portal,
                record,
                "companies",
                &company["toObjectId"].to_string(),
            )
            .await;
        }
    }
    for deal in read("deals").await {
        let id = deal["toObjectId"].to_string();
        let shown = portal
            .get(&format!(
                "/crm/objects/2026-09/deals/{id}?properties=hs_is_closed"
            ))
            .await;
        if shown.body["properties"]["hs_is_closed"] == "false" {
            put(portal, record, "deals", &id).await;
        }
    }
}

async fn put(portal: &Portal<'_>, record: &str, to: &str, id: &str) {
    let path = format!("/crm/associations/2026-09/p_thnks/{to}/batch/associate/default");
    let body = json!({"inputs": [{"from": {"id": record}, "to": {"id": id}}]});
    let reply = portal.post(&path, body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

async fn imported() -> Bench {
    let bench = Bench::start().await;
    let mut rules = bench.control().rules();
    rules.requests_per_10s = None;
    bench.control().set_rules(rules);
    bench
}

fn judge(bench: &Bench) -> Verdict {
    bench.control().verify(DEMO_HUB_ID, None).unwrap()
}

#[tokio::test]
async fn nothing_imported_is_all_missing() {
    let bench = imported().await;
    let verdict = judge(&bench);
    assert!(!verdict.ok);
    assert_eq!(
        (verdict.transactions, verdict.records, verdict.missing_count),
        (60, 0, 60)
    );
}

#[tokio::test]
async fn a_faithful_import_is_found_faithful_and_adopted_orphans_are_due() {
    let bench = imported().await;
    let portal = bench.install().await;
    import(&portal, &bench).await;
    let verdict = judge(&bench);
    assert!(verdict.ok, "{verdict:#?}");
    assert_eq!(verdict.orphans, verdict.expected_orphans);
    assert!(
        verdict.orphans > 0 && verdict.associations.company > 0 && verdict.associations.deal > 0
    );
    assert_eq!(verdict.associations, verdict.expected);
    assert!(verdict.calls.total > 0 && verdict.calls.by_kind["objects.batch_upsert"] == 1);

    let adopted = bench.control().adopt_orphans(DEMO_HUB_ID, None, 2).unwrap();
    assert!(!adopted.is_empty());
    let verdict = judge(&bench);
    assert!(!verdict.ok && verdict.missing_link_count > 0);
    assert!(verdict.orphans > verdict.expected_orphans);
    sync(&portal, &bench).await;
    assert!(judge(&bench).ok);
}

#[tokio::test]
async fn wrong_values_doubles_and_strangers_are_found() {
    let bench = imported().await;
    let portal = bench.install().await;
    import(&portal, &bench).await;
    let path = "/crm/objects/2026-09/p_thnks?limit=1&properties=transaction_id";
    let first = portal.get(path).await.body["results"][0].clone();
    let id = first["id"].as_str().unwrap();
    let one = format!("/crm/objects/2026-09/p_thnks/{id}");
    portal
        .patch(&one, json!({"properties": {"gift_name": "Something else"}}))
        .await;
    portal.upsert(json!([{"id": "txn_stranger", "idProperty": "transaction_id", "properties": {"gift_name": "x"}}])).await;
    let verdict = judge(&bench);
    assert!(!verdict.ok);
    assert_eq!((verdict.wrong_value_count, verdict.unknown_count), (1, 1));
    assert_eq!(verdict.wrong_values[0].property, "gift_name");
    assert_eq!(verdict.wrong_values[0].actual, "Something else");
    assert_eq!(
        json!(verdict.wrong_values[0].id),
        first["properties"]["transaction_id"]
    );
    assert_eq!(verdict.unknown, ["txn_stranger"]);

    portal.delete(&one).await;
    let verdict = judge(&bench);
    assert_eq!(
        (verdict.missing_count, json!(verdict.missing[0])),
        (1, first["properties"]["transaction_id"].clone())
    );
}

#[tokio::test]
async fn a_changed_status_is_a_wrong_value_until_it_is_synced() {
    let bench = imported().await;
    let portal = bench.install().await;
    import(&portal, &bench).await;
    let sent = Sent {
        email: Some("new@client.example".into()),
        ..Sent::default()
    };
    let id = bench
        .control()
        .send_gift(DEMO_ORGANIZATION_ID, sent)
        .unwrap();
    assert_eq!(judge(&bench).missing, std::slice::from_ref(&id));
    sync(&portal, &bench).await;
    let change = serde_json::from_value(json!({"id": id, "status": "OPENED"})).unwrap();
    bench
        .control()
        .advance(DEMO_ORGANIZATION_ID, &change)
        .unwrap();
    let wrong: Vec<&str> = judge(&bench)
        .wrong_values
        .iter()
        .map(|wrong| wrong.property)
        .collect();
    // Statuses are compared without case, but shown as Thnks spelt them.
    assert_eq!(wrong, ["status", "source_status", "opened_date"]);
}

#[tokio::test]
async fn links_are_judged_by_what_was_ever_true() {
    let bench = imported().await;
    let portal = bench.install().await;
    import(&portal, &bench).await;
    let control = bench.control();
    // A company changes and a deal closes: what is linked stays linked.
    let contact = Contact {
        email: Some("late@client.example".into()),
        ..Contact::default()
    };
    let contact = control.add_contact(DEMO_HUB_ID, &contact).unwrap();
    let add = |kind: &str, name: &str, value: &str| {
        let values = BTreeMap::from([(name.to_owned(), json!(value))]);
        control.add_record(DEMO_HUB_ID, kind, &values).unwrap()
    };
    let (old, new) = (
        add("companies", "name", "Old"),
        add("companies", "name", "New"),
    );
    let deal = add("deals", "dealstage", "contractsent");
    let link = |to_type: &str, to: u64, label: Option<&str>| Link {
        from_type: "contacts".into(),
        from: contact,
        to_type: to_type.into(),
        to,
        label: label.map(str::to_owned),
    };
    control
        .link(DEMO_HUB_ID, &link("companies", old, Some("Primary")))
        .unwrap();
    control
        .link(DEMO_HUB_ID, &link("deals", deal, None))
        .unwrap();
    let sent = Sent {
        email: Some(" LATE@client.example".into()),
        ..Sent::default()
    };
    control.send_gift(DEMO_ORGANIZATION_ID, sent).unwrap();
    sync(&portal, &bench).await;
    assert!(judge(&bench).ok);
    control
        .link(DEMO_HUB_ID, &link("companies", new, Some("Primary")))
        .unwrap();
    let closed = BTreeMap::from([("dealstage".to_owned(), json!("closedlost"))]);
    control
        .change_record(DEMO_HUB_ID, "deals", deal, &closed)
        .unwrap();
    let verdict = judge(&bench);
    assert!(verdict.ok, "{verdict:#?}");
    // A link that was never right is found.
    let stranger = add("companies", "name", "Stranger");
    let first = portal
        .get("/crm/objects/2026-09/p_thnks?limit=1")
        .await
        .body["results"][0]["id"]
        .clone();
    put(
        &portal,
        first.as_str().unwrap(),
        "companies",
        &stranger.to_string(),
    )
    .await;
    let verdict = judge(&bench);
    assert_eq!((verdict.ok, verdict.wrong_link_count), (false, 1));
    assert_eq!(
        (verdict.wrong_links[0].to, verdict.wrong_links[0].record),
        ("company", stranger)
    );
    // Somebody removes it by hand, and adds another one: both are respected.
    let by_hand = Link {
        from_type: "p_thnks".into(),
        from: first.as_str().unwrap().parse().unwrap(),
        to_type: "companies".into(),
        to: stranger,
        label: None,
    };
    control.unlink(DEMO_HUB_ID, &by_hand).unwrap();
    control.link(DEMO_HUB_ID, &by_hand).unwrap();
    assert!(judge(&bench).ok);
}

#[tokio::test]
async fn the_judgement_is_served_over_http() {
    let bench = imported().await;
    let url = bench.url(&format!(
        "/sandbox/portals/{DEMO_HUB_ID}/verify?organization={DEMO_ORGANIZATION_ID}"
    ));
    let verdict: Value = bench
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&verdict["ok"], &verdict["missing_count"]),
        (&json!(false), &json!(60))
    );
    let unknown = bench
        .client
        .get(bench.url("/sandbox/portals/1/verify"))
        .send()
        .await
        .unwrap();
    assert_eq!(unknown.status(), 422);
}

#[tokio::test]
async fn after_a_merge_the_survivor_must_be_linked_but_nothing_else_is_due() {
    for new_record in [false, true] {
        let bench = imported().await;
        let control = bench.control();
        let mut rules = control.rules();
        rules.merge_makes_new_record = new_record;
        control.set_rules(rules);
        let portal = bench.install().await;
        let company = |name: &str| {
            let values = BTreeMap::from([("name".to_owned(), json!(name))]);
            control
                .add_record(DEMO_HUB_ID, "companies", &values)
                .unwrap()
        };
        let contact = |email: &str, company: u64| {
            let contact = Contact {
                email: Some(email.into()),
                company: Some(company),
                ..Contact::default()
            };
            control.add_contact(DEMO_HUB_ID, &contact).unwrap()
        };
        let a = contact("a@x.example", company("A"));
        let b = contact("b@x.example", company("B"));
        let sent = Sent {
            email: Some("b@x.example".into()),
            ..Sent::default()
        };
        control.send_gift(DEMO_ORGANIZATION_ID, sent).unwrap();
        import(&portal, &bench).await;
        assert!(judge(&bench).ok);
        control
            .merge_records(DEMO_HUB_ID, "contacts", a, b)
            .unwrap();
        let verdict = judge(&bench);
        assert!(verdict.ok, "{verdict:#?}");
        assert_eq!(verdict.orphans, verdict.expected_orphans);
    }
}

#[tokio::test]
async fn the_fine_print_of_values_is_judged() {
    let bench = imported().await;
    let portal = bench.install().await;
    import(&portal, &bench).await;
    let control = bench.control();
    let sent = Sent {
        email: Some(" Fine@Print.example ".into()),
        message: Some(format!("a\u{0}b\tc\n{}", "é".repeat(65_536))),
        ..Sent::default()
    };
    let id = control.send_gift(DEMO_ORGANIZATION_ID, sent).unwrap();
    let edit = json!({"delivery_type": "pigeon", "amount": "5.0", "sender": null});
    control
        .edit_transaction(DEMO_ORGANIZATION_ID, &id, &edit)
        .unwrap();
    let change = serde_json::from_value(json!({"id": id, "status": "Paused"})).unwrap();
    control.advance(DEMO_ORGANIZATION_ID, &change).unwrap();
    let row = bench
        .thnks(&format!("/api/v1/transactions/{id}"))
        .await
        .body;
    let sent_date = row["status_history"][0]["at"].clone();
    let mut right = json!({
        "transaction_id": id, "gift_name": row["gift_name"], "gift_type": row["gift_type"], "gift_currency": "USD",
        "gift_amount": "5.00", "recipient_email": "Fine@Print.example", "status": "other", "source_status": "Paused",
        "message": format!("ab\tc\n{}…", "é".repeat(65_530)), "tracking_url": row["tracking_url"],
        "sent_date": sent_date, "delivery_type": "",
    });
    let write = async |properties: &Value| {
        let inputs = json!([{"id": id, "idProperty": "transaction_id", "properties": properties}]);
        let reply = portal.upsert(inputs).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    };
    write(&right).await;
    let verdict = judge(&bench);
    assert!(
        verdict.ok,
        "{:#?}",
        verdict.wrong_values.first().map(|wrong| wrong.property)
    );
    for (property, wrong) in [
        ("recipient_email", "fine@print.example"),
        ("status", "sent"),
        ("source_status", "paused"),
        ("delivery_type", "email"),
        ("message", "ab"),
        ("sent_date", "2026-01-01T00:00:00Z"),
        ("sender_name", "Somebody"),
    ] {
        let before = right[property].clone();
        right[property] = json!(wrong);
        write(&right).await;
        let found = judge(&bench);
        assert_eq!(found.wrong_value_count, 1, "{property}");
        assert_eq!(found.wrong_values[0].property, property);
        right[property] = if before.is_null() { json!("") } else { before };
    }
}
