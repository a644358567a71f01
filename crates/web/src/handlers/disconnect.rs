//! The way out: a page that says what will happen, and the button.

use app::App;
use app::disconnect::{self, Refused};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use axum_extra::extract::CookieJar;
use serde::Deserialize;
use serde_json::json;

use crate::access::Admitted;
use crate::answer::wants_json;
use crate::cookies::{self, Name};
use crate::error::Error;
use crate::handlers::page::Page;
use crate::view::disconnect::DisconnectPage;
use crate::view::shell::Viewer;

/// The form's field.
#[derive(Deserialize)]
pub struct Fields {
    #[serde(default)]
    confirm: String,
}

/// `GET /portals/{hub_id}/disconnect`
pub async fn show(
    State(app): State<App>,
    Admitted(session): Admitted,
) -> Result<Page<DisconnectPage>, Error> {
    let parting = disconnect::load(&app, session.scope()).await?;
    Ok(Page(DisconnectPage::new(
        &parting,
        Viewer::of(&session),
        None,
    )))
}

/// `POST /portals/{hub_id}/disconnect`: form field `confirm`, the portal's number or its domain.
pub async fn submit(
    State(app): State<App>,
    Admitted(session): Admitted,
    jar: CookieJar,
    headers: HeaderMap,
    Form(Fields { confirm }): Form<Fields>,
) -> Result<Response, Error> {
    match disconnect::disconnect_by_owner(&app, &session, &confirm).await {
        Ok(hubspot_told) => {
            let jar = cookies::clear(jar, Name::Session, app.public_url());
            let forget = cookies::CLEAR_SITE_DATA;
            Ok(if wants_json(&headers) {
                let answer = json!({"state": "disconnected", "hubspot_told": hubspot_told});
                (StatusCode::ACCEPTED, jar, [forget], Json(answer)).into_response()
            } else if hubspot_told {
                (jar, [forget], Redirect::to("/?disconnected")).into_response()
            } else {
                (jar, [forget], Redirect::to("/?disconnected=untold")).into_response()
            })
        }
        Err(Refused::NotConfirmed) if wants_json(&headers) => Err(Error::NotConfirmed),
        Err(Refused::NotConfirmed) => {
            let parting = disconnect::load(&app, session.scope()).await?;
            let refused = Some((confirm, Error::NOT_CONFIRMED));
            let page = DisconnectPage::new(&parting, Viewer::of(&session), refused);
            Ok((Error::NotConfirmed.problem().status, Page(page)).into_response())
        }
        Err(Refused::Internal(error)) => Err(error.into()),
    }
}
