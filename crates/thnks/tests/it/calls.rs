//! What is asked, how pages are read, and how failures are sorted.

use std::time::Duration;

use domain::TransactionId;
use secrecy::SecretString;
use serde_json::{Value, json};
use thnks::Error;

use crate::harness::{Reply, World, json as reply};

fn key() -> SecretString {
    "tk_secret".into()
}

fn row(id: &str) -> Value {
    json!({"id": id, "status": "sent", "created_at": "2026-11-02T15:04:05Z", "updated_at": "2026-11-02T15:04:05Z"})
}

fn page(rows: &[Value], next: Option<&str>) -> Reply {
    reply(200, &json!({"transactions": rows, "next_cursor": next}))
}

fn raw(body: impl Into<String>) -> Reply {
    Reply::Answer(200, &[("content-type", "application/json")], body.into())
}

#[tokio::test]
async fn a_key_is_sent_bare_and_proves_an_organization() {
    let answer =
        json!({"id": "org_1", "name": "Acme", "plan": "enterprise", "hubspot_enabled": true});
    let world = World::start(vec![reply(200, &answer)]).await;
    let organization = world.client.organization(&key()).await.unwrap();
    assert_eq!(
        (organization.name.as_str(), organization.hubspot_enabled),
        ("Acme", true)
    );
    assert!(world.asked()[0].contains("authorization: tk_secret\r\n"));
}

#[tokio::test]
async fn a_page_is_asked_for_by_time_cursor_and_size() {
    let world = World::start(vec![page(&[row("a")], Some("c2")), page(&[], None)]).await;
    let since = "2026-11-02T15:04:05.123456Z".parse().unwrap();
    let first = world
        .client
        .transactions(&key(), Some(since), None, 9_999)
        .await
        .unwrap();
    assert_eq!(first.next_cursor.as_deref(), Some("c2"));
    let last = world
        .client
        .transactions(&key(), Some(since), Some("c2"), 100)
        .await
        .unwrap();
    assert_eq!((last.rows.len(), last.next_cursor), (0, None));
    let asked = world.asked();
    let line = asked[0].lines().next().unwrap();
    assert_eq!(
        line,
        "GET /api/v1/transactions?limit=500&updated_since=2026-11-02T15%3A04%3A05.123456Z HTTP/1.1"
    );
    assert!(asked[1].contains("cursor=c2"));
}

#[tokio::test]
async fn one_bad_row_never_spoils_its_page() {
    let body = format!(
        r#"{{"transactions":[{},{{"id":"bad","status":5}},{{"id":"x","amount":1e999}},7,"\ud800",{}],"next_cursor":null}}"#,
        row("a"),
        row("b")
    );
    let world = World::start(vec![raw(body)]).await;
    let page = world
        .client
        .transactions(&key(), None, None, 100)
        .await
        .unwrap();
    let good: Vec<_> = page
        .rows
        .iter()
        .flatten()
        .map(|row| row.id.as_str())
        .collect();
    assert_eq!(good, ["a", "b"]);
    let bad: Vec<_> = page
        .rows
        .iter()
        .filter_map(|row| row.as_ref().err())
        .collect();
    assert_eq!(bad.len(), 4);
    assert_eq!(bad[0].malformed.id, Some(TransactionId("bad".into())));
    assert_eq!(bad[0].malformed.field, "status");
    assert_eq!(bad[0].raw, json!({"id": "bad", "status": 5}));
}

#[tokio::test]
async fn a_page_with_a_wrong_envelope_is_unreadable() {
    let deep = "[".repeat(100_000);
    for body in [
        "{}",
        "[]",
        "<html>",
        "",
        r#"{"transactions":[]}"#,
        r#"{"transactions":{},"next_cursor":null}"#,
        deep.as_str(),
    ] {
        let world = World::start(vec![raw(body)]).await;
        let page = world
            .client
            .transactions(&key(), None, Some("same"), 100)
            .await;
        assert!(matches!(page, Err(Error::Unreadable(_))), "{body}");
    }
}

#[tokio::test]
async fn a_cursor_that_leads_nowhere_is_told_from_the_end() {
    for next in ["", "same"] {
        let body = format!(r#"{{"transactions":[],"next_cursor":"{next}"}}"#);
        let world = World::start(vec![raw(&body)]).await;
        let key = key();
        let page = world.client.transactions(&key, None, Some("same"), 100);
        assert_eq!(page.await, Err(Error::CursorStuck), "{next:?}");
    }
}

#[tokio::test]
async fn a_thnks_that_is_down_is_asked_no_more_until_the_next_minute() {
    let broken = domain::breaker::OPENS_AFTER;
    let script = (0..broken).map(|_| reply(502, &json!({}))).collect();
    let world = World::start(script).await;
    for _ in 0..broken / 4 {
        let page = world.client.transactions(&key(), None, None, 100).await;
        assert!(matches!(page, Err(Error::Unavailable(_))), "{page:?}");
    }
    let page = world.client.transactions(&key(), None, None, 100).await;
    assert!(matches!(page, Err(Error::Down { .. })), "{page:?}");
    assert!(world.client.is_down());
    assert_eq!(world.asked().len(), usize::try_from(broken).unwrap());
}

#[tokio::test]
async fn refusals_are_sorted() {
    let refusal =
        |status, code: &str| reply(status, &json!({"error": {"code": code, "message": "…"}}));
    let script = vec![
        refusal(401, "invalid_api_key"),
        refusal(403, "integration_disabled"),
        refusal(410, "cursor_expired"),
        refusal(422, "invalid"),
        reply(400, &json!({"error": ["?"]})),
    ];
    let world = World::start(script).await;
    let ask = async || {
        world
            .client
            .transactions(&key(), None, None, 1)
            .await
            .unwrap_err()
    };
    assert_eq!(ask().await, Error::KeyRefused);
    assert_eq!(ask().await, Error::IntegrationDisabled);
    assert_eq!(ask().await, Error::CursorExpired);
    assert_eq!(
        ask().await,
        Error::Rejected {
            status: 422,
            code: "invalid".into()
        }
    );
    assert_eq!(
        ask().await,
        Error::Rejected {
            status: 400,
            code: String::new()
        }
    );
}

#[tokio::test]
async fn trouble_is_waited_out_and_bounded() {
    let busy = || Reply::Answer(503, &[], "<html>".into());
    let wait = Reply::Answer(429, &[("retry-after", "0")], String::new());
    let script = vec![busy(), Reply::HangUp, wait, page(&[row("a")], None)];
    let world = World::start(script).await;
    let page = world
        .client
        .transactions(&key(), None, None, 1)
        .await
        .unwrap();
    assert_eq!(page.rows.len(), 1);
    let world = World::start(vec![busy(), busy(), busy(), busy()]).await;
    let error = world.client.organization(&key()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)));
}

#[tokio::test]
async fn a_long_wait_is_the_callers() {
    let world = World::start(vec![Reply::Answer(
        429,
        &[("retry-after", "120")],
        String::new(),
    )])
    .await;
    let error = world.client.organization(&key()).await.unwrap_err();
    assert_eq!(
        error,
        Error::Throttled {
            retry_after: Duration::from_mins(2)
        }
    );
}

#[tokio::test]
async fn one_transaction_is_found_or_not() {
    let missing = reply(404, &json!({"error": {"code": "not_found"}}));
    let world = World::start(vec![reply(200, &row("a/b")), missing]).await;
    let id = TransactionId("a/b".into());
    let found = world.client.transaction(&key(), &id).await.unwrap();
    assert_eq!(found.unwrap().unwrap().id, id);
    assert_eq!(world.client.transaction(&key(), &id).await.unwrap(), None);
    assert!(world.asked()[0].starts_with("GET /api/v1/transactions/a%2Fb HTTP/1.1"));
}

#[tokio::test]
async fn a_key_that_cannot_stand_in_a_header_is_refused_without_asking() {
    let world = World::start(vec![]).await;
    let error = world.client.organization(&"a\nb".into()).await.unwrap_err();
    assert_eq!(error, Error::KeyRefused);
    assert!(world.asked().is_empty());
}

#[tokio::test]
async fn an_answer_has_its_size() {
    const MOST: usize = 32 * 1024 * 1024;
    let of_length = |length: usize| {
        let body = json!({"transactions": [row("a")], "next_cursor": null}).to_string();
        raw(format!("{body}{}", " ".repeat(length - body.len())))
    };
    let world = World::start(vec![of_length(MOST), of_length(MOST + 1)]).await;
    let key = key();
    let ask = || world.client.transactions(&key, None, None, 1);
    assert_eq!(ask().await.unwrap().rows.len(), 1);
    let too_large = Error::Unreadable("the answer is too large".into());
    assert_eq!(ask().await.unwrap_err(), too_large);
}
