//! Records without a contact, and what looking for one again would do.

use app::App;
use axum::extract::{Query, State};
use domain::TransactionId;
use domain::association::Outcome;
use serde::Deserialize;

use crate::access::Admitted;
use crate::error::Error;
use crate::handlers::beside;
use crate::handlers::page::Page;
use crate::view::orphans::{OrphansPage, Shown};
use crate::view::reassociate::PreviewPage;
use crate::view::shell::Viewer;

/// Which orphans.
#[derive(Deserialize)]
pub struct Which {
    why: Option<String>,
    after: Option<String>,
}

impl Which {
    pub(super) fn read(self) -> Result<(Option<Outcome>, Option<TransactionId>), Error> {
        let why = match self.why.as_deref() {
            None | Some("") => None,
            Some(text) => Some(Outcome::from_stored(text).ok_or(Error::NotFound)?),
        };
        Ok((why, beside::key(self.after).map(TransactionId)))
    }
}

/// `GET /portals/{hub_id}/orphans?why=OUTCOME&after=TRANSACTION`
pub async fn list(
    State(app): State<App>,
    Admitted(session): Admitted,
    Query(which): Query<Which>,
) -> Result<Page<OrphansPage>, Error> {
    let (why, after) = which.read()?;
    let (counts, orphans) = app::orphans::list(&app, *session.scope(), why, after.as_ref()).await?;
    let portal = app::portals::load(&app, session.scope()).await?;
    let status = app::status::load(&app, session.scope()).await?;
    let shown = Shown {
        counts: &counts,
        orphans: &orphans,
        why,
        is_first: after.is_none(),
    };
    let viewer = Viewer::of(&session);
    Ok(Page(OrphansPage::new(
        &portal,
        &status,
        &shown,
        viewer,
        app.now(),
    )))
}

/// `GET /portals/{hub_id}/reassociate`: what the button would do. Asks HubSpot and changes nothing.
pub async fn preview(
    State(app): State<App>,
    Admitted(session): Admitted,
) -> Result<Page<PreviewPage>, Error> {
    let preview = app::orphans::preview(&app, &session).await?;
    let portal = app::portals::load(&app, session.scope()).await?;
    let status = app::status::load(&app, session.scope()).await?;
    let viewer = Viewer::of(&session);
    Ok(Page(PreviewPage::new(&portal, &status, &preview, viewer)))
}
