//! Webhooks out: signed, batched, retried.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use sandbox::control::{Contact, Link};
use sandbox::{APP_ID, CLIENT_SECRET, DEMO_HUB_ID};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;

use crate::harness::{Bench, Portal, input};

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

    /// All events of the next POST.
    async fn batch(&mut self) -> Vec<Value> {
        let seen = self.seen.recv().await.unwrap();
        serde_json::from_str(&seen.body).unwrap()
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
    let values = ["firstname", "jobtitle"].map(|name| (name.to_owned(), json!("Bea")));
    control
        .change_record(DEMO_HUB_ID, "contacts", b, &values.into())
        .unwrap();
    receiver.next().await;
    receiver.next().await;
    control
        .merge_records(DEMO_HUB_ID, "contacts", a, b)
        .unwrap();
    let (event, _) = receiver.next().await;
    assert_eq!(
        (&event["subscriptionType"], &event["mergedObjectIds"]),
        (&json!("contact.merge"), &json!([b]))
    );
    assert_eq!(
        (&event["primaryObjectId"], &event["newObjectId"]),
        (&json!(a), &json!(a))
    );
    assert_eq!(
        (
            &event["numberOfPropertiesMoved"],
            &event["changeSource"],
            &event["sourceId"]
        ),
        (&json!(2), &json!("CRM_UI"), &json!("userId:1")),
        "first name and job title are what the survivor lacked"
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

/// A contact, a company and the ids of `gifts` records of the portal's own type.
async fn records(portal: &Portal<'_>, gifts: usize) -> (u64, u64, Vec<u64>) {
    let number = |id: &Value| -> u64 { id.as_str().unwrap().parse().unwrap() };
    portal.create_object().await;
    let mut made = Vec::new();
    let inputs: Vec<Value> = (0..gifts)
        .map(|i| input(&format!("t{i}"), json!({})))
        .collect();
    for some in inputs.chunks(100) {
        let reply = portal.upsert(json!(some)).await;
        let rows = reply.body["results"].as_array().unwrap();
        made.extend(rows.iter().map(|row| number(&row["id"])));
    }
    let contact = number(&json!(portal.contact("a@x.example").await));
    let values = [("name".to_owned(), json!("Lumen"))].into();
    let control = portal.bench.control();
    let company = control.add_record(DEMO_HUB_ID, "companies", &values);
    (contact, company.unwrap(), made)
}

fn pair(from: u64, to: u64) -> Value {
    json!({"from": {"id": from.to_string()}, "to": {"id": to.to_string()}})
}

/// What an event says of its link.
fn link_of(event: &Value) -> (Value, u64, u64, bool, bool) {
    assert_eq!(event["subscriptionType"], "contact.associationChange");
    assert_eq!(event["objectId"], event["fromObjectId"]);
    (
        event["associationType"].clone(),
        event["fromObjectId"].as_u64().unwrap(),
        event["toObjectId"].as_u64().unwrap(),
        event["associationRemoved"].as_bool().unwrap(),
        event["isPrimaryAssociation"].as_bool().unwrap(),
    )
}

#[tokio::test]
async fn links_by_hand_are_told_from_the_contact() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let (contact, company, gifts) = records(&portal, 1).await;
    let mut receiver = receiver(0).await;
    let control = bench.control();
    control.set_webhook_target(Some(receiver.url.clone()));
    let link = |from_type: &str, from: u64, to_type: &str, to: u64, label: Option<&str>| Link {
        from_type: from_type.into(),
        from,
        to_type: to_type.into(),
        to,
        label: label.map(str::to_owned),
    };
    for link in [
        link("contacts", contact, "p_thnks", gifts[0], None),
        link("p_thnks", gifts[0], "contacts", contact, None),
    ] {
        control.link(DEMO_HUB_ID, &link).unwrap();
        let (event, _) = receiver.next().await;
        assert_eq!(event["changeSource"], "CRM_UI");
        let told = |removed| (json!("CONTACT_TO_THNKS"), contact, gifts[0], removed, false);
        assert_eq!(link_of(&event), told(false));
        control.unlink(DEMO_HUB_ID, &link).unwrap();
        let (event, _) = receiver.next().await;
        assert_eq!(link_of(&event), told(true));
    }
    let link = link("contacts", contact, "companies", company, Some("Primary"));
    control.link(DEMO_HUB_ID, &link).unwrap();
    let (event, _) = receiver.next().await;
    let told = (json!("CONTACT_TO_COMPANY"), contact, company, false, true);
    assert_eq!(link_of(&event), told);
}

#[tokio::test]
async fn links_of_the_app_are_told_once_for_each_pair_that_changed() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let (contact, company, gifts) = records(&portal, 3).await;
    let mut receiver = receiver(0).await;
    let control = bench.control();
    let path = |what: &str| format!("/crm/associations/2026-09/p_thnks/contacts/batch/{what}");
    let default = path("associate/default");
    // Nobody listens yet.
    let body = json!({"inputs": [pair(gifts[0], contact)]});
    assert_eq!(portal.post(&default, body).await.status, 200);
    control.set_webhook_target(Some(receiver.url.clone()));

    let gift = |id: u64, removed: bool| (json!("CONTACT_TO_THNKS"), contact, id, removed, false);
    let links = |events: &[Value]| events.iter().map(link_of).collect::<Vec<_>>();
    let inputs = [
        pair(gifts[0], contact),
        pair(gifts[1], contact),
        pair(gifts[1], contact),
        pair(gifts[2], 1),
    ];
    let reply = portal.post(&default, json!({"inputs": inputs})).await;
    assert_eq!(reply.status, 207);
    let events = receiver.batch().await;
    assert_eq!(links(&events), [gift(gifts[1], false)]);
    assert_eq!(
        (&events[0]["changeSource"], &events[0]["sourceId"]),
        (&json!("INTEGRATION"), &json!(APP_ID.to_string()))
    );

    let put = format!(
        "/crm/objects/2026-09/contacts/{contact}/associations/default/p_thnks/{}",
        gifts[2]
    );
    for _ in 0..2 {
        let sent = portal.request(reqwest::Method::PUT, &put).send().await;
        assert_eq!(sent.unwrap().status(), 200);
    }
    assert_eq!(links(&receiver.batch().await), [gift(gifts[2], false)]);

    let to = [
        json!({"id": contact.to_string()}),
        json!({"id": "1"}),
        json!({"id": contact.to_string()}),
    ];
    let inputs: Vec<Value> = gifts
        .iter()
        .map(|id| json!({"from": {"id": id.to_string()}, "to": to}))
        .collect();
    for _ in 0..2 {
        let body = json!({"inputs": inputs});
        assert_eq!(portal.post(&path("archive"), body).await.status, 204);
    }
    let all: Vec<_> = gifts.iter().map(|id| gift(*id, true)).collect();
    assert_eq!(links(&receiver.batch().await), all);

    // A company: linked, made the primary one, no longer the primary one, unlinked.
    let typed = |id: u32| {
        let mut input = pair(contact, company);
        input["types"] =
            json!([{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": id}]);
        json!({"inputs": [input]})
    };
    let firm = |removed, primary| {
        vec![(
            json!("CONTACT_TO_COMPANY"),
            contact,
            company,
            removed,
            primary,
        )]
    };
    let path = |what: &str| format!("/crm/associations/2026-09/contacts/companies/batch/{what}");
    let first = portal.post(&path("create"), typed(279)).await;
    assert_eq!(first.status, 201);
    assert_eq!(links(&receiver.batch().await), firm(false, false));
    for (what, id, told) in [
        ("create", 279, None),
        ("create", 1, Some(firm(false, true))),
        ("labels/archive", 1, Some(firm(true, true))),
        ("labels/archive", 279, Some(firm(true, false))),
    ] {
        let reply = portal.post(&path(what), typed(id)).await;
        assert!(reply.status.is_success(), "{}", reply.body);
        if let Some(told) = told {
            assert_eq!(links(&receiver.batch().await), told);
        }
    }
    assert!(receiver.seen.is_empty());
}

#[tokio::test]
async fn events_of_one_call_come_in_batches_of_a_hundred() {
    let bench = Bench::start().await;
    let portal = bench.install().await;
    let (contact, _, mut gifts) = records(&portal, 150).await;
    let mut receiver = receiver(0).await;
    bench
        .control()
        .set_webhook_target(Some(receiver.url.clone()));
    let inputs: Vec<Value> = gifts.iter().map(|id| pair(*id, contact)).collect();
    let path = "/crm/associations/2026-09/p_thnks/contacts/batch/associate/default";
    let reply = portal.post(path, json!({"inputs": inputs})).await;
    assert_eq!(reply.status, 200);
    let (one, two) = (receiver.batch().await, receiver.batch().await);
    assert_eq!(one.len() + two.len(), 150);
    assert_eq!(one.len().max(two.len()), 100);
    let mut told: Vec<u64> = one
        .iter()
        .chain(&two)
        .map(|event| link_of(event).2)
        .collect();
    told.sort_unstable();
    gifts.sort_unstable();
    assert_eq!(told, gifts);
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
