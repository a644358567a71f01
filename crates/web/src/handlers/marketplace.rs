//! `GET /oauth/callback` as HubSpot's marketplace calls it: with `returnUrl`, and with `step` or without our state.

use app::App;
use app::install::{Callback, marketplace};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use domain::return_url::ReturnUrl;
use serde::Deserialize;

use crate::cookies::{self, Name};
use crate::error::Error;
use crate::handlers::install::{CallbackQuery, user_agent};

/// The step of an install in two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// HubSpot asks for a state.
    Authorize,
    /// HubSpot brings the state back, and a code.
    Finalize,
}

/// Whether the marketplace has begun this. A call that carries a state without a step is our own way's, and its state must be
/// ours.
pub fn has_begun(query: &CallbackQuery) -> bool {
    let is_direct = query.return_url.is_some()
        && query.state.is_none()
        && (query.code.is_some() || query.error.is_some());
    query.step.is_some() || is_direct
}

/// Answers it. The address to return to is judged first of all.
pub async fn answer(
    app: &App,
    jar: CookieJar,
    query: &CallbackQuery,
    headers: &HeaderMap,
) -> Response {
    let text = query.return_url.as_deref().unwrap_or_default();
    let return_url = match marketplace::return_url(app, text) {
        Ok(return_url) => return_url,
        Err(error) => return Error::from(error).into_response(),
    };
    match query.step {
        None => arrive(app, query, return_url).await.into_response(),
        Some(Step::Authorize) => authorize(app, jar, return_url).await.into_response(),
        Some(Step::Finalize) => finalize(app, jar, query, headers, return_url).await,
    }
}

/// No cookie is read and none is set: nothing proves who sits there.
async fn arrive(
    app: &App,
    query: &CallbackQuery,
    return_url: ReturnUrl,
) -> Result<Redirect, Error> {
    if query.error.is_some() {
        return Err(Error::ConsentRefused);
    }
    let code = query.code.as_deref().unwrap_or_default();
    let back = marketplace::arrive(app, code, return_url).await?;
    Ok(Redirect::to(back.as_str()))
}

async fn authorize(
    app: &App,
    jar: CookieJar,
    return_url: ReturnUrl,
) -> Result<(CookieJar, Redirect), Error> {
    let marketplace::Left {
        back,
        browser_token,
    } = marketplace::authorize(app, return_url).await?;
    let jar = cookies::set(jar, Name::Marketplace, &browser_token, app.public_url());
    Ok((jar, Redirect::to(back.as_str())))
}

/// However it ends, the cookie of the attempt goes.
async fn finalize(
    app: &App,
    jar: CookieJar,
    query: &CallbackQuery,
    headers: &HeaderMap,
    return_url: ReturnUrl,
) -> Response {
    let token = |name| cookies::find(&jar, name, app.public_url()).map(str::to_owned);
    let (browser_token, session_token) = (token(Name::Marketplace), token(Name::Session));
    let callback = Callback {
        code: query.code.as_deref().unwrap_or_default(),
        state: query.state.as_deref().unwrap_or_default(),
        browser_token: browser_token.as_deref(),
        session_token: session_token.as_deref(),
        user_agent: user_agent(headers),
    };
    let outcome = if query.error.is_some() {
        let refused = marketplace::refuse(app, callback.state).await;
        Err(refused.map_or_else(Error::from, |()| Error::ConsentRefused))
    } else {
        let finalized = marketplace::finalize(app, callback, return_url).await;
        finalized.map_err(Error::from)
    };
    let jar = cookies::clear(jar, Name::Marketplace, app.public_url());
    match outcome {
        Ok(marketplace::Returned { back, completed }) => {
            let jar = match completed {
                Some(done) => {
                    cookies::set(jar, Name::Session, &done.session_token, app.public_url())
                }
                None => jar,
            };
            (jar, Redirect::to(back.as_str())).into_response()
        }
        Err(error) => (jar, error).into_response(),
    }
}
