//! The buttons that pause the portal and resume it.

use app::App;
use app::session::Session;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use crate::access::Admitted;
use crate::answer::wants_json;
use crate::error::Error;
use crate::handlers::back;

/// `POST /portals/{hub_id}/pause`
pub async fn pause(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
) -> Result<Response, Error> {
    app::pause::pause(&app, &session).await?;
    answer(&app, &session, &headers).await
}

/// `POST /portals/{hub_id}/resume`
pub async fn resume(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
) -> Result<Response, Error> {
    app::pause::resume(&app, &session).await?;
    answer(&app, &session, &headers).await
}

/// A script gets what `status.json` says now: a pause is no run.
async fn answer(app: &App, session: &Session, headers: &HeaderMap) -> Result<Response, Error> {
    if wants_json(headers) {
        let status = app::status::load(app, session.scope()).await?;
        return Ok((StatusCode::ACCEPTED, Json(status)).into_response());
    }
    let below = back::below(headers);
    Ok(Redirect::to(&format!("/portals/{}{below}", session.hub_id)).into_response())
}
