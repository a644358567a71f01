//! Introspection, revocation and v1's token lookups (facts §1.4).

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::{Value, json};

use super::errors::Answer;
use super::oauth::{Fields, check_client, form, refuse};
use super::serve::{Finished, finish, replaces};
use crate::listen::Scissors;
use crate::rules::IntrospectField;
use crate::universe::{Universe, lock};

/// The token of a request and whether it is an access token, by the name that the rules want.
fn named_token<'a>(universe: &Universe, fields: &'a Fields) -> Result<(&'a str, bool), Answer> {
    let hint = fields.text("token_type_hint").unwrap_or("access_token");
    let by_hint = fields.text(hint);
    let plain = fields.text("token");
    let token = match universe.rules().introspect_field {
        IntrospectField::Token => plain,
        IntrospectField::HintNamed => by_hint,
        IntrospectField::Both => plain.or(by_hint),
    };
    let missing = || refuse("invalid_request", "BAD_REQUEST", "missing token");
    Ok((token.ok_or_else(missing)?, hint == "access_token"))
}

/// `POST /oauth/{version}/token/introspect`.
pub(crate) async fn introspect(
    State(universe): State<Arc<Universe>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path(version): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let judged = form(&version, &uri, &headers, &body).and_then(|fields| {
        check_client(&universe, &fields)?;
        let (token, access) = named_token(&universe, &fields)?;
        Ok(describe(&universe, token, access))
    });
    respond(
        &universe,
        &scissors,
        (&method, &uri),
        "oauth.introspect",
        judged,
    )
    .await
}

async fn respond(
    universe: &Universe,
    scissors: &Scissors,
    (method, uri): (&Method, &Uri),
    kind: &'static str,
    judged: Result<(Value, Option<i64>), Answer>,
) -> Response<Body> {
    let portal = judged.as_ref().ok().and_then(|(_, portal)| *portal);
    let fault = universe.strike(kind, portal);
    let answer = match judged {
        Ok((Value::Null, _)) => Answer::no_content(),
        Ok((body, _)) => Answer::ok(body),
        Err(refusal) => refusal,
    };
    let replaced = fault
        .as_ref()
        .is_some_and(|f| replaces(&f.action) && !f.apply);
    let call = Finished {
        method,
        uri,
        kind,
        portal,
        generation: None,
    };
    finish(
        universe,
        call,
        fault,
        (!replaced).then_some(answer),
        scissors,
    )
    .await
}

/// What introspection says of a token, and its portal.
fn describe(universe: &Universe, token: &str, access: bool) -> (Value, Option<i64>) {
    let tokens = lock(&universe.tokens);
    let now = universe.now();
    let (hub_id, user, scopes, expires) = if access {
        match tokens.access(token).filter(|found| found.expires_at > now) {
            Some(found) => (
                found.hub_id,
                &found.user,
                &found.scopes,
                Some(found.expires_at),
            ),
            None => return (json!({"active": false}), None),
        }
    } else {
        match tokens.grant(token) {
            Some(found) => (found.hub_id, &found.user, &found.scopes, None),
            None => return (json!({"active": false}), None),
        }
    };
    let mut body = json!({
        "active": true,
        "token": token,
        "hub_id": universe.rules().introspection_names.unwrap_or(hub_id),
        "user_id": user.id,
        "client_id": universe.app.client_id,
        "app_id": universe.app.app_id,
        "user": user.email,
        "hub_domain": hub_domain(universe, hub_id),
        "scopes": scopes,
        "token_use": if access { "access_token" } else { "refresh_token" },
        "token_type": "Bearer",
        "is_private_distribution": false,
    });
    if let Some(expires) = expires {
        body["expires_in"] = json!((expires - now).num_seconds());
        body["signed_access_token"] = json!({
            "expiresAt": expires.timestamp_millis(),
            "hubId": hub_id,
            "userId": user.id,
            "appId": universe.app.app_id,
            "hublet": "na1",
            "isUserLevel": false,
            "scopes": "",
        });
    }
    (body, Some(hub_id))
}

/// A display domain, never a base for links.
fn hub_domain(universe: &Universe, hub_id: i64) -> String {
    let name = universe
        .portal(hub_id)
        .map(|portal| portal.state().name.clone());
    let name: String = name
        .unwrap_or_default()
        .to_lowercase()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    format!("{name}.example")
}

/// `POST /oauth/{version}/token/revoke`: 204 or 200 with an empty body, known token or not; uninstalls nothing.
pub(crate) async fn revoke(
    State(universe): State<Arc<Universe>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path(version): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let judged = form(&version, &uri, &headers, &body).and_then(|fields| {
        check_client(&universe, &fields)?;
        let (token, access) = named_token(&universe, &fields)?;
        let mut tokens = lock(&universe.tokens);
        let portal = tokens
            .grant(token)
            .map(|grant| grant.hub_id)
            .or_else(|| tokens.access(token).map(|access| access.hub_id));
        if access {
            tokens.revoke_access(token);
        }
        tokens.revoke_refresh(token);
        Ok((Value::Null, portal))
    });
    respond(
        &universe,
        &scissors,
        (&method, &uri),
        "oauth.revoke",
        judged,
    )
    .await
}

/// `GET /oauth/v1/access-tokens/{token}`.
pub(crate) async fn access_token(
    State(universe): State<Arc<Universe>>,
    Path(token): Path<String>,
) -> Response<Body> {
    legacy(describe(&universe, &token, true).0, &token).into_response()
}

/// `GET /oauth/v1/refresh-tokens/{token}`.
pub(crate) async fn refresh_token(
    State(universe): State<Arc<Universe>>,
    Path(token): Path<String>,
) -> Response<Body> {
    legacy(describe(&universe, &token, false).0, &token).into_response()
}

fn legacy(mut body: Value, token: &str) -> Answer {
    if body["active"] == json!(false) {
        return Answer::json(
            404,
            json!({"status": "error", "message": format!("No token found for {token}"), "category": "OBJECT_NOT_FOUND"}),
        );
    }
    body["token_type"] = json!("access");
    Answer::ok(body)
}

/// `DELETE /oauth/v1/refresh-tokens/{token}`: 204.
pub(crate) async fn delete_refresh_token(
    State(universe): State<Arc<Universe>>,
    Path(token): Path<String>,
) -> Response<Body> {
    lock(&universe.tokens).revoke_refresh(&token);
    Answer::no_content().into_response()
}
