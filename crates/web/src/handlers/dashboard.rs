//! The dashboard, or the next step before there is one.

use app::App;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::portal::PortalState;

use crate::access::Admitted;
use crate::error::Error;
use crate::handlers::days::DaysAsked;
use crate::handlers::page::Page;
use crate::view::connect::{ConnectPage, Tried};
use crate::view::dashboard::DashboardPage;
use crate::view::shell::Viewer;

/// `GET /portals/{hub_id}`
pub async fn show(
    State(app): State<App>,
    Admitted(session): Admitted,
    DaysAsked(range): DaysAsked,
) -> Result<Response, Error> {
    let dashboard = app::dashboard::load(&app, session.scope(), range).await?;
    let viewer = Viewer::of(&session);
    if dashboard.status.state == PortalState::Connecting {
        return Ok(Page(ConnectPage::new(
            &dashboard.portal,
            viewer,
            &Tried::default(),
        ))
        .into_response());
    }
    Ok(Page(DashboardPage::new(&dashboard, viewer, range, app.now())).into_response())
}
