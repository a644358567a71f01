//! Webhooks out: events of changed contacts and of their links, signed as HubSpot signs (v3, facts §7.4) and delivered
//! with retries.

mod links;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;
use url::Url;

pub(crate) use self::links::Touched;

use crate::universe::{Universe, lock};

/// HubSpot's patience with a receiver (facts §7.3).
const TIMEOUT: Duration = Duration::from_secs(5);
/// Events per POST (facts §7.3).
const BATCH: usize = 100;
/// Between two attempts; HubSpot spreads them over a day.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Deliveries remembered.
const KEPT: usize = 1_000;

/// One attempt to deliver a batch of events.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Events in the POST.
    pub events: usize,
    /// 0 for the first attempt.
    pub attempt: u32,
    /// The receiver's status, or none when it could not be reached in time.
    pub status: Option<u16>,
}

/// Where events go, and what became of them.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    target: Mutex<Option<Url>>,
    deliveries: Mutex<Vec<Delivery>>,
    event_id: Mutex<i64>,
    pub(crate) tasks: TaskTracker,
}

impl Outbox {
    pub(crate) fn set_target(&self, target: Option<Url>) {
        *lock(&self.target) = target;
    }

    pub(crate) fn target(&self) -> Option<Url> {
        lock(&self.target).clone()
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        lock(&self.deliveries).clone()
    }

    fn remember(&self, delivery: Delivery) {
        let mut all = lock(&self.deliveries);
        if all.len() < KEPT {
            all.push(delivery);
        }
    }

    fn next_event_id(&self) -> i64 {
        let mut last = lock(&self.event_id);
        *last += 1;
        *last
    }
}

/// Who made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Somebody in HubSpot's own pages.
    Person,
    /// The app, by the API.
    App,
}

/// What happened to a record, in HubSpot's words.
#[derive(Debug, Clone)]
pub(crate) struct Happening {
    pub(crate) source: Source,
    /// Such as `contact.creation`.
    pub(crate) subscription: String,
    pub(crate) object_id: u64,
    /// More fields, such as `propertyName`.
    pub(crate) more: Value,
}

/// Sends events of a portal, when a target is set. Returns at once.
pub(crate) fn send(universe: &Arc<Universe>, hub_id: i64, happenings: &[Happening]) {
    let Some(target) = universe.outbox.target() else {
        return;
    };
    let now = universe.now();
    let events: Vec<Value> = happenings
        .iter()
        .map(|happening| {
            let (change_source, source_id) = match happening.source {
                Source::Person => ("CRM_UI", "userId:1".to_owned()),
                Source::App => ("INTEGRATION", universe.app.app_id.to_string()),
            };
            let mut event = json!({
                "eventId": universe.outbox.next_event_id(),
                "subscriptionId": 4_000_001,
                "portalId": hub_id,
                "appId": universe.app.app_id,
                "occurredAt": now.timestamp_millis(),
                "subscriptionType": happening.subscription,
                "attemptNumber": 0,
                "objectId": happening.object_id,
                "changeSource": change_source,
                "sourceId": source_id,
            });
            if let (Some(event), Some(more)) = (event.as_object_mut(), happening.more.as_object()) {
                event.extend(more.clone());
            }
            event
        })
        .collect();
    for batch in events.chunks(BATCH) {
        let (universe, target, batch) = (Arc::clone(universe), target.clone(), batch.to_vec());
        let tasks = universe.outbox.tasks.clone();
        tasks.spawn(async move { deliver(&universe, &target, batch).await });
    }
}

async fn deliver(universe: &Universe, target: &Url, mut events: Vec<Value>) {
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build();
    let Ok(client) = client else { return };
    for attempt in 0..universe.rules().webhook_attempts.max(1) {
        for event in &mut events {
            event["attemptNumber"] = json!(attempt);
        }
        let body = Value::Array(events.clone()).to_string();
        let timestamp = universe.now().timestamp_millis().to_string();
        let signature = sign(
            &universe.app.client_secret,
            "POST",
            target.as_str(),
            &body,
            &timestamp,
        );
        let sent = client
            .post(target.clone())
            .header("content-type", "application/json")
            .header("x-hubspot-signature-v3", signature)
            .header("x-hubspot-request-timestamp", timestamp)
            .body(body)
            .send()
            .await;
        let status = sent.ok().map(|response| response.status());
        universe.outbox.remember(Delivery {
            at: universe.now(),
            events: events.len(),
            attempt,
            status: status.map(|status| status.as_u16()),
        });
        if status.is_some_and(|status| status.is_success()) {
            return;
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// `base64(HMAC-SHA256(secret, method + uri + body + timestamp))`, the URI with HubSpot's list of escapes decoded.
pub fn sign(secret: &str, method: &str, uri: &str, body: &str, timestamp: &str) -> String {
    const DECODED: [(&str, &str); 11] = [
        ("%3A", ":"),
        ("%2F", "/"),
        ("%3F", "?"),
        ("%40", "@"),
        ("%21", "!"),
        ("%24", "$"),
        ("%27", "'"),
        ("%28", "("),
        ("%29", ")"),
        ("%2A", "*"),
        ("%2C", ","),
    ];
    let mut uri = uri.to_owned();
    for (escape, plain) in DECODED.iter().chain(&[("%3B", ";")]) {
        uri = uri
            .replace(escape, plain)
            .replace(&escape.to_lowercase(), plain);
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let text = format!("{method}{uri}{body}{timestamp}");
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}
