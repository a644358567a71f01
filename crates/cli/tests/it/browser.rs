//! What a person's browser does, without the browser: cookies, redirects, forms.

use std::sync::Arc;
use std::time::Duration;

use reqwest::cookie::{CookieStore, Jar};
use serde_json::Value;

pub struct Browser {
    client: reqwest::Client,
    jar: Arc<Jar>,
    base: String,
}

impl Browser {
    pub fn open(base: &str) -> Self {
        let jar = Arc::new(Jar::default());
        let client = hubspot::http_client()
            .cookie_provider(Arc::clone(&jar))
            .redirect(reqwest::redirect::Policy::limited(10))
            .build()
            .unwrap();
        Self {
            client,
            jar,
            base: base.to_owned(),
        }
    }

    /// The `Cookie` header of its requests, for who asks in its name.
    pub fn cookie(&self) -> String {
        let cookies = self.jar.cookies(&self.base.parse().unwrap());
        let cookies = cookies.expect("somebody is signed in");
        cookies.to_str().unwrap().to_owned()
    }

    pub async fn wait_until_served(&self) {
        for _ in 0..600 {
            if self
                .client
                .get(format!("{}/readyz", self.base))
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the web process never answered at {}", self.base);
    }

    /// Follows the link, consents for a portal at HubSpot, and lands on the dashboard.
    pub async fn install(&self, link: &str, hub_id: i64) {
        let consent = self.client.get(link).send().await.unwrap();
        let authorize_url = consent.url().clone();
        assert!(consent.text().await.unwrap().contains("Connect app"));
        let mut form: Vec<(String, String)> = authorize_url.query_pairs().into_owned().collect();
        form.push(("hub_id".into(), hub_id.to_string()));
        form.push(("decision".into(), "connect".into()));
        let decision = authorize_url.join("/oauth/authorize/decision").unwrap();
        let landed = self.client.post(decision).form(&form).send().await.unwrap();
        assert!(
            landed.status().is_success(),
            "{} at {}",
            landed.status(),
            landed.url()
        );
        assert!(
            landed.url().path().starts_with("/portals/"),
            "{}",
            landed.url()
        );
    }

    /// The same of a service that may be down.
    pub async fn try_json(&self, path: &str) -> Option<Value> {
        let asked = self.client.get(format!("{}{path}", self.base));
        let answer = asked.send().await.ok()?;
        let answer = answer.status().is_success().then_some(answer)?;
        answer.json().await.ok()
    }

    /// With which status a page is answered.
    pub async fn status(&self, path: &str) -> u16 {
        let asked = self.client.get(format!("{}{path}", self.base));
        asked.send().await.unwrap().status().as_u16()
    }

    pub async fn json(&self, path: &str) -> Value {
        let answer = self
            .client
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .unwrap();
        assert!(
            answer.status().is_success(),
            "{} at {path}",
            answer.status()
        );
        answer.json().await.unwrap()
    }

    /// Presses the button of the form that posts to `path`, with the page's own CSRF token.
    pub async fn press(&self, page: &str, path: &str) -> Value {
        let (status, body) = self.fill(page, path, &[]).await;
        assert_eq!(status, 202, "{path}");
        body
    }

    pub async fn html(&self, page: &str) -> String {
        let asked = self.client.get(format!("{}{page}", self.base));
        let answer = asked.send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// The token that a page's forms carry.
    pub async fn csrf_token(&self, page: &str) -> String {
        let html = self.html(page).await;
        let token = html
            .split("name=\"csrf_token\" value=\"")
            .nth(1)
            .expect("a form with a CSRF token");
        token.split('"').next().unwrap().to_owned()
    }

    /// Fills in a form and sends it, with the page's own CSRF token.
    pub async fn fill(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let token = self.csrf_token(page).await;
        let answer = self
            .client
            .post(format!("{}{path}", self.base))
            .header("accept", "application/json")
            .form(&[fields, &[("csrf_token", &token)]].concat())
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}
