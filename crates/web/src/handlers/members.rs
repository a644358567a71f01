//! The people of a portal: seen by everybody of it, changed by owners.

use app::App;
use app::members::{self, Change, Role};
use app::session::Session;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use domain::UserId;
use serde::Deserialize;
use serde_json::json;

use crate::access::Admitted;
use crate::answer::wants_json;
use crate::error::Error;
use crate::handlers::page::Page;
use crate::view::members::{Looking, MembersPage};
use crate::view::shell::Viewer;

/// The path of one person.
#[derive(Deserialize)]
pub struct OnePerson {
    user_id: String,
}

/// What is to become of the person.
#[derive(Deserialize)]
pub struct Fields {
    role: Option<String>,
    remove: Option<String>,
}

impl Fields {
    fn change(&self) -> Result<Change, Error> {
        match (self.remove.as_deref(), self.role.as_deref()) {
            (Some("1"), None) => Ok(Change::Remove),
            (None, Some("owner")) => Ok(Change::Role(Role::Owner)),
            (None, Some("member")) => Ok(Change::Role(Role::Member)),
            _ => Err(Error::NotAChange),
        }
    }
}

/// `GET /portals/{hub_id}/settings/members`
pub async fn list(
    State(app): State<App>,
    Admitted(session): Admitted,
) -> Result<Page<MembersPage>, Error> {
    page(&app, &session, None).await
}

async fn page(
    app: &App,
    session: &Session,
    refused: Option<&'static str>,
) -> Result<Page<MembersPage>, Error> {
    let portal = app::portals::load(app, session.scope()).await?;
    let status = app::status::load(app, session.scope()).await?;
    let members = members::list(app, *session.scope()).await?;
    let looking = Looking {
        user_id: session.user_id,
        sessions: app::session::list(app, session).await?,
        viewer: Viewer::of(session),
    };
    let login = app.public_url().join("/login").map(String::from);
    Ok(Page(MembersPage::new(
        &portal,
        &status,
        &members,
        looking,
        refused,
        login.unwrap_or_default(),
        app.now(),
    )))
}

/// `POST /portals/{hub_id}/settings/members/{user_id}`: form field `role` (`owner` or `member`), or `remove=1`.
pub async fn change(
    State(app): State<App>,
    Admitted(session): Admitted,
    Path(OnePerson { user_id }): Path<OnePerson>,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<Response, Error> {
    let user_id = UserId(user_id.parse().map_err(|_| Error::NotFound)?);
    let change = fields.change()?;
    match members::change(&app, &session, user_id, change).await {
        Ok(()) if wants_json(&headers) => {
            let role = match change {
                Change::Role(role) => Some(role.as_str()),
                Change::Remove => None,
            };
            let answer = json!({"user_id": user_id, "role": role});
            Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
        }
        // Whoever has left sees no page of the portal any more.
        Ok(()) if change == Change::Remove && user_id == session.user_id => {
            Ok(Redirect::to("/").into_response())
        }
        Ok(()) => {
            let path = format!("/portals/{}/settings/members", session.hub_id);
            Ok(Redirect::to(&path).into_response())
        }
        Err(members::Error::NotFound) => Err(Error::NotFound),
        Err(members::Error::LastOwner) if wants_json(&headers) => Err(Error::LastOwner),
        Err(members::Error::LastOwner) => {
            let problem = Error::LastOwner.problem();
            let page = page(&app, &session, Some(Error::LAST_OWNER)).await?;
            Ok((problem.status, page).into_response())
        }
        Err(members::Error::Internal(error)) => Err(error.into()),
    }
}
