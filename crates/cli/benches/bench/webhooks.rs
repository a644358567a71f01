//! HubSpot's events under load: how soon they are acknowledged, whether any is lost, and how soon a gift is linked whose
//! contact appears meanwhile.

use std::collections::HashMap;
use std::time::Duration;

use domain::HubId;
use sandbox::control::{Contact, Sent};
use sandbox::{DEMO_HUB_ID, DEMO_ORGANIZATION_ID, WorldSpec};
use serde_json::{Value, json};
use store::PortalScope;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use url::Url;

use crate::figures::{Figures, Limit, count, percentile};
use crate::processes::Stage;
use crate::say;

/// Deliveries a second, of one event each: the dearest way to deliver.
const PER_SECOND: u32 = 150;
const SECS: u32 = 60;
/// Contacts that appear while the load goes on, one a second; each has a gift that waits.
const ORPHANS: usize = 50;
/// 99 of 100 answers come within this time, in milliseconds.
const ANSWER_MS: f64 = 100.0;
/// A gift is linked within this time after its contact appeared, in seconds.
const LINKED_SECS: f64 = 5.0;
/// How long the last events may take.
const PATIENCE: Duration = Duration::from_mins(1);

pub async fn run(figures: &mut Figures, arguments: &[String]) {
    let secs = arguments
        .first()
        .map_or(SECS, |text| text.parse().expect("a number of seconds"));
    let orphans = ORPHANS.min(usize::try_from(secs).unwrap());
    let now = sandbox::machine_clock()();
    let stage = Stage::with(WorldSpec::empty(now)).await;
    for n in 0..orphans {
        let sent = Sent {
            email: Some(email(n)),
            ..Sent::default()
        };
        stage
            .control()
            .send_gift(DEMO_ORGANIZATION_ID, sent)
            .unwrap();
    }
    let worker = stage.worker();
    stage.install().await;
    stage.wait_for_the_end().await;
    let target: Url = format!("{}/webhooks/hubspot", stage.public_url())
        .parse()
        .unwrap();
    stage.control().set_webhook_target(Some(target.clone()));

    say(&format!("{PER_SECOND} events a second for {secs} s …"));
    let (stored_before, calls_before) = (stored(&stage).await, calls(&stage));
    let (load, linked) = tokio::join!(load(&target, secs), appear(&stage, orphans));
    let posted = load.len();
    let told: usize = stage
        .control()
        .deliveries()
        .iter()
        .map(|one| one.events)
        .sum();
    drain(&stage).await;
    let stored = stored(&stage).await - stored_before;
    let calls = calls(&stage) - calls_before;
    assert_eq!(worker.terminate(), Some(0), "the worker ends well");

    figures.head(&format!(
        "webhooks, {PER_SECOND} events a second for {secs} s"
    ));
    let refused = load.iter().filter(|one| !one.is_taken).count();
    let mut answers: Vec<f64> = load.iter().map(|one| one.millis).collect();
    figures.show(
        "answered, p50, ms",
        percentile(&mut answers, 50),
        Limit::None,
        "",
    );
    figures.show(
        "answered, p99, ms",
        percentile(&mut answers, 99),
        Limit::AtMost(ANSWER_MS),
        &format!("of {posted}"),
    );
    figures.show(
        "not answered with 2xx",
        count(refused),
        Limit::AtMost(0.0),
        "",
    );
    let all = i64::try_from(posted + told).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a count of events is small")]
    let lost = (all - stored).max(0) as f64;
    figures.show(
        "lost",
        lost,
        Limit::AtMost(0.0),
        &format!("{stored} stored by the database's own count; none waits at the end"),
    );
    let mut linked: Vec<f64> = linked.into_iter().map(|took| took.as_secs_f64()).collect();
    let detail = format!(
        "{} contacts, one a second, in the middle of the load",
        linked.len()
    );
    figures.show(
        "contact created → gift linked, p50, s",
        percentile(&mut linked, 50),
        Limit::None,
        &detail,
    );
    figures.show(
        "contact created → gift linked, p99, s",
        percentile(&mut linked, 99),
        Limit::AtMost(LINKED_SECS),
        "",
    );
    figures.show("calls to HubSpot meanwhile", count(calls), Limit::None, "");
}

fn email(n: usize) -> String {
    format!("waits{n}@client.example")
}

/// One delivery.
struct Answer {
    millis: f64,
    is_taken: bool,
}

/// Delivers events of contacts that concern nobody, evenly over the time.
async fn load(target: &Url, secs: u32) -> Vec<Answer> {
    let http = hubspot::http_client().build().unwrap();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut posts = JoinSet::new();
    for n in 0..PER_SECOND * secs {
        ticks.tick().await;
        posts.spawn(post(http.clone(), target.clone(), n));
    }
    posts.join_all().await
}

async fn post(http: reqwest::Client, target: Url, n: u32) -> Answer {
    let kind = if n.is_multiple_of(2) {
        "creation"
    } else {
        "propertyChange"
    };
    let events = json!([{
        "eventId": n, "subscriptionId": 1, "portalId": DEMO_HUB_ID, "appId": sandbox::APP_ID, "occurredAt": 1,
        "subscriptionType": format!("contact.{kind}"), "propertyName": "email", "propertyValue": "somebody@else.example",
        "attemptNumber": 0, "objectId": 1_000 + n,
    }]);
    let (body, time) = (
        events.to_string(),
        sandbox::machine_clock()().timestamp_millis().to_string(),
    );
    let signature = sandbox::webhooks::sign(
        sandbox::CLIENT_SECRET,
        "POST",
        target.as_str(),
        &body,
        &time,
    );
    let began = Instant::now();
    let answer = http
        .post(target)
        .header("x-hubspot-signature-v3", signature)
        .header("x-hubspot-request-timestamp", time)
        .body(body)
        .send()
        .await;
    Answer {
        millis: began.elapsed().as_secs_f64() * 1_000.0,
        is_taken: answer.is_ok_and(|answer| answer.status().is_success()),
    }
}

/// Adds a contact a second and tells how long each took until its gift was linked.
async fn appear(stage: &Stage, orphans: usize) -> Vec<Duration> {
    let began = Instant::now();
    let mut added: HashMap<String, Instant> = HashMap::new();
    let mut took = Vec::new();
    let mut next = 0;
    while took.len() < orphans {
        if next < orphans
            && began.elapsed() >= Duration::from_secs(u64::try_from(next).unwrap() + 1)
        {
            let contact = Contact {
                email: Some(email(next)),
                ..Contact::default()
            };
            stage.control().add_contact(DEMO_HUB_ID, &contact).unwrap();
            added.insert(email(next), Instant::now());
            next += 1;
        }
        for row in rows(stage, "transactions").await {
            let key = row["recipient_key"].as_str().unwrap_or_default();
            if row["contact_id"].is_number()
                && let Some(since) = added.remove(key)
            {
                took.push(since.elapsed());
            }
        }
        let waits = added.values().all(|since| since.elapsed() < PATIENCE);
        assert!(waits, "a gift was not linked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    took
}

async fn rows(stage: &Stage, table: &str) -> Vec<Value> {
    let scope = PortalScope::from_grant(HubId(DEMO_HUB_ID));
    stage.scratch.rows(table, scope).await
}

/// How many events the database has numbered so far.
async fn stored(stage: &Stage) -> i64 {
    stage.scratch.numbered("hubspot_events_seq_seq").await
}

/// Calls of the portal so far.
fn calls(stage: &Stage) -> u64 {
    stage.control().counters(Some(DEMO_HUB_ID)).total
}

/// Waits until no event waits.
async fn drain(stage: &Stage) {
    let began = Instant::now();
    while !rows(stage, "hubspot_events").await.is_empty() || stage.control().is_delivering() {
        assert!(began.elapsed() < PATIENCE, "events wait for ever");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
