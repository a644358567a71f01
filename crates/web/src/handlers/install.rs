//! Install and sign-in: to HubSpot's consent page and back.

use app::App;
use app::install::{self, Begin, Callback, Started};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use serde::Deserialize;

use crate::cookies::{self, Name};
use crate::error::Error;

/// The query of a setup link.
#[derive(Deserialize)]
pub struct SetupQuery {
    setup: Option<String>,
}

/// What HubSpot sends the browser back with.
#[derive(Deserialize)]
pub struct CallbackQuery {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

/// `GET /install?setup=TOKEN`
pub async fn begin(
    State(app): State<App>,
    jar: CookieJar,
    Query(query): Query<SetupQuery>,
) -> Result<Response, Error> {
    let setup = query.setup.as_deref().filter(|token| !token.is_empty());
    leave(&app, jar, Begin::Install { setup }).await
}

/// `GET /login`
pub async fn login(State(app): State<App>, jar: CookieJar) -> Result<Response, Error> {
    leave(&app, jar, Begin::Login).await
}

async fn leave(app: &App, jar: CookieJar, wish: Begin<'_>) -> Result<Response, Error> {
    let Started {
        authorize_url,
        browser_token,
    } = install::begin(app, wish).await?;
    let jar = cookies::set(jar, Name::Install, browser_token, app.public_url());
    Ok((jar, Redirect::to(authorize_url.as_str())).into_response())
}

/// `GET /oauth/callback`. However it ends, the cookie of the attempt goes.
pub async fn complete(
    State(app): State<App>,
    jar: CookieJar,
    Query(query): Query<CallbackQuery>,
    headers: HeaderMap,
) -> Response {
    let browser_token = cookies::find(&jar, Name::Install, app.public_url()).map(str::to_owned);
    let session_token = cookies::find(&jar, Name::Session, app.public_url()).map(str::to_owned);
    let outcome = finish(
        &app,
        &query,
        browser_token.as_deref(),
        session_token.as_deref(),
        &headers,
    )
    .await;
    let jar = cookies::clear(jar, Name::Install, app.public_url());
    match outcome {
        Ok(completed) => {
            let dashboard = format!("/portals/{}", completed.hub_id);
            let jar = cookies::set(
                jar,
                Name::Session,
                completed.session_token,
                app.public_url(),
            );
            (jar, Redirect::to(&dashboard)).into_response()
        }
        Err(error) => (jar, error).into_response(),
    }
}

async fn finish(
    app: &App,
    query: &CallbackQuery,
    browser_token: Option<&str>,
    session_token: Option<&str>,
    headers: &HeaderMap,
) -> Result<install::Completed, Error> {
    let state = query.state.as_deref().unwrap_or_default();
    if query.error.is_some() {
        install::refuse(app, state, browser_token).await?;
        return Err(Error::ConsentRefused);
    }
    let callback = Callback {
        code: query.code.as_deref().unwrap_or_default(),
        state,
        browser_token,
        session_token,
        user_agent: headers
            .get(header::USER_AGENT)
            .and_then(|text| text.to_str().ok()),
    };
    Ok(install::complete(app, callback).await?)
}
