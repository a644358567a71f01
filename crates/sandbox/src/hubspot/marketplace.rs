//! The marketplace's Install button, in both forms that HubSpot documents (facts §1.8), and a referee of the way back.
//!
//! | form | where the browser goes |
//! |---|---|
//! | direct | `/marketplace/install` → consent → callback with `code`, `returnUrl` → `/marketplace/return` |
//! | `steps=true` | `/marketplace/install` → callback with `step=authorize`, `returnUrl` → `/marketplace/return` with the app's `state` → consent → callback with `step=finalize`, `code`, `state`, `returnUrl` → `/marketplace/return` |
//!
//! HubSpot shows the button for first installs alone; here it is always there, which is harder on the app.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use url::Url;
use uuid::Uuid;

use super::authorize::Ask;
use super::consent::{self, Parameters, error_page, escape, form, found, frame};
use crate::universe::{Universe, lock};

/// Installs that have begun, by the number in their addresses.
pub(crate) type Attempts = HashMap<String, Attempt>;

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    ask: Ask,
    /// Where the app must lead the browser back to.
    return_url: Url,
    stage: Stage,
}

/// How far it has come.
#[derive(Debug, Clone)]
enum Stage {
    /// The app was called for a state.
    Asked,
    /// A person chooses; the app's state, when it was called for one.
    Consenting { state: Option<String> },
    /// The app was called with this code, for this portal.
    Called { code: String, hub_id: i64 },
}

impl Attempt {
    /// The app's callback with these parameters and the address to return to.
    fn callback(&self, parameters: &[(&str, &str)]) -> Url {
        let mut url = self.ask.redirect_uri.clone();
        url.query_pairs_mut()
            .extend_pairs(parameters)
            .append_pair("returnUrl", self.return_url.as_str());
        url
    }
}

/// `GET /marketplace/install?redirect_uri=…&steps=true`: a click on the button of an app whose install button leads to
/// `redirect_uri`. What is asked for are the app's own scopes.
pub(crate) async fn install(
    State(universe): State<Arc<Universe>>,
    headers: HeaderMap,
    Query(query): Query<Parameters>,
) -> Response {
    let app = &universe.app;
    let redirect_uri = query.get("redirect_uri").cloned().unwrap_or_default();
    let parameters = Parameters::from([
        ("client_id".to_owned(), app.client_id.clone()),
        ("redirect_uri".to_owned(), redirect_uri),
        ("scope".to_owned(), app.required_scopes.join(" ")),
        ("optional_scope".to_owned(), app.optional_scopes.join(" ")),
    ]);
    let ask = match Ask::from_parameters(&parameters, app) {
        Ok(ask) => ask,
        Err(sentence) => return error_page(&sentence),
    };
    let install = Uuid::new_v4().simple().to_string();
    let Some(return_url) = own_address(&headers, &install) else {
        return error_page("This request names no host.");
    };
    let in_steps = query.get("steps").map(String::as_str) == Some("true");
    let attempt = Attempt {
        ask,
        return_url,
        stage: if in_steps {
            Stage::Asked
        } else {
            Stage::Consenting { state: None }
        },
    };
    lock(&universe.attempts).insert(install.clone(), attempt.clone());
    if in_steps {
        found(attempt.callback(&[("step", "authorize")]).as_str())
    } else {
        ask_person(&universe, &install, &attempt)
    }
}

/// The page of this attempt, at the address by which the browser reaches the sandbox.
fn own_address(headers: &HeaderMap, install: &str) -> Option<Url> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let mut url = Url::parse(&format!("http://{host}/marketplace/return")).ok()?;
    url.query_pairs_mut().append_pair("install", install);
    Some(url)
}

fn ask_person(universe: &Universe, install: &str, attempt: &Attempt) -> Response {
    form(
        universe,
        &attempt.ask,
        &universe.portals(),
        "/marketplace/decision",
        &[("install", install)],
    )
}

fn find(universe: &Universe, parameters: &Parameters) -> Option<(String, Attempt)> {
    let install = parameters.get("install")?;
    let attempt = lock(&universe.attempts).get(install).cloned()?;
    Some((install.clone(), attempt))
}

fn unknown() -> Response {
    error_page("This install is not known, or it is over.")
}

/// `GET /marketplace/return`: the app has led the browser back. With a state when it was called for one, with nothing else when
/// it was called with a code, and not before it has exchanged that code.
pub(crate) async fn come_back(
    State(universe): State<Arc<Universe>>,
    Query(query): Query<Parameters>,
) -> Response {
    let Some((install, mut attempt)) = find(&universe, &query) else {
        return unknown();
    };
    let brings: Vec<&str> = query
        .keys()
        .map(String::as_str)
        .filter(|name| *name != "install")
        .collect();
    let state = query.get("state").filter(|state| !state.is_empty());
    match (&attempt.stage, &brings[..], state) {
        (Stage::Asked, ["state"], Some(state)) => {
            attempt.stage = Stage::Consenting {
                state: Some(state.clone()),
            };
            lock(&universe.attempts).insert(install.clone(), attempt.clone());
            ask_person(&universe, &install, &attempt)
        }
        (Stage::Asked, ..) => {
            error_page("The app must return with its state, and with nothing else.")
        }
        (Stage::Consenting { .. }, ..) => {
            error_page("The app has returned before anybody has decided.")
        }
        (Stage::Called { code, hub_id }, [], _) => {
            let tokens = lock(&universe.tokens);
            if tokens.portal_of_code(code).is_some() {
                return error_page("The app has returned before it has exchanged the code.");
            }
            let is_installed = tokens.grant_of(*hub_id).is_some();
            drop(tokens);
            shown(&universe, *hub_id, is_installed)
        }
        (Stage::Called { .. }, ..) => {
            error_page("The app must return to the address that it was given, and to no other.")
        }
    }
}

fn shown(universe: &Universe, hub_id: i64, is_installed: bool) -> Response {
    let app = escape(&universe.app.name);
    let (title, words) = if is_installed {
        (format!("{app} is installed"), "The app is connected to")
    } else {
        (
            format!("{app} is not connected"),
            "The app has given back its access to",
        )
    };
    let main =
        format!("<h1>{title}</h1><p class=\"note\">{words} account <strong>{hub_id}</strong>.</p>");
    frame(StatusCode::OK, "Marketplace", &main)
}

/// `POST /marketplace/decision`: an install is decided once. Calling it off leads nowhere but to a page here.
pub(crate) async fn decide(
    State(universe): State<Arc<Universe>>,
    Form(decision): Form<Parameters>,
) -> Response {
    let Some((install, mut attempt)) = find(&universe, &decision) else {
        return unknown();
    };
    let Stage::Consenting { state } = attempt.stage.clone() else {
        return unknown();
    };
    if decision.get("decision").map(String::as_str) != Some("connect") {
        lock(&universe.attempts).remove(&install);
        return frame(
            StatusCode::OK,
            "Marketplace",
            "<h1>Nothing was installed</h1>",
        );
    }
    let (hub_id, user_id) = consent::chosen(&decision);
    let code = match consent::grant(&universe, &attempt.ask, hub_id, user_id) {
        Ok(code) => code,
        Err(sentence) => return error_page(&sentence),
    };
    let callback = match &state {
        Some(state) => attempt.callback(&[("step", "finalize"), ("code", &code), ("state", state)]),
        None => attempt.callback(&[("code", &code)]),
    };
    attempt.stage = Stage::Called { code, hub_id };
    lock(&universe.attempts).insert(install, attempt);
    found(callback.as_str())
}
