//! The only list of URLs: each with its method, who may come in and what kind of answer it gives. The router is built
//! from it, and tests walk it, so a route without a row does not exist.

mod console;

use std::sync::Arc;
use std::time::Duration;

use app::App;
use axum::Router as Axum;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::http::{Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, get, post};
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;

use crate::access::{Gate, admit, bound_address};
use crate::answer;
use crate::error::Error;
use crate::handlers::{
    assets, audit, connect, dashboard, disconnect, failures, gifts, health, install, landing,
    members, notices, orphans, pause, portals, preflight, reports, rules, runs, session, status,
    trace, webhooks,
};
use crate::places::Places;
use crate::traffic::{Limits, Traffic};

pub use console::CONSOLE;

/// The longest that an answer may take before it begins.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest delivery of events.
const HOOK_BYTES: usize = 1024 * 1024;

/// Who may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Anyone,
    /// A person with a session, of this portal where the path names one.
    Session,
    /// An owner of this portal.
    Owner,
    /// An operator with a session of the console.
    Operator,
}

/// What kind of answer a route gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A page, or the way to another one.
    Page,
    /// The beginning of an install or a sign-in, and its end: the marketplace's comes without a beginning here.
    SignIn,
    /// A file of the portal's data, on record each time.
    Download,
    /// JSON.
    Data,
    /// A stream of server-sent events.
    Events,
    /// A form's target: 303, or 202 with JSON where that is asked for.
    Form,
    /// A file that never changes.
    File,
    /// A word for load balancers.
    Probe,
    /// Takes what another service signs and sends.
    Hook,
}

/// One row.
pub struct Route {
    /// Method.
    pub method: Method,
    /// Path, parameters in braces.
    pub path: &'static str,
    /// Who may come in.
    pub who: Who,
    /// What it answers.
    pub kind: Kind,
    handler: fn() -> MethodRouter<Context>,
}

/// The word that the process is going down, in its two steps.
#[derive(Clone)]
pub struct Stop {
    /// Cancelled when it was said: requests are served on, but others should have them.
    pub said: CancellationToken,
    /// Cancelled when no more are taken: what would go on for long ends.
    pub closing: CancellationToken,
}

impl From<CancellationToken> for Stop {
    /// Both at once.
    fn from(token: CancellationToken) -> Self {
        Self {
            said: token.clone(),
            closing: token,
        }
    }
}

/// What handlers reach: the application, and the word that the process is going down.
#[derive(Clone, FromRef)]
pub struct Context {
    /// The application.
    pub app: App,
    /// The word that the process is going down.
    pub stop: Stop,
    /// Open streams, by the hash of a session's token.
    pub streams: Arc<Places<Vec<u8>>>,
    /// How many requests there may be.
    pub limits: Arc<Limits>,
}

const fn row(
    method: Method,
    path: &'static str,
    who: Who,
    kind: Kind,
    handler: fn() -> MethodRouter<Context>,
) -> Route {
    Route {
        method,
        path,
        who,
        kind,
        handler,
    }
}

/// Every URL of the service but the operator’s, which are in [`CONSOLE`].
pub const ROUTES: &[Route] = {
    use Kind::{Data, Download, Events, File, Form, Hook, Page, Probe, SignIn};
    use Who::{Anyone, Owner, Session};
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    &[
        row(GET, "/", Anyone, Page, || get(landing::show)),
        row(GET, "/install", Anyone, SignIn, || get(install::begin)),
        row(GET, "/login", Anyone, SignIn, || get(install::login)),
        row(GET, "/oauth/callback", Anyone, SignIn, || {
            get(install::complete)
        }),
        row(GET, "/portals", Session, Page, || get(portals::list)),
        row(GET, "/portals/{hub_id}", Session, Page, || {
            get(dashboard::show)
        }),
        row(GET, "/portals/{hub_id}/connect", Owner, Page, || {
            get(connect::show)
        }),
        row(POST, "/portals/{hub_id}/connect", Owner, Form, || {
            post(connect::submit)
        }),
        row(GET, "/portals/{hub_id}/status.json", Session, Data, || {
            get(status::status)
        }),
        row(
            GET,
            "/portals/{hub_id}/statistics.json",
            Session,
            Data,
            || get(status::statistics),
        ),
        row(GET, "/portals/{hub_id}/events", Session, Events, || {
            get(status::events)
        }),
        row(GET, "/portals/{hub_id}/orphans", Session, Page, || {
            get(orphans::list)
        }),
        row(GET, "/portals/{hub_id}/reassociate", Owner, Page, || {
            get(orphans::preview)
        }),
        row(POST, "/portals/{hub_id}/reassociate", Owner, Form, || {
            post(runs::reassociate)
        }),
        row(GET, "/portals/{hub_id}/thnks", Session, Page, || {
            get(gifts::list)
        }),
        row(
            GET,
            "/portals/{hub_id}/thnks.csv",
            Session,
            Download,
            || get(gifts::export),
        ),
        row(
            GET,
            "/portals/{hub_id}/thnks/{transaction_id}",
            Session,
            Page,
            || get(trace::show),
        ),
        row(
            POST,
            "/portals/{hub_id}/thnks/{transaction_id}/alias",
            Owner,
            Form,
            || post(trace::add_alias),
        ),
        row(
            POST,
            "/portals/{hub_id}/thnks/{transaction_id}/contact",
            Owner,
            Form,
            || post(trace::choose),
        ),
        row(
            POST,
            "/portals/{hub_id}/thnks/{transaction_id}/look",
            Owner,
            Form,
            || post(trace::look_now),
        ),
        row(GET, "/portals/{hub_id}/settings", Session, Page, || {
            get(rules::show)
        }),
        row(POST, "/portals/{hub_id}/settings", Owner, Form, || {
            post(rules::save)
        }),
        row(
            POST,
            "/portals/{hub_id}/settings/preview",
            Owner,
            Form,
            || post(rules::preview),
        ),
        row(
            GET,
            "/portals/{hub_id}/settings/notifications",
            Session,
            Page,
            || get(notices::show),
        ),
        row(
            POST,
            "/portals/{hub_id}/settings/notifications",
            Owner,
            Form,
            || post(notices::save),
        ),
        row(
            POST,
            "/portals/{hub_id}/settings/notifications/test",
            Owner,
            Form,
            || post(notices::test),
        ),
        row(
            POST,
            "/portals/{hub_id}/settings/notifications/secret",
            Owner,
            Form,
            || post(notices::renew_secret),
        ),
        row(
            GET,
            "/portals/{hub_id}/settings/setup",
            Session,
            Page,
            || get(preflight::show),
        ),
        row(
            GET,
            "/portals/{hub_id}/settings/members",
            Session,
            Page,
            || get(members::list),
        ),
        row(
            POST,
            "/portals/{hub_id}/settings/members/{user_id}",
            Owner,
            Form,
            || post(members::change),
        ),
        row(
            POST,
            "/portals/{hub_id}/settings/sessions/end",
            Session,
            Form,
            || post(session::end_one),
        ),
        row(GET, "/portals/{hub_id}/disconnect", Owner, Page, || {
            get(disconnect::show)
        }),
        row(POST, "/portals/{hub_id}/disconnect", Owner, Form, || {
            post(disconnect::submit)
        }),
        row(POST, "/portals/{hub_id}/sync", Owner, Form, || {
            post(runs::sync)
        }),
        row(POST, "/portals/{hub_id}/check", Owner, Form, || {
            post(runs::check)
        }),
        row(POST, "/portals/{hub_id}/resync", Owner, Form, || {
            post(runs::resync)
        }),
        row(POST, "/portals/{hub_id}/pause", Owner, Form, || {
            post(pause::pause)
        }),
        row(POST, "/portals/{hub_id}/resume", Owner, Form, || {
            post(pause::resume)
        }),
        row(GET, "/portals/{hub_id}/runs", Session, Page, || {
            get(runs::list)
        }),
        row(
            GET,
            "/portals/{hub_id}/runs/{run_id}",
            Session,
            Page,
            || get(runs::show),
        ),
        row(
            POST,
            "/portals/{hub_id}/runs/{run_id}/cancel",
            Owner,
            Form,
            || post(runs::cancel),
        ),
        row(GET, "/portals/{hub_id}/failures", Session, Page, || {
            get(failures::list)
        }),
        row(GET, "/portals/{hub_id}/reports", Session, Page, || {
            get(reports::list)
        }),
        row(
            GET,
            "/portals/{hub_id}/reports/{report}",
            Session,
            Page,
            || get(reports::show),
        ),
        row(
            GET,
            "/portals/{hub_id}/reports/{report}/csv",
            Session,
            Download,
            || get(reports::export),
        ),
        row(
            POST,
            "/portals/{hub_id}/failures/retry",
            Owner,
            Form,
            || post(failures::retry),
        ),
        row(
            POST,
            "/portals/{hub_id}/failures/dismiss",
            Owner,
            Form,
            || post(failures::dismiss),
        ),
        row(GET, "/portals/{hub_id}/audit", Session, Page, || {
            get(audit::list)
        }),
        row(
            GET,
            "/portals/{hub_id}/audit.csv",
            Session,
            Download,
            || get(audit::export),
        ),
        row(POST, "/webhooks/hubspot", Anyone, Hook, || {
            post(webhooks::hubspot).layer(DefaultBodyLimit::max(HOOK_BYTES))
        }),
        row(POST, "/logout", Session, Form, || post(session::end)),
        row(GET, "/healthz", Anyone, Probe, || get(health::process)),
        row(GET, "/readyz", Anyone, Probe, || get(health::database)),
        row(GET, "/static/{file}", Anyone, File, || get(assets::show)),
    ]
};

/// The path of a row as the table has it: a word that ends, for figures and log lines.
pub fn template(path: &str) -> &'static str {
    let mut rows = ROUTES.iter().chain(CONSOLE);
    let row = rows.find(|route| route.path == path);
    row.map_or("none", |route| route.path)
}

/// The router of [`ROUTES`], and of [`CONSOLE`] where there is one, for so much `traffic`, until `stop`.
pub fn router(app: App, stop: impl Into<Stop>, traffic: Traffic) -> Axum {
    let mut router = Axum::new();
    let limits = Limits::new(traffic);
    let console = app.console().map_or(&[][..], |_| CONSOLE);
    for route in ROUTES.iter().chain(console) {
        let gate = Gate {
            app: app.clone(),
            limits: Arc::clone(&limits),
            who: route.who,
            kind: route.kind,
        };
        let mut methods = (route.handler)().route_layer(from_fn_with_state(gate, admit));
        if route.kind != Kind::Events {
            let timeout =
                TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_TIMEOUT);
            methods = methods.route_layer(timeout);
        }
        router = router.route(route.path, methods);
    }
    let common = ServiceBuilder::new()
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
        .layer(from_fn_with_state(app.clone(), answer::finish))
        .layer(from_fn(bound_address));
    router
        .fallback(|| async { Error::NotFound })
        .layer(common)
        .with_state(Context {
            app,
            stop: stop.into(),
            streams: Places::new(status::STREAMS),
            limits,
        })
}
