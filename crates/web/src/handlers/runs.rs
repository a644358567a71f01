//! The history of runs, and the buttons that ask for one.

use app::App;
use app::runs::Wish;
use app::session::Session;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use domain::RunId;
use domain::run::RunKind;
use serde::Deserialize;

use crate::access::Admitted;
use crate::answer::wants_json;
use crate::error::Error;
use crate::handlers::page::Page;
use crate::handlers::{back, days};
use crate::view::run::RunPage;
use crate::view::runs::{History, RunsPage};
use crate::view::shell::Viewer;

/// Where in the history.
#[derive(Deserialize)]
pub struct Before {
    before: Option<String>,
}

/// The path of one run.
#[derive(Deserialize)]
pub struct OneRun {
    run_id: String,
}

/// The form that asks for reading again.
#[derive(Deserialize)]
pub struct ResyncFields {
    #[serde(default)]
    since: String,
}

/// `GET /portals/{hub_id}/runs?before=RUN_ID`
pub async fn list(
    State(app): State<App>,
    Admitted(session): Admitted,
    Query(Before { before }): Query<Before>,
) -> Result<Page<RunsPage>, Error> {
    let before = before
        .map(|text| text.parse::<RunId>().map_err(|_| Error::NotFound))
        .transpose()?;
    history(&app, &session, before, None).await.map(Page)
}

async fn history(
    app: &App,
    session: &Session,
    before: Option<RunId>,
    refused: Option<(String, &'static str)>,
) -> Result<RunsPage, Error> {
    let history = History {
        portal: &app::portals::load(app, session.scope()).await?,
        status: &app::status::load(app, session.scope()).await?,
        runs: &app::runs::list(app, session.scope(), before).await?,
        is_older: before.is_some(),
        user_id: session.user_id,
    };
    let viewer = Viewer::of(session);
    Ok(RunsPage::new(&history, viewer, refused, app.now()))
}

/// `GET /portals/{hub_id}/runs/{run_id}`
pub async fn show(
    State(app): State<App>,
    Admitted(session): Admitted,
    Path(OneRun { run_id }): Path<OneRun>,
) -> Result<Page<RunPage>, Error> {
    let run_id = run_id.parse().map_err(|_| Error::NotFound)?;
    let run = app::runs::find(&app, *session.scope(), run_id)
        .await?
        .ok_or(Error::NotFound)?;
    let portal = app::portals::load(&app, session.scope()).await?;
    let status = app::status::load(&app, session.scope()).await?;
    let viewer = Viewer::of(&session);
    Ok(Page(RunPage::new(
        &portal,
        &status,
        &run,
        viewer,
        session.user_id,
        app.now(),
    )))
}

/// `POST /portals/{hub_id}/runs/{run_id}/cancel`
pub async fn cancel(
    State(app): State<App>,
    Admitted(session): Admitted,
    Path(OneRun { run_id }): Path<OneRun>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let run_id = run_id.parse().map_err(|_| Error::NotFound)?;
    let run = app::runs::cancel(&app, &session, run_id)
        .await?
        .ok_or(Error::NotFound)?;
    Ok(if wants_json(&headers) {
        (StatusCode::ACCEPTED, Json(run)).into_response()
    } else {
        Redirect::to(&format!("/portals/{}/runs/{run_id}", session.hub_id)).into_response()
    })
}

/// `POST /portals/{hub_id}/reassociate`
pub async fn reassociate(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
) -> Result<Response, Error> {
    request(&app, &session, &headers, RunKind::Reassociate, "").await
}

/// `POST /portals/{hub_id}/sync`
pub async fn sync(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let below = back::below(&headers);
    request(&app, &session, &headers, RunKind::Sync, below).await
}

/// `POST /portals/{hub_id}/check`
pub async fn check(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let below = back::below(&headers);
    request(&app, &session, &headers, RunKind::Check, below).await
}

/// `POST /portals/{hub_id}/resync`: form field `since`, a day in the portal's time zone; empty for everything.
pub async fn resync(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
    Form(ResyncFields { since }): Form<ResyncFields>,
) -> Result<Response, Error> {
    let portal = app::portals::load(&app, session.scope()).await?;
    let today = app.now().with_timezone(&portal.time_zone).date_naive();
    let day = match days::day(since.trim()) {
        Ok(Some(day)) if day > today => Err("This day has not come yet. Choose one up to today."),
        Ok(day) => Ok(day),
        Err(days::NotADay) => Err("Write the day like 2026-11-23, or leave it empty."),
    };
    match day {
        Ok(day) => {
            let wish = Wish {
                kind: RunKind::Resync,
                since: day.map(|day| app::days::midnight(day, portal.time_zone)),
            };
            request(&app, &session, &headers, wish, "/runs").await
        }
        Err(sentence) => {
            let refused = Error::NotSince(sentence);
            if wants_json(&headers) {
                return Err(refused);
            }
            let status = refused.problem().status;
            let page = history(&app, &session, None, Some((since, sentence))).await?;
            Ok((status, Page(page)).into_response())
        }
    }
}

/// Asks, and leads back to the portal's page `below`.
async fn request(
    app: &App,
    session: &Session,
    headers: &HeaderMap,
    wish: impl Into<Wish>,
    below: &str,
) -> Result<Response, Error> {
    let run = app::runs::request(app, session, wish).await?;
    Ok(if wants_json(headers) {
        (StatusCode::ACCEPTED, Json(run)).into_response()
    } else {
        Redirect::to(&format!("/portals/{}{below}", session.hub_id)).into_response()
    })
}
