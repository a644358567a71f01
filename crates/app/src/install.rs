//! Install and sign-in: both go through HubSpot's consent page and come back to one callback.
//!
//! The portal is the `hub_id` of HubSpot's own answer and nothing else. Nothing is stored of an attempt that fails: its
//! state is used up, its grant is given back.

use chrono::TimeDelta;
use domain::run::RunKind;
use domain::schedule::next_slot;
use domain::{HubId, scopes};
use serde_json::json;
use store::install_states::{InstallState, Purpose};
use store::organizations::SetupLink;
use store::portals::AccountDetails;
use store::{PortalScope, connections};
use url::Url;

use crate::cipher::Place;
use crate::{App, access, tokens};

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
    pub browser_token: String,
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
}

/// An install or sign-in that is done.
pub struct Completed {
    /// The portal.
    pub hub_id: HubId,
    /// For the session's cookie.
    pub session_token: String,
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
    let (state, browser_token) = (tokens::random(), tokens::random());
    let state_hash = tokens::hash(&state);
    let pkce = app.hubspot.new_pkce();
    let stored = InstallState {
        browser_hash: tokens::hash(&browser_token),
        purpose,
        setup_link_id,
        code_verifier: app
            .keys
            .seal(verifier_place(&hex(&state_hash)), &pkce.verifier),
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

/// Finishes an authorization: checks the state, exchanges the code, and stores portal, grant, person and session in one
/// transaction. With a setup link Thnks is connected and the backfill asked for as well.
pub async fn complete(app: &App, callback: Callback<'_>) -> Result<Completed, Error> {
    let state = take_state(app, callback.state, callback.browser_token).await?;
    let verifier = app.keys.open(
        verifier_place(&hex(&state.state_hash)),
        &state.code_verifier,
    )?;
    let grant = app
        .hubspot
        .exchange(callback.code, &verifier)
        .await
        .map_err(|error| match error {
            hubspot::Error::BadCode(_) | hubspot::Error::Revoked => Error::CodeRefused,
            other => Error::HubSpotUnavailable(other),
        })?;
    match store_grant(app, &state, &grant).await {
        Ok(completed) => Ok(completed),
        Err(error) => {
            // What is not kept is given back, unless a working connection might hang on it.
            if !matches!(error, Error::Internal(_))
                && let Some(token) = &grant.refresh_token
                && !is_installed(app, grant.hub_id).await.unwrap_or(true)
                && let Err(error) = app.hubspot.revoke(token).await
            {
                tracing::warn!(portal.id = %grant.hub_id, %error, "a refused grant could not be given back");
            }
            Err(error)
        }
    }
}

async fn store_grant(
    app: &App,
    state: &InstallState,
    grant: &hubspot::Grant,
) -> Result<Completed, Error> {
    let now = app.now();
    let missing = scopes::missing(&grant.scopes);
    if !missing.is_empty() {
        return Err(Error::ScopesMissing { missing });
    }
    let Some(refresh_token) = &grant.refresh_token else {
        return Err(Error::HubSpotUnavailable(hubspot::Error::Unreadable(
            "the grant has no refresh token".into(),
        )));
    };
    let mut tx = app.db.begin_unscoped().await?;
    let link = match state.setup_link_id {
        None => None,
        Some(id) => Some(usable(
            store::organizations::find_setup_link(&mut tx, id).await?,
            now,
        )?),
    };
    let organization = match &link {
        None => None,
        Some(link) => store::organizations::find_api_key(&mut tx, link.organization_id).await?,
    };
    drop(tx);
    if let Some(expected) = link.as_ref().and_then(|link| link.bound_to)
        && expected != grant.hub_id
    {
        return Err(Error::PortalMismatch {
            expected,
            got: grant.hub_id,
        });
    }

    let info = app
        .hubspot
        .introspect(&grant.access_token)
        .await
        .map_err(Error::HubSpotUnavailable)?;
    if info.hub_id != grant.hub_id {
        return Err(Error::HubSpotUnavailable(hubspot::Error::Unreadable(
            "two answers name two portals".into(),
        )));
    }
    let account = app
        .hubspot
        .portal(
            grant.hub_id,
            access::fixed(&grant.access_token),
            hubspot::CallClass::Interactive,
        )
        .account_details()
        .await
        .map_err(Error::HubSpotUnavailable)?;
    let details = AccountDetails {
        hub_domain: info.hub_domain.clone(),
        ui_domain: account.ui_domain,
        time_zone: known_time_zone(&account.time_zone),
        currency: account.currency,
        account_type: Some(format!("{:?}", account.account_type)),
    };
    let user_id = info.user_id;

    let scope = PortalScope::from_grant(grant.hub_id);
    let (access_token, refresh_token) =
        access::seal_tokens(app, scope, &grant.access_token, refresh_token);
    let (refresh_at, expires_at) = access::times(grant.expires_in, now);
    let session_token = tokens::random();
    let mut tx = app.db.begin(scope).await?;
    if let Some(link) = &link
        && !store::organizations::spend_setup_link(&mut tx, link.id, now).await?
    {
        return Err(Error::SetupLinkUsed);
    }
    let was_connected = connections::find(&mut tx, scope).await?.is_some();
    let organization_id = link.as_ref().map(|link| link.organization_id);
    store::portals::upsert(&mut tx, scope, organization_id, &details, now).await?;
    let role = store::members::upsert(&mut tx, scope, user_id, Some(&info.user_email), now).await?;
    let grant_row = connections::Grant {
        access_token: &access_token,
        refresh_token: &refresh_token,
        refresh_at,
        expires_at,
        scopes: &grant.scopes,
    };
    connections::upsert(&mut tx, scope, &grant_row).await?;
    if let (Some((name, sealed)), Some(id)) = (&organization, organization_id) {
        let key = app
            .keys
            .open(crate::operator::api_key_place(&id.to_string()), sealed)?;
        let sealed = app.keys.seal(
            crate::connect::api_key_place(scope, &scope.hub_id().to_string()),
            &key,
        );
        store::thnks_connections::upsert(&mut tx, scope, &sealed, Some(name), now).await?;
    }
    let actor = format!("user:{user_id}");
    // Signing in to a portal that works asks for nothing.
    if state.purpose == Purpose::Install || !was_connected {
        begin_work(app, &mut tx, scope, &actor).await?;
    }
    store::sessions::insert(&mut tx, scope, &tokens::hash(&session_token), user_id, now).await?;
    let action = match state.purpose {
        Purpose::Install => "portal.install",
        Purpose::Login => "session.begin",
    };
    let detail = json!({"scopes": grant.scopes, "setup_link": link.as_ref().map(|link| link.id), "role": format!("{role:?}")});
    store::audit::insert(&mut tx, scope, &actor, action, &detail, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    tracing::info!(portal.id = %grant.hub_id, action, "a portal's grant is stored");
    Ok(Completed {
        hub_id: grant.hub_id,
        session_token,
    })
}

/// Asks for the work that a fresh grant or key makes possible, if Thnks is connected, and plans the syncs: the first
/// backfill; a look at what was missing; or a sync, to make good what was missed meanwhile.
pub(crate) async fn begin_work(
    app: &App,
    tx: &mut store::Tx,
    scope: PortalScope,
    actor: &str,
) -> Result<(), store::Error> {
    let now = app.now();
    let Some(portal) = store::portals::find(tx, scope).await? else {
        return Ok(());
    };
    if !portal.thnks_connected || portal.paused_at.is_some() {
        return Ok(());
    }
    let kind = if !portal.needs.is_empty() {
        RunKind::Check
    } else if portal.backfilled_at.is_none() {
        RunKind::Backfill
    } else {
        RunKind::Sync
    };
    store::runs::request(tx, scope, kind, actor, now).await?;
    if store::schedule::find_next_sync(tx, scope).await?.is_none() {
        let next = next_slot(scope.hub_id(), app.config.sync_interval, now);
        store::schedule::save_next_sync(tx, scope, Some(next)).await?;
    }
    Ok(())
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

async fn is_installed(app: &App, hub_id: HubId) -> Result<bool, store::Error> {
    let scope = PortalScope::from_grant(hub_id);
    let mut tx = app.db.begin(scope).await?;
    Ok(connections::find(&mut tx, scope).await?.is_some())
}

fn usable(link: Option<SetupLink>, now: chrono::DateTime<chrono::Utc>) -> Result<SetupLink, Error> {
    let link = link.ok_or(Error::SetupLinkUnknown)?;
    if link.spent_at.is_some() {
        Err(Error::SetupLinkUsed)
    } else if link.expires_at <= now {
        Err(Error::SetupLinkExpired)
    } else {
        Ok(link)
    }
}

/// The zone if the world knows it, else UTC: days must be countable.
fn known_time_zone(name: &str) -> String {
    name.parse::<chrono_tz::Tz>()
        .map_or_else(|_| "UTC".to_owned(), |zone| zone.name().to_owned())
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
