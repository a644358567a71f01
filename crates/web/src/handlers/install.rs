//! Install and sign-in: to HubSpot's consent page and back. What HubSpot's marketplace begins comes back to the same address.

use app::App;
use app::install::{self, Begin, Callback, Started};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use serde::Deserialize;
use tracing::{Span, field};

use crate::cookies::{self, Name};
use crate::error::Error;
use crate::handlers::marketplace::{self, Step};

/// The query of a setup link.
#[derive(Deserialize)]
pub struct SetupQuery {
    setup: Option<String>,
}

/// What HubSpot sends the browser back with. Whatever else stands there, such as a portal's number, is not read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallbackQuery {
    /// HubSpot's authorization code.
    pub code: Option<String>,
    /// Our state.
    pub state: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
    /// The marketplace's step.
    pub step: Option<Step>,
    /// Where the marketplace wants the browser back.
    pub return_url: Option<String>,
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
    let jar = cookies::set(jar, Name::Install, &browser_token, app.public_url());
    Ok((jar, Redirect::to(authorize_url.as_str())).into_response())
}

/// `GET /oauth/callback`. However it ends, the cookie of the attempt goes.
pub async fn complete(
    State(app): State<App>,
    jar: CookieJar,
    Query(query): Query<CallbackQuery>,
    headers: HeaderMap,
) -> Response {
    if marketplace::has_begun(&query) {
        return marketplace::answer(&app, jar, &query, &headers).await;
    }
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
            Span::current().record("portal.id", field::display(completed.hub_id));
            let dashboard = format!("/portals/{}", completed.hub_id);
            let jar = cookies::set(
                jar,
                Name::Session,
                &completed.session_token,
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
        user_agent: user_agent(headers),
    };
    Ok(install::complete(app, callback).await?)
}

/// What the browser says of itself.
pub fn user_agent(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::USER_AGENT)?.to_str().ok()
}
