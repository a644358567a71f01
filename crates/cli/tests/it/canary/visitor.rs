//! A person at a browser whose every answer is kept, redirects too.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::wire::between;

/// An answer of ours as it came.
pub struct Answer {
    /// Who asked.
    pub who: &'static str,
    /// The portal of the session; none before signing in.
    pub hub_id: Option<i64>,
    /// The CSRF token of the session.
    pub csrf: String,
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether its body holds this.
    pub fn holds(&self, word: &str) -> bool {
        self.text().contains(word)
    }

    pub fn is_page(&self) -> bool {
        self.head.contains("content-type: text/html")
    }

    fn location(&self) -> String {
        let found = between(&self.head, "location: ", &['\n']);
        found.first().cloned().unwrap_or_default()
    }
}

pub type Answers = Arc<Mutex<Vec<Arc<Answer>>>>;

pub struct Visitor {
    client: reqwest::Client,
    base: String,
    who: &'static str,
    answers: Answers,
    session: Mutex<(Option<i64>, String)>,
}

impl Visitor {
    pub fn new(who: &'static str, base: &str, answers: &Answers) -> Self {
        let client = hubspot::http_client()
            .cookie_store(true)
            .user_agent("Kanarek7Browser/5.0 (X11; Linux) Firefox/133.0")
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            client,
            base: base.to_owned(),
            who,
            answers: Arc::clone(answers),
            session: Mutex::default(),
        }
    }

    async fn ask(
        &self,
        method: &'static str,
        path: &str,
        accept: &str,
        form: &[(&str, &str)],
    ) -> Arc<Answer> {
        let url = format!("{}{path}", self.base);
        let request = match method {
            "POST" => self.client.post(url).form(form),
            _ => self.client.get(url),
        };
        let mut answer = request.header("accept", accept).send().await.unwrap();
        let head = answer.headers().iter();
        let head = head.map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            format!("{name}: {value}\n")
        });
        let head = head.collect::<Vec<_>>().concat();
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.unwrap() {
            body.extend_from_slice(&chunk);
            if head.contains("text/event-stream") {
                // It has no end; what it begins with is all that it holds.
                break;
            }
        }
        let page = String::from_utf8_lossy(&body).into_owned();
        let (hub_id, csrf) = {
            let mut session = self.session.lock().unwrap();
            let csrf = between(&page, "name=\"csrf_token\" value=\"", &['"']);
            if let Some(csrf) = csrf.first().filter(|_| session.1.is_empty()) {
                session.1.clone_from(csrf);
            }
            session.clone()
        };
        let answer = Arc::new(Answer {
            who: self.who,
            hub_id,
            csrf,
            method,
            path: path.to_owned(),
            status,
            head,
            body,
        });
        self.answers.lock().unwrap().push(Arc::clone(&answer));
        answer
    }

    pub async fn get(&self, path: &str) -> Arc<Answer> {
        self.ask("GET", path, "text/html", &[]).await
    }

    pub async fn get_as_script(&self, path: &str) -> Arc<Answer> {
        self.ask("GET", path, "application/json", &[]).await
    }

    pub async fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get_as_script(path).await.body).unwrap()
    }

    /// Sends a form with the session's token.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Arc<Answer> {
        let csrf = self.session.lock().unwrap().1.clone();
        self.post_with(
            path,
            "text/html",
            &[fields, &[("csrf_token", &csrf)]].concat(),
        )
        .await
    }

    /// The same as a script.
    pub async fn post_as_script(&self, path: &str, fields: &[(&str, &str)]) -> Arc<Answer> {
        let csrf = self.session.lock().unwrap().1.clone();
        let fields = [fields, &[("csrf_token", &csrf)]].concat();
        self.post_with(path, "application/json", &fields).await
    }

    /// Sends exactly these fields.
    pub async fn post_with(
        &self,
        path: &str,
        accept: &str,
        fields: &[(&str, &str)],
    ) -> Arc<Answer> {
        self.ask("POST", path, accept, fields).await
    }

    /// From a link over HubSpot's consent to the dashboard, as this user.
    pub async fn sign_in(&self, link: &str, hub_id: i64, user_id: i64) {
        let begun = self.get(link).await;
        let authorize: Url = begun.location().parse().unwrap();
        let mut form: Vec<(String, String)> = authorize.query_pairs().into_owned().collect();
        form.push(("hub_id".into(), hub_id.to_string()));
        form.push(("user_id".into(), user_id.to_string()));
        form.push(("decision".into(), "connect".into()));
        let decision = authorize.join("/oauth/authorize/decision").unwrap();
        let decided = self.client.post(decision).form(&form).send().await.unwrap();
        let back = decided.headers()["location"].to_str().unwrap().to_owned();
        let back = back.strip_prefix(&self.base).unwrap();
        let landed = self.get(back).await;
        assert_eq!(landed.status, 303, "{}", landed.text());
        *self.session.lock().unwrap() = (Some(hub_id), String::new());
        let dashboard = self.get(&landed.location()).await;
        assert_eq!(dashboard.status, 200, "{}", dashboard.text());
    }

    /// Waits until `wanted` holds of the portal's `status.json`.
    pub async fn wait(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let hub_id = self.session.lock().unwrap().0.unwrap();
        let path = format!("/portals/{hub_id}/status.json");
        for _ in 0..600 {
            let status = self.json(&path).await;
            if wanted(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{what}: {:#}", self.json(&path).await);
    }

    /// Waits until nothing is being worked on.
    pub async fn rest(&self, what: &str) -> Value {
        self.wait(what, |status| {
            status["state"] == "active" && status["current_run"].is_null()
        })
        .await
    }
}
