//! One portal, and what an operator does to it.

use app::console::{self, Act, Operator, Reason};
use app::{App, PortalScope, runs};
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::Before;
use crate::error::Error;
use crate::handlers::page::Page;
use crate::view::console::portal::{PortalPage, Refused};
use crate::view::shell::Viewer;

/// The form.
#[derive(Deserialize)]
pub struct Fields {
    #[serde(default)]
    act: String,
    #[serde(default)]
    reason: String,
}

/// `GET /operator/portals/{hub_id}`
pub async fn show(
    State(app): State<App>,
    Before { operator, scope }: Before,
) -> Result<Page<PortalPage>, Error> {
    page(&app, &operator, scope, None).await
}

/// `POST /operator/portals/{hub_id}/acts`: form fields `act` and `reason`.
pub async fn act(
    State(app): State<App>,
    Before { operator, scope }: Before,
    Form(fields): Form<Fields>,
) -> Result<Response, Error> {
    let act: Option<Act> = fields.act.parse().ok();
    let refused = match (act, Reason::parse(&fields.reason)) {
        (Some(act), Ok(reason)) => match console::act(&app, &operator, scope, act, &reason).await {
            Ok(true) => {
                let portal = format!("/operator/portals/{}", scope.hub_id());
                return Ok(Redirect::to(&portal).into_response());
            }
            Ok(false) => return Err(Error::NotFound),
            Err(runs::Error::NotPossible { .. }) => Refused::NotPossible,
            Err(error) => return Err(error.into()),
        },
        (None, _) => Refused::NoAct,
        (_, Err(fault)) => Refused::Reason(fault),
    };
    let page = page(
        &app,
        &operator,
        scope,
        Some((fields.act, fields.reason, refused)),
    )
    .await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// The page, and what was entered where it was refused.
async fn page(
    app: &App,
    operator: &Operator,
    scope: PortalScope,
    refused: Option<(String, String, Refused)>,
) -> Result<Page<PortalPage>, Error> {
    let portal = console::portal(app, operator, scope).await?;
    let trace = app.console().and_then(|console| console.trace_url.as_ref());
    Ok(Page(PortalPage::new(
        &portal,
        trace,
        &Viewer::of_operator(operator),
        refused,
        app.now(),
    )))
}
