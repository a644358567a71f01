//! The install that HubSpot's marketplace begins. Its button calls our callback by itself, in one of two forms:
//!
//! | form | calls | what proves the browser |
//! |---|---|---|
//! | direct | `code`, `returnUrl` | nothing |
//! | in steps | `step=authorize`, then `step=finalize` with `code` and our state | the state's cookie, where it comes along |
//!
//! Anybody can lead any browser to a call that nothing proves. Such a call makes an installation at most: it stores a portal
//! that was not known, and of one that is there it changes nothing.

use domain::return_url::ReturnUrl;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use store::install_states::{InstallState, Purpose};
use store::{PortalScope, connections};
use url::Url;

use super::complete::{ask_hubspot, check_scopes, exchange, give_back, keep, unreadable};
use super::{Callback, Completed, Error, STATE_LIFETIME};
use crate::{App, access, keys, tokens};

/// The address that HubSpot wants the browser back at, if it may be sent there. It is asked for before anything is exchanged
/// or stored: every step below takes one.
pub fn return_url(app: &App, text: &str) -> Result<ReturnUrl, Error> {
    let authorize_url = &app.hubspot.config().authorize_url;
    ReturnUrl::parse(text, authorize_url).map_err(|_| Error::ReturnUrlRefused)
}

/// The first of two steps: the browser goes back to HubSpot with a state of ours.
pub struct Left {
    /// HubSpot's page, with the state.
    pub back: Url,
    /// For a cookie of ten minutes, which proves the browser in the second step.
    pub browser_token: SecretString,
}

/// The browser goes back to HubSpot; the install is done.
pub struct Returned {
    /// HubSpot's page.
    pub back: Url,
    /// The session that the browser has proved; without proof there is none.
    pub completed: Option<Completed>,
}

/// The direct form: a code and no state. Opens nothing, and of a portal that is there it changes nothing.
pub async fn arrive(app: &App, code: &str, return_url: ReturnUrl) -> Result<Url, Error> {
    let grant = exchange(app, code, None).await?;
    store_new(app, &grant).await?;
    Ok(return_url.into_url())
}

/// `step=authorize`: keeps a state. A setup link or a key is asked for afterwards, as after an install without a link.
pub async fn authorize(app: &App, return_url: ReturnUrl) -> Result<Left, Error> {
    let now = app.now();
    let state = tokens::random();
    let browser_token = SecretString::from(tokens::random());
    let stored = InstallState {
        state_hash: tokens::hash(&state),
        browser_hash: tokens::hash(browser_token.expose_secret()),
        purpose: Purpose::Marketplace,
        setup_link_id: None,
        code_verifier: None,
        expires_at: now + STATE_LIFETIME,
    };
    let mut tx = app.db.begin_unscoped().await?;
    store::install_states::insert(&mut tx, &stored, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(Left {
        back: return_url.with_state(&state),
        browser_token,
    })
}

/// `step=finalize`: a code, and a state that is ours, unused and in time. In the browser that began, this is an install like
/// any other; in another one, or where the cookie was kept back in a frame, it is as good as the direct form.
pub async fn finalize(
    app: &App,
    callback: Callback<'_>,
    return_url: ReturnUrl,
) -> Result<Returned, Error> {
    let state = take(app, callback.state).await?;
    let is_this_browser = callback
        .browser_token
        .is_some_and(|token| tokens::hash(token) == state.browser_hash);
    let grant = exchange(app, callback.code, None).await?;
    let completed = if is_this_browser {
        let as_install = InstallState {
            purpose: Purpose::Install,
            ..state
        };
        Some(keep(app, &as_install, &grant, callback).await?)
    } else {
        store_new(app, &grant).await?;
        None
    };
    Ok(Returned {
        back: return_url.into_url(),
        completed,
    })
}

/// Uses up the state of an install that was called off at HubSpot.
pub async fn refuse(app: &App, state: &str) -> Result<(), Error> {
    take(app, state).await.map(drop)
}

async fn take(app: &App, state: &str) -> Result<InstallState, Error> {
    let mut tx = app.db.begin_unscoped().await?;
    let hash = tokens::hash(state);
    let taken = store::install_states::take_marketplace(&mut tx, &hash, app.now()).await?;
    tx.commit().await.map_err(store::Error::from)?;
    taken.ok_or(Error::StateRefused)
}

/// Stores the grant of a portal that was not known; any other is given back, unless a working connection might hang on it.
async fn store_new(app: &App, grant: &hubspot::Grant) -> Result<(), Error> {
    let stored = insert(app, grant).await;
    match &stored {
        Ok(true) | Err(Error::Internal(_)) => {}
        Ok(false) => {
            give_back(app, grant).await;
            tracing::info!(portal.id = %grant.hub_id, "the marketplace has changed nothing of a portal that is there");
        }
        Err(_) => give_back(app, grant).await,
    }
    stored.map(drop)
}

/// The portal, its grant and an audit row, in one transaction; `false` when the portal is known, disconnected ones too: a call
/// that nothing proves takes up no connection that an owner has ended. Nobody becomes a member either: HubSpot says who
/// consented, but not that this person sits here. Whoever signs in first, by our own way, owns the portal.
async fn insert(app: &App, grant: &hubspot::Grant) -> Result<bool, Error> {
    check_scopes(grant)?;
    let Some(refresh_token) = &grant.refresh_token else {
        return Err(unreadable("the grant has no refresh token"));
    };
    let scope = PortalScope::from_grant(grant.hub_id);
    if is_known(app, scope).await? {
        return Ok(false);
    }
    let (person, details) = ask_hubspot(app, grant).await?;
    let now = app.now();
    let (refresh_at, expires_at) = access::times(grant.expires_in, now);

    let mut tx = app.db.begin(scope).await?;
    if !store::portals::insert(&mut tx, scope, &details, now).await? {
        return Ok(false);
    }
    let key = keys::of_portal(app, &mut tx, scope).await?;
    let (access_token, refresh_token) =
        access::seal_tokens(&key, &grant.access_token, refresh_token);
    let row = connections::Grant {
        access_token: &access_token,
        refresh_token: &refresh_token,
        refresh_at,
        expires_at,
        scopes: &grant.scopes,
    };
    connections::upsert(&mut tx, scope, &row).await?;
    let actor = format!("user:{}", person.user_id);
    let detail = json!({ "scopes": grant.scopes, "via": "marketplace" });
    store::audit::insert(&mut tx, scope, &actor, "portal.install", &detail, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    tracing::info!(portal.id = %grant.hub_id, "a portal came from the marketplace");
    Ok(true)
}

async fn is_known(app: &App, scope: PortalScope) -> Result<bool, store::Error> {
    let mut tx = app.db.begin(scope).await?;
    Ok(store::portals::find(&mut tx, scope).await?.is_some())
}
