//! The HubSpot side: OAuth with its consent page, the marketplace, and the CRM API.

pub(crate) mod account;
pub(crate) mod associations;
pub(crate) mod authorize;
pub(crate) mod call;
pub(crate) mod consent;
pub(crate) mod errors;
pub(crate) mod introspect;
pub(crate) mod marketplace;
pub(crate) mod oauth;
pub(crate) mod objects;
pub(crate) mod pipelines;
pub(crate) mod properties;
pub(crate) mod rate;
pub(crate) mod route;
pub(crate) mod schema_associations;
pub(crate) mod schemas;
pub(crate) mod scopes;
pub(crate) mod serve;
pub(crate) mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::universe::Universe;

/// HubSpot's part of the listener; every other path is an API call.
pub(crate) fn router() -> Router<Arc<Universe>> {
    Router::new()
        .route("/oauth/authorize", get(consent::page))
        .route("/oauth/{hub_id}/authorize", get(consent::page_of_portal))
        .route("/oauth/authorize/decision", post(consent::decide))
        .route("/marketplace/install", get(marketplace::install))
        .route("/marketplace/return", get(marketplace::come_back))
        .route("/marketplace/decision", post(marketplace::decide))
        .route("/oauth/{version}/token", post(oauth::token))
        .route(
            "/oauth/{version}/token/introspect",
            post(introspect::introspect),
        )
        .route("/oauth/{version}/token/revoke", post(introspect::revoke))
        .route(
            "/oauth/v1/access-tokens/{token}",
            get(introspect::access_token),
        )
        .route(
            "/oauth/v1/refresh-tokens/{token}",
            get(introspect::refresh_token).delete(introspect::delete_refresh_token),
        )
        .fallback(serve::serve)
}
