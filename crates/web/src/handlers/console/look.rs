//! A portal's people and what did not get through: for a reason that is on record, for half an hour.

use app::App;
use app::console::{Reason, look};
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::{Before, Reasoned};
use crate::error::Error;
use crate::handlers::page::Page;
use crate::view::console::look::{AskPage, LookPage};
use crate::view::shell::Viewer;

/// `GET /operator/portals/{hub_id}/look`: what there is to see, or the question why.
pub async fn show(
    State(app): State<App>,
    Before { operator, scope }: Before,
) -> Result<Response, Error> {
    let viewer = Viewer::of_operator(&operator);
    let portal = app::portals::load(&app, &scope).await?;
    Ok(match look::load(&app, &operator, scope).await? {
        Some(look) => Page(LookPage::new(&portal, &look, &viewer, app.now())).into_response(),
        None => Page(AskPage::new(&portal, &viewer, None)).into_response(),
    })
}

/// `POST /operator/portals/{hub_id}/look`: form field `reason`.
pub async fn begin(
    State(app): State<App>,
    Before { operator, scope }: Before,
    Form(Reasoned { reason }): Form<Reasoned>,
) -> Result<Response, Error> {
    match Reason::parse(&reason) {
        Ok(reason) => {
            look::begin(&app, &operator, scope, &reason).await?;
            let seen = format!("/operator/portals/{}/look", scope.hub_id());
            Ok(Redirect::to(&seen).into_response())
        }
        Err(fault) => {
            let viewer = Viewer::of_operator(&operator);
            let portal = app::portals::load(&app, &scope).await?;
            let page = AskPage::new(&portal, &viewer, Some((reason, fault)));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
        }
    }
}

/// `POST /operator/portals/{hub_id}/look/end`
pub async fn end(
    State(app): State<App>,
    Before { operator, scope }: Before,
) -> Result<Redirect, Error> {
    look::end(&app, &operator, scope).await?;
    Ok(Redirect::to(&format!(
        "/operator/portals/{}",
        scope.hub_id()
    )))
}
