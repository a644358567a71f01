//! The calls, and the one request behind them: key, time-outs, size, bounded repeats. All calls only read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use domain::TransactionId;
use domain::breaker::Breaker;
use rand::Rng;
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::redirect;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::time::Instant;
use tracing::{Instrument, Span, field};
use url::Url;

use crate::error::Error;
use crate::row::{self, Row};

/// The most rows of a page (contracts/thnks-api.md).
pub const MAX_PAGE: u16 = 500;

/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for a whole call, the body of a full page included.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an answer after decompression: 500 rows with the longest messages HubSpot takes would be 32 MiB, and Thnks'
/// own messages are short.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;
/// Sendings of one call.
const ATTEMPTS: u32 = 4;
/// First step of the backoff, doubled with each failure.
const BACKOFF_BASE: Duration = Duration::from_millis(250);
/// The wait after a 429 without `Retry-After`.
const DEFAULT_WAIT: Duration = Duration::from_secs(2);
/// The longest `Retry-After` that a call waits out by itself; a longer one is the caller's to schedule.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest wait that we believe.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Where Thnks is.
#[derive(Debug, Clone)]
pub struct Config {
    /// Base of all calls, `https://api.thnks.com`.
    pub api_url: Url,
}

/// The Thnks API. Cheap to clone. The key goes with each call, because each organization has its own.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    /// Whether Thnks is up, as far as this process knows.
    breaker: Arc<Mutex<Breaker<Instant>>>,
}

/// What a key stands for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Organization {
    /// Thnks' id, for example `org_7Q2…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its plan, when Thnks says so.
    #[serde(default)]
    pub plan: Option<String>,
    /// Whether its plan has the HubSpot integration.
    pub hubspot_enabled: bool,
}

/// A page of transactions, ordered by `(updated_at, id)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Good and bad rows, in Thnks' order.
    pub rows: Vec<Row>,
    /// Where the next page begins; `None` on the last.
    pub next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    transactions: Vec<Box<RawValue>>,
    /// Required, though it may be null: a page that lost it would pass for the last one.
    #[serde(deserialize_with = "Option::deserialize")]
    next_cursor: Option<String>,
}

/// A page's body, asked for with `cursor`.
fn page(body: &[u8], cursor: Option<&str>) -> Result<Page, Error> {
    // Broken characters are one row's trouble: without this they would be the whole page's.
    let envelope: Envelope =
        serde_json::from_str(&String::from_utf8_lossy(body)).map_err(|error| unexpected(&error))?;
    if let Some(next) = &envelope.next_cursor
        && (next.is_empty() || Some(next.as_str()) == cursor)
    {
        return Err(Error::CursorStuck);
    }
    Ok(Page {
        rows: envelope
            .transactions
            .iter()
            .map(|raw| row::read(raw.get()))
            .collect(),
        next_cursor: envelope.next_cursor,
    })
}

/// Thnks' code for a refusal, empty when the body has none.
fn error_code(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = body.pointer("/error/code").and_then(Value::as_str);
    code.unwrap_or_default().to_owned()
}

/// How one sending ended when it is worth another.
enum Trouble {
    Throttled(Duration),
    Broken(Error),
}

impl Client {
    /// A client. Fails only when TLS cannot be set up.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            // A redirect would carry the key elsewhere.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("thnks-hubspot/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Setup(error.to_string()))?;
        let base = config.api_url.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            base,
            http,
            breaker: Arc::default(),
        })
    }

    /// Proves a key: whose it is, and whether the integration is part of the plan.
    pub async fn organization(&self, key: &SecretString) -> Result<Organization, Error> {
        let body = self
            .request("organization", key, "/api/v1/organization", &[])
            .await?;
        serde_json::from_slice(&body).map_err(|error| unexpected(&error))
    }

    /// A page of at most `limit` (1 to [`MAX_PAGE`]) transactions that changed at or after `updated_since`, or the page at
    /// `cursor` of such a walk.
    pub async fn transactions(
        &self,
        key: &SecretString,
        updated_since: Option<DateTime<Utc>>,
        cursor: Option<&str>,
        limit: u16,
    ) -> Result<Page, Error> {
        let mut query = vec![("limit", limit.clamp(1, MAX_PAGE).to_string())];
        if let Some(since) = updated_since {
            let since = since.to_rfc3339_opts(SecondsFormat::Micros, true);
            query.push(("updated_since", since));
        }
        if let Some(cursor) = cursor {
            query.push(("cursor", cursor.to_owned()));
        }
        let body = self
            .request("transactions", key, "/api/v1/transactions", &query)
            .await?;
        page(&body, cursor)
    }

    /// One transaction, if Thnks has it.
    pub async fn transaction(
        &self,
        key: &SecretString,
        id: &TransactionId,
    ) -> Result<Option<Row>, Error> {
        let mut url = self.url("/api/v1/transactions")?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(id.as_str());
        }
        let path = &url.as_str()[self.base.len()..];
        match self.request("transaction", key, path, &[]).await {
            Ok(body) => Ok(Some(row::read(&String::from_utf8_lossy(&body)))),
            Err(Error::Rejected { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether Thnks as a whole counts as down: what fails now is nobody's fault.
    pub fn is_down(&self) -> bool {
        self.breaker().is_open()
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker<Instant>> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn url(&self, path: &str) -> Result<Url, Error> {
        Url::parse(&format!("{}{path}", self.base)).map_err(|error| Error::Setup(error.to_string()))
    }

    /// The one request: the body of a 2xx answer.
    async fn request(
        &self,
        kind: &'static str,
        key: &SecretString,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Vec<u8>, Error> {
        // A key that cannot stand in a header is no key.
        let mut authorization =
            HeaderValue::from_str(key.expose_secret()).map_err(|_| Error::KeyRefused)?;
        authorization.set_sensitive(true);
        let url = self.url(path)?;
        let mut failures = 0;
        loop {
            let request = self
                .http
                .get(url.clone())
                .query(query)
                .header(AUTHORIZATION, authorization.clone());
            let started = Instant::now();
            self.breaker()
                .pass(started)
                .map_err(|probe_at| Error::Down {
                    retry_after: probe_at.saturating_duration_since(started),
                })?;
            let span = tracing::info_span!(
                "thnks",
                otel.kind = "client",
                thnks.kind = kind,
                thnks.status = field::Empty
            );
            let sent = attempt(request, kind).instrument(span).await;
            match &sent {
                Err(Trouble::Broken(_)) => self.breaker().broke(Instant::now()),
                Ok(_) | Err(Trouble::Throttled(_)) => self.breaker().answered(),
            }
            let trouble = match sent {
                Ok(answer) => return answer,
                Err(trouble) => trouble,
            };
            failures += 1;
            let wait = match trouble {
                Trouble::Throttled(wait) if wait > PATIENCE || failures == ATTEMPTS => {
                    return Err(Error::Throttled { retry_after: wait });
                }
                Trouble::Throttled(wait) => wait + backoff(1),
                Trouble::Broken(error) if failures == ATTEMPTS => return Err(error),
                Trouble::Broken(_) => backoff(failures),
            };
            tokio::time::sleep(wait).await;
        }
    }
}

/// Full jitter: anything between nothing and a bound that doubles with each failure.
fn backoff(failures: u32) -> Duration {
    let bound = BACKOFF_BASE * 2_u32.pow(failures.min(6).saturating_sub(1));
    rand::rng().random_range(Duration::ZERO..=bound)
}

fn unexpected(error: &serde_json::Error) -> Error {
    Error::Unreadable(format!(
        "unexpected JSON at line {} column {}",
        error.line(),
        error.column()
    ))
}

/// One sending: an answer, good or bad, or trouble that may pass.
async fn attempt(
    request: reqwest::RequestBuilder,
    kind: &'static str,
) -> Result<Result<Vec<u8>, Error>, Trouble> {
    let started = Instant::now();
    let received = receive(request).await;
    let took = started.elapsed();
    let status = received.as_ref().ok().map(|answer| answer.status);
    Span::current().record("thnks.status", status.unwrap_or_default());
    telemetry::measure::thnks_call(kind, status, took);
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if status.is_some_and(|status| status < 400) {
        tracing::debug!(
            thnks.kind = kind,
            thnks.status = status,
            duration_ms,
            "thnks call"
        );
    } else {
        tracing::info!(
            thnks.kind = kind,
            thnks.status = status,
            duration_ms,
            "Thnks refused a call, or it broke"
        );
    }
    received?.judge()
}

/// What has come back: a status, how long it asks to wait, and a body that is not too large.
struct Received {
    status: u16,
    retry_after: Option<Duration>,
    body: Option<Vec<u8>>,
}

async fn receive(request: reqwest::RequestBuilder) -> Result<Received, Trouble> {
    let unreachable = |error: reqwest::Error| {
        let reason = if error.is_timeout() {
            "timed out"
        } else {
            "no connection"
        };
        Trouble::Broken(Error::Unavailable(reason.into()))
    };
    let mut response = request.send().await.map_err(unreachable)?;
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let mut received = Received {
        status: response.status().as_u16(),
        retry_after,
        body: None,
    };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Ok(received);
        }
        body.extend_from_slice(&chunk);
    }
    received.body = Some(body);
    Ok(received)
}

impl Received {
    /// An answer, good or bad, or trouble that may pass.
    fn judge(self) -> Result<Result<Vec<u8>, Error>, Trouble> {
        let Some(body) = self.body else {
            return Ok(Err(Error::Unreadable("the answer is too large".into())));
        };
        let status = self.status;
        Ok(match status {
            200..=299 => Ok(body),
            401 => Err(Error::KeyRefused),
            403 => Err(Error::IntegrationDisabled),
            410 => Err(Error::CursorExpired),
            429 => {
                let wait = self.retry_after.unwrap_or(DEFAULT_WAIT).min(LONGEST_WAIT);
                return Err(Trouble::Throttled(wait));
            }
            500..=599 => {
                let error = Error::Unavailable(format!("status {status}"));
                return Err(Trouble::Broken(error));
            }
            _ => {
                let code = error_code(&body);
                Err(Error::Rejected { status, code })
            }
        })
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
