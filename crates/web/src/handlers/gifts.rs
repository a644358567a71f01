//! All gifts: the list with its filters, and the same as a file.

use app::App;
use app::gifts::{Exported, Place, Wanted};
use app::portals::PortalSummary;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use domain::TransactionId;
use domain::record::{self, PROPERTIES};
use futures::stream;
use serde::Deserialize;

use crate::access::Admitted;
use crate::csv::{Cell, Table, attachment};
use crate::error::Error;
use crate::handlers::beside;
use crate::handlers::page::Page;
use crate::view::asked::Asked;
use crate::view::gifts::GiftsPage;
use crate::view::shell::Viewer;

/// Where in the list.
#[derive(Deserialize)]
pub struct Where {
    after: Option<String>,
    before: Option<String>,
}

impl Where {
    pub(super) fn read(self) -> Place {
        let gift = |id| beside::key(id).map(TransactionId);
        match (gift(self.after), gift(self.before)) {
            (Some(id), _) => Place::After(id),
            (None, Some(id)) => Place::Before(id),
            (None, None) => Place::Start,
        }
    }
}

/// `GET /portals/{hub_id}/thnks`: the fields of [`Asked`], and `after` or `before` a gift.
pub async fn list(
    State(app): State<App>,
    Admitted(session): Admitted,
    Query(asked): Query<Asked>,
    Query(place): Query<Where>,
) -> Result<Response, Error> {
    let (wanted, mistakes) = asked.wanted().ok_or(Error::NotFound)?;
    let place = place.read();
    let page = app::gifts::list(&app, *session.scope(), &wanted, &place).await?;
    let status = if mistakes.is_empty() {
        axum::http::StatusCode::OK
    } else {
        Error::NotAFilter.problem().status
    };
    let viewer = Viewer::of(&session);
    let page = GiftsPage::new(&page, &asked, mistakes, viewer, app.now());
    Ok((status, Page(page)).into_response())
}

/// `GET /portals/{hub_id}/thnks.csv`: all gifts of the same filter, as HubSpot shows them, and what they are linked to.
pub async fn export(
    State(app): State<App>,
    Admitted(session): Admitted,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    let (wanted, mistakes) = asked.wanted().ok_or(Error::NotFound)?;
    if !mistakes.is_empty() {
        return Err(Error::NotAFilter);
    }
    let portal = app::portals::load(&app, session.scope()).await?;
    app::gifts::begin_export(&app, &session, &wanted).await?;
    let today = app.now().with_timezone(&portal.time_zone).date_naive();
    let name = format!("thnks-{}-{today}.csv", portal.hub_id);
    let rows = Rows {
        app,
        scope: *session.scope(),
        portal,
        wanted,
        table: Some(Table::new(&head())),
        after: None,
    };
    let body = Body::from_stream(stream::try_unfold(rows, Rows::next));
    Ok(attachment(&name, body))
}

/// An export on its way.
struct Rows {
    app: App,
    scope: app::PortalScope,
    portal: PortalSummary,
    wanted: Wanted,
    /// `None` once all is sent.
    table: Option<Table>,
    after: Option<TransactionId>,
}

impl Rows {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, app::Error> {
        let Some(mut table) = self.table.take() else {
            return Ok(None);
        };
        let after = self.after.as_ref();
        let gifts = app::gifts::export(&self.app, self.scope, &self.portal, &self.wanted, after);
        let gifts = gifts
            .await
            // The answer has begun: all that can be done is to end it short, and to say so in the log.
            .inspect_err(|error| tracing::error!(%error, "an export ends early"))?;
        for gift in &gifts {
            push(&mut table, gift);
        }
        let bytes = table.take();
        self.after = gifts.last().map(|gift| gift.line.id.clone());
        // Fewer than a page may be the end or not; only an empty one is.
        self.table = (!gifts.is_empty()).then_some(table);
        Ok(Some((bytes, self)))
    }
}

/// What HubSpot does not show of a gift.
const LINKS: [&str; 3] = ["HubSpot Record", "HubSpot Contact", "Sync"];

fn head() -> Vec<&'static str> {
    let properties = PROPERTIES.iter().map(|property| property.label);
    properties.chain(LINKS).collect()
}

fn push(table: &mut Table, gift: &Exported) {
    let values = record::values(&gift.transaction);
    let id = |id: Option<domain::RecordId>| id.map_or(Cell::Empty, Cell::plain);
    let line = &gift.line;
    let sync = if line.is_failed {
        "refused"
    } else if line.record.is_none() {
        "waiting"
    } else if line.contact.is_none() && line.is_looked_at {
        "orphan"
    } else {
        "synced"
    };
    let properties = PROPERTIES.iter().map(|property| {
        values
            .get(property.name)
            .map_or(Cell::Empty, |text| Cell::Text(text))
    });
    let row: Vec<Cell<'_>> = properties
        .chain([id(line.record), id(line.contact), Cell::plain(sync)])
        .collect();
    table.push(&row);
}
