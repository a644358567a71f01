//! Rate limits, scopes, the log.

use sandbox::{Config, DEMO_HUB_ID, Rules, WorldSpec};
use serde_json::{Value, json};

use crate::harness::{Bench, input, now};

const PATH: &str = "/crm/objects/2026-09/contacts?limit=1";

#[tokio::test]
async fn the_hundred_and_eleventh_request_in_ten_seconds_is_429() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let first = portal.get(PATH).await;
    assert_eq!(first.headers["x-hubspot-ratelimit-max"], "110");
    assert_eq!(first.headers["x-hubspot-ratelimit-remaining"], "109");
    assert_eq!(
        first.headers["x-hubspot-ratelimit-interval-milliseconds"],
        "10000"
    );
    let answers = futures::future::join_all((0..115).map(|_| portal.get(PATH))).await;
    let refused: Vec<_> = answers.iter().filter(|reply| reply.status == 429).collect();
    // 116 calls at once: six are too many, unless this machine took longer than the window for them.
    assert_eq!(refused.len(), 6);
    assert_eq!(refused[0].body["policyName"], "TEN_SECONDLY_ROLLING");
    assert_eq!(refused[0].body["errorType"], "RATE_LIMIT");
    assert!(refused[0].headers.get("retry-after").is_none());
    let counters = bench.control().counters(Some(DEMO_HUB_ID));
    assert_eq!(counters.max_calls_in_10s, 116);
    assert_eq!(counters.by_status[&429], 6);
}

#[tokio::test]
async fn another_portal_has_its_own_window() {
    let mut config = Config::new(WorldSpec::small(now(), 10));
    config.rules.requests_per_10s = Some(1);
    let bench = Bench::with(config).await;
    let control = bench.control();
    control
        .add_portal(&serde_json::from_value(json!({"hub_id": 777})).unwrap())
        .unwrap();
    let mut portal = bench.install().await;
    assert_eq!(portal.get(PATH).await.status, 200);
    assert_eq!(portal.get(PATH).await.status, 429);
    portal.token = bench.install_in(777).await["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(portal.get(PATH).await.status, 200);
    control.set_rules(Rules {
        requests_per_10s: None,
        ..Rules::default()
    });
    assert_eq!(portal.get(PATH).await.status, 200);
}

#[tokio::test]
async fn searches_have_a_limit_of_their_own_and_no_headers() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let path = "/crm/objects/2026-09/contacts/search";
    let answers = futures::future::join_all((0..7).map(|_| portal.post(path, json!({})))).await;
    let refused: Vec<_> = answers.iter().filter(|reply| reply.status == 429).collect();
    assert!(!refused.is_empty());
    assert_eq!(
        refused[0].body["message"],
        "You have reached your secondly limit."
    );
    assert!(
        answers
            .iter()
            .all(|reply| reply.headers.get("x-hubspot-ratelimit-max").is_none())
    );
    assert_eq!(
        bench.control().counters(Some(DEMO_HUB_ID)).max_calls_in_10s,
        0
    );
}

#[tokio::test]
async fn a_call_without_its_scope_is_403_and_names_it() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let scopes = ["oauth".to_owned(), "crm.objects.contacts.read".to_owned()];
    bench.control().set_scopes(DEMO_HUB_ID, &scopes).unwrap();
    assert_eq!(portal.get(PATH).await.status, 200);
    for (path, scope) in [
        (
            "/crm/objects/2026-09/companies",
            "crm.objects.companies.read",
        ),
        ("/crm/objects/2026-09/deals", "crm.objects.deals.read"),
        ("/crm/pipelines/2026-09/deals", "crm.objects.deals.read"),
        ("/crm/owners/2026-09", "crm.objects.owners.read"),
        (
            "/crm-object-schemas/2026-09/schemas",
            "crm.schemas.custom.read",
        ),
        (
            "/crm/properties/2026-09/companies",
            "crm.schemas.companies.read",
        ),
    ] {
        let reply = portal.get(path).await;
        assert_eq!(reply.status, 403, "{path}");
        let named = &reply.body["errors"][0]["context"]["requiredGranularScopes"];
        assert!(
            named.as_array().unwrap().contains(&json!(scope)),
            "{path}: {named}"
        );
    }
    let write = portal
        .post("/crm/objects/2026-09/contacts", json!({"properties": {}}))
        .await;
    assert_eq!(write.status, 403);
}

#[tokio::test]
async fn the_log_tells_kind_inputs_traces_and_generation() {
    let bench = Bench::start().await;
    let mut portal = bench.install().await;
    portal.create_object().await;
    portal
        .upsert(json!([
            input("a", json!({})),
            input("b", json!({"status": "x"}))
        ]))
        .await;
    portal.token = bench.refresh(&portal.refresh_token).await.body["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    portal.get(PATH).await;
    let log = bench.control().log(Some(DEMO_HUB_ID), None, 0, 100);
    let kinds: Vec<&str> = log.iter().map(|entry| entry.kind).collect();
    assert_eq!(
        kinds,
        [
            "oauth.exchange",
            "schemas.create",
            "objects.batch_upsert",
            "oauth.refresh",
            "objects.list"
        ]
    );
    let upsert = &log[2];
    assert_eq!((upsert.status, upsert.inputs), (207, 2));
    assert_eq!(
        (&upsert.ids[..], &upsert.trace_ids[..]),
        (&["a".to_owned()][..], &["trace-a".to_owned()][..])
    );
    assert_eq!(
        (upsert.token_generation, log[4].token_generation),
        (Some(1), Some(2))
    );
    let over_http: Value = bench
        .client
        .get(bench.url(&format!(
            "/sandbox/log?portal={DEMO_HUB_ID}&kind=objects.list"
        )))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(over_http.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn bodies_must_be_json_and_say_so() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let request = portal
        .request(
            reqwest::Method::POST,
            "/crm/objects/2026-09/contacts/batch/read",
        )
        .header("content-type", "text/plain")
        .body("{}");
    assert_eq!(crate::harness::reply(request).await.status, 415);
    let request = portal
        .request(
            reqwest::Method::POST,
            "/crm/objects/2026-09/contacts/batch/read",
        )
        .header("content-type", "application/json")
        .body("{");
    let reply = crate::harness::reply(request).await;
    assert_eq!(reply.status, 400);
    assert!(
        reply.body["message"]
            .as_str()
            .unwrap()
            .starts_with("Invalid input JSON")
    );
}
