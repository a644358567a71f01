//! What every answer has in common, errors and panics included: a request id, security headers, one log line, and a page
//! (or JSON) where something went wrong.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use app::App;
use askama::Template;
use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use futures::FutureExt;
use serde_json::json;
use telemetry::measure;
use telemetry::origin::within_request;
use tracing::{Instrument, field};
use url::Url;
use uuid::Uuid;

use crate::cookies;
use crate::error::{Error, Problem};
use crate::router::template;
use crate::view::problem::ProblemPage;
use crate::view::shell::Shell;

/// What a page may load and where its forms may go. An install starts by a link, not by a form: `form-action` would
/// stop the way on to HubSpot.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// On every answer. `same-origin` and not `no-referrer`: with the latter browsers send forms with `Origin: null`.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// Two years, as browsers' preload lists ask.
const STRICT_TRANSPORT_SECURITY: HeaderValue =
    HeaderValue::from_static("max-age=63072000; includeSubDomains");

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The outermost layer.
pub async fn finish(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = Uuid::now_v7();
    let started = Instant::now();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("none", |path| template(path.as_str()));
    // Only where there is one: elsewhere such an address is no row, and has none.
    let is_console = route.starts_with("/operator");
    let as_json = wants_json(request.headers()) || is_data(request.uri().path());

    // Of level `error`, or a filter that lets through less would take the ids off the lines that are left.
    let span = tracing::error_span!(
        "request", otel.kind = "server", request.id = %id, portal.id = field::Empty, http.route = route, http.status = field::Empty
    );
    let answering = async {
        let outcome = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        outcome.unwrap_or_else(|_| {
            tracing::error!("a handler panicked");
            Error::Panicked.into_response()
        })
    };
    let mut answer = within_request(id, answering).instrument(span.clone()).await;

    if let Some(problem) = problem_of(&mut answer) {
        answer = say(&problem, &answer, is_console, as_json, id);
    }
    let headers = answer.headers_mut();
    let kept = headers.remove(header::CACHE_CONTROL);
    headers.extend(common_headers(app.public_url()));
    if let Some(kept) = kept {
        headers.insert(header::CACHE_CONTROL, kept);
    }
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    let took = started.elapsed();
    measure::http_request(label(&method), route, answer.status().as_u16(), took);
    span.record("http.status", answer.status().as_u16());
    let line = Line {
        method: &method,
        route,
        status: answer.status(),
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    };
    span.in_scope(|| line.log());
    answer
}

/// What every answer carries, whoever makes it; some may be kept in spite of it.
pub fn common_headers(public_url: &Url) -> HeaderMap {
    let headers = HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value)));
    let mut headers = HeaderMap::from_iter(headers);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if cookies::is_secure(public_url) {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT_SECURITY);
    }
    headers
}

/// The method as a label; there are no end of methods that a client can make up.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

/// Whether the caller asks for data rather than for a page.
pub fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/html")
}

/// Whether the address is one that only scripts ask.
fn is_data(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    last == "events"
        || last
            .rsplit_once('.')
            .is_some_and(|(_, kind)| kind == "json")
}

/// The problem an answer carries; the framework's own bare refusals become one as well.
fn problem_of(answer: &mut Response) -> Option<Problem> {
    if let Some(problem) = answer.extensions_mut().remove::<Problem>() {
        return Some(problem);
    }
    let is_ours = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| {
            let kind = kind.as_bytes();
            kind.starts_with(b"text/html") || kind.starts_with(b"application/json")
        });
    let status = answer.status();
    let is_error = status.is_client_error() || status.is_server_error();
    (is_error && !is_ours).then(|| Problem::of_status(status))
}

/// The page or the JSON of `problem`; cookies, `Allow` and `Retry-After` that `bare` sets are kept.
fn say(problem: &Problem, bare: &Response, is_console: bool, as_json: bool, id: Uuid) -> Response {
    let mut answer = if as_json {
        Json(json!({
            "error": problem.code,
            "message": problem.title,
            "detail": problem.detail,
            "request_id": id,
        }))
        .into_response()
    } else {
        let page = ProblemPage {
            shell: if is_console {
                Shell::of_console(problem.title.as_str(), None)
            } else {
                Shell::new(problem.title.as_str(), None)
            },
            title: problem.title.clone(),
            detail: problem.detail.clone(),
            remedies: problem.remedies.clone(),
            action: if is_console {
                Some(("/operator", "To the console"))
            } else {
                problem.action
            },
            ours: problem.status.is_server_error(),
            request_id: id.to_string(),
        };
        page_or_words(&page, &problem.title)
    };
    *answer.status_mut() = problem.status;
    for name in [header::SET_COOKIE, header::ALLOW, header::RETRY_AFTER] {
        for value in bare.headers().get_all(&name) {
            answer.headers_mut().append(&name, value.clone());
        }
    }
    answer
}

fn page_or_words(page: &ProblemPage, words: &str) -> Response {
    match page.render() {
        Ok(page) => Html(page).into_response(),
        Err(_) => words.to_owned().into_response(),
    }
}

struct Line<'a> {
    method: &'a Method,
    route: &'static str,
    status: StatusCode,
    duration_ms: u64,
}

impl Line<'_> {
    /// One line per request: the route's pattern and not the address, which may hold a setup token or a code.
    fn log(&self) {
        let Self {
            method,
            route,
            status,
            duration_ms,
        } = self;
        let status = status.as_u16();
        if matches!(*route, "/healthz" | "/readyz" | "/static/{file}") && status < 500 {
            tracing::debug!(http.method = %method, http.route = route, http.status = status, duration_ms, "request answered");
        } else {
            tracing::info!(http.method = %method, http.route = route, http.status = status, duration_ms, "request answered");
        }
    }
}
