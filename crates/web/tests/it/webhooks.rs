//! HubSpot's deliveries: what is taken, and what is refused before anything is stored.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use futures::future::join_all;
use hubspot::webhooks::EVENTS_PER_DELIVERY;
use serde_json::json;

use crate::harness::{Answer, CLIENT_SECRET, HUB, World, now, silent_hubspot, world};

const PATH: &str = "/webhooks/hubspot";
const OURS: &str = "http://localhost:3000/webhooks/hubspot";

/// A delivery of so many events.
fn events(count: usize) -> String {
    let event = |contact| json!({"portalId": HUB, "subscriptionType": "contact.creation", "objectId": contact});
    json!((1..=count).map(event).collect::<Vec<_>>()).to_string()
}

fn timestamp() -> String {
    now().timestamp_millis().to_string()
}

/// As HubSpot signs for a delivery to `url`.
fn sign(url: &str, body: &str) -> String {
    sandbox::webhooks::sign(CLIENT_SECRET, "POST", url, body, &timestamp())
}

/// Delivers with these headers beside the timestamp and the signature over `url`.
async fn deliver(world: &World, url: &str, more: &[(&str, &str)], body: &str) -> Answer {
    deliver_signed(world, &sign(url, body), more, body).await
}

async fn deliver_signed(
    world: &World,
    signature: &str,
    more: &[(&str, &str)],
    body: &str,
) -> Answer {
    let timestamp = timestamp();
    let mut headers = vec![
        ("x-hubspot-request-timestamp", timestamp.as_str()),
        ("x-hubspot-signature-v3", signature),
    ];
    headers.extend(more);
    world.send(&Method::POST, PATH, &headers, body).await
}

#[tokio::test]
async fn a_delivery_that_hubspot_did_not_sign_is_401_and_says_what_to_look_at() {
    let world = world().await;
    for headers in [
        &[][..],
        &[
            ("x-hubspot-signature", "abc"),
            ("x-hubspot-signature-version", "v1"),
        ][..],
        &[
            ("x-hubspot-signature-v3", "bm8="),
            ("x-hubspot-request-timestamp", "1763892000000"),
        ][..],
    ] {
        let answer = world.send(&Method::POST, PATH, headers, "[]").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{headers:?}");
        assert!(answer.body.contains("compare PUBLIC_URL"));
    }
    let answer = world.send(&Method::GET, PATH, &[], "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn what_is_signed_is_our_address_whatever_host_a_request_names() {
    let world = world().await;
    let body = events(1);
    let hosts: [&[(&str, &str)]; 5] = [
        &[],
        &[("host", "localhost:3000")],
        &[("host", "evil.example")],
        &[("x-forwarded-host", "evil.example")],
        &[
            ("forwarded", "host=evil.example;proto=https"),
            ("x-forwarded-proto", "https"),
        ],
    ];
    for headers in hosts {
        let ours = deliver(&world, OURS, headers, &body).await;
        assert_eq!(ours.status, StatusCode::NO_CONTENT, "{headers:?}");
        for url in [
            "http://evil.example/webhooks/hubspot",
            "https://evil.example/webhooks/hubspot",
            "https://localhost:3000/webhooks/hubspot",
        ] {
            let others = deliver(&world, url, headers, &body).await;
            assert_eq!(others.status, StatusCode::UNAUTHORIZED, "{url} {headers:?}");
        }
    }
    assert_eq!(world.rows("hubspot_events").await.len(), 1);
}

#[tokio::test]
async fn a_signature_or_timestamp_that_comes_twice_is_refused() {
    let world = world().await;
    let body = events(1);
    let (timestamp, signature) = (timestamp(), sign(OURS, &body));
    for again in [
        ("x-hubspot-signature-v3", signature.as_str()),
        ("x-hubspot-signature-v3", "bm8="),
        ("x-hubspot-request-timestamp", timestamp.as_str()),
        ("x-hubspot-request-timestamp", "1"),
    ] {
        let answer = deliver(&world, OURS, &[again], &body).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{again:?}");
    }
    assert!(world.rows("hubspot_events").await.is_empty());
    let once = deliver(&world, OURS, &[], &body).await;
    assert_eq!(once.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_delivery_holds_as_many_events_as_hubspot_sends_and_no_more() {
    let world = world().await;
    let too_many = deliver(&world, OURS, &[], &events(EVENTS_PER_DELIVERY + 1)).await;
    assert_eq!(too_many.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(too_many.body.contains("These are too many events"));
    assert!(world.rows("hubspot_events").await.is_empty());
    let all = deliver(&world, OURS, &[], &events(EVENTS_PER_DELIVERY)).await;
    assert_eq!(all.status, StatusCode::NO_CONTENT);
    let stored = world.rows("hubspot_events").await;
    assert_eq!(stored.len(), EVENTS_PER_DELIVERY);
}

#[tokio::test]
async fn of_a_hundred_deliveries_at_once_that_are_the_same_one_has_an_effect() {
    let world = world().await;
    let event = |attempt| {
        json!([{"portalId": HUB, "subscriptionType": "contact.creation", "objectId": 512, "eventId": 1, "attemptNumber": attempt}])
            .to_string()
    };
    // HubSpot's own repeats count their attempts, so each is signed anew.
    let bodies: Vec<String> = (0..100).map(|n| event(n % 11)).collect();
    let deliveries = bodies.iter().map(|body| deliver(&world, OURS, &[], body));
    for answer in join_all(deliveries).await {
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
    }
    let stored = world.rows("hubspot_events").await;
    assert_eq!(stored.len(), 1, "{stored:?}");
}

#[tokio::test]
async fn a_delivery_has_its_size() {
    let world = world().await;
    let largest = format!("[]{}", " ".repeat(1024 * 1024 - 2));
    let taken = deliver(&world, OURS, &[], &largest).await;
    assert_eq!(taken.status, StatusCode::NO_CONTENT);
    for size in [1024 * 1024 + 1, 2 * 1024 * 1024] {
        let answer = world
            .send(&Method::POST, PATH, &[], &"x".repeat(size))
            .await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[tokio::test]
async fn what_is_nested_too_deep_is_no_list_of_events() {
    let world = world().await;
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    // A list that holds no event is one all the same.
    let deepest = deliver(&world, OURS, &[], &nested(32)).await;
    assert_eq!(deepest.status, StatusCode::NO_CONTENT);
    for depth in [33, 127, 200, 500_000] {
        let body = nested(depth);
        let answer = deliver(&world, OURS, &[], &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{depth}");
        assert!(answer.body.contains("These are not events"));
    }
    assert_eq!(world.get("/healthz", "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn while_the_database_is_away_nothing_is_acknowledged_and_what_is_repeated_is_stored_once() {
    let world = world().await;
    let body = events(3);
    let before = deliver(&world, OURS, &[], &events(1)).await;
    assert_eq!(before.status, StatusCode::NO_CONTENT);
    world.lock_out().await;
    for _ in 0..3 {
        let answer = deliver(&world, OURS, &[], &body).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.body.contains("These events could not be stored"));
    }
    // Whoever is not HubSpot is told so all the same.
    let forged = deliver(&world, "http://evil.example/", &[], &body).await;
    assert_eq!(forged.status, StatusCode::UNAUTHORIZED);
    world.let_in().await;
    assert_eq!(world.rows("hubspot_events").await.len(), 1);
    for _ in 0..2 {
        let answer = deliver(&world, OURS, &[], &body).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(world.rows("hubspot_events").await.len(), 3);
}

#[tokio::test]
async fn a_secret_is_rotated_in_mid_stream_and_no_event_is_refused() {
    const NEW: &str = "another secret";
    let mut world = world().await;
    let config = |secret: &str, previous: Option<&str>| hubspot::Config {
        client_secret: secret.into(),
        previous_client_secret: previous.map(Into::into),
        ..silent_hubspot("http://localhost:3000")
    };
    let (good, bad) = (StatusCode::NO_CONTENT, StatusCode::UNAUTHORIZED);
    // Before, while HubSpot changes over, and after: what becomes of events signed with the old secret and the new one.
    for (config, old, new) in [
        (config(CLIENT_SECRET, None), good, bad),
        (config(NEW, Some(CLIENT_SECRET)), good, good),
        (config(NEW, None), bad, good),
    ] {
        world.reopen(config, Arc::new(now));
        for count in 1..=5 {
            let body = events(count);
            for (secret, status) in [(CLIENT_SECRET, old), (NEW, new)] {
                let signature = sandbox::webhooks::sign(secret, "POST", OURS, &body, &timestamp());
                let answer = deliver_signed(&world, &signature, &[], &body).await;
                assert_eq!(answer.status, status, "{secret}");
            }
        }
    }
    assert_eq!(world.rows("hubspot_events").await.len(), 5);
}
