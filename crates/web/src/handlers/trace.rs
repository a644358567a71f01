//! One gift: why it is linked as it is, and what people can do about it.

use app::App;
use app::session::Session;
use app::trace;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use domain::{RecordId, TransactionId};
use serde::Deserialize;

use crate::access::Admitted;
use crate::answer::wants_json;
use crate::error::{self, Error};
use crate::handlers::page::Page;
use crate::view::shell::Viewer;
use crate::view::trace::{self as view, Refused, TracePage};

/// The path of one gift.
#[derive(Deserialize)]
pub struct OneGift {
    transaction_id: String,
}

impl OneGift {
    /// The database knows no NUL, so no gift can be meant.
    fn id(self) -> Result<TransactionId, Error> {
        let id = Some(self.transaction_id).filter(|id| !id.contains('\0'));
        id.map(TransactionId).ok_or(Error::NotFound)
    }
}

/// The form that adds an address.
#[derive(Deserialize)]
pub struct AliasFields {
    #[serde(default)]
    email: String,
}

/// The form that chooses a contact; empty takes the choice back.
#[derive(Deserialize)]
pub struct ContactFields {
    #[serde(default)]
    contact: String,
}

/// `GET /portals/{hub_id}/thnks/{transaction_id}`
pub async fn show(
    State(app): State<App>,
    Admitted(session): Admitted,
    Path(gift): Path<OneGift>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let id = gift.id()?;
    if wants_json(&headers) {
        return json(&app, &session, &id).await;
    }
    Ok(page(&app, &session, &id, None).await?.into_response())
}

async fn page(
    app: &App,
    session: &Session,
    id: &TransactionId,
    refused: Option<Refused>,
) -> Result<Page<TracePage>, Error> {
    let trace = find(app, session, id).await?;
    let viewer = Viewer::of(session);
    Ok(Page(TracePage::new(&trace, viewer, refused, app.now())))
}

async fn json(app: &App, session: &Session, id: &TransactionId) -> Result<Response, Error> {
    let trace = find(app, session, id).await?;
    Ok(Json(view::to_json(&trace)).into_response())
}

async fn find(app: &App, session: &Session, id: &TransactionId) -> Result<trace::Trace, Error> {
    let found = trace::find(app, *session.scope(), id).await?;
    found.ok_or(Error::NotFound)
}

/// `POST /portals/{hub_id}/thnks/{transaction_id}/alias`: form field `email`.
pub async fn add_alias(
    State(app): State<App>,
    Admitted(session): Admitted,
    Path(gift): Path<OneGift>,
    headers: HeaderMap,
    Form(AliasFields { email }): Form<AliasFields>,
) -> Result<Response, Error> {
    let id = gift.id()?;
    let done = trace::add_alias(&app, &session, &id, &email).await;
    let entered = Entered::Alias(email);
    answer(&app, &session, &id, &headers, done, entered).await
}

/// `POST /portals/{hub_id}/thnks/{transaction_id}/contact`: form field `contact`, a record id.
pub async fn choose(
    State(app): State<App>,
    Admitted(session): Admitted,
    Path(gift): Path<OneGift>,
    headers: HeaderMap,
    Form(ContactFields { contact }): Form<ContactFields>,
) -> Result<Response, Error> {
    let id = gift.id()?;
    let chosen = match contact.trim() {
        "" => None,
        // What is no number at all is no record id either.
        text => Some(RecordId(text.parse().unwrap_or_default())),
    };
    let done = trace::choose(&app, &session, &id, chosen).await;
    let entered = Entered::Contact(contact);
    answer(&app, &session, &id, &headers, done, entered).await
}

/// `POST /portals/{hub_id}/thnks/{transaction_id}/look`
pub async fn look_now(
    State(app): State<App>,
    Admitted(session): Admitted,
    Path(gift): Path<OneGift>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let id = gift.id()?;
    let done = trace::look_now(&app, &session, &id).await;
    answer(&app, &session, &id, &headers, done, Entered::Nothing).await
}

/// What was entered, for a form that comes back.
enum Entered {
    Alias(String),
    Contact(String),
    Nothing,
}

/// Back to the gift; or the form with what is wrong in it.
async fn answer(
    app: &App,
    session: &Session,
    id: &TransactionId,
    headers: &HeaderMap,
    done: Result<(), trace::Error>,
    entered: Entered,
) -> Result<Response, Error> {
    match done {
        Ok(()) if wants_json(headers) => {
            let shown = json(app, session, id).await?;
            Ok((StatusCode::ACCEPTED, shown).into_response())
        }
        Ok(()) => {
            let path = view::address(&format!("/portals/{}", session.hub_id), id);
            Ok(Redirect::to(&path).into_response())
        }
        Err(error @ (trace::Error::NotFound | trace::Error::Run(_))) => Err(Error::Remedy(error)),
        Err(error) => {
            let sentence = error::of_remedy(&error);
            let error = Error::Remedy(error);
            let refused = match entered {
                Entered::Alias(email) => Refused::alias(email, sentence),
                Entered::Contact(contact) => Refused::contact(contact, sentence),
                Entered::Nothing => return Err(error),
            };
            if wants_json(headers) {
                return Err(error);
            }
            let page = page(app, session, id, Some(refused)).await?;
            Ok((error.problem().status, page).into_response())
        }
    }
}
