//! A running sandbox and one verb per thing a test does with it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use reqwest::{Client, Method, StatusCode};
use sandbox::{
    App, CLIENT_ID, CLIENT_SECRET, Config, Control, DEMO_HUB_ID, Sandbox, THNKS_API_KEY, WorldSpec,
};
use serde_json::{Value, json};

pub const REDIRECT: &str = "http://localhost:3000/oauth/callback";

/// A sandbox with an HTTP client.
pub struct Bench {
    pub sandbox: Sandbox,
    pub client: Client,
}

/// A status with its JSON body (null when there is none).
pub struct Reply {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

pub fn now() -> DateTime<Utc> {
    "2026-11-23T12:00:00Z".parse().expect("a time")
}

pub fn client() -> Client {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(std::time::Duration::from_secs(20))
        .build()
        .expect("a client")
}

impl Bench {
    pub async fn start() -> Self {
        Self::with(Config::new(WorldSpec::small(now(), 60))).await
    }

    pub async fn with(config: Config) -> Self {
        let sandbox = sandbox::start(config).await.expect("the sandbox starts");
        Self {
            sandbox,
            client: client(),
        }
    }

    pub fn control(&self) -> Control {
        self.sandbox.control()
    }

    /// The parameters of a usual authorize URL.
    pub fn ask() -> BTreeMap<String, String> {
        let app = App::default();
        [
            ("client_id", CLIENT_ID.to_owned()),
            ("redirect_uri", REDIRECT.to_owned()),
            ("scope", app.required_scopes.join(" ")),
            ("optional_scope", app.optional_scopes.join(" ")),
            ("state", "xyz".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    pub fn url(&self, path: &str) -> String {
        format!(
            "{}{}",
            self.sandbox.hubspot_url(),
            path.trim_start_matches('/')
        )
    }

    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let request = self.client.post(self.url(path)).form(fields);
        reply(request).await
    }

    pub async fn exchange(&self, code: &str) -> Reply {
        self.form(
            "/oauth/2026-09/token",
            &[
                ("grant_type", "authorization_code"),
                ("client_id", CLIENT_ID),
                ("client_secret", CLIENT_SECRET),
                ("redirect_uri", REDIRECT),
                ("code", code),
            ],
        )
        .await
    }

    pub async fn refresh(&self, token: &str) -> Reply {
        self.form(
            "/oauth/2026-09/token",
            &[
                ("grant_type", "refresh_token"),
                ("client_id", CLIENT_ID),
                ("client_secret", CLIENT_SECRET),
                ("refresh_token", token),
            ],
        )
        .await
    }

    /// Installs the app in a portal and returns the token answer.
    pub async fn install_in(&self, hub_id: i64) -> Value {
        let code = self
            .control()
            .authorize(hub_id, &Self::ask())
            .expect("consent");
        let reply = self.exchange(&code).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    /// Installs the app in the demonstration's portal.
    pub async fn install(&self) -> Portal<'_> {
        let tokens = self.install_in(DEMO_HUB_ID).await;
        Portal {
            bench: self,
            token: tokens["access_token"].as_str().expect("a token").to_owned(),
            refresh_token: tokens["refresh_token"]
                .as_str()
                .expect("a token")
                .to_owned(),
        }
    }

    pub async fn thnks(&self, path: &str) -> Reply {
        self.thnks_as(THNKS_API_KEY, path).await
    }

    pub async fn thnks_as(&self, key: &str, path: &str) -> Reply {
        let url = format!(
            "{}{}",
            self.sandbox.thnks_url(),
            path.trim_start_matches('/')
        );
        reply(self.client.get(url).header("authorization", key)).await
    }
}

/// The installed portal.
pub struct Portal<'a> {
    pub bench: &'a Bench,
    pub token: String,
    pub refresh_token: String,
}

impl Portal<'_> {
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.bench
            .client
            .request(method, self.bench.url(path))
            .bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> Reply {
        reply(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        reply(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        reply(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        reply(self.request(Method::PATCH, path).json(&body)).await
    }

    /// Creates the Thnks object and returns the answer's body.
    pub async fn create_object(&self) -> Value {
        let reply = self
            .post("/crm-object-schemas/2026-09/schemas", object("thnks"))
            .await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.body
    }

    pub async fn upsert(&self, inputs: Value) -> Reply {
        let path = "/crm/objects/2026-09/p_thnks/batch/upsert";
        self.post(path, json!({"inputs": inputs})).await
    }

    /// One contact with that e-mail.
    pub async fn contact(&self, email: &str) -> String {
        let reply = self
            .post(
                "/crm/objects/2026-09/contacts",
                json!({"properties": {"email": email}}),
            )
            .await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.body["id"].as_str().expect("an id").to_owned()
    }
}

/// A definition with the properties that the tests need.
pub fn object(name: &str) -> Value {
    let text =
        |name: &str| json!({"name": name, "label": name, "type": "string", "fieldType": "text"});
    let mut key = text("transaction_id");
    key["hasUniqueValue"] = json!(true);
    json!({
        "name": name,
        "labels": {"singular": "Thnks", "plural": "Thnks"},
        "primaryDisplayProperty": "gift_name",
        "secondaryDisplayProperties": ["recipient_name"],
        "searchableProperties": ["gift_name"],
        "requiredProperties": ["transaction_id"],
        "properties": [
            key, text("gift_name"), text("recipient_name"), text("recipient_email"),
            {"name": "gift_amount", "label": "Amount", "type": "number", "fieldType": "number"},
            {"name": "sent_date", "label": "Sent", "type": "datetime", "fieldType": "date"},
            {"name": "day", "label": "Day", "type": "date", "fieldType": "date"},
            {"name": "status", "label": "Status", "type": "enumeration", "fieldType": "select", "options": [
                {"label": "Sent", "value": "sent"}, {"label": "Delivered", "value": "delivered"},
            ]},
        ],
        "associatedObjects": ["CONTACT", "0-2", "DEAL"],
    })
}

/// An upsert input with a trace id.
pub fn input(id: &str, properties: Value) -> Value {
    let mut properties = properties;
    properties["transaction_id"] = json!(id);
    json!({
        "id": id,
        "idProperty": "transaction_id",
        "objectWriteTraceId": format!("trace-{id}"),
        "properties": properties,
    })
}

pub async fn reply(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.expect("a body");
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Reply {
        status,
        headers,
        body,
    }
}
