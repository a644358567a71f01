//! Reading, writing, merging and searching records.

use std::collections::BTreeMap;

use sandbox::control::Contact;
use sandbox::{DEMO_HUB_ID, Rules};
use serde_json::{Value, json};

use crate::harness::{Bench, input};

const CONTACTS: &str = "/crm/objects/2026-09/contacts";

#[tokio::test]
async fn additional_emails_find_their_contact_which_answers_with_the_primary() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let contact = Contact {
        email: Some("Main@Client.example".into()),
        additional_emails: vec!["other@client.example".into()],
        ..Contact::default()
    };
    let id = bench.control().add_contact(DEMO_HUB_ID, &contact).unwrap();
    let body = json!({
        "idProperty": "email",
        "properties": ["email", "hs_additional_emails", "no_such_property"],
        "propertiesWithHistory": [],
        "inputs": [{"id": "OTHER@client.example"}, {"id": "main@client.example"}, {"id": "nobody@client.example"}],
    });
    let reply = portal.post(&format!("{CONTACTS}/batch/read"), body).await;
    assert_eq!(reply.status, 207);
    let rows = reply.body["results"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["id"], json!(id.to_string()));
    assert_eq!(rows[0]["properties"]["email"], "main@client.example");
    assert_eq!(
        rows[0]["properties"]["hs_additional_emails"],
        "other@client.example"
    );
    assert!(rows[0]["properties"].get("no_such_property").is_none());
    assert_eq!(reply.body["numErrors"], 1);
    assert_eq!(reply.body["errors"][0]["category"], "OBJECT_NOT_FOUND");
    assert_eq!(
        reply.body["errors"][0]["context"]["ids"],
        json!(["nobody@client.example"])
    );
}

#[tokio::test]
async fn a_batch_read_takes_a_hundred_inputs() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let inputs: Vec<Value> = (0..101).map(|i| json!({"id": i.to_string()})).collect();
    let reply = portal
        .post(&format!("{CONTACTS}/batch/read"), json!({"inputs": inputs}))
        .await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn a_merged_id_leads_to_the_survivor_with_both_emails() {
    for new_record in [false, true] {
        let bench = Bench::start().await;
        bench.control().set_rules(Rules {
            merge_makes_new_record: new_record,
            ..Rules::default()
        });
        let portal = bench.install().await;
        let (a, b) = (
            portal.contact("a@x.example").await,
            portal.contact("b@x.example").await,
        );
        let body = json!({"primaryObjectId": a, "objectIdToMerge": b});
        let merged = portal.post(&format!("{CONTACTS}/merge"), body).await;
        assert_eq!(merged.status, 200, "{}", merged.body);
        let survivor = merged.body["id"].clone();
        assert_eq!(survivor == json!(a), !new_record);
        let read = portal
            .post(
                &format!("{CONTACTS}/batch/read"),
                json!({"inputs": [{"id": b}], "properties": ["email", "hs_additional_emails", "hs_merged_object_ids"]}),
            )
            .await;
        assert_eq!(read.status, 200);
        assert_eq!(read.body["results"][0]["id"], survivor);
        assert_eq!(
            read.body["results"][0]["properties"]["email"],
            "a@x.example"
        );
        assert_eq!(
            read.body["results"][0]["properties"]["hs_additional_emails"],
            "b@x.example"
        );
        let single = portal
            .patch(
                &format!("{CONTACTS}/{b}"),
                json!({"properties": {"firstname": "Ann"}}),
            )
            .await;
        assert_eq!(single.status, 200);
        let batch = portal
            .post(
                &format!("{CONTACTS}/batch/update"),
                json!({"inputs": [{"id": b, "properties": {"firstname": "Bea"}}]}),
            )
            .await;
        assert_eq!(
            batch.body["results"],
            json!([]),
            "a merged id is left out silently"
        );
    }
}

#[tokio::test]
async fn emails_are_unique_and_lower_case() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let id = portal.contact("Ann@X.example").await;
    let read = portal
        .get(&format!("{CONTACTS}/ann@x.example?idProperty=email"))
        .await;
    assert_eq!(
        (&read.body["id"], &read.body["properties"]["email"]),
        (&json!(id), &json!("ann@x.example"))
    );
    let again = portal
        .post(CONTACTS, json!({"properties": {"email": "ANN@x.example"}}))
        .await;
    assert_eq!(again.status, 409);
    assert_eq!(again.body["category"], "CONFLICT");
    let bad = portal
        .post(CONTACTS, json!({"properties": {"email": "no-mail"}}))
        .await;
    assert!(
        bad.body["message"]
            .as_str()
            .unwrap()
            .contains("INVALID_EMAIL")
    );
}

#[tokio::test]
async fn records_are_listed_in_pages_created_in_batches_and_archived() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    portal.create_object().await;
    let inputs: Vec<Value> = (0..5)
        .map(|i| json!({"properties": {"transaction_id": format!("t{i}")}}))
        .collect();
    let made = portal
        .post(
            "/crm/objects/2026-03/p_thnks/batch/create",
            json!({"inputs": inputs}),
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    let again = portal
        .post(
            "/crm/objects/2026-09/p_thnks/batch/create",
            json!({"inputs": inputs}),
        )
        .await;
    assert_eq!(again.status, 409);
    let path = "/crm/objects/2026-09/p_thnks";
    let first = portal
        .get(&format!("{path}?limit=3&properties=transaction_id"))
        .await;
    assert_eq!(first.body["results"].as_array().unwrap().len(), 3);
    let after = first.body["paging"]["next"]["after"].as_str().unwrap();
    let rest = portal.get(&format!("{path}?limit=3&after={after}")).await;
    assert_eq!(rest.body["results"].as_array().unwrap().len(), 2);
    let id = first.body["results"][0]["id"].as_str().unwrap();
    let archived = portal
        .post(
            &format!("{path}/batch/archive"),
            json!({"inputs": [{"id": id}]}),
        )
        .await;
    assert_eq!(archived.status, 204);
    assert_eq!(portal.get(&format!("{path}/{id}")).await.status, 404);
    assert_eq!(portal.get(&format!("{path}?limit=101")).await.status, 400);
}

#[tokio::test]
async fn forgetting_a_contact_leaves_nothing() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let id = portal.contact("ann@x.example").await;
    let body = json!({"objectId": "ann@x.example", "idProperty": "email"});
    assert_eq!(
        portal
            .post(&format!("{CONTACTS}/gdpr-delete"), body)
            .await
            .status,
        204
    );
    assert_eq!(portal.get(&format!("{CONTACTS}/{id}")).await.status, 404);
}

#[tokio::test]
async fn search_lags_and_keeps_its_limits() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    portal.contact("fresh@x.example").await;
    let path = format!("{CONTACTS}/search");
    let by_email = |email: &str| json!({"filterGroups": [{"filters": [{"propertyName": "email", "operator": "EQ", "value": email}]}]});
    assert_eq!(
        portal.post(&path, by_email("fresh@x.example")).await.body["total"],
        0
    );
    bench.control().set_rules(Rules {
        search_lag_millis: 0,
        searches_per_second: None,
        ..Rules::default()
    });
    assert_eq!(
        portal.post(&path, by_email("fresh@x.example")).await.body["total"],
        1
    );
    for bad in [
        json!({"limit": 201}),
        json!({"limit": 200, "after": "9900"}),
        json!({"filterGroups": [{"filters": [{"propertyName": "nope", "operator": "EQ", "value": "x"}]}]}),
        json!({"query": "x".repeat(3_000)}),
        json!({"filterGroups": vec![json!({"filters": []}); 6]}),
    ] {
        assert_eq!(
            portal.post(&path, bad.clone()).await.status,
            400,
            "{}",
            bad.to_string().get(..60).unwrap_or_default()
        );
    }
}

#[tokio::test]
async fn deals_know_whether_they_are_closed() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let control = bench.control();
    let values = |stage: &str| {
        BTreeMap::from([
            ("dealstage".to_owned(), json!(stage)),
            ("dealname".to_owned(), json!("x")),
        ])
    };
    let deal = control
        .add_record(DEMO_HUB_ID, "deals", &values("contractsent"))
        .unwrap();
    let path =
        format!("/crm/objects/2026-09/deals/{deal}?properties=hs_is_closed,hs_is_closed_won");
    assert_eq!(
        portal.get(&path).await.body["properties"]["hs_is_closed"],
        "false"
    );
    control
        .change_record(DEMO_HUB_ID, "deals", deal, &values("closedwon"))
        .unwrap();
    let read = portal.get(&path).await;
    assert_eq!(read.body["properties"]["hs_is_closed"], "true");
    assert_eq!(read.body["properties"]["hs_is_closed_won"], "true");
    let pipelines = portal.get("/crm/pipelines/2026-09/deals").await;
    assert_eq!(pipelines.body["results"].as_array().unwrap().len(), 2);
    assert_eq!(pipelines.body["results"][0]["id"], "default");
    assert_eq!(
        pipelines.body["results"][0]["stages"][0]["metadata"]["isClosed"],
        "false"
    );
}

#[tokio::test]
async fn unknown_types_and_bare_custom_names_are_refused() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let made = portal.create_object().await;
    for good in [
        "p_thnks".to_owned(),
        format!("p{DEMO_HUB_ID}_thnks"),
        made["objectTypeId"].as_str().unwrap().to_owned(),
    ] {
        assert_eq!(
            portal
                .get(&format!("/crm/objects/2026-09/{good}"))
                .await
                .status,
            200,
            "{good}"
        );
    }
    let bare = portal.get("/crm/objects/2026-09/thnks").await;
    assert_eq!(bare.status, 400);
    assert_eq!(
        bare.body["message"],
        "Unable to infer object type from: thnks"
    );
    for missing in ["p_nothing", "2-1"] {
        assert_eq!(
            portal
                .get(&format!("/crm/objects/2026-09/{missing}"))
                .await
                .status,
            404
        );
    }
    assert_eq!(
        portal.get("/crm/objects/2025-03/contacts").await.status,
        404
    );
}

#[tokio::test]
async fn a_token_reaches_only_its_portal() {
    let bench = Bench::start().await;
    let control = bench.control();
    let other = serde_json::from_value(json!({"hub_id": 777, "transactions": 20})).unwrap();
    control.add_portal(&other).unwrap();
    let ours = bench.install().await;
    let theirs = bench.install_in(777).await;
    let id = ours.contact("ann@x.example").await;
    ours.create_object().await;
    let url = bench.url(&format!("{CONTACTS}/{id}"));
    let token = theirs["access_token"].as_str().unwrap();
    let reply = crate::harness::reply(bench.client.get(url).bearer_auth(token)).await;
    assert_eq!(reply.status, 404);
    let url = bench.url("/crm/objects/2026-09/p_thnks/batch/upsert");
    let body = json!({"inputs": [input("a", json!({}))]});
    let reply = crate::harness::reply(bench.client.post(url).bearer_auth(token).json(&body)).await;
    assert_eq!(reply.status, 404);
}
