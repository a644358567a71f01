//! All portals at a glance.

use app::App;
use axum::extract::State;

use super::Signed;
use crate::error::Error;
use crate::handlers::page::Page;
use crate::view::console::overview::OverviewPage;
use crate::view::shell::Viewer;

/// `GET /operator`
pub async fn show(
    State(app): State<App>,
    Signed(operator): Signed,
) -> Result<Page<OverviewPage>, Error> {
    let viewer = Viewer::of_operator(&operator);
    let overview = app::console::overview(&app).await?;
    let trace = app.console().and_then(|console| console.trace_url.as_ref());
    Ok(Page(OverviewPage::new(
        &overview,
        trace,
        &viewer,
        app.now(),
    )))
}
