//! Whether everything is in place, and the sync's card.

use app::App;
use axum::extract::State;

use crate::access::Admitted;
use crate::error::Error;
use crate::handlers::page::Page;
use crate::view::preflight::PreflightPage;
use crate::view::shell::Viewer;

/// `GET /portals/{hub_id}/settings/setup`: what was last found out; nobody is asked.
pub async fn show(
    State(app): State<App>,
    Admitted(session): Admitted,
) -> Result<Page<PreflightPage>, Error> {
    let preflight = app::preflight::load(&app, session.scope()).await?;
    let viewer = Viewer::of(&session);
    Ok(Page(PreflightPage::new(&preflight, viewer, app.now())))
}
