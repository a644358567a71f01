//! The one request: authorization, time-outs, budget, repeats, and what an answer means. Nothing else sends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use domain::HubId;
use domain::breaker::RepeatBudget;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::Instant;
use tracing::{Instrument, Span, field};

use crate::budget::{Budget, CallClass, Used};
use crate::config::Config;
use crate::error::{Error, Fault, KeptBody, Refusal, Unanswered};
use crate::limits;
use crate::portal::Portal;
use crate::retry::{Effect, Failure, Patience, Reaction, reaction};

/// Where a portal's access tokens come from.
#[async_trait]
pub trait AccessTokens: Send + Sync {
    /// A token that should be good for the next call.
    async fn current(&self, hub: HubId) -> Result<SecretString, Error>;

    /// Another token than `refused`, which HubSpot answered with 401. Called at most once per request.
    async fn replace(&self, hub: HubId, refused: &SecretString) -> Result<SecretString, Error>;
}

/// A builder with what every client of this service shares: time-outs, no redirects (a redirect would carry a bearer
/// token elsewhere), rustls.
pub fn http_client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(limits::CONNECT_TIMEOUT)
        .timeout(limits::CALL_TIMEOUT)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("thnks-hubspot/", env!("CARGO_PKG_VERSION")))
}

/// HubSpot, for the whole process. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    http: reqwest::Client,
    budget: Arc<dyn Budget>,
    /// What is left of the repeats of portals that have had trouble.
    repeats: Mutex<HashMap<HubId, RepeatBudget>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("api_url", &self.inner.config.api_url.as_str())
            .finish_non_exhaustive()
    }
}

/// One call, before it is sent.
pub(crate) struct Call {
    /// For counts and logs.
    pub kind: &'static str,
    pub method: Method,
    /// Below the API's address, with its query, ready to be sent.
    pub path: String,
    pub body: Body,
    pub effect: Effect,
}

pub(crate) enum Body {
    None,
    Json(Vec<u8>),
    Form(Vec<u8>),
}

/// Who asks.
pub(crate) enum Auth<'a> {
    /// A portal, with its tokens and its budget.
    Portal(&'a Portal),
    /// A bare token, outside any budget.
    Bearer(&'a SecretString),
    /// The body carries the credentials.
    Body,
}

/// An answer whose body is complete; with a 2xx status it is empty or JSON.
pub(crate) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// The answer to an earlier sending of the same write never came.
    pub in_doubt: bool,
}

impl Client {
    /// A client. Fails only when TLS cannot be set up.
    pub fn new(config: Config, budget: Arc<dyn Budget>) -> Result<Self, Error> {
        let http = http_client()
            .build()
            .map_err(|error| Error::OurFault(error.without_url().to_string()))?;
        let inner = Arc::new(Inner {
            config,
            http,
            budget,
            repeats: Mutex::default(),
        });
        Ok(Self { inner })
    }

    pub(crate) fn budget(&self) -> &dyn Budget {
        &*self.inner.budget
    }

    /// Whether HubSpot as a whole counts as down: what fails now is nobody's fault.
    pub fn is_down(&self) -> bool {
        self.inner.budget.is_down()
    }

    /// How much of their budgets these portals have used, in their order; `None` when it cannot be told now.
    pub async fn used(&self, hubs: &[HubId]) -> Option<Vec<Used>> {
        self.inner.budget.used(hubs).await
    }

    /// Notes the end of an attempt. What goes well earns the portal a part of a repeat. Calls about tokens go to another part
    /// of HubSpot, which may be up while the rest is down.
    async fn report(&self, auth: &Auth<'_>, answered: bool) {
        let Auth::Portal(portal) = auth else { return };
        self.inner.budget.report(answered).await;
        if answered {
            let mut repeats = self.repeats();
            if let Some(budget) = repeats.get_mut(&portal.hub()) {
                budget.earn();
                if budget.is_full() {
                    repeats.remove(&portal.hub());
                }
            }
        }
    }

    /// Takes one repeat of the portal's; calls that belong to no portal have only their own patience.
    fn may_repeat(&self, auth: &Auth<'_>) -> bool {
        match auth {
            Auth::Portal(portal) => self.repeats().entry(portal.hub()).or_default().spend(),
            Auth::Bearer(_) | Auth::Body => true,
        }
    }

    fn repeats(&self) -> std::sync::MutexGuard<'_, HashMap<HubId, RepeatBudget>> {
        self.inner
            .repeats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What the client was made with.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Sends until there is an answer outside 429, 423, 477 and 5xx; any other status is the caller's to judge.
    pub(crate) async fn answer(&self, call: &Call, auth: Auth<'_>) -> Result<Answer, Unanswered> {
        let class = match &auth {
            Auth::Portal(portal) => portal.class(),
            Auth::Bearer(_) | Auth::Body => CallClass::Interactive,
        };
        let mut patience = Patience::new(class, call.effect);
        let answered = self.answer_within(&mut patience, call, &auth).await;
        let in_doubt = patience.is_in_doubt();
        match answered {
            Ok(answer) => Ok(Answer { in_doubt, ..answer }),
            Err(error) => Err(Unanswered { error, in_doubt }),
        }
    }

    async fn answer_within(
        &self,
        patience: &mut Patience,
        call: &Call,
        auth: &Auth<'_>,
    ) -> Result<Answer, Error> {
        let mut bearer = match auth {
            Auth::Portal(portal) => Some(portal.access_token().await?),
            Auth::Bearer(token) => Some((*token).clone()),
            Auth::Body => None,
        };
        let mut replaced = false;
        let mut throttled = false;
        loop {
            if let Auth::Portal(portal) = auth {
                portal.wait_for_turn(throttled).await?;
                portal.count(call.kind);
            }
            throttled = false;
            let (answer, retry_after) = match self.attempt(call, bearer.as_ref()).await {
                Ok(received) => received,
                Err(failure) => {
                    self.report(auth, false).await;
                    let may_repeat = || self.may_repeat(auth);
                    let wait = patience.after_failure(failure, may_repeat, &mut rand::rng())?;
                    tokio::time::sleep(wait).await;
                    continue;
                }
            };
            self.report(auth, answer.status < 500).await;
            if let (401, Auth::Portal(portal), Some(refused), false) =
                (answer.status, auth, &bearer, replaced)
            {
                bearer = Some(portal.replace_token(refused).await?);
                replaced = true;
                continue;
            }
            let fault = if answer.status == 429 {
                answer.fault()
            } else {
                Fault::default()
            };
            match (reaction(answer.status, retry_after, &fault), auth) {
                (Reaction::Read, _) => return Ok(answer),
                (Reaction::SlowDown(wait), Auth::Portal(portal)) => {
                    self.inner.budget.block(portal.hub(), wait).await;
                    patience.after_wait_asked(wait)?;
                    throttled = true;
                }
                (Reaction::SlowDown(wait) | Reaction::Pause(wait), _) => {
                    patience.after_wait_asked(wait)?;
                    tokio::time::sleep(wait).await;
                }
                (Reaction::Broken, _) => {
                    let failure = Failure::ServerError(answer.status);
                    let may_repeat = || self.may_repeat(auth);
                    let wait = patience.after_failure(failure, may_repeat, &mut rand::rng())?;
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// One sending: the complete answer and its `Retry-After`.
    async fn attempt(
        &self,
        call: &Call,
        bearer: Option<&SecretString>,
    ) -> Result<(Answer, Option<Duration>), Failure> {
        let span = tracing::info_span!(
            "hubspot",
            otel.kind = "client",
            hubspot.kind = call.kind,
            hubspot.status = field::Empty,
            hubspot.correlation_id = field::Empty
        );
        async {
            let started = Instant::now();
            let received = self.send_and_receive(call, bearer).await;
            note(call.kind, &received, started.elapsed());
            received
        }
        .instrument(span)
        .await
    }

    async fn send_and_receive(
        &self,
        call: &Call,
        bearer: Option<&SecretString>,
    ) -> Result<(Answer, Option<Duration>), Failure> {
        let base = self.inner.config.api_url.as_str().trim_end_matches('/');
        let mut request = self
            .inner
            .http
            .request(call.method.clone(), format!("{base}{}", call.path));
        if let Some(token) = bearer {
            request = request.bearer_auth(token.expose_secret());
        }
        request = match &call.body {
            Body::None => request,
            Body::Json(body) => request
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone()),
            Body::Form(body) => request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(body.clone()),
        };
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let status = response.status();
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let retry_after = header(RETRY_AFTER)
            .and_then(|value| value.trim().parse().ok())
            .map(Duration::from_secs);
        let is_json = header(CONTENT_TYPE).is_none_or(|kind| kind.contains("json"));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
            if body.len() + chunk.len() > limits::MAX_BODY_BYTES {
                return Err(Failure::Unreadable("the answer is too large".into()));
            }
            body.extend_from_slice(&chunk);
        }
        // A proxy's page in HubSpot's name can come with any status; a 2xx one must not pass for an answer.
        if status.is_success() && !body.is_empty() {
            if !is_json {
                return Err(Failure::Unreadable("the answer is not JSON".into()));
            }
            serde_json::from_slice::<serde::de::IgnoredAny>(&body)
                .map_err(|_| Failure::Unreadable("the answer is not JSON, or cut off".into()))?;
        }
        let answer = Answer {
            status: status.as_u16(),
            body,
            in_doubt: false,
        };
        Ok((answer, retry_after))
    }
}

/// Tells how a sending ended: a figure, the span's fields, and a line for what HubSpot refused, with what its support asks for.
fn note(
    kind: &'static str,
    received: &Result<(Answer, Option<Duration>), Failure>,
    took: Duration,
) {
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let status = received.as_ref().ok().map(|(answer, _)| answer.status);
    telemetry::measure::hubspot_call(kind, status, took);
    let span = Span::current();
    span.record("hubspot.status", status.unwrap_or_default());
    match received {
        Ok((answer, _)) if answer.status < 400 => {
            tracing::debug!(
                hubspot.kind = kind,
                hubspot.status = answer.status,
                duration_ms,
                "hubspot call"
            );
        }
        Ok((answer, _)) => {
            let correlation_id = answer.fault().correlation_id;
            if let Some(id) = &correlation_id {
                span.record("hubspot.correlation_id", id.as_str());
            }
            tracing::info!(
                hubspot.kind = kind,
                hubspot.status = answer.status,
                hubspot.correlation_id = correlation_id,
                duration_ms,
                "HubSpot refused a call"
            );
        }
        Err(failure) => {
            tracing::info!(
                hubspot.kind = kind,
                failure = failure.name(),
                duration_ms,
                "a call to HubSpot broke"
            );
        }
    }
}

/// Sorts reqwest's failures: before the request was sent, or after. Its own text is not used: it names the URL.
fn failure(error: &reqwest::Error) -> Failure {
    let reason = if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    };
    if error.is_connect() || error.is_builder() {
        Failure::NotSent(reason.into())
    } else {
        Failure::Lost(reason.into())
    }
}

impl Answer {
    fn fault(&self) -> Fault {
        serde_json::from_slice::<Value>(&self.body)
            .map(|body| Fault::from_json(&body))
            .unwrap_or_default()
    }

    /// The body of a 2xx answer, or what the refusal means.
    pub(crate) fn into_body(self) -> Result<Vec<u8>, Unanswered> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let in_doubt = self.in_doubt;
        let refusal = Box::new(Refusal {
            status: self.status,
            fault: self.fault(),
            body: KeptBody::new(&self.body),
        });
        let error = match self.status {
            300..=399 => Error::Unreadable("a redirect".into()),
            401 => Error::Unauthorized(refusal),
            403 if refusal.fault.category == "MISSING_SCOPES" => {
                let mut scopes = refusal.fault.context_values(&[
                    "requiredGranularScopes",
                    "missingScopes",
                    "requiredScopes",
                ]);
                scopes.sort();
                scopes.dedup();
                Error::MissingScopes { scopes }
            }
            404 => Error::Missing(refusal),
            409 => Error::Conflict(refusal),
            _ => Error::Rejected(refusal),
        };
        Err(Unanswered { error, in_doubt })
    }
}

/// All but the characters that a path segment takes as they are.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A name as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}
