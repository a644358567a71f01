//! Webhooks out: signed, batched, retried.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use sandbox::control::Contact;
use sandbox::{APP_ID, CLIENT_SECRET, DEMO_HUB_ID};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;

use crate::harness::Bench;

/// One POST as the receiver saw it.
struct Seen {
    headers: HeaderMap,
    body: String,
}

struct Receiver {
    seen: mpsc::UnboundedReceiver<Seen>,
    url: Url,
}

type Inbox = Arc<(mpsc::UnboundedSender<Seen>, std::sync::atomic::AtomicUsize)>;

/// Listens; the first `refusals` deliveries are answered with 500.
async fn receiver(refusals: usize) -> Receiver {
    let (sender, seen) = mpsc::unbounded_channel();
    let inbox: Inbox = Arc::new((sender, refusals.into()));
    let router = Router::new()
        .route("/webhooks/hubspot", post(take))
        .with_state(inbox);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/webhooks/hubspot?a=b%3Ac",
        listener.local_addr().unwrap()
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    Receiver {
        seen,
        url: url.parse().unwrap(),
    }
}

async fn take(State(inbox): State<Inbox>, headers: HeaderMap, body: String) -> StatusCode {
    use std::sync::atomic::Ordering;
    inbox.0.send(Seen { headers, body }).unwrap();
    let refuse = inbox
        .1
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        });
    if refuse.is_ok() {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::NO_CONTENT
    }
}

impl Receiver {
    async fn next(&mut self) -> (Value, Seen) {
        let seen = self.seen.recv().await.unwrap();
        let events: Value = serde_json::from_str(&seen.body).unwrap();
        (events[0].clone(), seen)
    }
}

#[tokio::test]
async fn changes_of_contacts_are_told_and_signed() {
    let bench = Bench::start().await;
    let control = bench.control();
    let mut receiver = receiver(0).await;
    control.set_webhook_target(Some(receiver.url.clone()));
    let add = |email: &str| {
        let contact = Contact {
            email: Some(email.into()),
            ..Contact::default()
        };
        control.add_contact(DEMO_HUB_ID, &contact).unwrap()
    };
    let a = add("a@x.example");
    let (event, seen) = receiver.next().await;
    assert_eq!(event["subscriptionType"], "contact.creation");
    assert_eq!(
        (&event["portalId"], &event["appId"], &event["objectId"]),
        (&json!(DEMO_HUB_ID), &json!(APP_ID), &json!(a))
    );
    let header = |name: &str| seen.headers[name].to_str().unwrap().to_owned();
    // The receiver's own computation of the signature: the URL with its escaped colon decoded.
    let uri = receiver.url.as_str().replace("%3A", ":");
    let text = format!(
        "POST{uri}{}{}",
        seen.body,
        header("x-hubspot-request-timestamp")
    );
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
    let signature = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        header("x-hubspot-signature-v3"),
    )
    .unwrap();
    aws_lc_rs::hmac::verify(&key, text.as_bytes(), &signature).unwrap();

    let values = [("email".to_owned(), json!("new@x.example"))].into();
    control
        .change_record(DEMO_HUB_ID, "contacts", a, &values)
        .unwrap();
    let (event, _) = receiver.next().await;
    assert_eq!(event["subscriptionType"], "contact.propertyChange");
    assert_eq!(
        (&event["propertyName"], &event["propertyValue"]),
        (&json!("email"), &json!("new@x.example"))
    );

    let b = add("b@x.example");
    receiver.next().await;
    control
        .merge_records(DEMO_HUB_ID, "contacts", a, b)
        .unwrap();
    let (event, _) = receiver.next().await;
    assert_eq!(
        (&event["subscriptionType"], &event["mergedObjectIds"]),
        (&json!("contact.merge"), &json!([b]))
    );

    for (forget, told) in [
        (false, "contact.deletion"),
        (true, "contact.privacyDeletion"),
    ] {
        let id = add("c@x.example");
        receiver.next().await;
        control
            .delete_record(DEMO_HUB_ID, "contacts", id, forget)
            .unwrap();
        assert_eq!(receiver.next().await.0["subscriptionType"], told);
    }
}

#[tokio::test]
async fn a_refused_delivery_is_tried_again() {
    let bench = Bench::start().await;
    let mut receiver = receiver(1).await;
    bench
        .control()
        .set_webhook_target(Some(receiver.url.clone()));
    let contact = Contact {
        email: Some("a@x.example".into()),
        ..Contact::default()
    };
    bench.control().add_contact(DEMO_HUB_ID, &contact).unwrap();
    let (first, _) = receiver.next().await;
    let (second, _) = receiver.next().await;
    assert_eq!(first["eventId"], second["eventId"]);
    assert_eq!(
        (&first["attemptNumber"], &second["attemptNumber"]),
        (&json!(0), &json!(1))
    );
}

#[test]
fn signatures_match_the_published_vectors() {
    let secret = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
    let uri = "https://www.example.com/webhook_uri";
    for (body, timestamp, signature) in [
        (
            "{'example_field':'example_value'}",
            "1693657560000",
            "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=",
        ),
        (
            "{'example_field':'example_value'}",
            "1700000300000",
            "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw=",
        ),
        (
            "{\"example_field\":\"example_value\"}",
            "1693657560000",
            "oaA3M5dEtt6kFsseJD/Hv/x+JNl1vsoxFj4oxmwP6Go=",
        ),
    ] {
        assert_eq!(
            sandbox::webhooks::sign(secret, "POST", uri, body, timestamp),
            signature
        );
    }
}
