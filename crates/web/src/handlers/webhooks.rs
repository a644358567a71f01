//! Deliveries of events.

use app::App;
use app::events::{self, SignedRequest};
use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, Method, StatusCode};
use serde::de::IgnoredAny;

use crate::error::Error;

/// Events of one delivery at most: HubSpot sends no more (facts/hubspot.md §7.3).
const EVENTS: usize = 100;

/// `POST /webhooks/hubspot`: signed by HubSpot; stored, then acknowledged.
pub async fn hubspot(
    State(app): State<App>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Error> {
    if is_too_many(&body) {
        return Err(Error::TooManyEvents);
    }
    // Twice is as good as not at all: a proxy and we could each read another one.
    let header = |name| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().unwrap_or_default(),
            _ => "",
        }
    };
    // The address that HubSpot signed is the public one: `Host` is what a proxy, or anybody, writes.
    let base = app.public_url().as_str().trim_end_matches('/');
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = SignedRequest {
        method: method.as_str(),
        url: &format!("{base}{path}"),
        body: &body,
        timestamp: header("x-hubspot-request-timestamp"),
        signature: header("x-hubspot-signature-v3"),
    };
    events::accept(&app, &request).await.map_err(Error::Event)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether these are more events than HubSpot sends at a time. Like the delivery's size it is seen before its signature:
/// counting keeps nothing. What is no list at all is refused once its signature has been looked at.
fn is_too_many(body: &[u8]) -> bool {
    let events = serde_json::from_slice::<Vec<IgnoredAny>>(body);
    events.is_ok_and(|events| events.len() > EVENTS)
}
