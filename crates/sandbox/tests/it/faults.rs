//! Faults on order.

use std::time::Duration;

use sandbox::{Action, DEMO_HUB_ID, Fault, FaultBody};
use serde_json::json;

use crate::harness::{Bench, Portal, input};

const KIND: &str = "objects.batch_upsert";

async fn ready(bench: &Bench) -> Portal<'_> {
    let portal = bench.install().await;
    portal.create_object().await;
    portal
}

fn records(bench: &Bench) -> u64 {
    bench.control().portals()["portals"][0]["records"]["thnks"]
        .as_u64()
        .unwrap()
}

#[tokio::test]
async fn a_fault_hits_the_nth_call_and_the_next_ones() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    bench.control().inject(Fault {
        nth: 2,
        times: 2,
        portal: Some(DEMO_HUB_ID),
        ..Fault::once(
            KIND,
            Action::Status {
                status: 502,
                body: FaultBody::Html,
                retry_after: None,
            },
        )
    });
    let mut statuses = Vec::new();
    for i in 0..4 {
        statuses.push(
            portal
                .upsert(json!([input(&format!("t{i}"), json!({}))]))
                .await
                .status
                .as_u16(),
        );
    }
    assert_eq!(statuses, [200, 502, 502, 200]);
    assert_eq!(records(&bench), 2);
    assert!(
        bench.control().faults().is_empty(),
        "a spent fault is dropped"
    );
}

#[tokio::test]
async fn statuses_have_their_bodies() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    let throttle = |policy: &str| Action::Throttle {
        policy: policy.into(),
        retry_after: Some(3),
    };
    for (action, status, retry_after) in [
        (throttle("DAILY"), 429, Some("3")),
        (throttle("SECONDLY"), 429, Some("3")),
        (Action::Locked, 423, None),
        (
            Action::Moving {
                retry_after: 86_400,
            },
            477,
            Some("86400"),
        ),
        (
            Action::Status {
                status: 500,
                body: FaultBody::Empty,
                retry_after: None,
            },
            500,
            None,
        ),
        (
            Action::Status {
                status: 503,
                body: FaultBody::Truncated,
                retry_after: Some(1),
            },
            503,
            Some("1"),
        ),
    ] {
        bench.control().inject(Fault::once(KIND, action));
        let reply = portal.upsert(json!([input("a", json!({}))])).await;
        assert_eq!(reply.status, status);
        let header = reply
            .headers
            .get("retry-after")
            .map(|value| value.to_str().unwrap());
        assert_eq!(header, retry_after);
    }
    assert_eq!(records(&bench), 0);
}

#[tokio::test]
async fn a_connection_is_cut_before_or_after_the_effect() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    for (apply, count) in [(false, 0), (true, 1)] {
        bench.control().inject(Fault {
            apply,
            ..Fault::once(KIND, Action::Reset)
        });
        let path = "/crm/objects/2026-09/p_thnks/batch/upsert";
        let request = portal
            .request(reqwest::Method::POST, path)
            .json(&json!({"inputs": [input("a", json!({}))]}));
        assert!(request.send().await.is_err());
        assert_eq!(records(&bench), count);
    }
    let log = bench.control().log(None, Some(KIND), 0, 10);
    assert!(log.iter().all(|entry| entry.status == 0 && entry.fault));
}

#[tokio::test]
async fn an_applied_call_may_hang_until_the_client_gives_up() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    bench.control().inject(Fault {
        apply: true,
        ..Fault::once(KIND, Action::Hang { millis: 60_000 })
    });
    let request = portal
        .request(
            reqwest::Method::POST,
            "/crm/objects/2026-09/p_thnks/batch/upsert",
        )
        .timeout(Duration::from_millis(500))
        .json(&json!({"inputs": [input("a", json!({}))]}));
    assert!(request.send().await.unwrap_err().is_timeout());
    assert_eq!(records(&bench), 1);
}

#[tokio::test]
async fn a_truncated_answer_may_follow_an_effect() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    let action = Action::Status {
        status: 200,
        body: FaultBody::Truncated,
        retry_after: None,
    };
    bench.control().inject(Fault {
        apply: true,
        ..Fault::once(KIND, action)
    });
    let reply = portal.upsert(json!([input("a", json!({}))])).await;
    assert_eq!((reply.status.as_u16(), reply.body.is_null()), (200, true));
    assert_eq!(records(&bench), 1);
}

#[tokio::test]
async fn a_batch_may_be_refused_in_part_or_answered_with_nothing() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    bench
        .control()
        .inject(Fault::once(KIND, Action::Partial { count: 1 }));
    let reply = portal
        .upsert(json!([input("a", json!({})), input("b", json!({}))]))
        .await;
    assert_eq!(
        (reply.status.as_u16(), &reply.body["numErrors"]),
        (207, &json!(1))
    );
    assert_eq!(records(&bench), 1);
    bench
        .control()
        .inject(Fault::once(KIND, Action::EmptyResults));
    let reply = portal.upsert(json!([input("c", json!({}))])).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.body["results"]),
        (200, &json!([]))
    );
    assert_eq!(records(&bench), 1);
}

#[tokio::test]
async fn tokens_may_expire_or_the_grant_be_revoked_at_a_call() {
    let bench = Bench::start().await;
    let portal = ready(&bench).await;
    bench
        .control()
        .inject(Fault::once("objects.*", Action::ExpireTokens));
    let reply = portal.upsert(json!([input("a", json!({}))])).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.body["category"]),
        (401, &json!("EXPIRED_AUTHENTICATION"))
    );
    assert_eq!(bench.refresh(&portal.refresh_token).await.status, 200);
    bench.control().inject(Fault {
        portal: Some(DEMO_HUB_ID),
        ..Fault::once("oauth.refresh", Action::RevokeGrant)
    });
    assert_eq!(
        bench.refresh(&portal.refresh_token).await.body["status"],
        "BAD_REFRESH_TOKEN"
    );
}

#[tokio::test]
async fn faults_are_ordered_over_http_and_reach_thnks_too() {
    let bench = Bench::start().await;
    let fault = json!({"kind": "thnks.transactions", "action": {"type": "status", "status": 500, "body": "html"}});
    let ordered = bench
        .client
        .post(bench.url("/sandbox/faults"))
        .json(&fault)
        .send()
        .await
        .unwrap();
    assert_eq!(ordered.status(), 200);
    assert_eq!(bench.thnks("/api/v1/transactions").await.status, 500);
    assert_eq!(bench.thnks("/api/v1/transactions").await.status, 200);
}
