//! The way into the console and out of it.

use std::sync::Arc;

use app::App;
use app::console::{self, SignedIn};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use axum_extra::extract::CookieJar;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::Signed;
use crate::access::is_own_form;
use crate::cookies::{self, Name};
use crate::error::Error;
use crate::handlers::page::Page;
use crate::traffic::{Limits, Peer};
use crate::view::console::sign_in::SignInPage;

/// The form.
#[derive(Deserialize)]
pub struct Fields {
    #[serde(default)]
    csrf_token: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
}

/// `GET /operator/sign-in`: the form, with a token that belongs to what the browser gets beside it.
pub async fn show(State(app): State<App>, jar: CookieJar) -> Response {
    let held = cookies::find(&jar, Name::OperatorForm, app.public_url());
    if let Some(held) = held {
        let page = SignInPage::new(console::form_token(held), String::new(), None);
        return Page(page).into_response();
    }
    let held = console::browser_token();
    let page = SignInPage::new(
        console::form_token(held.expose_secret()),
        String::new(),
        None,
    );
    let jar = cookies::set(jar, Name::OperatorForm, &held, app.public_url());
    (jar, Page(page)).into_response()
}

/// `POST /operator/sign-in`: form fields `name` and `password`.
pub async fn submit(
    State(app): State<App>,
    State(limits): State<Arc<Limits>>,
    peer: Option<Extension<Peer>>,
    jar: CookieJar,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Result<Response, Error> {
    let held = cookies::find(&jar, Name::OperatorForm, app.public_url()).unwrap_or_default();
    let token = console::form_token(held);
    if held.is_empty() || !is_own_form(&headers, app.public_url(), &fields.csrf_token, &token) {
        return Err(Error::ForeignForm);
    }
    let peer = peer.map(|Extension(peer)| peer);
    limits
        .take_operator_sign_in(peer, &headers, &fields.name)
        .map_err(Error::TooMany)?;
    let former = cookies::find(&jar, Name::Operator, app.public_url());
    let password = SecretString::from(fields.password);
    match console::sign_in(&app, &fields.name, password, former).await? {
        SignedIn::Yes(opened) => {
            let jar = cookies::set(jar, Name::Operator, &opened, app.public_url());
            let jar = cookies::clear(jar, Name::OperatorForm, app.public_url());
            Ok((jar, Redirect::to("/operator")).into_response())
        }
        SignedIn::No => {
            let page = SignInPage::new(token, fields.name, Some(SignInPage::REFUSED));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, Page(page)).into_response())
        }
    }
}

/// `POST /operator/sign-out`
pub async fn end(
    State(app): State<App>,
    Signed(operator): Signed,
    jar: CookieJar,
) -> Result<Response, Error> {
    console::end(&app, &operator).await?;
    let jar = cookies::clear(jar, Name::Operator, app.public_url());
    let leave = Redirect::to("/operator/sign-in");
    Ok((jar, [cookies::CLEAR_SITE_DATA], leave).into_response())
}
