//! Where a button leads back that stands on more than one page.

use axum::http::HeaderMap;
use axum::http::header;

/// The page on which the sync can be steered, below the portal's path.
const SETUP: &str = "/settings/setup";

/// The page below the portal's on which the button was pressed, as the browser says; the dashboard when it says nothing.
pub fn below(headers: &HeaderMap) -> &'static str {
    let from = headers
        .get(header::REFERER)
        .and_then(|from| from.to_str().ok())
        .unwrap_or_default();
    if from.ends_with(SETUP) { SETUP } else { "" }
}
