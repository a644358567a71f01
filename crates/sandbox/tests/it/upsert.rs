//! Batch upsert: all or nothing, or with trace ids one by one.

use sandbox::{DEMO_HUB_ID, Rules, UpsertRecycled};
use serde_json::{Value, json};

use crate::harness::{Bench, Portal, input};

async fn ready(bench: &Bench) -> Portal<'_> {
    let portal = bench.install().await;
    portal.create_object().await;
    portal
}

fn records(bench: &Bench) -> Value {
    bench.control().portals()["portals"][0]["records"]["thnks"].clone()
}

#[tokio::test]
async fn an_upsert_creates_then_updates_by_the_unique_property() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    let first = portal
        .upsert(json!([input(
            "a",
            json!({"gift_name": "Coffee", "gift_amount": 5})
        )]))
        .await;
    assert_eq!(first.status, 200, "{}", first.body);
    let row = &first.body["results"][0];
    assert_eq!(
        (&row["new"], &row["properties"]["gift_amount"]),
        (&json!(true), &json!("5"))
    );
    let second = portal
        .upsert(json!([input(
            "a",
            json!({"gift_name": "", "status": "sent"})
        )]))
        .await;
    let again = &second.body["results"][0];
    assert_eq!((&again["new"], &again["id"]), (&json!(false), &row["id"]));
    assert_eq!(again["properties"]["gift_name"], Value::Null);
    assert_eq!(records(&bench), 1);
}

#[tokio::test]
async fn without_trace_ids_one_bad_record_refuses_all() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    let mut inputs = json!([input("a", json!({})), input("b", json!({"status": "Sent"}))]);
    for one in inputs.as_array_mut().unwrap() {
        one.as_object_mut().unwrap().remove("objectWriteTraceId");
    }
    let reply = portal.upsert(inputs).await;
    assert_eq!(reply.status, 400);
    assert!(
        reply.body["message"]
            .as_str()
            .unwrap()
            .contains("INVALID_OPTION")
    );
    assert_eq!(records(&bench), 0);
}

#[tokio::test]
async fn with_trace_ids_the_others_are_written_and_the_error_names_its_record() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    let reply = portal
        .upsert(json!([
            input("a", json!({})),
            input("b", json!({"gift_amount": "abc"})),
            input("c", json!({"no_such": "x"})),
            input("d", json!({})),
        ]))
        .await;
    assert_eq!(reply.status, 207);
    assert_eq!(reply.body["numErrors"], 2);
    let named: Vec<&Value> = reply.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["context"]["objectWriteTraceId"][0])
        .collect();
    assert_eq!(named, [&json!("trace-b"), &json!("trace-c")]);
    assert_eq!(records(&bench), 2);
}

#[tokio::test]
async fn without_partial_upserts_one_bad_record_refuses_all_in_spite_of_trace_ids() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    let whole = json!({"upsert_partial": false});
    bench.control().merge_rules(&whole).unwrap();
    let bad = portal
        .upsert(json!([
            input("a", json!({})),
            input("b", json!({"status": "nope"})),
        ]))
        .await;
    assert_eq!(
        (bad.status.as_u16(), &bad.body["category"]),
        (400, &json!("VALIDATION_ERROR"))
    );
    let mut first = input("a", json!({}));
    first["properties"]["transaction_id"] = json!("c");
    let taken = portal
        .upsert(json!([input("c", json!({})), input("d", json!({}))]))
        .await;
    assert_eq!(taken.status, 200);
    let conflict = portal.upsert(json!([input("e", json!({})), first])).await;
    assert_eq!(
        (conflict.status.as_u16(), &conflict.body["category"]),
        (409, &json!("CONFLICT"))
    );
    assert_eq!(records(&bench), 2);
}

#[tokio::test]
async fn a_repeated_trace_id_is_no_trace_id() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    let mut inputs = json!([input("a", json!({})), input("b", json!({"status": "nope"}))]);
    inputs[1]["objectWriteTraceId"] = json!("trace-a");
    assert_eq!(portal.upsert(inputs).await.status, 400);
    assert_eq!(records(&bench), 0);
}

#[tokio::test]
async fn the_same_id_twice_is_refused_even_with_trace_ids() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    let mut twice = input("a", json!({}));
    twice["objectWriteTraceId"] = json!("other");
    let reply = portal.upsert(json!([input("a", json!({})), twice])).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.body["category"], "VALIDATION_ERROR");
    assert_eq!(reply.body["context"]["ids"], json!(["a"]));
    assert!(
        reply.body["message"]
            .as_str()
            .unwrap()
            .starts_with("Duplicate IDs found in batch input")
    );
}

#[tokio::test]
async fn a_hundred_inputs_are_the_limit_and_results_are_not_in_their_order() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    let inputs = |n: usize| {
        (0..n)
            .map(|i| input(&format!("t{i}"), json!({})))
            .collect::<Vec<_>>()
    };
    assert_eq!(portal.upsert(json!(inputs(101))).await.status, 400);
    assert_eq!(portal.upsert(json!([])).await.status, 400);
    let reply = portal.upsert(json!(inputs(100))).await;
    assert_eq!(reply.status, 200);
    let order: Vec<String> = reply.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            row["properties"]["transaction_id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let asked: Vec<String> = (0..100).map(|i| format!("t{i}")).collect();
    assert_ne!(order, asked);
    let sorted = |mut all: Vec<String>| {
        all.sort();
        all
    };
    assert_eq!(sorted(order), sorted(asked));
}

#[tokio::test]
async fn the_id_property_must_be_given_and_unique() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    let mut wrong = input("a", json!({}));
    wrong["idProperty"] = json!("gift_name");
    let reply = portal.upsert(json!([wrong])).await;
    assert_eq!(reply.status, 400);
    assert!(
        reply.body["message"]
            .as_str()
            .unwrap()
            .contains("non-unique")
    );
    let mut none = input("a", json!({}));
    none.as_object_mut().unwrap().remove("idProperty");
    assert_eq!(portal.upsert(json!([none])).await.status, 400);
}

#[tokio::test]
async fn values_are_checked_by_type() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    let long = "é".repeat(65_537);
    let fits = "é".repeat(65_536);
    for (properties, good) in [
        (json!({"gift_amount": "12.50"}), true),
        (json!({"gift_amount": "1e3"}), false),
        (json!({"gift_amount": "12,50"}), false),
        (json!({"sent_date": "2026-11-23T10:00:00.123Z"}), true),
        (json!({"sent_date": "1795428000000"}), true),
        (json!({"sent_date": "yesterday"}), false),
        (json!({"day": "2026-11-23"}), true),
        (json!({"day": "1795392000000"}), true),
        (json!({"day": "1795392000001"}), false),
        (json!({"status": "delivered"}), true),
        (json!({"status": "Delivered"}), false),
        (json!({"gift_name": fits}), true),
        (json!({"gift_name": long}), false),
        (json!({"gift_name": ["a"]}), false),
        (json!({"hs_object_id": "1"}), false),
    ] {
        let shown: String = properties.to_string().chars().take(60).collect();
        let reply = portal.upsert(json!([input("a", properties)])).await;
        assert_eq!(reply.status, if good { 200 } else { 207 }, "{shown}");
    }
}

#[tokio::test]
async fn a_required_property_is_demanded_when_a_record_is_made() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    let reply = portal
        .post(
            "/crm/objects/2026-09/p_thnks",
            json!({"properties": {"gift_name": "x"}}),
        )
        .await;
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.body["context"]["properties"],
        json!(["transaction_id"])
    );
}

#[tokio::test]
async fn an_upsert_over_the_recycle_bin_follows_the_rules() {
    for (rule, status, same) in [
        (UpsertRecycled::CreateNew, 200, false),
        (UpsertRecycled::Restore, 200, true),
        (UpsertRecycled::Refuse, 207, false),
    ] {
        let bench = Bench::start().await;
        bench.control().set_rules(Rules {
            upsert_recycled: rule,
            ..Rules::default()
        });
        let portal = ready(&bench).await;
        let first = portal.upsert(json!([input("a", json!({}))])).await;
        let id = first.body["results"][0]["id"].as_str().unwrap().to_owned();
        bench
            .control()
            .delete_record(DEMO_HUB_ID, "p_thnks", id.parse().unwrap(), false)
            .unwrap();
        let again = portal.upsert(json!([input("a", json!({}))])).await;
        assert_eq!(again.status, status, "{rule:?}");
        assert_eq!(
            again.body["results"][0]["id"] == json!(id),
            same,
            "{rule:?}"
        );
    }
}
