//! The portals of a person.

use app::App;
use axum::extract::State;

use crate::access::Admitted;
use crate::error::Error;
use crate::handlers::page::Page;
use crate::view::portals::PortalsPage;
use crate::view::shell::Viewer;

/// `GET /portals`
pub async fn list(
    State(app): State<App>,
    Admitted(session): Admitted,
) -> Result<Page<PortalsPage>, Error> {
    let portals = app::portals::list(&app, &session).await?;
    Ok(Page(PortalsPage::new(
        &portals,
        session.hub_id,
        Viewer::of(&session),
    )))
}
