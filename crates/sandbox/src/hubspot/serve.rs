//! The way of every API call: route, token, limits, faults, scopes and handler, log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, Request, Response, Uri, header};
use serde_json::json;

use super::call::Call;
use super::errors::{Answer, correlation_id, error_body, refuse, throttled};
use super::rate::Verdict;
use super::route::{self, Route};
use super::tokens::Access;
use crate::bomb;
use crate::faults::{Action, Fault, FaultBody};
use crate::listen::Scissors;
use crate::log::Entry;
use crate::universe::{Universe, lock};
use crate::webhooks::{self, Source, Touched};

/// The largest body the API takes, in bytes; a batch of 100 long messages fits.
pub(crate) const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// The kind of calls that the witness looks at.
const UPSERT: &str = "objects.batch_upsert";

/// Serves one API call.
pub(crate) async fn serve(
    State(universe): State<Arc<Universe>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        return refuse(413, "VALIDATION_ERROR", "The request is too large.").into_response();
    };
    let access = bearer(&parts.headers).and_then(|token| {
        let tokens = lock(&universe.tokens);
        tokens.access(token).cloned()
    });
    let portal = access.as_ref().map(|access| access.hub_id);
    let Some(route) = route::find(&parts.method, parts.uri.path()) else {
        let mut body = error_body("OBJECT_NOT_FOUND", "resource not found");
        body["path"] = json!(parts.uri.path());
        let answer = Answer::json(404, body);
        record(
            &universe,
            &parts.method,
            &parts.uri,
            "unknown",
            portal,
            None,
            &answer,
            None,
        );
        return answer.into_response();
    };
    let kind = route.kind;
    if let (Some(portal), false) = (portal, route.search) {
        universe.log().arrive(portal, Instant::now());
    }
    let fault = universe.strike(kind, portal);
    let incoming = Incoming {
        method: &parts.method,
        uri: &parts.uri,
        headers: &parts.headers,
        body: &body,
    };
    let answer = match &fault {
        Some(fault) if replaces(&fault.action) && !fault.apply => {
            if let (Some(portal), UPSERT) = (portal, kind) {
                universe.witness.note(portal, &body, None, universe.now());
            }
            None
        }
        Some(Fault {
            action: Action::Partial { count },
            ..
        }) => Some(judge(&universe, &incoming, &route, *count)),
        _ => Some(judge(&universe, &incoming, &route, 0)),
    };
    finish(
        &universe,
        Finished {
            method: &parts.method,
            uri: &parts.uri,
            kind,
            portal,
            generation: access.map(|access| access.generation),
        },
        fault,
        answer,
        &scissors,
    )
    .await
}

struct Incoming<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    body: &'a Bytes,
}

fn judge(
    universe: &Arc<Universe>,
    call: &Incoming<'_>,
    route: &Route,
    refuse_first: usize,
) -> Answer {
    let now = universe.now();
    let rules = universe.rules();
    let access = match authenticate(universe, call.headers) {
        Ok(access) => access,
        Err(answer) => return answer,
    };
    let Some(portal) = universe.portal(access.hub_id) else {
        return refuse(401, "INVALID_AUTHENTICATION", "The portal is gone.");
    };
    let verdict = portal.windows().admit(route.search, &rules, Instant::now());
    let left = match verdict {
        Verdict::Refuse(policy) => {
            let answer = throttled(policy);
            return match rules.requests_per_10s {
                Some(limit) if !route.search => rate_headers(answer, limit, 0),
                _ => answer,
            };
        }
        Verdict::Pass(left) => left,
    };
    if !call.body.is_empty() && !is_json(call.headers) {
        return Answer::json(
            415,
            error_body("VALIDATION_ERROR", "Unsupported Media Type"),
        );
    }
    let query = pairs(call.uri.query().unwrap_or_default());
    let mut state = portal.state();
    let mut judged = Call {
        state: &mut state,
        rules: &rules,
        now,
        scopes: &access.scopes,
        args: route.args.clone(),
        query: &query,
        body: call.body,
        refuse_first,
        legacy: route.legacy,
        touched: universe.outbox.target().map(|_| Touched::default()),
    };
    let answer = (route.run)(&mut judged).unwrap_or_else(|refusal| refusal);
    let touched = judged.touched.take().unwrap_or_default();
    if route.kind == UPSERT {
        let witness = &universe.witness;
        witness.note(access.hub_id, call.body, Some(&answer), now);
    }
    let told = touched.into_happenings(&state, Source::App);
    drop(state);
    webhooks::send(universe, access.hub_id, &told);
    if answer.status == 204 && *call.method == Method::DELETE && route.kind == "account.uninstall" {
        let ends = rules.uninstall_stops_access_tokens;
        lock(&universe.tokens).uninstall(access.hub_id, ends);
    }
    match left {
        Some((limit, left)) => rate_headers(answer, limit, left),
        None => answer,
    }
}

fn rate_headers(answer: Answer, limit: usize, left: usize) -> Answer {
    answer
        .header("x-hubspot-ratelimit-max", &limit)
        .header("x-hubspot-ratelimit-remaining", &left)
        .header("x-hubspot-ratelimit-interval-milliseconds", &10_000)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value
        .strip_prefix("Bearer ")
        .or_else(|| value.strip_prefix("bearer "))
}

fn authenticate(universe: &Universe, headers: &HeaderMap) -> Result<Access, Answer> {
    let Some(token) = bearer(headers) else {
        return Err(refuse(
            401,
            "INVALID_AUTHENTICATION",
            "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
        ));
    };
    let Some(access) = lock(&universe.tokens).access(token).cloned() else {
        return Err(refuse(
            401,
            "INVALID_AUTHENTICATION",
            "The OAuth token used to make this call is invalid, or the app was uninstalled.",
        ));
    };
    let age = universe.now() - access.expires_at;
    if age.num_milliseconds() >= 0 {
        let message = format!(
            "The OAuth token used to make this call expired {} second(s) ago.",
            age.num_seconds()
        );
        let mut body = error_body("EXPIRED_AUTHENTICATION", &message);
        body["context"] = json!({"expire time": [access.expires_at.to_rfc3339()]});
        return Err(Answer::json(401, body));
    }
    Ok(access)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().starts_with("application/json"))
}

/// A query or form as pairs, in order.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

/// Whether an action takes the place of the call's own answer.
pub(crate) fn replaces(action: &Action) -> bool {
    match action {
        Action::Status { .. }
        | Action::Throttle { .. }
        | Action::Locked
        | Action::Moving { .. }
        | Action::Reset
        | Action::Hang { .. }
        | Action::EmptyResults
        | Action::Bomb { .. } => true,
        Action::Delay { .. }
        | Action::Partial { .. }
        | Action::ExpireTokens
        | Action::RevokeGrant => false,
    }
}

/// A call that was judged, for the log.
pub(crate) struct Finished<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) kind: &'static str,
    pub(crate) portal: Option<i64>,
    pub(crate) generation: Option<u64>,
}

/// Applies the fault to the answer, logs the call and makes the response. `None`: a fault kept the call from working.
pub(crate) async fn finish(
    universe: &Universe,
    call: Finished<'_>,
    fault: Option<Fault>,
    answer: Option<Answer>,
    scissors: &Scissors,
) -> Response<Body> {
    let hit = fault.as_ref().map(|fault| &fault.action);
    let cut = matches!(hit, Some(Action::Reset | Action::Hang { .. }));
    let own = answer.unwrap_or_else(Answer::no_content);
    let (answer, raw) = match hit {
        Some(action) if replaces(action) => {
            let (mut replaced, raw) = replacement(action, &own);
            replaced.wrote = own.wrote;
            (replaced, raw)
        }
        _ => (own, None),
    };
    let Finished {
        method,
        uri,
        kind,
        portal,
        generation,
    } = call;
    let status = if cut { 0 } else { answer.status };
    record(
        universe,
        method,
        uri,
        kind,
        portal,
        generation,
        &answer,
        Some((status, hit.is_some())),
    );
    if let Some(Action::Hang { millis } | Action::Delay { millis }) = hit {
        tokio::time::sleep(Duration::from_millis(*millis)).await;
    }
    if cut {
        scissors.cut();
    }
    let mut response = answer.into_response();
    if let Some((content_type, body)) = raw {
        *response.body_mut() = Body::from(body);
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static(content_type),
        );
    }
    if let Some(Action::Bomb { mebibytes }) = hit {
        *response.body_mut() = bomb::body(*mebibytes);
        let packed = header::HeaderValue::from_static("gzip");
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, packed);
    }
    response
}

type Raw = Option<(&'static str, String)>;

fn replacement(action: &Action, own: &Answer) -> (Answer, Raw) {
    let after = |answer: Answer, secs: Option<u64>| match secs {
        Some(secs) => answer.header("retry-after", &secs),
        None => answer,
    };
    match action {
        Action::Status {
            status,
            body,
            retry_after,
        } => {
            let answer = Answer::json(
                *status,
                json!({"status": "error", "message": "internal error", "correlationId": correlation_id()}),
            );
            let raw = match body {
                FaultBody::Json => None,
                FaultBody::Html => Some((
                    "text/html",
                    "<html><head><title>Bad gateway</title></head><body>cloudflare</body></html>"
                        .to_owned(),
                )),
                FaultBody::Empty => Some(("text/plain", String::new())),
                FaultBody::Truncated => {
                    let whole = own
                        .body
                        .as_ref()
                        .or(answer.body.as_ref())
                        .map(ToString::to_string);
                    let whole = whole.unwrap_or_default();
                    let half = whole.chars().take(whole.chars().count() / 2).collect();
                    Some(("application/json", half))
                }
            };
            (after(answer, *retry_after), raw)
        }
        Action::Throttle {
            policy,
            retry_after,
        } => (after(throttled(policy), *retry_after), None),
        Action::Locked => (
            refuse(423, "LOCKED", "The resource is locked, try again later."),
            None,
        ),
        Action::Moving { retry_after } => (
            after(
                refuse(477, "MIGRATION_IN_PROGRESS", "Migration in progress."),
                Some(*retry_after),
            ),
            None,
        ),
        Action::Bomb { .. } => (Answer::ok(json!({})), None),
        Action::EmptyResults => (
            Answer::ok(json!({"status": "COMPLETE", "results": []})),
            None,
        ),
        _ => (Answer::no_content(), None),
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one line of the log, field by field"
)]
fn record(
    universe: &Universe,
    method: &Method,
    uri: &Uri,
    kind: &'static str,
    portal: Option<i64>,
    token_generation: Option<u64>,
    answer: &Answer,
    outcome: Option<(u16, bool)>,
) {
    let (status, fault) = outcome.unwrap_or((answer.status, false));
    let wrote = answer.wrote.as_deref();
    universe.append(Entry {
        seq: 0,
        at: universe.now(),
        portal,
        method: method.to_string(),
        path: uri.path().to_owned(),
        kind,
        status,
        inputs: wrote.map_or(0, |wrote| wrote.inputs),
        ids: wrote.map(|wrote| wrote.ids.clone()).unwrap_or_default(),
        trace_ids: wrote
            .map(|wrote| wrote.trace_ids.clone())
            .unwrap_or_default(),
        token_generation,
        fault,
    });
}
