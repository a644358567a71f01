//! Two portals with people in them, and a browser for each.

use std::collections::BTreeSet;
use std::sync::Arc;

use app::{App, Clock, Config, KeyRing, PortalScope};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{HubId, UserId};
use secrecy::SecretString;
use store::Sealed;
use store::portals::AccountDetails;
use store::testing::{Digest, ScratchDatabase};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use url::Url;
use web::router::Route;

pub const HUB: i64 = 1_001;
pub const OTHER_HUB: i64 = 1_002;
/// With which HubSpot signs.
pub const CLIENT_SECRET: &str = "secret";
/// A port where nobody answers: reserved, and never listened on.
const NOBODY: &str = "http://127.0.0.1:1";

/// Tokens with their SHA-256, which is all that is stored of a session.
pub const OWNER: (&str, &str) = (
    "owner-token",
    "c32c7bb97d785c65916c05538cfc0f9d94768cb167eb73615071783ccc4bef77",
);
pub const MEMBER: (&str, &str) = (
    "member-token",
    "f8f99f64da225459ac0be9ef2072ce99d07388bc74a649391177e6419bf05740",
);
pub const OTHER: (&str, &str) = (
    "other-token",
    "6c67163bbed989f232b31acc4f04df54b31285bfc01bd022c735b71e041a4754",
);

pub struct World {
    scratch: ScratchDatabase,
    pub app: App,
    pub db: store::Db,
    pub router: Router,
    pub shutdown: CancellationToken,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

pub fn now() -> DateTime<Utc> {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

/// Both portals connected to Thnks, at `http://localhost:3000`.
pub async fn world() -> World {
    world_at("http://localhost:3000").await
}

pub async fn world_at(public_url: &str) -> World {
    let scratch = ScratchDatabase::create().await;
    let db = scratch.db();
    for (hub_id, people) in [
        (HUB, vec![(1, OWNER), (2, MEMBER)]),
        (OTHER_HUB, vec![(3, OTHER)]),
    ] {
        let scope = PortalScope::from_grant(HubId(hub_id));
        let details = AccountDetails {
            hub_domain: Some("northwind.example".into()),
            ui_domain: "app.hubspot.com".into(),
            time_zone: "Europe/Berlin".into(),
            ..AccountDetails::default()
        };
        let mut tx = db.begin(scope).await.unwrap();
        store::portals::upsert(&mut tx, scope, None, &details, now())
            .await
            .unwrap();
        let sealed = Sealed(vec![0; 32]);
        let connection = store::thnks_connections::ThnksConnection {
            api_key: &sealed,
            organization_id: None,
            organization_name: Some("Northwind"),
        };
        store::thnks_connections::upsert(&mut tx, scope, &connection, now())
            .await
            .unwrap();
        store::portals::save_backfilled(&mut tx, scope, now())
            .await
            .unwrap();
        for (user_id, (_, token_hash)) in people {
            let (user_id, token_hash) = (UserId(user_id), bytes(token_hash));
            store::members::upsert(
                &mut tx,
                scope,
                user_id,
                Some("ana@northwind.example"),
                now(),
            )
            .await
            .unwrap();
            store::sessions::insert(&mut tx, scope, &token_hash, user_id, None, now())
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
    }
    let app = app_over(&db, silent_hubspot(public_url), Arc::new(now));
    let shutdown = CancellationToken::new();
    World {
        scratch,
        router: web::router(app.clone(), shutdown.clone(), traffic()),
        app,
        db,
        shutdown,
    }
}

/// A HubSpot that does not answer.
pub fn silent_hubspot(public_url: &str) -> hubspot::Config {
    let public_url: Url = public_url.parse().unwrap();
    hubspot::Config {
        api_url: NOBODY.parse().unwrap(),
        authorize_url: "https://app.hubspot.com/oauth/authorize".parse().unwrap(),
        client_id: "client".into(),
        client_secret: SecretString::from(CLIENT_SECRET),
        previous_client_secret: None,
        app_id: None,
        redirect_uri: public_url.join("oauth/callback").unwrap(),
    }
}

/// An application over this database, at the address that HubSpot leads back to.
fn app_over(db: &store::Db, hubspot: hubspot::Config, clock: Clock) -> App {
    let public_url = hubspot.redirect_uri.join("/").unwrap();
    App::new(
        db.clone(),
        hubspot::Client::new(hubspot, Arc::new(hubspot::LocalBudget::new(100))).unwrap(),
        thnks::Client::new(&thnks::Config {
            api_url: NOBODY.parse().unwrap(),
        })
        .unwrap(),
        KeyRing::parse(&SecretString::from(format!("one:{}=", "A".repeat(43)))).unwrap(),
        Config {
            public_url,
            sync_interval: TimeDelta::hours(1),
            retention: TimeDelta::days(30),
        },
        clock,
    )
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// More than any test asks.
pub fn traffic() -> web::Traffic {
    web::Traffic {
        requests_per_second: std::num::NonZeroU32::new(100_000).unwrap(),
        ..web::Traffic::default()
    }
}

/// The way to the portal's rows.
pub fn scope() -> PortalScope {
    PortalScope::from_grant(HubId(HUB))
}

/// The address of a row, for `hub_id`.
pub fn address(route: &Route, hub_id: i64) -> String {
    route
        .path
        .replace("{hub_id}", &hub_id.to_string())
        .replace("{run_id}", "01a20000-0000-7000-8000-000000000000")
        .replace("{transaction_id}", "txn_none")
        .replace("{report}", "top-senders")
        .replace("{user_id}", "99")
        .replace("{file}", "app.0.css")
}

impl World {
    /// Sends a request; a stream's body is not waited for.
    pub async fn send(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if method != Method::GET {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let is_stream = parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind == "text/event-stream");
        let body = if is_stream {
            String::new()
        } else {
            String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap()
        };
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(
            &Method::GET,
            path,
            &[("cookie", &format!("session={token}"))],
            "",
        )
        .await
    }

    pub async fn post(&self, path: &str, token: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let cookie = format!("session={token}");
        let headers: Vec<_> = [("cookie", cookie.as_str())]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        self.send(&Method::POST, path, &headers, body).await
    }

    /// The token in the forms of this session's pages.
    pub async fn csrf_token(&self, token: &str) -> String {
        let page = self.get("/portals", token).await;
        let (_, rest) = page
            .body
            .split_once("name=\"csrf_token\" value=\"")
            .unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    /// Opens the service anew over the same database, with another HubSpot and another clock.
    pub fn reopen(&mut self, hubspot: hubspot::Config, clock: Clock) {
        self.serve_app(app_over(&self.db, hubspot, clock), traffic());
    }

    /// Opens the service anew with this application, for so much traffic.
    pub fn serve_app(&mut self, app: App, traffic: web::Traffic) {
        self.router = web::router(app.clone(), self.shutdown.clone(), traffic);
        self.app = app;
    }

    /// Fingerprints of everything that is stored.
    pub async fn digest(&self) -> Digest {
        self.scratch.digest().await
    }

    /// Lets time pass over every session: so much since it was last used, so much since it was opened.
    pub async fn age_sessions(&self, unused_for: TimeDelta, open_for: TimeDelta) {
        self.scratch.age_sessions(unused_for, open_for).await;
    }

    /// The same over every session of an operator.
    pub async fn age_operator_sessions(&self, unused_for: TimeDelta, open_for: TimeDelta) {
        self.scratch
            .age_operator_sessions(unused_for, open_for)
            .await;
    }

    /// Lets time pass over every look of an operator.
    pub async fn age_looks(&self, by: TimeDelta) {
        self.scratch.age_looks(by).await;
    }

    /// Every row of a table, of all portals.
    pub async fn rows_of_all(&self, table: &str) -> Vec<serde_json::Value> {
        self.scratch.rows_of_all(table).await
    }

    /// Makes the portal one whose history is not in yet.
    pub async fn forget_backfill(&self) {
        self.scratch.forget_backfill(scope()).await;
    }

    /// The database goes away, and comes back.
    pub async fn lock_out(&self) {
        self.scratch.lock_out().await;
    }

    pub async fn let_in(&self) {
        self.scratch.let_in().await;
    }

    /// Names the open session of this person.
    pub async fn session_id(&self, user_id: i64) -> String {
        let sessions = self.rows("sessions").await;
        let of_person = sessions.iter().find(|row| row["user_id"] == user_id);
        of_person.unwrap()["session_id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Every row of a table of the portal.
    pub async fn rows(&self, table: &str) -> Vec<serde_json::Value> {
        self.scratch.rows(table, scope()).await
    }

    /// The portal's `status.json`.
    pub async fn status(&self) -> serde_json::Value {
        let answer = self
            .get(&format!("/portals/{HUB}/status.json"), OWNER.0)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }
}

/// The tables in which two digests differ.
pub fn changed(before: &Digest, after: &Digest) -> BTreeSet<String> {
    before
        .iter()
        .chain(after)
        .filter(|(key, _)| before.get(*key) != after.get(*key))
        .map(|((table, _), _)| table.clone())
        .collect()
}
