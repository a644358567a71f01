//! Associations and their 207.

use sandbox::{ObjectIdForm, Rules};
use serde_json::{Value, json};

use crate::harness::{Bench, Portal, input};

async fn record(portal: &Portal<'_>) -> String {
    let reply = portal.upsert(json!([input("a", json!({}))])).await;
    reply.body["results"][0]["id"].as_str().unwrap().to_owned()
}

async fn company(portal: &Portal<'_>) -> String {
    let body = json!({"properties": {"name": "Lumen"}});
    let url = "/crm/objects/2026-09/companies";
    // The app may not write companies; the control API makes one.
    assert_eq!(portal.post(url, body).await.status, 403);
    let values = [("name".to_owned(), json!("Lumen"))].into();
    let id = portal
        .bench
        .control()
        .add_record(sandbox::DEMO_HUB_ID, "companies", &values);
    id.unwrap().to_string()
}

const READ: &str = "/crm/associations/2026-09/contacts/companies/batch/read";

#[tokio::test]
async fn a_record_without_associations_is_an_error_of_its_own() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let lonely = portal.contact("lonely@x.example").await;
    let reply = portal
        .post(READ, json!({"inputs": [{"id": lonely}, {"id": "1"}]}))
        .await;
    assert_eq!(reply.status, 207);
    assert_eq!(reply.body["results"], json!([]));
    assert_eq!(reply.body["numErrors"], 2);
    let error = &reply.body["errors"][0];
    assert_eq!(
        error["subCategory"],
        "crm.associations.NO_ASSOCIATIONS_FOUND"
    );
    assert_eq!(error["category"], "OBJECT_NOT_FOUND");
    assert_eq!(error["context"]["fromObjectId"], json!([lonely]));
    assert_eq!(
        error["message"],
        format!("No company is associated with contact {lonely}.")
    );
}

#[tokio::test]
async fn the_primary_company_is_told_by_category_and_number() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let (contact, company) = (portal.contact("a@x.example").await, company(&portal).await);
    let create = |types: Value| json!({"inputs": [{"from": {"id": contact}, "to": {"id": company}, "types": types}]});
    let path = "/crm/associations/2026-09/contacts/companies/batch/create";
    let label = json!([{"associationCategory": "USER_DEFINED", "associationTypeId": 1}]);
    assert_eq!(portal.post(path, create(label)).await.status, 201);
    let types = |body: &Value| -> Vec<(String, u64)> {
        body["results"][0]["to"][0]["associationTypes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| {
                (
                    t["category"].as_str().unwrap().to_owned(),
                    t["typeId"].as_u64().unwrap(),
                )
            })
            .collect()
    };
    let read = portal
        .post(READ, json!({"inputs": [{"id": contact}]}))
        .await;
    assert_eq!(read.status, 200);
    assert_eq!(
        types(&read.body),
        [("HUBSPOT_DEFINED".into(), 279), ("USER_DEFINED".into(), 1)]
    );
    let primary = json!([{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]);
    assert_eq!(portal.post(path, create(primary)).await.status, 201);
    let read = portal
        .post(READ, json!({"inputs": [{"id": contact}]}))
        .await;
    // Setting labelled types replaces the labels of the pair.
    assert_eq!(
        types(&read.body),
        [
            ("HUBSPOT_DEFINED".into(), 1),
            ("HUBSPOT_DEFINED".into(), 279)
        ]
    );
    let shown = portal
        .get(&format!(
            "/crm/objects/2026-09/contacts/{contact}?properties=associatedcompanyid"
        ))
        .await;
    assert_eq!(shown.body["properties"]["associatedcompanyid"], company);
    let unknown = json!([{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 999}]);
    assert_eq!(portal.post(path, create(unknown)).await.status, 400);
}

#[tokio::test]
async fn default_associations_need_no_type_and_may_be_repeated() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    portal.create_object().await;
    let (thnks, contact) = (record(&portal).await, portal.contact("a@x.example").await);
    let path = "/crm/associations/2026-09/p_thnks/contacts/batch/associate/default";
    let body = json!({"inputs": [{"from": {"id": thnks}, "to": {"id": contact}}, {"from": {"id": thnks}, "to": {"id": "1"}}]});
    for _ in 0..2 {
        let reply = portal.post(path, body.clone()).await;
        assert_eq!(reply.status, 207);
        assert_eq!(
            reply.body["results"][0]["associationSpec"]["associationCategory"],
            "USER_DEFINED"
        );
        assert_eq!(reply.body["numErrors"], 1);
    }
    let list = portal
        .get(&format!(
            "/crm/objects/2026-09/p_thnks/{thnks}/associations/contacts"
        ))
        .await;
    assert_eq!(list.body["results"].as_array().unwrap().len(), 1);
    let back = portal
        .post(
            "/crm/associations/2026-09/contacts/p_thnks/batch/read",
            json!({"inputs": [{"id": contact}]}),
        )
        .await;
    assert_eq!(
        back.body["results"][0]["to"][0]["toObjectId"].to_string(),
        thnks
    );
    let single = portal
        .request(
            reqwest::Method::PUT,
            &format!(
                "/crm/objects/2026-09/p_thnks/{thnks}/associations/default/contacts/{contact}"
            ),
        )
        .send()
        .await
        .unwrap();
    assert_eq!(single.status(), 200);
    let many: Vec<Value> = (0..1001)
        .map(|_| json!({"from": {"id": thnks}, "to": {"id": contact}}))
        .collect();
    assert_eq!(portal.post(path, json!({"inputs": many})).await.status, 400);
}

#[tokio::test]
async fn inputs_are_limited_to_a_thousand_and_two_thousand() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let ids = |n: usize| {
        (1..=n)
            .map(|i| json!({"id": i.to_string()}))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        portal.post(READ, json!({"inputs": ids(1000)})).await.status,
        207
    );
    assert_eq!(
        portal.post(READ, json!({"inputs": ids(1001)})).await.status,
        400
    );
    let pairs = |n: usize| {
        let types = json!([{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]);
        (0..n)
            .map(|_| json!({"from": {"id": "1"}, "to": {"id": "2"}, "types": types}))
            .collect::<Vec<_>>()
    };
    let path = "/crm/associations/2026-09/contacts/companies/batch/create";
    assert_eq!(
        portal
            .post(path, json!({"inputs": pairs(2000)}))
            .await
            .status,
        207
    );
    assert_eq!(
        portal
            .post(path, json!({"inputs": pairs(2001)}))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn ids_are_numbers_or_strings_and_long_rows_are_paged() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    portal.create_object().await;
    let contact = portal.contact("a@x.example").await;
    let inputs: Vec<Value> = (0..5).map(|i| input(&format!("t{i}"), json!({}))).collect();
    let made = portal.upsert(json!(inputs)).await;
    let links: Vec<Value> = made.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| json!({"from": {"id": row["id"]}, "to": {"id": contact}}))
        .collect();
    let default = "/crm/associations/2026-09/p_thnks/contacts/batch/associate/default";
    assert_eq!(
        portal.post(default, json!({"inputs": links})).await.status,
        200
    );
    bench.control().set_rules(Rules {
        to_object_id: ObjectIdForm::String,
        association_page: 2,
        ..Rules::default()
    });
    let path = "/crm/associations/2026-09/contacts/p_thnks/batch/read";
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    for _ in 0..3 {
        let mut one = json!({"id": contact});
        if let Some(after) = &after {
            one["after"] = json!(after);
        }
        let reply = portal.post(path, json!({"inputs": [one]})).await;
        for row in reply.body["results"][0]["to"].as_array().unwrap() {
            seen.push(row["toObjectId"].as_str().unwrap().to_owned());
        }
        after = reply.body["results"][0]["paging"]["next"]["after"]
            .as_str()
            .map(str::to_owned);
    }
    assert_eq!((seen.len(), after), (5, None));
}

#[tokio::test]
async fn removing_a_link_removes_it_from_both_ends_and_deletion_drops_links() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    portal.create_object().await;
    let thnks = record(&portal).await;
    let default = "/crm/associations/2026-09/p_thnks/contacts/batch/associate/default";
    let back = "/crm/associations/2026-09/contacts/p_thnks/batch/read";
    for by_deletion in [false, true] {
        let contact = portal.contact(&format!("{by_deletion}@x.example")).await;
        let body = json!({"inputs": [{"from": {"id": thnks}, "to": {"id": contact}}]});
        assert_eq!(portal.post(default, body).await.status, 200);
        if by_deletion {
            portal
                .delete(&format!("/crm/objects/2026-09/contacts/{contact}"))
                .await;
        } else {
            let body = json!({"inputs": [{"from": {"id": thnks}, "to": [{"id": contact}]}]});
            let path = "/crm/associations/2026-09/p_thnks/contacts/batch/archive";
            assert_eq!(portal.post(path, body).await.status, 204);
        }
        let reply = portal
            .post(back, json!({"inputs": [{"id": contact}]}))
            .await;
        assert_eq!(reply.body["numErrors"], 1);
        let list = portal
            .get(&format!(
                "/crm/objects/2026-09/p_thnks/{thnks}/associations/contacts"
            ))
            .await;
        assert_eq!(list.body["results"], json!([]));
    }
}

#[tokio::test]
async fn archiving_links_takes_lists_and_forgives_pairs_that_are_not_linked() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    portal.create_object().await;
    let thnks = record(&portal).await;
    let (one, two, kept) = (
        portal.contact("one@x.example").await,
        portal.contact("two@x.example").await,
        portal.contact("kept@x.example").await,
    );
    let links =
        [&one, &two, &kept].map(|to| json!({"from": {"id": thnks}, "to": {"id": to.as_str()}}));
    let default = "/crm/associations/2026-09/p_thnks/contacts/batch/associate/default";
    let reply = portal.post(default, json!({"inputs": links})).await;
    assert_eq!(reply.status, 200);
    let path = "/crm/associations/2026-09/p_thnks/contacts/batch/archive";
    for bad in [
        json!({"inputs": []}),
        json!({"inputs": [{"from": {"id": thnks}}]}),
        json!({"inputs": [{"from": {"id": thnks}, "to": {"id": one}}]}),
        json!({"inputs": [{"from": {"id": thnks}, "to": [{"id": one}, {"id": "x"}]}]}),
        json!({"inputs": vec![json!({"from": {"id": thnks}, "to": [{"id": one}]}); 2_001]}),
    ] {
        let reply = portal.post(path, bad).await;
        assert_eq!(reply.status, 400, "{}", reply.body);
    }
    let linked = async || {
        let list = format!("/crm/objects/2026-09/p_thnks/{thnks}/associations/contacts");
        let rows = portal.get(&list).await.body["results"].clone();
        rows.as_array().unwrap().len()
    };
    assert_eq!(linked().await, 3, "a refused batch changes nothing");
    let body = json!({"inputs": [
        {"from": {"id": thnks}, "to": [{"id": one}, {"id": two}, {"id": "1"}]},
        {"from": {"id": "1"}, "to": [{"id": kept}]},
    ]});
    for _ in 0..2 {
        let reply = portal.post(path, body.clone()).await;
        assert_eq!((reply.status.as_u16(), reply.body), (204, Value::Null));
        assert_eq!(linked().await, 1);
    }
    // The id of a merged contact leads to the one that is left.
    let merge = json!({"primaryObjectId": kept, "objectIdToMerge": one});
    let merged = portal
        .post("/crm/objects/2026-09/contacts/merge", merge)
        .await;
    assert_eq!(merged.status, 200);
    let body = json!({"inputs": [{"from": {"id": thnks}, "to": [{"id": one}]}]});
    assert_eq!(portal.post(path, body).await.status, 204);
    assert_eq!(linked().await, 0);
    let unknown = "/crm/associations/2026-09/p_nothing/contacts/batch/archive";
    assert_eq!(
        portal.post(unknown, json!({"inputs": []})).await.status,
        404
    );
}

#[tokio::test]
async fn labels_are_listed_in_both_directions() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    for (path, primary) in [("contacts/companies", 1), ("companies/contacts", 2)] {
        let reply = portal
            .get(&format!("/crm/associations/2026-09/{path}/labels"))
            .await;
        let rows = reply.body["results"].as_array().unwrap();
        let wanted = json!({"category": "HUBSPOT_DEFINED", "typeId": primary, "label": "Primary"});
        assert!(rows.contains(&wanted), "{rows:?}");
    }
}

#[tokio::test]
async fn the_v3_api_names_types_in_words() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let (contact, company) = (portal.contact("a@x.example").await, company(&portal).await);
    let path = "/crm/v3/associations/contacts/companies/batch";
    let body = json!({"inputs": [{"from": {"id": contact}, "to": {"id": company}, "type": "contact_to_company"}]});
    assert_eq!(
        portal.post(&format!("{path}/create"), body).await.status,
        201
    );
    let read = portal
        .post(
            &format!("{path}/read"),
            json!({"inputs": [{"id": contact}]}),
        )
        .await;
    let row = &read.body["results"][0]["to"][0];
    assert_eq!(
        (&row["id"], &row["type"]),
        (&json!(company), &json!("contact_to_company"))
    );
}
