//! The end of a session.

use app::{App, session};
use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use serde::Deserialize;

use crate::access::Admitted;
use crate::cookies::{self, Name};
use crate::error::Error;

/// The form.
#[derive(Deserialize)]
pub struct Fields {
    everywhere: Option<String>,
}

/// `POST /logout`: with the form field `everywhere`, every session of the person ends.
pub async fn end(
    State(app): State<App>,
    Admitted(session): Admitted,
    jar: CookieJar,
    Form(Fields { everywhere }): Form<Fields>,
) -> Result<Response, Error> {
    let ended = if everywhere.is_some() {
        session::Ended::All
    } else {
        session::Ended::This
    };
    session::end(&app, &session, ended).await?;
    let jar = cookies::clear(jar, Name::Session, app.public_url());
    Ok((jar, [cookies::CLEAR_SITE_DATA], Redirect::to("/")).into_response())
}
