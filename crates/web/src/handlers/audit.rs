//! Who did what and when: as a page, and as a file.

use app::App;
use app::audit::{Filter, People};
use app::session::Session;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::response::Response;
use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use futures::stream;
use serde::Deserialize;

use crate::access::Admitted;
use crate::csv::attachment;
use crate::error::Error;
use crate::handlers::days;
use crate::handlers::page::Page;
use crate::view::audit::{self as view, Asked, AuditPage};
use crate::view::shell::Viewer;

/// What is asked for, in the address.
#[derive(Deserialize)]
pub struct Which {
    #[serde(default)]
    who: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    before: Option<String>,
}

impl Which {
    /// The number of the act that the page begins before.
    pub(super) fn before(&self) -> Result<Option<i64>, Error> {
        let before = self.before.as_deref().map(str::parse);
        before.transpose().map_err(|_| Error::NotFound)
    }

    /// What the address asks for, and the same for the database. Days begin at their midnight in `zone`.
    pub(super) fn read(self, zone: Tz) -> Result<(Asked, Filter), Error> {
        // The database knows no NUL, so nothing it holds can be meant.
        if self.who.contains('\0') || self.action.contains('\0') {
            return Err(Error::NotFound);
        }
        let from = days::day(&self.from).map_err(|_| Error::NotDays)?;
        let to = days::day(&self.to).map_err(|_| Error::NotDays)?;
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            return Err(Error::NotDays);
        }
        let after = |day: NaiveDate| day.checked_add_days(Days::new(1));
        let named = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let filter = Filter {
            actor: named(&self.who),
            action: named(&self.action),
            from: from.map(|day| app::days::midnight(day, zone)),
            until: to.and_then(after).map(|day| app::days::midnight(day, zone)),
        };
        let asked = Asked {
            who: self.who,
            action: self.action,
            from: self.from,
            to: self.to,
        };
        Ok((asked, filter))
    }
}

/// `GET /portals/{hub_id}/audit?who=ACTOR&action=ACTION&from=DAY&to=DAY&before=SEQ`
pub async fn list(
    State(app): State<App>,
    Admitted(session): Admitted,
    Query(which): Query<Which>,
) -> Result<Page<AuditPage>, Error> {
    let before = which.before()?;
    let portal = app::portals::load(&app, session.scope()).await?;
    let (asked, filter) = which.read(portal.time_zone)?;
    let status = app::status::load(&app, session.scope()).await?;
    let trail = app::audit::load(&app, *session.scope(), &filter, before).await?;
    Ok(Page(AuditPage::new(
        &portal,
        &status,
        &trail,
        &asked,
        before.is_none(),
        Viewer::of(&session),
        app.now(),
    )))
}

/// `GET /portals/{hub_id}/audit.csv`, with the same filter: everything that it leaves, however much.
pub async fn export(
    State(app): State<App>,
    Admitted(session): Admitted,
    Query(which): Query<Which>,
) -> Result<Response, Error> {
    let portal = app::portals::load(&app, session.scope()).await?;
    let (_, filter) = which.read(portal.time_zone)?;
    let people = app::audit::begin_export(&app, &session, &filter).await?;
    let name = format!("thnks-audit-{}.csv", session.hub_id);
    let export = Export {
        app,
        session,
        filter,
        people,
        before: None,
        is_begun: false,
    };
    let parts = stream::try_unfold(export, Export::next);
    Ok(attachment(&name, Body::from_stream(parts)))
}

/// A file on its way: some acts at a time, so that none is held in memory as a whole.
struct Export {
    app: App,
    session: Session,
    filter: Filter,
    people: People,
    before: Option<i64>,
    is_begun: bool,
}

impl Export {
    /// The next part of the file; an error breaks the connection, so that half a file does not pass for a whole one.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, app::Error> {
        let scope = *self.session.scope();
        let entries = app::audit::next(&self.app, scope, &self.filter, self.before)
            .await
            .inspect_err(|error| tracing::error!(%error, "an export broke off"))?;
        if entries.is_empty() && self.is_begun {
            return Ok(None);
        }
        let mut table = view::table();
        if self.is_begun {
            // Only the first part begins with the head.
            table.take();
        }
        let path = format!("/portals/{}", self.session.hub_id);
        view::add_rows(&mut table, &entries, &self.people, &path);
        self.is_begun = true;
        self.before = entries.last().map(|last| last.seq).or(Some(0));
        Ok(Some((table.take(), self)))
    }
}
