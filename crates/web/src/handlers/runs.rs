//! The buttons that ask for a run.

use app::App;
use app::session::Session;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use domain::run::RunKind;

use crate::access::Admitted;
use crate::answer::wants_json;
use crate::error::Error;

/// `POST /portals/{hub_id}/reassociate`
pub async fn reassociate(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
) -> Result<Response, Error> {
    request(&app, &session, &headers, RunKind::Reassociate).await
}

/// `POST /portals/{hub_id}/sync`
pub async fn sync(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
) -> Result<Response, Error> {
    request(&app, &session, &headers, RunKind::Sync).await
}

/// `POST /portals/{hub_id}/check`
pub async fn check(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
) -> Result<Response, Error> {
    request(&app, &session, &headers, RunKind::Check).await
}

async fn request(
    app: &App,
    session: &Session,
    headers: &HeaderMap,
    kind: RunKind,
) -> Result<Response, Error> {
    let run = app::runs::request(app, session, kind).await?;
    Ok(if wants_json(headers) {
        (StatusCode::ACCEPTED, Json(run)).into_response()
    } else {
        Redirect::to(&format!("/portals/{}", session.hub_id)).into_response()
    })
}
