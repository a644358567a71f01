//! The form that takes the Thnks API key.

use app::App;
use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;
use serde::Deserialize;

use crate::access::Admitted;
use crate::error::{self, Error};
use crate::handlers::page::Page;
use crate::view::connect::ConnectPage;
use crate::view::shell::Viewer;

/// The form's field.
#[derive(Deserialize)]
pub struct Fields {
    #[serde(default)]
    thnks_api_key: String,
}

/// `GET /portals/{hub_id}/connect`
pub async fn show(
    State(app): State<App>,
    Admitted(session): Admitted,
) -> Result<Page<ConnectPage>, Error> {
    let portal = app::portals::load(&app, session.scope()).await?;
    Ok(Page(ConnectPage::new(&portal, Viewer::of(&session), None)))
}

/// `POST /portals/{hub_id}/connect`
pub async fn submit(
    State(app): State<App>,
    Admitted(session): Admitted,
    Form(fields): Form<Fields>,
) -> Result<Response, Error> {
    let key = SecretString::from(fields.thnks_api_key);
    let Err(refused) = app::connect::connect(&app, &session, &key).await else {
        return Ok(Redirect::to(&format!("/portals/{}", session.hub_id)).into_response());
    };
    let (status, sentence) = error::of_connect(refused)?;
    let portal = app::portals::load(&app, session.scope()).await?;
    let page = ConnectPage::new(&portal, Viewer::of(&session), Some(sentence));
    Ok((status, Page(page)).into_response())
}
