//! The end of a session.

use app::{App, session};
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;

use crate::access::Admitted;
use crate::cookies::{self, Name};
use crate::error::Error;

/// `POST /logout`
pub async fn end(
    State(app): State<App>,
    Admitted(session): Admitted,
    jar: CookieJar,
) -> Result<Response, Error> {
    session::end(&app, &session).await?;
    let jar = cookies::clear(jar, Name::Session, app.public_url());
    Ok((jar, Redirect::to("/")).into_response())
}
