//! The one request: tokens, repeats, limits, and how failures are sorted.

use std::time::Duration;

use hubspot::{Budget, CallClass, Error, Remedy};
use serde_json::json;

use crate::harness::{HUB, Reply, json as reply, world};

fn details() -> Reply {
    reply(
        200,
        &json!({"portalId": 4242, "timeZone": "Europe/Berlin", "uiDomain": "app-eu1.hubspot.com",
            "companyCurrency": "EUR", "accountType": "STANDARD"}),
    )
}

fn html(status: u16) -> Reply {
    Reply::Answer(
        status,
        &[("content-type", "text/html")],
        "<html>busy</html>".into(),
    )
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_the_call_repeated() {
    let world = world(
        CallClass::Sync,
        vec![
            reply(401, &json!({"category": "EXPIRED_AUTHENTICATION"})),
            details(),
        ],
    )
    .await;
    let account = world.portal.account_details().await.unwrap();
    assert_eq!(account.time_zone, "Europe/Berlin");
    let asked = world.server.asked();
    assert!(asked[0].head.contains("authorization: bearer token-0"));
    assert!(asked[1].head.contains("authorization: bearer token-1"));
    assert_eq!(asked[0].line, "GET /account-info/2026-09/details HTTP/1.1");
    assert_eq!(world.portal.calls().by_kind["account.details"], 2);
}

#[tokio::test]
async fn a_second_refused_token_ends_the_call() {
    let refused = || reply(401, &json!({"category": "INVALID_AUTHENTICATION"}));
    let world = world(CallClass::Sync, vec![refused(), refused()]).await;
    let error = world.portal.account_details().await.unwrap_err();
    assert!(matches!(&error, Error::Unauthorized(refusal) if refusal.status == 401));
    assert_eq!(error.remedy(), Remedy::Reconnect);
}

#[tokio::test]
async fn reads_are_repeated_after_every_kind_of_broken_answer() {
    let world = world(
        CallClass::Sync,
        vec![
            html(502),
            Reply::HangUp,
            html(200),
            Reply::Answer(
                200,
                &[("content-type", "application/json")],
                "{\"cut".into(),
            ),
            details(),
        ],
    )
    .await;
    world.portal.account_details().await.unwrap();
    assert_eq!(world.portal.calls().total(), 5);
}

#[tokio::test]
async fn repeats_are_bounded() {
    let world = world(
        CallClass::Interactive,
        vec![html(500), html(503), html(521)],
    )
    .await;
    let error = world.portal.account_details().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_page_of_a_proxy_is_no_answer() {
    let world = world(
        CallClass::Interactive,
        vec![html(200), html(200), html(200)],
    )
    .await;
    let error = world.portal.account_details().await.unwrap_err();
    assert!(matches!(error, Error::Unreadable(_)), "{error}");
}

#[tokio::test]
async fn a_limit_is_told_to_the_budget_and_waited_out() {
    let limit = Reply::Answer(
        429,
        &[("content-type", "application/json"), ("retry-after", "1")],
        json!({"policyName": "TEN_SECONDLY_ROLLING", "errorType": "RATE_LIMIT"}).to_string(),
    );
    let world = world(CallClass::Sync, vec![limit, details()]).await;
    world.portal.account_details().await.unwrap();
    assert_eq!(
        *world.budget.blocks.lock().unwrap(),
        [Duration::from_secs(1)]
    );
    // The wait of the block is the budget's, and it is counted as HubSpot's doing.
    assert!(world.portal.calls().throttled > Duration::ZERO);
}

#[tokio::test]
async fn a_days_limit_is_more_than_a_call_waits() {
    let limit = reply(429, &json!({"policyName": "DAILY"}));
    let world = world(CallClass::Backfill, vec![limit]).await;
    let error = world.portal.account_details().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_mins(15)));
    assert_eq!(world.budget.blocks.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_long_block_ends_a_call_before_it_is_sent() {
    let world = world(CallClass::Backfill, vec![]).await;
    world.budget.block(HUB, Duration::from_hours(1)).await;
    let error = world.portal.account_details().await.unwrap_err();
    assert!(
        error.retry_after() > Some(Duration::from_mins(59)),
        "{error}"
    );
    assert_eq!(error.remedy(), Remedy::Wait(error.retry_after()));
    assert!(world.server.asked().is_empty());
    assert_eq!(world.portal.calls().total(), 0);
}

#[tokio::test]
async fn a_wait_beyond_a_runs_patience_is_given_back() {
    let limit = Reply::Answer(429, &[("retry-after", "16")], String::new());
    let moving = Reply::Answer(477, &[("retry-after", "16")], String::new());
    for answer in [moving, limit] {
        let world = world(CallClass::Sync, vec![answer]).await;
        let error = world.portal.account_details().await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(16)));
    }
}

#[tokio::test]
async fn a_moving_account_is_left_alone_for_as_long_as_it_says() {
    let moving = Reply::Answer(477, &[("retry-after", "3600")], String::new());
    let world = world(CallClass::Sync, vec![moving]).await;
    let error = world.portal.account_details().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_hours(1)));
    assert!(world.budget.blocks.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_locked_record_is_asked_again() {
    let world = world(CallClass::Sync, vec![reply(423, &json!({})), details()]).await;
    world.portal.account_details().await.unwrap();
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let away = Reply::Answer(
        302,
        &[("location", "https://elsewhere.example/")],
        String::new(),
    );
    let world = world(CallClass::Sync, vec![away]).await;
    let error = world.portal.account_details().await.unwrap_err();
    assert!(matches!(error, Error::Unreadable(_)), "{error}");
}

#[tokio::test]
async fn refusals_are_sorted_and_keep_hubspots_words_out_of_sight() {
    let secret = "sam@client.example is not valid";
    let body = json!({"status": "error", "message": secret, "correlationId": "c-1", "category": "VALIDATION_ERROR"});
    let missing = json!({"category": "MISSING_SCOPES", "errors": [{"message": "one of",
        "context": {"requiredGranularScopes": ["crm.objects.deals.read", "crm.objects.deals.read"]}}]});
    let world = world(
        CallClass::Sync,
        vec![
            reply(400, &body),
            reply(404, &body),
            reply(409, &body),
            reply(403, &missing),
        ],
    )
    .await;
    let ask = async || world.portal.account_details().await.unwrap_err();
    let rejected = ask().await;
    assert!(
        matches!(&rejected, Error::Rejected(refusal) if refusal.fault.message == secret
        && refusal.body.text().contains(secret))
    );
    let shown = format!("{rejected} {rejected:?}");
    assert!(shown.contains("c-1") && !shown.contains("sam@"), "{shown}");
    assert!(matches!(ask().await, Error::Missing(_)));
    assert!(matches!(ask().await, Error::Conflict(_)));
    assert!(
        matches!(ask().await, Error::MissingScopes { scopes } if scopes == ["crm.objects.deals.read"])
    );
}

#[tokio::test]
async fn clones_share_their_counts_and_portals_do_not() {
    let world = world(CallClass::Sync, vec![details(), details()]).await;
    let clone = world.portal.on_behalf_of(CallClass::Interactive);
    clone.account_details().await.unwrap();
    world.portal.account_details().await.unwrap();
    assert_eq!(clone.calls().total(), 2);
    assert_eq!(clone.calls(), world.portal.calls());
}

#[tokio::test]
async fn an_answer_has_its_size() {
    let padded = |length: usize| {
        let Reply::Answer(status, headers, body) = details() else {
            unreachable!("an answer was made")
        };
        Reply::Answer(
            status,
            headers,
            format!("{body}{}", " ".repeat(length - body.len())),
        )
    };
    let most = hubspot::limits::MAX_BODY_BYTES;
    let script = vec![
        padded(most),
        padded(most + 1),
        padded(most + 1),
        padded(most + 1),
    ];
    let world = world(CallClass::Interactive, script).await;
    world.portal.account_details().await.unwrap();
    let error = world.portal.account_details().await.unwrap_err();
    assert!(
        matches!(&error, Error::Unreadable(why) if why == "the answer is too large"),
        "{error}"
    );
}
