//! The token endpoint: exchange and refresh, form only (facts §1.2, §1.3, §1.5). A verifier for a code whose consent had no
//! challenge is refused, as RFC 9700 §2.1.1 asks of every such server; HubSpot's own pages do not say.

use std::sync::Arc;

use aws_lc_rs::digest;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, Method, Response, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::errors::Answer;
use super::serve::{Finished, finish, pairs, replaces};
use super::tokens::Grant;
use crate::listen::Scissors;
use crate::universe::{Universe, lock};

/// An OAuth refusal: RFC 6749's pair and HubSpot's own.
pub(crate) fn refuse(error: &str, status: &str, message: &str) -> Answer {
    Answer::json(
        400,
        json!({
            "error": error,
            "error_description": message,
            "status": status,
            "message": message,
        }),
    )
}

/// The fields of a form, with what is wrong about the request around them.
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }
}

/// Reads a form. The dated and v3 endpoints refuse secrets in the query; v1 took them.
pub(crate) fn form(
    version: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Fields, Answer> {
    if !matches!(version, "2026-09" | "2026-03" | "v3" | "v1") {
        return Err(Answer::json(
            404,
            json!({"status": "error", "message": "resource not found"}),
        ));
    }
    let query = pairs(uri.query().unwrap_or_default());
    if version != "v1" && !query.is_empty() {
        return Err(refuse(
            "invalid_request",
            "BAD_REQUEST",
            "parameters must be sent in the form body, not in the query",
        ));
    }
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    if !is_form {
        return Err(Answer::json(
            415,
            json!({"status": "error", "message": "Unsupported Media Type"}),
        ));
    }
    let text = String::from_utf8_lossy(body);
    let mut fields = pairs(&text);
    fields.extend(query);
    Ok(Fields(fields))
}

/// Refuses a wrong client id or secret.
pub(crate) fn check_client(universe: &Universe, fields: &Fields) -> Result<(), Answer> {
    if fields.text("client_id") != Some(&universe.app.client_id) {
        return Err(refuse(
            "invalid_client",
            "BAD_CLIENT_ID",
            "missing or unknown client id",
        ));
    }
    if fields.text("client_secret") != Some(&universe.app.client_secret) {
        return Err(refuse(
            "invalid_client",
            "BAD_CLIENT_SECRET",
            "missing or invalid client secret",
        ));
    }
    Ok(())
}

/// `POST /oauth/{version}/token`.
pub(crate) async fn token(
    State(universe): State<Arc<Universe>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path(version): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let fields = match form(&version, &uri, &headers, &body) {
        Ok(fields) => fields,
        Err(answer) => return answer.into_response(),
    };
    let kind = match fields.text("grant_type") {
        Some("refresh_token") => "oauth.refresh",
        _ => "oauth.exchange",
    };
    // The portal is known from the refresh token or the code, before either is used up.
    let portal = {
        let tokens = lock(&universe.tokens);
        let by_refresh = fields
            .text("refresh_token")
            .and_then(|t| tokens.grant(t))
            .map(|g| g.hub_id);
        by_refresh.or_else(|| tokens.portal_of_code(fields.text("code")?))
    };
    let fault = universe.strike(kind, portal);
    let mut generation = None;
    let answer = match &fault {
        Some(fault) if replaces(&fault.action) && !fault.apply => None,
        _ => Some(match issue(&universe, &fields) {
            Ok((body, grant)) => {
                generation = Some(grant.generation);
                Answer::ok(body)
            }
            Err(answer) => answer,
        }),
    };
    let call = Finished {
        method: &method,
        uri: &uri,
        kind,
        portal,
        generation,
    };
    let mut response = finish(&universe, call, fault, answer, &scissors).await;
    let no_store = header::HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

fn issue(universe: &Universe, fields: &Fields) -> Result<(Value, Grant), Answer> {
    check_client(universe, fields)?;
    let refresh_token = match fields.text("grant_type") {
        Some("authorization_code") => exchange(universe, fields)?,
        Some("refresh_token") => fields.text("refresh_token").unwrap_or_default().to_owned(),
        _ => {
            return Err(refuse(
                "unsupported_grant_type",
                "BAD_GRANT_TYPE",
                "missing or unknown grant type",
            ));
        }
    };
    let rules = universe.rules();
    let mut tokens = lock(&universe.tokens);
    let known_portal = tokens
        .grant(&refresh_token)
        .is_none_or(|grant| universe.portal(grant.hub_id).is_some());
    if !known_portal {
        return Err(refuse(
            "access_denied",
            "BAD_HUB",
            "missing or unknown hub id",
        ));
    }
    let refreshing = fields.text("grant_type") == Some("refresh_token");
    let rotate = refreshing && rules.rotate_refresh_tokens;
    let issued = if refreshing && rules.refuse_refresh_tokens {
        None
    } else {
        tokens.issue_access(
            &refresh_token,
            universe.now(),
            rules.access_token_secs,
            rotate,
        )
    };
    let Some((access_token, grant)) = issued else {
        return Err(refuse(
            "invalid_grant",
            "BAD_REFRESH_TOKEN",
            "refresh token is invalid, expired or revoked",
        ));
    };
    drop(tokens);
    let mut body = json!({
        "token_type": "bearer",
        "access_token": access_token,
        "refresh_token": grant.refresh_token,
        "expires_in": rules.access_token_secs,
        "hub_id": grant.hub_id,
        "user_id": grant.user.id,
        "scopes": grant.scopes,
        "token_use": "access_token",
    });
    if !rules.tokens_name_portal
        && let Some(fields) = body.as_object_mut()
    {
        fields.remove("hub_id");
    }
    Ok((body, grant))
}

/// Uses up a code and returns the new installation's refresh token.
fn exchange(universe: &Universe, fields: &Fields) -> Result<String, Answer> {
    let bad_code = || {
        refuse(
            "invalid_grant",
            "BAD_AUTH_CODE",
            "missing or unknown auth code",
        )
    };
    let mut tokens = lock(&universe.tokens);
    let code = fields.text("code").and_then(|code| tokens.take_code(code));
    let code = code.ok_or_else(bad_code)?;
    if universe.now() >= code.expires_at {
        return Err(bad_code());
    }
    if fields.text("redirect_uri") != Some(&code.redirect_uri) {
        return Err(refuse(
            "invalid_grant",
            "BAD_REDIRECT_URI",
            "missing or invalid redirect uri",
        ));
    }
    let challenge = fields.text("code_verifier").map(|verifier| {
        let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
        URL_SAFE_NO_PAD.encode(hash)
    });
    if challenge != code.challenge {
        return Err(refuse(
            "invalid_grant",
            "BAD_CODE_VERIFIER",
            "missing or invalid code verifier",
        ));
    }
    Ok(tokens.install(code).refresh_token)
}
