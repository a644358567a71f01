//! Who gets in: session, portal, role, and that a form is this session's own. One layer per row of the router's table,
//! so that no handler can forget.

use std::error::Error as StdError;
use std::iter;
use std::sync::Arc;

use app::App;
use app::console;
use app::session::{self, FormToken, Session};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use subtle::ConstantTimeEq;
use tower_http::timeout::TimeoutError;
use tracing::{Instrument, Span, field};
use url::{Url, form_urlencoded};

use crate::answer::wants_json;
use crate::cookies::{self, Name};
use crate::error::Error;
use crate::router::{Kind, Who};
use crate::traffic::{Limits, Peer};

/// The largest form.
pub const FORM_BYTES: usize = 64 * 1024;
/// The longest address, path and query: what proxies commonly let through, and far more than any link of ours.
pub const ADDRESS_BYTES: usize = 8 * 1024;

/// What one row of the table asks for.
#[derive(Clone)]
pub struct Gate {
    /// Where sessions are.
    pub app: App,
    /// How many requests there may be.
    pub limits: Arc<Limits>,
    /// Who may come in.
    pub who: Who,
    /// What the answer is.
    pub kind: Kind,
}

/// The session that the layer has checked: of this portal, with this role, and its own form.
pub struct Admitted(pub Session);

impl<S: Sync> FromRequestParts<S> for Admitted {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let session = parts.extensions.get::<Session>().cloned();
        session.map(Self).ok_or(Error::SignInNeeded)
    }
}

/// The layer over all rows, and over what is no row: an address that is too long is not looked at.
pub async fn bound_address(request: Request, next: Next) -> Result<Response, Error> {
    let address = request.uri().path_and_query();
    if address.is_some_and(|address| address.as_str().len() > ADDRESS_BYTES) {
        return Err(Error::AddressTooLong);
    }
    Ok(next.run(request).await)
}

/// The layer of one row.
pub async fn admit(
    State(gate): State<Gate>,
    jar: CookieJar,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let peer = request.extensions().get::<Peer>().copied();
    gate.limits
        .take_client(peer, request.headers(), gate.kind)
        .map_err(Error::TooMany)?;
    if gate.who == Who::Anyone {
        return Ok(next.run(request).await);
    }
    if gate.who == Who::Operator {
        return admit_operator(gate, &jar, request, next).await;
    }
    let token = cookies::find(&jar, Name::Session, gate.app.public_url());
    let session = match token {
        Some(token) => session::find(&gate.app, token).await?,
        None => None,
    };
    let Some(session) = session else {
        let for_script =
            matches!(gate.kind, Kind::Data | Kind::Events) || wants_json(request.headers());
        return if for_script {
            Err(Error::SignInNeeded)
        } else {
            Ok(Redirect::to("/login").into_response())
        };
    };
    // Of the request's own span, so that the line that ends it has the portal as well.
    Span::current().record("portal.id", field::display(session.hub_id));
    gate.limits
        .take_session(session.token_hash(), session.hub_id, gate.kind)
        .map_err(Error::TooMany)?;
    let portal = params.iter().find(|(name, _)| *name == "hub_id");
    if let Some((_, text)) = portal
        && text.parse() != Ok(session.hub_id)
    {
        return Err(Error::NotFound);
    }
    if gate.kind == Kind::Download && site(request.headers()) == Some(b"cross-site") {
        return Err(Error::ForeignLink);
    }
    let mut request = request;
    if !request.method().is_safe() {
        request = own_form(request, &session.csrf_token, gate.app.public_url()).await?;
    }
    if gate.who == Who::Owner && !session.is_owner() {
        if !request.method().is_safe() {
            let path = request.extensions().get::<MatchedPath>();
            let path = path.map_or("", MatchedPath::as_str);
            if let Err(error) = app::audit::note_refused(&gate.app, &session, path).await {
                tracing::warn!(portal.id = %session.hub_id, %error, "a refusal could not be put on record");
            }
        }
        return Err(Error::OwnerNeeded);
    }
    request.extensions_mut().insert(session);
    Ok(next.run(request).await)
}

/// The layer of a row of the console. A portal's session opens none of them: its cookie is not looked at.
async fn admit_operator(
    gate: Gate,
    jar: &CookieJar,
    mut request: Request,
    next: Next,
) -> Result<Response, Error> {
    let token = cookies::find(jar, Name::Operator, gate.app.public_url());
    let operator = match token {
        Some(token) => console::find_session(&gate.app, token).await?,
        None => None,
    };
    let Some(operator) = operator else {
        return if wants_json(request.headers()) {
            Err(Error::SignInNeeded)
        } else {
            Ok(Redirect::to("/operator/sign-in").into_response())
        };
    };
    gate.limits
        .take_operator(operator.token_hash())
        .map_err(Error::TooMany)?;
    if !request.method().is_safe() {
        request = own_form(request, &operator.csrf_token, gate.app.public_url()).await?;
    }
    let span = tracing::error_span!("console", operator = %operator.name);
    request.extensions_mut().insert(operator);
    Ok(next.run(request).instrument(span).await)
}

/// The request again, after its form has shown the token it was given and come from our own pages.
async fn own_form(
    request: Request,
    expected: &FormToken,
    public_url: &Url,
) -> Result<Request, Error> {
    if !is_same_origin(request.headers(), public_url) {
        return Err(Error::ForeignForm);
    }
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, FORM_BYTES).await;
    let bytes: Bytes = bytes.map_err(|error| why_unread(&error))?;
    let token = form_urlencoded::parse(&bytes).find(|(name, _)| name == "csrf_token");
    let (_, token) = token.ok_or(Error::ForeignForm)?;
    if !is_own_form(&parts.headers, public_url, &token, expected) {
        return Err(Error::ForeignForm);
    }
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// Why a form could not be read.
fn why_unread(error: &axum::Error) -> Error {
    let first: &dyn StdError = error;
    let mut causes = iter::successors(Some(first), |&error| error.source());
    if causes.any(<dyn StdError>::is::<TimeoutError>) {
        Error::TooSlow
    } else {
        Error::TooLarge
    }
}

/// Whether a form comes from our own pages and shows the token it was given.
pub fn is_own_form(
    headers: &HeaderMap,
    public_url: &Url,
    shown: &str,
    expected: &FormToken,
) -> bool {
    let is_token: bool = shown.as_bytes().ct_eq(expected.text().as_bytes()).into();
    is_token && is_same_origin(headers, public_url)
}

/// What browsers say of a form's origin must be ours; a client that says nothing has the token to show.
fn is_same_origin(headers: &HeaderMap, public_url: &Url) -> bool {
    let site = site(headers);
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let ours = public_url.origin().ascii_serialization();
    matches!(site, None | Some(b"same-origin"))
        && origin.is_none_or(|origin| origin == ours.as_bytes())
}

/// Where the browser says that the request comes from.
fn site(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get("sec-fetch-site").map(HeaderValue::as_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn only_our_own_pages_are_same_origin() {
        let ours: Url = "https://gifts.example".parse().unwrap();
        let is_own =
            |lines: &[(&'static str, &'static str)]| is_same_origin(&headers(lines), &ours);
        assert!(is_own(&[]));
        assert!(is_own(&[("origin", "https://gifts.example")]));
        assert!(is_own(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://gifts.example")
        ]));
        assert!(!is_own(&[("origin", "https://gifts.example.evil")]));
        assert!(!is_own(&[("origin", "null")]));
        assert!(!is_own(&[("sec-fetch-site", "cross-site")]));
        assert!(!is_own(&[("sec-fetch-site", "same-site")]));
    }
}
