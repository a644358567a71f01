//! The Thnks API and its world.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sandbox::control::{Change, NewOrganization, OrganizationSettings, Sent};
use sandbox::{Config, DEMO_ORGANIZATION_ID, Rules, THNKS_API_KEY, WorldSpec};
use serde_json::{Value, json};

use crate::harness::{Bench, now, reply};

const PATH: &str = "/api/v1/transactions";

async fn all(bench: &Bench, limit: usize) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = bench.thnks(&format!("{PATH}?limit={limit}{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        rows.extend(page.body["transactions"].as_array().unwrap().clone());
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn keys_prove_their_organization() {
    let bench = Bench::start().await;
    let own = bench.thnks("/api/v1/organization").await;
    assert_eq!(own.body["id"], DEMO_ORGANIZATION_ID);
    assert_eq!(own.body["hubspot_enabled"], true);
    for key in ["", "wrong", "Bearer thnks_sandbox_key_of_acme"] {
        let refused = bench.thnks_as(key, "/api/v1/organization").await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["error"]["code"]),
            (401, &json!("invalid_api_key"))
        );
    }
    let control = bench.control();
    let set = |enabled, revoked| {
        let settings = OrganizationSettings {
            enabled: Some(enabled),
            revoked: Some(revoked),
            name: None,
        };
        control
            .set_organization(DEMO_ORGANIZATION_ID, settings)
            .unwrap();
    };
    set(false, false);
    let disabled = bench.thnks(PATH).await;
    assert_eq!(
        (disabled.status.as_u16(), &disabled.body["error"]["code"]),
        (403, &json!("integration_disabled"))
    );
    set(true, true);
    assert_eq!(bench.thnks(PATH).await.status, 401);
}

#[tokio::test]
async fn pages_are_ordered_and_complete() {
    let bench = Bench::start().await;
    let rows = all(&bench, 7).await;
    assert_eq!(rows.len(), 60);
    let order: Vec<_> = rows
        .iter()
        .map(|row| (time(&row["updated_at"]), row["id"].as_str().unwrap()))
        .collect();
    assert!(order.is_sorted());
    let ids: BTreeSet<_> = order.iter().map(|(_, id)| *id).collect();
    assert_eq!(ids.len(), 60);
    let since = rows[30]["updated_at"].as_str().unwrap();
    let tail = bench
        .thnks(&format!("{PATH}?updated_since={since}&limit=500"))
        .await;
    assert_eq!(
        tail.body["transactions"].as_array().unwrap().len(),
        30,
        "the bound is inclusive"
    );
    let one = bench
        .thnks(&format!("{PATH}/{}", rows[3]["id"].as_str().unwrap()))
        .await;
    assert_eq!(one.body, rows[3]);
    assert_eq!(bench.thnks(&format!("{PATH}/txn_nope")).await.status, 404);
}

#[tokio::test]
async fn parameters_out_of_range_are_422_and_old_cursors_410() {
    let bench = Bench::start().await;
    for bad in [
        "limit=0",
        "limit=501",
        "limit=x",
        "cursor=???",
        "updated_since=yesterday",
    ] {
        let refused = bench.thnks(&format!("{PATH}?{bad}")).await;
        assert_eq!(refused.status, 422, "{bad}");
        assert!(refused.body["errors"].is_object(), "{bad}");
    }
    let page = bench.thnks(&format!("{PATH}?limit=5")).await;
    let cursor = page.body["next_cursor"].as_str().unwrap().to_owned();
    bench
        .control()
        .expire_cursors(DEMO_ORGANIZATION_ID)
        .unwrap();
    let expired = bench.thnks(&format!("{PATH}?cursor={cursor}")).await;
    assert_eq!(
        (expired.status.as_u16(), &expired.body["error"]["code"]),
        (410, &json!("cursor_expired"))
    );
}

#[tokio::test]
async fn pages_may_repeat_a_row() {
    let bench = Bench::start().await;
    bench.control().set_rules(Rules {
        thnks_repeats_rows: true,
        ..Rules::default()
    });
    let rows = all(&bench, 10).await;
    let ids: BTreeSet<_> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 60);
    assert!(rows.len() > 60);
}

#[tokio::test]
async fn requests_may_be_limited() {
    let bench = Bench::start().await;
    bench.control().set_rules(Rules {
        thnks_requests_per_second: Some(0),
        ..Rules::default()
    });
    let refused = bench.thnks(PATH).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.headers["retry-after"]),
        (429, &"1".parse().unwrap())
    );
}

#[tokio::test]
async fn the_same_seed_makes_the_same_world_and_another_one_another() {
    let world = |seed| async move {
        let spec = WorldSpec {
            seed,
            ..WorldSpec::small(now(), 40)
        };
        all(&Bench::with(Config::new(spec)).await, 500).await
    };
    let (a, b, c) = (world(1).await, world(1).await, world(2).await);
    assert_eq!(a, b);
    assert_ne!(a, c);
}

#[tokio::test]
async fn the_demonstration_is_a_believable_year() {
    let bench = Bench::with(Config::new(WorldSpec::demo(now()))).await;
    let rows = all(&bench, 500).await;
    assert_eq!(rows.len(), 5_000);
    let share =
        |is: fn(&Value) -> bool| rows.iter().filter(|row| is(row)).count() * 100 / rows.len();
    assert!(rows.iter().all(|row| time(&row["updated_at"]) <= now()
        && time(&row["created_at"]) <= time(&row["updated_at"])));
    assert!((80..=95).contains(&share(|row| row["currency"] == "USD")));
    assert!((1..=15).contains(&share(|row| row["delivery_type"] == "sms")));
    assert!((25..=60).contains(&share(|row| row["status"] == "redeemed")));
    assert!((5..=30).contains(&share(|row| row["status"] == "refunded")));
    let some = |is: fn(&Value) -> bool| rows.iter().any(is);
    assert!(some(|row| row["status"] == "scheduled"));
    assert!(some(|row| row["currency"] == "JPY"));
    assert!(some(|row| row["recipient"]["email"].is_null()));
    assert!(some(|row| row["recipient"]["email"]
        .as_str()
        .is_some_and(|e| e != e.trim())));
    for script in [
        '\u{4e00}'..='\u{9fff}',
        '\u{0600}'..='\u{06ff}',
        '\u{0400}'..='\u{04ff}',
        '\u{0900}'..='\u{097f}',
    ] {
        let inside = |row: &Value| {
            let name = row["recipient"]["name"].as_str().unwrap_or_default();
            name.chars().any(|c| script.contains(&c))
        };
        assert!(rows.iter().any(inside), "{script:?}");
    }
    let verdict = bench.control().verify(sandbox::DEMO_HUB_ID, None).unwrap();
    let orphans = verdict.expected_orphans * 1000 / 5_000;
    assert!((65..=75).contains(&orphans), "{orphans} per mille");
    let body = bench.control().portals();
    assert_eq!(
        body["portals"][0]["records"],
        json!({"company": 300, "contact": 1_200, "deal": 400})
    );
}

#[tokio::test]
async fn in_an_even_world_everybody_gets_the_same_and_has_one_company_and_one_open_deal() {
    let bench = Bench::with(Config::new(WorldSpec::even(now(), 90, 30))).await;
    let mut gifts = std::collections::BTreeMap::<String, usize>::new();
    for row in all(&bench, 500).await {
        let email = row["recipient"]["email"].as_str().unwrap();
        *gifts.entry(email.trim().to_lowercase()).or_default() += 1;
    }
    assert_eq!(gifts.len(), 30);
    assert!(gifts.values().all(|&count| count == 3), "{gifts:?}");
    let records = bench.control().portals()["portals"][0]["records"].clone();
    assert_eq!(records, json!({"company": 30, "contact": 30, "deal": 30}));
    // What an import would owe: each gift its contact, the company and the deal.
    let verdict = bench.control().verify(sandbox::DEMO_HUB_ID, None).unwrap();
    assert_eq!(verdict.expected_orphans, 0);
}

#[tokio::test]
async fn expired_gifts_are_refunded_on_the_tenth_of_the_next_month() {
    let bench = Bench::with(Config::new(WorldSpec::demo(now()))).await;
    let mut seen = 0;
    for row in all(&bench, 500).await {
        let at = |status: &str| {
            let steps = row["status_history"].as_array().unwrap();
            steps
                .iter()
                .find(|step| step["status"] == status)
                .map(|step| time(&step["at"]))
        };
        if let (Some(expired), Some(refunded), Some(_)) =
            (at("expired"), at("refunded"), at("delivered"))
        {
            assert_eq!(refunded.format("%d").to_string(), "10");
            assert!(refunded > expired);
            seen += 1;
        }
    }
    assert!(seen > 100);
}

#[tokio::test]
async fn gifts_are_sent_advanced_and_edited_from_outside() {
    let bench = Bench::start().await;
    let control = bench.control();
    let sent = Sent {
        email: Some("sam@client.example".into()),
        ..Sent::default()
    };
    let id = control.send_gift(DEMO_ORGANIZATION_ID, sent).unwrap();
    let path = format!("{PATH}/{id}");
    let first = bench.thnks(&path).await.body;
    assert_eq!(first["status"], "sent");
    let change = |status: Option<&str>, at: Option<&str>| Change {
        id: Some(id.clone()),
        count: 1,
        status: status.map(str::to_owned),
        at: at.map(|at| at.parse().unwrap()),
    };
    control
        .advance(DEMO_ORGANIZATION_ID, &change(None, None))
        .unwrap();
    let second = bench.thnks(&path).await.body;
    assert_eq!(second["status"], "delivered");
    assert!(time(&second["updated_at"]) > time(&first["updated_at"]));
    // A late message about something long ago changes the history, not the status.
    control
        .advance(
            DEMO_ORGANIZATION_ID,
            &change(Some("opened"), Some("2020-01-01T00:00:00Z")),
        )
        .unwrap();
    let third = bench.thnks(&path).await.body;
    assert_eq!(
        (
            &third["status"],
            third["status_history"].as_array().unwrap().len()
        ),
        (&json!("delivered"), 3)
    );
    control
        .edit_transaction(
            DEMO_ORGANIZATION_ID,
            &id,
            &json!({"message": null, "amount": "9.99"}),
        )
        .unwrap();
    assert_eq!(bench.thnks(&path).await.body["amount"], "9.99");
}

#[tokio::test]
async fn malformed_rows_stand_in_the_pages_each_wrong_in_its_own_way() {
    let bench = Bench::start().await;
    bench
        .control()
        .add_bad_rows(DEMO_ORGANIZATION_ID, 8)
        .unwrap();
    let rows = all(&bench, 500).await;
    assert_eq!(rows.len(), 68);
    let bad = &rows[60..];
    assert!(bad.iter().any(|row| row["amount"] == "abc"));
    assert!(bad.iter().any(|row| row.get("status").is_none()));
    assert!(bad.iter().any(|row| row["id"].is_null()));
    let verdict = bench.control().verify(sandbox::DEMO_HUB_ID, None).unwrap();
    assert_eq!((verdict.transactions, verdict.malformed), (60, 8));
}

#[tokio::test]
async fn the_catalogue_is_paged_and_gifts_can_be_requested() {
    let bench = Bench::start().await;
    let first = bench.thnks("/api/v1/gifts?limit=20").await.body;
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = bench
        .thnks(&format!("/api/v1/gifts?limit=20&cursor={cursor}"))
        .await
        .body;
    assert_eq!(
        (
            rest["gifts"].as_array().unwrap().len(),
            &rest["next_cursor"]
        ),
        (4, &Value::Null)
    );
    let send = |body: Value| {
        let url = format!("{}api/v1/gift_requests", bench.sandbox.thnks_url());
        reply(
            bench
                .client
                .post(url)
                .header("authorization", THNKS_API_KEY)
                .json(&body),
        )
    };
    let refused = send(json!({"gift_id": 1, "recipients": [{"email": "nobody"}]})).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.body["errors"]["gift_id"].is_array()
            && refused.body["errors"]["recipients.0"].is_array()
    );
    let sent = send(
        json!({"gift_id": 5601, "recipients": [{"email": "a@b.example", "first_name": "Ann"}]}),
    )
    .await;
    assert_eq!(sent.status, 201);
    let id = sent.body["transactions"][0].as_str().unwrap();
    assert_eq!(
        bench.thnks(&format!("{PATH}/{id}")).await.body["recipient"]["name"],
        "Ann"
    );
}

#[tokio::test]
async fn organizations_do_not_see_each_other() {
    let bench = Bench::start().await;
    let new = NewOrganization {
        id: "org_other".into(),
        key: "other-key".into(),
    };
    bench.control().add_organization(&new, "Other").unwrap();
    assert_eq!(
        bench.thnks_as("other-key", PATH).await.body["transactions"],
        json!([])
    );
}
