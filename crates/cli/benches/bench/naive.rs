//! The integration that one writes first, beside ours, on the same sandbox with HubSpot's limits on: for each gift a search
//! by its id, a single create or update, a search of the contact by its address, reads of the contact's company and deals
//! one by one, and single links. It keeps to the limits by sleeping. What is in HubSpot afterwards is the same.
//!
//! Every recipient is somebody else, which suits the naive one: ours asks for each recipient once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::record;
use domain::{HubId, Transaction, scopes};
use hubspot::{AccessTokens, CallClass, LocalBudget};
use reqwest::Method;
use sandbox::control::{NewOrganization, NewPortal};
use sandbox::{Control, DEMO_HUB_ID, WorldSpec};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::figures::{Figures, Limit, count};
use crate::portals;
use crate::processes::Stage;
use crate::say;

const GIFTS: usize = 300;
const HUB: HubId = HubId(DEMO_HUB_ID + 1);
const ORGANIZATION: &str = "org_naive";
const KEY: &str = "thnks_sandbox_key_naive";
/// 100 calls in 10 s, as ours allows itself, and 4 searches in a second of HubSpot's 5.
const CALL_EVERY: Duration = Duration::from_millis(100);
const SEARCH_EVERY: Duration = Duration::from_millis(250);
/// How often more calls and how much more time the naive one needs at least.
const CALLS: f64 = 100.0;
const TIME: f64 = 20.0;

pub async fn run(figures: &mut Figures, arguments: &[String]) {
    let gifts = arguments
        .first()
        .map_or(GIFTS, |text| text.parse().expect("a number of gifts"));
    let now = sandbox::machine_clock()();
    let stage = Stage::with(WorldSpec::even(now, gifts, gifts)).await;
    let control = stage.control();

    say(&format!("ours brings in {gifts} gifts …"));
    let _worker = stage.worker();
    stage.install().await;
    stage.wait_for_the_end().await;
    let ours = Cost::of_ours(&control);

    say(&format!("the naive one brings in {gifts} gifts …"));
    add_portal(&control, gifts);
    let transactions = read_all(&stage).await;
    assert_eq!(transactions.len(), gifts, "every gift is read");
    let mut naive = Naive::install(&stage).await;
    let began = Instant::now();
    for transaction in &transactions {
        naive.bring(transaction).await;
    }
    let naive = Cost::of(&control, HUB.0, began.elapsed());
    let verdict = control.verify(HUB.0, Some(ORGANIZATION)).unwrap();
    assert!(verdict.ok, "{verdict:#?}");

    figures.head(&format!(
        "naive beside ours, {gifts} gifts to as many people, HubSpot's limits on"
    ));
    let thousands = count(gifts) / 1_000.0;
    for (name, cost) in [("naive", &naive), ("ours", &ours)] {
        figures.show(
            &format!("calls per 1,000 gifts, {name}"),
            (count(cost.calls) / thousands).round(),
            Limit::None,
            &cost.words,
        );
    }
    for (name, cost) in [("naive", &naive), ("ours", &ours)] {
        figures.show(
            &format!("seconds per 1,000 gifts, {name}"),
            cost.secs / thousands,
            Limit::None,
            "",
        );
    }
    figures.show(
        "calls, naive against ours",
        (count(naive.calls) / count(ours.calls)).round(),
        Limit::AtLeast(CALLS),
        "",
    );
    figures.show(
        "time, naive against ours",
        (naive.secs / ours.secs).round(),
        Limit::AtLeast(TIME),
        "",
    );
    let refused = count(naive.refused + ours.refused);
    figures.show("answers 429, both", refused, Limit::AtMost(0.0), "");
}

/// What bringing in the gifts took, without set-up.
struct Cost {
    calls: u64,
    words: String,
    refused: u64,
    secs: f64,
}

impl Cost {
    fn of(control: &Control, hub_id: i64, took: Duration) -> Self {
        let counters = control.counters(Some(hub_id));
        let work = counters.by_kind.iter().filter(|(kind, _)| is_work(kind));
        Self {
            calls: work.clone().map(|(_, count)| count).sum(),
            words: work
                .map(|(kind, count)| format!("{count} {kind}"))
                .collect::<Vec<_>>()
                .join(", "),
            refused: counters.by_status.get(&429).copied().unwrap_or(0),
            secs: took.as_secs_f64(),
        }
    }

    /// From the first page of Thnks to the last link.
    fn of_ours(control: &Control) -> Self {
        let pages = control.log(None, Some("thnks.transactions"), 0, usize::MAX);
        let calls = control.log(Some(DEMO_HUB_ID), None, 0, usize::MAX);
        let last = calls.iter().rfind(|entry| is_work(entry.kind)).unwrap();
        Self::of(
            control,
            DEMO_HUB_ID,
            (last.at - pages[0].at).to_std().unwrap(),
        )
    }
}

fn is_work(kind: &str) -> bool {
    kind.starts_with("objects.")
        || kind.starts_with("associations.") && kind != "associations.labels"
}

/// A portal like ours, of an organization of its own.
fn add_portal(control: &Control, gifts: usize) {
    let new = NewPortal {
        hub_id: HUB.0,
        name: "Naive".into(),
        enterprise: true,
        users: Vec::new(),
        organization: Some(NewOrganization {
            id: ORGANIZATION.into(),
            key: KEY.into(),
        }),
        transactions: gifts,
        recipients: Some(gifts),
    };
    control.add_portal(&new).unwrap();
}

async fn read_all(stage: &Stage) -> Vec<Transaction> {
    let thnks = portals::thnks_client(stage);
    let (key, mut cursor, mut all) = (SecretString::from(KEY), None::<String>, Vec::new());
    loop {
        let page = thnks
            .transactions(&key, None, cursor.as_deref(), 500)
            .await
            .unwrap();
        all.extend(page.rows.into_iter().map(Result::unwrap));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return all;
        }
    }
}

/// An access token that outlives the bench.
struct Token(SecretString);

#[async_trait]
impl AccessTokens for Token {
    async fn current(&self, _: HubId) -> Result<SecretString, hubspot::Error> {
        Ok(self.0.clone())
    }

    async fn replace(&self, _: HubId, _: &SecretString) -> Result<SecretString, hubspot::Error> {
        Err(hubspot::Error::Revoked)
    }
}

/// One call after the other, with a sleep before each that would be too early.
struct Naive {
    http: reqwest::Client,
    api_url: String,
    token: SecretString,
    object_type_id: String,
    next_call: tokio::time::Instant,
    next_search: tokio::time::Instant,
}

impl Naive {
    /// Installs the app as an admin would and makes the same object as ours, which is no part of the comparison.
    async fn install(stage: &Stage) -> Self {
        let client = portals::hubspot_client(stage, Arc::new(LocalBudget::new(100)));
        let pkce = client.new_pkce();
        let optional = scopes::OPTIONAL.map(|scope| scope.name);
        let url = client
            .authorize_url("naive", &pkce.challenge, &scopes::REQUIRED, &optional)
            .unwrap();
        let parameters: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let code = stage.control().authorize(HUB.0, &parameters).unwrap();
        let grant = client.exchange(&code, Some(&pkce.verifier)).await.unwrap();
        let token = Arc::new(Token(grant.access_token.clone()));
        let portal = client.portal(HUB, token, CallClass::Interactive);
        let schema = portal.create_schema().await.unwrap();
        // What set-up has used of the window of ten seconds is not held against it.
        tokio::time::sleep(Duration::from_secs(10)).await;
        let now = tokio::time::Instant::now();
        Self {
            http: hubspot::http_client().build().unwrap(),
            api_url: stage.sandbox.hubspot_url().to_string(),
            token: grant.access_token,
            object_type_id: schema.object_type_id,
            next_call: now,
            next_search: now,
        }
    }

    /// One gift: its record, its contact, the contact's company and open deals.
    async fn bring(&mut self, transaction: &Transaction) {
        let object = self.object_type_id.clone();
        let id = transaction.id.as_str();
        let properties: BTreeMap<_, _> = record::values(transaction)
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let body = json!({"properties": properties});
        let known = self.search(&object, record::KEY_PROPERTY, id).await;
        let new = format!("crm/v3/objects/{object}");
        let (method, path) = match known {
            Some(record) => (Method::PATCH, format!("{new}/{record}")),
            None => (Method::POST, new),
        };
        let written = self.call(method, &path, Some(&body)).await;
        let record = text(&written["id"]);
        let Some(email) = transaction.recipient_key() else {
            return;
        };
        let Some(contact) = self.search("contacts", "email", &email).await else {
            return;
        };
        let mut ends = vec![("contacts", contact.clone())];
        for company in self.linked(&contact, "companies").await {
            ends.push(("companies", company));
        }
        for deal in self.linked(&contact, "deals").await {
            let path = format!("crm/v3/objects/deals/{deal}?properties=hs_is_closed");
            let read = self.call(Method::GET, &path, None).await;
            if read["properties"]["hs_is_closed"] != "true" {
                ends.push(("deals", deal));
            }
        }
        for (kind, end) in ends {
            let path =
                format!("crm/v4/objects/{object}/{record}/associations/default/{kind}/{end}");
            self.call(Method::PUT, &path, None).await;
        }
    }

    /// The record of a type that has this value.
    async fn search(&mut self, object: &str, property: &str, value: &str) -> Option<String> {
        tokio::time::sleep_until(self.next_search).await;
        self.next_search = tokio::time::Instant::now() + SEARCH_EVERY;
        let filter = json!({"propertyName": property, "operator": "EQ", "value": value});
        let body = json!({"filterGroups": [{"filters": [filter]}], "limit": 1});
        let path = format!("crm/v3/objects/{object}/search");
        let found = self.send(Method::POST, &path, Some(&body)).await;
        found["results"].get(0).map(|record| text(&record["id"]))
    }

    /// What a contact is linked to.
    async fn linked(&mut self, contact: &str, kind: &str) -> Vec<String> {
        let path = format!("crm/v4/objects/contacts/{contact}/associations/{kind}");
        let listed = self.call(Method::GET, &path, None).await;
        let rows = listed["results"].as_array().into_iter().flatten();
        rows.map(|row| text(&row["toObjectId"])).collect()
    }

    async fn call(&mut self, method: Method, path: &str, body: Option<&Value>) -> Value {
        tokio::time::sleep_until(self.next_call).await;
        self.next_call = tokio::time::Instant::now() + CALL_EVERY;
        self.send(method, path, body).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.api_url))
            .bearer_auth(self.token.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        assert!(status.is_success(), "{status} at {path}: {body}");
        serde_json::from_str(&body).unwrap_or_default()
    }
}

/// An id, which HubSpot writes as text here and as a number there.
fn text(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}
