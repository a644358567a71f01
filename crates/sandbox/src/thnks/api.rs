//! The read side of the Thnks API, to the letter of contracts/thnks-api.md.

use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Method, Response, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalogue::{GIFTS, Gift};
use super::{Organization, gift_requests};
use crate::hubspot::errors::Answer;
use crate::hubspot::rate::slide;
use crate::hubspot::serve::{Finished, finish, pairs, replaces};
use crate::listen::Scissors;
use crate::rules::Rules;
use crate::universe::Universe;

/// Thnks' listener.
pub(crate) fn router() -> Router<Arc<Universe>> {
    Router::new().fallback(serve)
}

/// Thnks' error object.
pub(crate) fn refuse(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, json!({"error": {"code": code, "message": message}}))
}

/// 422 with what is wrong per field.
pub(crate) fn unprocessable(errors: &Value) -> Answer {
    let mut answer = refuse(422, "invalid_request", "The request is invalid.");
    if let Some(body) = &mut answer.body {
        body["error"]["errors"] = errors.clone();
        body["errors"] = errors.clone();
    }
    answer
}

async fn serve(
    State(universe): State<Arc<Universe>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let path = uri.path().trim_end_matches('/');
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let kind = match (method.as_str(), segments.as_slice()) {
        ("GET", ["api", "v1", "organization"]) => "thnks.organization",
        ("GET", ["api", "v1", "transactions"]) => "thnks.transactions",
        ("GET", ["api", "v1", "transactions", _]) => "thnks.transaction",
        ("GET", ["api", "v1", "gifts"]) => "thnks.gifts",
        ("POST", ["api", "v1", "gift_requests"]) => "thnks.gift_requests",
        _ => "thnks.unknown",
    };
    let fault = universe.strike(kind, None);
    let replaced = fault
        .as_ref()
        .is_some_and(|f| replaces(&f.action) && !f.apply);
    let answer = (!replaced)
        .then(|| judge(&universe, kind, &uri, &headers, &body).unwrap_or_else(|refusal| refusal));
    let call = Finished {
        method: &method,
        uri: &uri,
        kind,
        portal: None,
        generation: None,
    };
    finish(&universe, call, fault, answer, &scissors).await
}

fn judge(
    universe: &Universe,
    kind: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Answer, Answer> {
    let key = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    // The bare key; `Bearer …` is simply another string.
    let organization = key.and_then(|key| universe.organization_of_key(key));
    let organization = organization
        .filter(|organization| !organization.state().revoked)
        .ok_or_else(|| {
            refuse(
                401,
                "invalid_api_key",
                "The API key is invalid or was revoked.",
            )
        })?;
    if !organization.state().enabled && kind != "thnks.organization" {
        return Err(refuse(
            403,
            "integration_disabled",
            "Your plan does not include the HubSpot integration.",
        ));
    }
    let rules = universe.rules();
    let limit = rules.thnks_requests_per_second;
    let second = Duration::from_secs(1);
    if slide(
        &mut organization.state().window,
        limit,
        second,
        Instant::now(),
    )
    .is_none()
    {
        return Err(refuse(429, "rate_limited", "Too many requests.").header("retry-after", &1));
    }
    let query = Query(pairs(uri.query().unwrap_or_default()));
    match kind {
        "thnks.organization" => {
            let state = organization.state();
            Ok(Answer::ok(json!({
                "id": organization.id,
                "name": state.name,
                "plan": if state.enabled { "enterprise" } else { "starter" },
                "hubspot_enabled": state.enabled,
            })))
        }
        "thnks.transactions" => transactions(&organization, &query, &rules),
        "thnks.transaction" => {
            let id = uri
                .path()
                .trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or_default();
            let id = percent_encoding::percent_decode_str(id).decode_utf8_lossy();
            let state = organization.state();
            let row = state.find(&id).map(|row| Answer::ok(row.to_json()));
            row.ok_or_else(|| refuse(404, "not_found", "There is no such transaction."))
        }
        "thnks.gifts" => gifts(&query),
        "thnks.gift_requests" => gift_requests::create(universe, &organization, body),
        _ => Err(refuse(404, "not_found", "There is nothing here.")),
    }
}

struct Query(Vec<(String, String)>);

impl Query {
    fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    fn limit(&self) -> Result<usize, Answer> {
        let text = self.text("limit").unwrap_or("100");
        match text.parse() {
            Ok(limit) if (1..=500).contains(&limit) => Ok(limit),
            _ => Err(unprocessable(
                &json!({"limit": ["must be between 1 and 500"]}),
            )),
        }
    }
}

/// What a cursor means; opaque outside.
#[derive(Serialize, Deserialize)]
struct Cursor {
    epoch: u64,
    at: DateTime<Utc>,
    place: String,
    /// Pages of the walk so far.
    #[serde(default)]
    pages: usize,
}

impl Cursor {
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn decode(text: &str) -> Result<Self, Answer> {
        URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| unprocessable(&json!({"cursor": ["is not a cursor"]})))
    }
}

fn transactions(
    organization: &Organization,
    query: &Query,
    rules: &Rules,
) -> Result<Answer, Answer> {
    let limit = query.limit()?;
    let state = organization.state();
    let since = match query.text("updated_since") {
        None => None,
        Some(text) => Some(
            DateTime::parse_from_rfc3339(text)
                .map_err(|_| unprocessable(&json!({"updated_since": ["is not an RFC 3339 time"]})))?
                .to_utc(),
        ),
    };
    let mut pages = 1;
    let from = match query.text("cursor") {
        Some(text) => {
            let cursor = Cursor::decode(text)?;
            if cursor.epoch != state.cursor_epoch {
                return Err(refuse(
                    410,
                    "cursor_expired",
                    "The cursor has expired; start again from your last updated_since.",
                ));
            }
            pages += cursor.pages;
            let place = (cursor.at, cursor.place);
            // One row more than before goes out even when the last one is repeated, or a page of one would never end.
            if rules.thnks_repeats_rows && limit > 1 {
                Bound::Included(place)
            } else {
                Bound::Excluded(place)
            }
        }
        None => since.map_or(Bound::Unbounded, |at| Bound::Included((at, String::new()))),
    };
    let mut page = state.page(from, limit + 1);
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| more).map(|(place, _)| {
        let circles = rules.thnks_circle.is_some_and(|length| pages >= length);
        let (at, place) = if circles {
            (DateTime::UNIX_EPOCH, String::new())
        } else {
            (place.0, place.1.clone())
        };
        Cursor {
            epoch: state.cursor_epoch,
            at,
            place,
            pages: if circles { 0 } else { pages },
        }
        .encode()
    });
    let rows: Vec<Value> = page.into_iter().map(|(_, row)| row).collect();
    let count = rows.len();
    Ok(Answer::ok(json!({"transactions": rows, "next_cursor": next})).wrote(count, vec![], vec![]))
}

fn gifts(query: &Query) -> Result<Answer, Answer> {
    let limit = query.limit()?;
    let after: u64 = match query.text("cursor") {
        Some(text) => text
            .parse()
            .map_err(|_| unprocessable(&json!({"cursor": ["is not a cursor"]})))?,
        None => 0,
    };
    let rest: Vec<&Gift> = GIFTS.iter().filter(|gift| gift.id > after).collect();
    let next = (rest.len() > limit).then(|| rest[limit - 1].id.to_string());
    let gifts: Vec<Value> = rest.iter().take(limit).map(|gift| gift.to_json()).collect();
    Ok(Answer::ok(json!({"gifts": gifts, "next_cursor": next})))
}
