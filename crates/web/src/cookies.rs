//! The cookies: the session, the operator's, and the browser's half of an authorization that has begun, here or in HubSpot's marketplace.
//!
//! Over https their names start with `__Host-`, which browsers accept only with Secure, Path=/ and no Domain.

use axum::http::HeaderName;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// How long a browser keeps its half of an authorization; the other half lives as long (`app::install`).
const INSTALL_LIFETIME: time::Duration = time::Duration::minutes(10);

/// Which cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// The session's token.
    Session,
    /// What the OAuth callback must bring back.
    Install,
    /// The same for an install that began in HubSpot's marketplace, which may run in a frame of HubSpot's.
    Marketplace,
    /// The token of an operator's session.
    Operator,
    /// What the form of the operators' sign-in must bring back.
    OperatorForm,
}

impl Name {
    fn text(self, public_url: &Url) -> &'static str {
        match (self, is_secure(public_url)) {
            (Self::Session, true) => "__Host-session",
            (Self::Session, false) => "session",
            (Self::Install, true) => "__Host-install",
            (Self::Install, false) => "install",
            (Self::Marketplace, true) => "__Host-marketplace",
            (Self::Marketplace, false) => "marketplace",
            (Self::Operator, true) => "__Host-operator",
            (Self::Operator, false) => "operator",
            (Self::OperatorForm, true) => "__Host-operator-form",
            (Self::OperatorForm, false) => "operator-form",
        }
    }
}

/// Whether browsers reach us over https.
pub fn is_secure(public_url: &Url) -> bool {
    public_url.scheme() == "https"
}

/// The value the browser sent.
pub fn find<'a>(jar: &'a CookieJar, name: Name, public_url: &Url) -> Option<&'a str> {
    jar.get(name.text(public_url)).map(Cookie::value)
}

/// The jar with `name` set.
pub fn set(jar: CookieJar, name: Name, token: &SecretString, public_url: &Url) -> CookieJar {
    let mut cookie = blank(name, token.expose_secret().to_owned(), public_url);
    if matches!(name, Name::Install | Name::Marketplace) {
        cookie.set_max_age(INSTALL_LIFETIME);
    }
    jar.add(cookie)
}

/// The jar with `name` taken away.
pub fn clear(jar: CookieJar, name: Name, public_url: &Url) -> CookieJar {
    let mut cookie = blank(name, String::new(), public_url);
    cookie.make_removal();
    jar.add(cookie)
}

/// Tells the browser to forget what it holds of us. Not its cookies, which it would forget of the whole domain.
pub const CLEAR_SITE_DATA: (HeaderName, &str) = (
    HeaderName::from_static("clear-site-data"),
    "\"cache\", \"storage\"",
);

fn blank(name: Name, value: String, public_url: &Url) -> Cookie<'static> {
    let is_secure = is_secure(public_url);
    // HubSpot's marketplace leads here and back from its own pages. Browsers take `None` with Secure alone.
    let same_site = match name {
        Name::Marketplace if is_secure => SameSite::None,
        Name::OperatorForm => SameSite::Strict,
        _ => SameSite::Lax,
    };
    Cookie::build((name.text(public_url), value))
        .path("/")
        .http_only(true)
        .same_site(same_site)
        .secure(is_secure)
        .build()
}
