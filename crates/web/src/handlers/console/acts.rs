//! What operators have done, from their own trail.

use app::App;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::Signed;
use crate::error::Error;
use crate::handlers::page::Page;
use crate::view::console::acts::ActsPage;
use crate::view::shell::Viewer;

/// What is asked for, in the address.
#[derive(Deserialize)]
pub struct Which {
    before: Option<String>,
}

/// `GET /operator/acts?before=NUMBER`
pub async fn list(
    State(app): State<App>,
    Signed(operator): Signed,
    Query(which): Query<Which>,
) -> Result<Page<ActsPage>, Error> {
    let before = which.before.as_deref().map(str::parse).transpose();
    let before = before.map_err(|_| Error::NotFound)?;
    let trail = app::console::trail(&app, before).await?;
    let viewer = Viewer::of_operator(&operator);
    Ok(Page(ActsPage::new(
        &trail,
        before.is_none(),
        &viewer,
        app.now(),
    )))
}
