//! Runs of all portals that somebody should look at.

use app::App;
use axum::extract::State;

use super::Signed;
use crate::error::Error;
use crate::handlers::page::Page;
use crate::view::console::runs::RunsPage;
use crate::view::shell::Viewer;

/// `GET /operator/runs`
pub async fn list(
    State(app): State<App>,
    Signed(operator): Signed,
) -> Result<Page<RunsPage>, Error> {
    let viewer = Viewer::of_operator(&operator);
    let runs = app::console::runs(&app).await?;
    let trace = app.console().and_then(|console| console.trace_url.as_ref());
    Ok(Page(RunsPage::new(&runs, trace, &viewer, app.now())))
}
