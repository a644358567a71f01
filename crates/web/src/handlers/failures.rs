//! What does not get through, and the buttons that try it again or give it up.

use app::App;
use app::runs::Account;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use domain::failure::{Selection, Stage};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::access::Admitted;
use crate::answer::wants_json;
use crate::error::Error;
use crate::handlers::beside;
use crate::handlers::page::Page;
use crate::view::failures::{FailureRowsPage, FailuresPage};
use crate::view::reasons;
use crate::view::shell::Viewer;

/// Which failures, in an address or a form; what is absent may be anything.
#[derive(Deserialize)]
pub struct Fields {
    stage: Option<String>,
    code: Option<String>,
    field: Option<String>,
    key: Option<String>,
    after: Option<String>,
}

impl Fields {
    /// The place that the page begins after; it is asked for once.
    pub(super) fn after(&mut self) -> Option<String> {
        beside::key(self.after.take())
    }

    pub(super) fn selection(self) -> Result<Selection, Error> {
        let stage = match self.stage.as_deref() {
            None | Some("") => None,
            Some(text) => Some(Stage::from_stored(text).ok_or(Error::NotFailures)?),
        };
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let selection = Selection {
            stage,
            code: filled(self.code),
            // An empty one means those about no field.
            field: self.field,
            key: filled(self.key),
        };
        // The database knows no NUL, so nothing it holds can be meant.
        let texts = [&selection.code, &selection.field, &selection.key];
        if texts.into_iter().flatten().any(|text| text.contains('\0')) {
            return Err(Error::NotFailures);
        }
        Ok(selection)
    }
}

/// `GET /portals/{hub_id}/failures`: by reason; with `stage`, `code`, `field` or `key` the rows of those.
pub async fn list(
    State(app): State<App>,
    Admitted(session): Admitted,
    Query(mut fields): Query<Fields>,
) -> Result<Response, Error> {
    let after = fields.after();
    let selection = fields.selection()?;
    let portal = app::portals::load(&app, session.scope()).await?;
    let status = app::status::load(&app, session.scope()).await?;
    let viewer = Viewer::of(&session);
    if selection == Selection::default() && after.is_none() {
        let groups = app::failures::list_groups(&app, session.scope()).await?;
        let page = FailuresPage::new(&portal, &status, &groups, viewer, app.now());
        return Ok(Page(page).into_response());
    }
    let rows = app::failures::list(&app, session.scope(), &selection, after.as_deref()).await?;
    let is_first = after.is_none();
    let page = FailureRowsPage::new(
        &portal,
        &status,
        &selection,
        &rows,
        is_first,
        viewer,
        app.now(),
    );
    Ok(Page(page).into_response())
}

/// What a script hears of a retry: how many, and the run that tries them.
#[derive(Serialize)]
struct Retried {
    failures: i64,
    #[serde(flatten)]
    run: Option<Account>,
}

/// `POST /portals/{hub_id}/failures/retry`
pub async fn retry(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<Response, Error> {
    let selection = fields.selection()?;
    let retried = app::failures::retry(&app, &session, &selection).await?;
    if !wants_json(&headers) {
        return Ok(back(&format!("/portals/{}", session.hub_id), selection));
    }
    let run = match retried.run_id {
        Some(run_id) => app::runs::find(&app, *session.scope(), run_id).await?,
        None => None,
    };
    let answer = Retried {
        failures: retried.failures,
        run,
    };
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// `POST /portals/{hub_id}/failures/dismiss`
pub async fn dismiss(
    State(app): State<App>,
    Admitted(session): Admitted,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<Response, Error> {
    let selection = fields.selection()?;
    let failures = app::failures::dismiss(&app, &session, &selection).await?;
    Ok(if wants_json(&headers) {
        Json(json!({"failures": failures})).into_response()
    } else {
        back(&format!("/portals/{}", session.hub_id), selection)
    })
}

/// To the failures page; after a single row to the others of its reason.
fn back(path: &str, selection: Selection) -> Response {
    let others = match selection.key {
        Some(_) => Selection {
            key: None,
            ..selection
        },
        None => Selection::default(),
    };
    Redirect::to(&reasons::address(path, &others, None)).into_response()
}
