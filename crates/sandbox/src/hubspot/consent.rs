//! The consent page, plain HTML forms without scripts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use chrono::TimeDelta;

use super::authorize::Ask;
use super::tokens::Code;
use crate::crm::Portal;
use crate::crm::portal::User;
use crate::universe::{Universe, lock};

pub(crate) type Parameters = BTreeMap<String, String>;

/// Portals that the picker lists; the others are reached by `/oauth/{hubId}/authorize`.
const PICKER_LIMIT: usize = 50;

const CSS: &str = "\
body{margin:0;font:16px/1.5 system-ui,sans-serif;background:#f5f8fa;color:#33475b}\
header{background:#2d3e50;color:#fff;padding:1rem 1.5rem;font-weight:600}header span{color:#ffa68f}\
main{max-width:34rem;margin:2.5rem auto;background:#fff;border:1px solid #cbd6e2;border-radius:6px;padding:2rem}\
h1{font-size:1.4rem;margin:0 0 .5rem}h2{font-size:1rem;margin:1.5rem 0 .25rem}ul{margin:.25rem 0;padding-left:1.2rem}\
code{font-size:.875rem}label{display:block;padding:.4rem 0}.note{color:#516f90;font-size:.9rem}\
.buttons{display:flex;gap:1rem;margin-top:2rem}button{font:inherit;padding:.6rem 1.4rem;border-radius:4px;border:1px solid #ff7a59;cursor:pointer}\
.go{background:#d63f16;border-color:#d63f16;color:#fff}.stay{background:#fff;color:#33475b;border-color:#7c98b6}\
button:focus-visible,input:focus-visible{outline:3px solid #00a4bd;outline-offset:2px}.error{border-left:4px solid #d63f16;padding-left:1rem}\
@media(prefers-color-scheme:dark){body{background:#16212c;color:#dfe3eb}main{background:#22303d;border-color:#3d5064}.note{color:#a3b8cc}.stay{background:#22303d;color:#dfe3eb}}\
@media(max-width:40rem){main{margin:0;border:0;border-radius:0}}";

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

pub(crate) fn frame(status: StatusCode, title: &str, main: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><link rel=\"icon\" href=\"data:,\">\
<title>{}</title><style>{CSS}</style></head><body><header><span>HubSpot</span> (sandbox)</header><main>{main}</main></body></html>",
        escape(title)
    );
    let mut response = (status, Html(page)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    headers.insert(
        header::X_FRAME_OPTIONS,
        header::HeaderValue::from_static("DENY"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        header::HeaderValue::from_static("no-referrer"),
    );
    response
}

pub(crate) fn error_page(sentence: &str) -> Response {
    let main = format!(
        "<h1>We can't connect this app</h1><p class=\"error\">{}</p><p class=\"note\">Contact the app's developer, or try the link again.</p>",
        escape(sentence)
    );
    frame(StatusCode::BAD_REQUEST, "We can't connect this app", &main)
}

/// `GET /oauth/authorize`.
pub(crate) async fn page(
    State(universe): State<Arc<Universe>>,
    Query(parameters): Query<Parameters>,
) -> Response {
    show(&universe, &parameters, None)
}

/// `GET /oauth/{hubId}/authorize`: the portal is chosen already.
pub(crate) async fn page_of_portal(
    State(universe): State<Arc<Universe>>,
    Path(hub_id): Path<i64>,
    Query(parameters): Query<Parameters>,
) -> Response {
    show(&universe, &parameters, Some(hub_id))
}

fn show(universe: &Universe, parameters: &Parameters, only: Option<i64>) -> Response {
    let ask = match Ask::from_parameters(parameters, &universe.app) {
        Ok(ask) => ask,
        Err(sentence) => return error_page(&sentence),
    };
    let portals = match only {
        Some(hub_id) => universe.portal(hub_id).into_iter().collect(),
        None => universe.portals(),
    };
    let carried = [
        "client_id",
        "redirect_uri",
        "scope",
        "optional_scope",
        "state",
        "code_challenge",
        "code_challenge_method",
    ];
    let hidden: Vec<(&str, &str)> = carried
        .into_iter()
        .filter_map(|name| Some((name, parameters.get(name)?.as_str())))
        .collect();
    form(
        universe,
        &ask,
        &portals,
        "/oauth/authorize/decision",
        &hidden,
    )
}

/// The consent page for an app's ask: one of the portals is chosen, and `action` gets the decision with what is `hidden`.
pub(crate) fn form(
    universe: &Universe,
    ask: &Ask,
    portals: &[Arc<Portal>],
    action: &str,
    hidden: &[(&str, &str)],
) -> Response {
    if portals.is_empty() {
        return error_page("There is no such HubSpot account.");
    }
    let app = escape(&universe.app.name);
    let host = escape(ask.redirect_uri.host_str().unwrap_or_default());
    let mut main = format!(
        "<h1>Connect {app} to HubSpot</h1><p class=\"note\">{app} will send you back to <strong>{host}</strong>.</p>\
<form method=\"post\" action=\"{action}\">"
    );
    for (name, value) in hidden {
        let _ = write!(
            main,
            "<input type=\"hidden\" name=\"{name}\" value=\"{}\">",
            escape(value)
        );
    }
    main.push_str(if portals.len() > 1 {
        "<h2>Choose an account</h2>"
    } else {
        "<h2>Account</h2>"
    });
    for (index, portal) in portals.iter().take(PICKER_LIMIT).enumerate() {
        let state = portal.state();
        let checked = if index == 0 { " checked" } else { "" };
        let _ = write!(
            main,
            "<label><input type=\"radio\" name=\"hub_id\" value=\"{}\"{checked}> {} <span class=\"note\">{}{}</span></label>",
            portal.hub_id,
            escape(&state.name),
            portal.hub_id,
            if state.enterprise {
                " · Enterprise"
            } else {
                ""
            },
        );
    }
    for (title, scopes) in [
        ("This app needs", &ask.scopes),
        ("It also asks for, where your account has it", &ask.optional),
    ] {
        if !scopes.is_empty() {
            let _ = write!(main, "<h2>{title}</h2><ul>");
            for scope in scopes {
                let _ = write!(
                    main,
                    "<li>{} <code>{}</code></li>",
                    describe(scope),
                    escape(scope)
                );
            }
            main.push_str("</ul>");
        }
    }
    main.push_str(
        "<div class=\"buttons\"><button class=\"go\" name=\"decision\" value=\"connect\">Connect app</button>\
<button class=\"stay\" name=\"decision\" value=\"cancel\">Cancel</button></div></form>",
    );
    frame(StatusCode::OK, "Connect to HubSpot", &main)
}

fn describe(scope: &str) -> &'static str {
    match scope {
        "oauth" => "Basic account information",
        "crm.objects.contacts.read" => "View contacts",
        "crm.objects.contacts.write" => "Change contacts",
        "crm.objects.companies.read" => "View companies",
        "crm.objects.deals.read" => "View deals",
        "crm.objects.custom.read" => "View custom object records",
        "crm.objects.custom.write" => "Change custom object records",
        "crm.schemas.custom.read" => "View custom object definitions",
        "crm.schemas.custom.write" => "Create custom object definitions",
        "crm.objects.owners.read" => "View owners",
        _ => "Other access",
    }
}

/// `POST /oauth/authorize/decision`: everything is checked again, as the form is in the visitor's hands.
pub(crate) async fn decide(
    State(universe): State<Arc<Universe>>,
    Form(form): Form<Parameters>,
) -> Response {
    let ask = match Ask::from_parameters(&form, &universe.app) {
        Ok(ask) => ask,
        Err(sentence) => return error_page(&sentence),
    };
    if form.get("decision").map(String::as_str) != Some("connect") {
        let back = ask.back(&[
            ("error", "access_denied"),
            ("error_description", "The user denied access to the app"),
        ]);
        return found(back.as_str());
    }
    let (hub_id, user_id) = chosen(&form);
    match grant(&universe, &ask, hub_id, user_id) {
        Ok(code) => found(ask.back(&[("code", &code)]).as_str()),
        Err(sentence) => error_page(&sentence),
    }
}

/// The portal and the user that a decision names.
pub(crate) fn chosen(form: &Parameters) -> (i64, Option<i64>) {
    let number = |name: &str| form.get(name).and_then(|text| text.parse().ok());
    (number("hub_id").unwrap_or_default(), number("user_id"))
}

pub(crate) fn found(location: &str) -> Response {
    let mut response = Redirect::to(location).into_response();
    // HubSpot answers 302.
    *response.status_mut() = StatusCode::FOUND;
    response
}

/// Issues an authorization code for a portal and one of its users (the first super admin unless named).
pub(crate) fn grant(
    universe: &Universe,
    ask: &Ask,
    hub_id: i64,
    user_id: Option<i64>,
) -> Result<String, String> {
    let portal = universe
        .portal(hub_id)
        .ok_or("There is no such HubSpot account.")?;
    let rules = universe.rules();
    let state = portal.state();
    let wanted = |user: &&User| user_id.map_or(user.super_admin, |id| user.id == id);
    let user = state.users.iter().find(wanted).cloned();
    let user = user.ok_or("This account has no such user.")?;
    if !user.super_admin {
        return Err("You don't have permission to install apps. Ask a super admin.".into());
    }
    let scopes = ask.grantable(state.enterprise, &rules).map_err(|refused| {
        format!(
            "Your HubSpot account lacks features which this app requires: {}.",
            refused.join(", ")
        )
    })?;
    drop(state);
    let now = universe.now();
    Ok(lock(&universe.tokens).issue_code(Code {
        hub_id,
        user,
        scopes,
        redirect_uri: ask.redirect_text.clone(),
        challenge: ask.challenge.clone(),
        expires_at: now + TimeDelta::seconds(rules.code_secs),
    }))
}
