//! Install and sign-in: both go through HubSpot's consent page and come back to one callback.
//!
//! The portal is the `hub_id` of HubSpot's own answer and nothing else. Nothing is stored of an attempt that fails: its
//! state is used up, its grant is given back. [`marketplace`] is the other way in, which HubSpot begins.

mod again;
mod complete;
pub mod marketplace;
mod work;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{HubId, scopes};
use secrecy::{ExposeSecret, SecretString};
use store::install_states::{InstallState, Purpose};
use store::organizations::SetupLink;
use url::Url;

pub use complete::complete;
pub(crate) use work::begin_work;

use crate::cipher::Place;
use crate::{App, tokens};

/// How long a person has between our page and HubSpot's answer.
const STATE_LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// What a person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin<'a> {
    /// To install, perhaps with the token of a setup link.
    Install {
        /// The link's token.
        setup: Option<&'a str>,
    },
    /// To open a session for a portal that is installed.
    Login,
}

/// An authorization that has begun.
pub struct Started {
    /// HubSpot's consent page.
    pub authorize_url: Url,
    /// For a cookie of ten minutes; the callback must bring it back.
    pub browser_token: SecretString,
}

/// What HubSpot and the browser bring to the callback.
#[derive(Clone, Copy)]
pub struct Callback<'a> {
    /// HubSpot's authorization code.
    pub code: &'a str,
    /// The state we gave.
    pub state: &'a str,
    /// The cookie.
    pub browser_token: Option<&'a str>,
    /// The token of the session that the browser has open, which the new one replaces.
    pub session_token: Option<&'a str>,
    /// What the browser says of itself, of which only its name and its system's are kept.
    pub user_agent: Option<&'a str>,
}

/// An install or sign-in that is done.
pub struct Completed {
    /// The portal.
    pub hub_id: HubId,
    /// For the session's cookie.
    pub session_token: SecretString,
}

/// Why an install or sign-in did not work, by what the person can do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The setup link is not one of ours.
    #[error("the setup link is unknown")]
    SetupLinkUnknown,
    /// The setup link is too old.
    #[error("the setup link has expired")]
    SetupLinkExpired,
    /// The setup link was used or revoked.
    #[error("the setup link was used before")]
    SetupLinkUsed,
    /// The state is unknown, used, too old or another browser's.
    #[error("the state is refused")]
    StateRefused,
    /// The setup link is for another portal.
    #[error("the setup link is for portal {expected}, the consent came from {got}")]
    PortalMismatch {
        /// The link's portal.
        expected: HubId,
        /// The portal that consented.
        got: HubId,
    },
    /// The portal holds the gifts of another organization than the setup link's.
    #[error("the portal is connected to another organization")]
    OtherOrganization,
    /// Thnks does not accept the link's key or does not answer, so that it cannot replace the key in use.
    #[error("the setup link's key could not be checked at Thnks")]
    ThnksUnavailable,
    /// The portal has its Thnks connection; only its owner may replace it.
    #[error("only an owner may connect this portal anew")]
    OwnerNeeded,
    /// An owner has disconnected the portal, or HubSpot has; signing in does not connect it again.
    #[error("the portal is disconnected")]
    Disconnected,
    /// What is known of the portal is being erased, long after it was disconnected.
    #[error("the portal's data is being erased")]
    BeingErased,
    /// The marketplace wants the browser at an address that is not HubSpot's.
    #[error("the address to return to is refused")]
    ReturnUrlRefused,
    /// HubSpot does not accept the code.
    #[error("the code is refused")]
    CodeRefused,
    /// HubSpot did not grant what the product cannot do without.
    #[error("scopes are missing: {}", missing.join(" "))]
    ScopesMissing {
        /// Those scopes.
        missing: Vec<&'static str>,
    },
    /// HubSpot does not answer.
    #[error("HubSpot is unavailable")]
    HubSpotUnavailable(#[source] hubspot::Error),
    /// Something inside failed.
    #[error(transparent)]
    Internal(#[from] crate::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// Starts an authorization. Nothing of the portal is known or stored yet.
pub async fn begin(app: &App, wish: Begin<'_>) -> Result<Started, Error> {
    let now = app.now();
    let mut tx = app.db.begin_unscoped().await?;
    let (purpose, setup_link_id) = match wish {
        Begin::Login => (Purpose::Login, None),
        Begin::Install { setup: None } => (Purpose::Install, None),
        Begin::Install { setup: Some(token) } => {
            let (link_id, expires_at) =
                tokens::verify_setup(&app.keys, token).ok_or(Error::SetupLinkUnknown)?;
            if expires_at <= now {
                return Err(Error::SetupLinkExpired);
            }
            let link = store::organizations::find_setup_link(&mut tx, link_id).await?;
            (Purpose::Install, Some(usable(link, now)?.id))
        }
    };
    let state = tokens::random();
    let browser_token = SecretString::from(tokens::random());
    let state_hash = tokens::hash(&state);
    let pkce = app.hubspot.new_pkce();
    let stored = InstallState {
        browser_hash: tokens::hash(browser_token.expose_secret()),
        purpose,
        setup_link_id,
        code_verifier: Some(
            app.keys
                .seal(verifier_place(&hex(&state_hash)), &pkce.verifier),
        ),
        expires_at: now + STATE_LIFETIME,
        state_hash,
    };
    store::install_states::insert(&mut tx, &stored, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    let optional: Vec<&str> = scopes::OPTIONAL.iter().map(|scope| scope.name).collect();
    let authorize_url = app
        .hubspot
        .authorize_url(&state, &pkce.challenge, &scopes::REQUIRED, &optional)
        .map_err(Error::HubSpotUnavailable)?;
    Ok(Started {
        authorize_url,
        browser_token,
    })
}

/// Uses up the state of a consent that was refused at HubSpot.
pub async fn refuse(app: &App, state: &str, browser_token: Option<&str>) -> Result<(), Error> {
    take_state(app, state, browser_token).await.map(drop)
}

async fn take_state(
    app: &App,
    state: &str,
    browser_token: Option<&str>,
) -> Result<InstallState, Error> {
    let browser_token = browser_token.ok_or(Error::StateRefused)?;
    let mut tx = app.db.begin_unscoped().await?;
    let taken = store::install_states::take(
        &mut tx,
        &tokens::hash(state),
        &tokens::hash(browser_token),
        app.now(),
    )
    .await?;
    tx.commit().await.map_err(store::Error::from)?;
    taken.ok_or(Error::StateRefused)
}

fn usable(link: Option<SetupLink>, now: DateTime<Utc>) -> Result<SetupLink, Error> {
    let link = link.ok_or(Error::SetupLinkUnknown)?;
    if link.spent_at.is_some() {
        Err(Error::SetupLinkUsed)
    } else if link.expires_at <= now {
        Err(Error::SetupLinkExpired)
    } else {
        Ok(link)
    }
}

fn verifier_place(row: &str) -> Place<'_> {
    Place {
        table: "install_states",
        column: "code_verifier",
        hub_id: 0,
        row,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            use std::fmt::Write;
            let _ = write!(text, "{byte:02x}");
            text
        })
}
