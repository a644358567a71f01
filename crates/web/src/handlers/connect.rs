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
use crate::view::connect::{ConnectPage, Tried};
use crate::view::shell::Viewer;

/// The form's field.
#[derive(Deserialize)]
pub struct Fields {
    #[serde(default)]
    thnks_api_key: String,
    /// The portal's number, if the person has confirmed it.
    #[serde(default)]
    portal: String,
}

/// `GET /portals/{hub_id}/connect`
pub async fn show(
    State(app): State<App>,
    Admitted(session): Admitted,
) -> Result<Page<ConnectPage>, Error> {
    let portal = app::portals::load(&app, session.scope()).await?;
    let page = ConnectPage::new(&portal, Viewer::of(&session), &Tried::default());
    Ok(Page(page))
}

/// `POST /portals/{hub_id}/connect`
pub async fn submit(
    State(app): State<App>,
    Admitted(session): Admitted,
    Form(fields): Form<Fields>,
) -> Result<Response, Error> {
    let key = SecretString::from(fields.thnks_api_key);
    let tried = app::connect::connect(&app, &session, &fields.portal, &key).await;
    let Err(refused) = tried else {
        return Ok(Redirect::to(&format!("/portals/{}", session.hub_id)).into_response());
    };
    let is_confirmed = !matches!(refused, app::connect::Error::NotConfirmed);
    let (status, sentence) = error::of_connect(refused)?;
    let portal = app::portals::load(&app, session.scope()).await?;
    let tried = Tried {
        is_confirmed,
        error: Some(sentence),
    };
    let page = ConnectPage::new(&portal, Viewer::of(&session), &tried);
    Ok((status, Page(page)).into_response())
}
