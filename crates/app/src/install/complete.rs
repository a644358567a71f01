//! The callback: from HubSpot's code to a stored portal and an open session.

use domain::{HubId, UserId, browser, scopes};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use store::install_states::{InstallState, Purpose};
use store::members::Role;
use store::organizations::SetupLink;
use store::portal_keys::Secret;
use store::portals::AccountDetails;
use store::thnks_connections::ThnksConnection;
use store::{PortalScope, connections};

use super::{
    Callback, Completed, Error, again, begin_work, hex, take_state, usable, verifier_place,
};
use crate::cipher::PortalKey;
use crate::{App, access, connect, keys, tokens};

/// Finishes an authorization: checks the state, exchanges the code, and stores portal, grant, person and session in one
/// transaction. With a setup link Thnks is connected and the backfill asked for as well.
pub async fn complete(app: &App, callback: Callback<'_>) -> Result<Completed, Error> {
    let state = take_state(app, callback.state, callback.browser_token).await?;
    let row = hex(&state.state_hash);
    let verifier = state
        .code_verifier
        .as_ref()
        .map(|sealed| app.keys.open(verifier_place(&row), sealed))
        .transpose()?;
    let grant = exchange(app, callback.code, verifier.as_ref()).await?;
    keep(app, &state, &grant, callback).await
}

/// The grant for HubSpot's code.
pub(super) async fn exchange(
    app: &App,
    code: &str,
    verifier: Option<&SecretString>,
) -> Result<hubspot::Grant, Error> {
    let exchanged = app.hubspot.exchange(code, verifier).await;
    exchanged.map_err(|error| match error {
        hubspot::Error::BadCode(_) | hubspot::Error::Revoked => Error::CodeRefused,
        other => Error::HubSpotUnavailable(other),
    })
}

/// Stores the grant for the person at this browser, or gives it back.
pub(super) async fn keep(
    app: &App,
    state: &InstallState,
    grant: &hubspot::Grant,
    callback: Callback<'_>,
) -> Result<Completed, Error> {
    let stored = store_grant(app, state, grant, callback).await;
    if let Err(error) = &stored
        && !matches!(error, Error::Internal(_))
    {
        give_back(app, grant).await;
    }
    stored
}

/// What is not kept is given back, unless a working connection might hang on it.
pub(super) async fn give_back(app: &App, grant: &hubspot::Grant) {
    if let Some(token) = &grant.refresh_token
        && !is_installed(app, grant.hub_id).await.unwrap_or(true)
        && let Err(error) = app.hubspot.revoke(token).await
    {
        tracing::warn!(portal.id = %grant.hub_id, %error, "a refused grant could not be given back");
    }
}

async fn store_grant(
    app: &App,
    state: &InstallState,
    grant: &hubspot::Grant,
    callback: Callback<'_>,
) -> Result<Completed, Error> {
    check_scopes(grant)?;
    let offer = find_offer(app, state).await?;
    if let Some(expected) = offer.as_ref().and_then(|offer| offer.link.bound_to)
        && expected != grant.hub_id
    {
        return Err(Error::PortalMismatch {
            expected,
            got: grant.hub_id,
        });
    }
    let (person, details) = ask_hubspot(app, grant).await?;
    let visitor = Visitor {
        person,
        earlier_session: callback.session_token,
        browser: callback.user_agent.map(browser::described),
    };
    store(app, state, grant, offer.as_ref(), &visitor, &details).await
}

/// Refuses a grant without what the product cannot do without.
pub(super) fn check_scopes(grant: &hubspot::Grant) -> Result<(), Error> {
    let missing = scopes::missing(&grant.scopes);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::ScopesMissing { missing })
    }
}

/// What a setup link brings along.
struct Offer {
    link: SetupLink,
    name: String,
    key: SecretString,
    /// Thnks' id of the organization, when Thnks answers; a key that it refuses becomes a need later.
    thnks_id: Option<String>,
}

async fn find_offer(app: &App, state: &InstallState) -> Result<Option<Offer>, Error> {
    let Some(link_id) = state.setup_link_id else {
        return Ok(None);
    };
    let mut tx = app.db.begin_unscoped().await?;
    let link = store::organizations::find_setup_link(&mut tx, link_id).await?;
    let link = usable(link, app.now())?;
    let found = store::organizations::find_api_key(&mut tx, link.organization_id).await?;
    drop(tx);
    let Some((name, sealed)) = found else {
        return Err(Error::SetupLinkUnknown);
    };
    let row = link.organization_id.to_string();
    let key = app
        .keys
        .open(crate::operator::api_key_place(&row), &sealed)?;
    let thnks_id = app
        .thnks
        .organization(&key)
        .await
        .ok()
        .map(|organization| organization.id);
    Ok(Some(Offer {
        link,
        name,
        key,
        thnks_id,
    }))
}

/// Who consented.
pub(super) struct Person {
    pub(super) user_id: UserId,
    email: Option<String>,
}

/// Who consented, the session that their browser has open, and the browser in words.
struct Visitor<'a> {
    person: Person,
    earlier_session: Option<&'a str>,
    browser: Option<String>,
}

/// Who consented, and what the account is.
pub(super) async fn ask_hubspot(
    app: &App,
    grant: &hubspot::Grant,
) -> Result<(Person, AccountDetails), Error> {
    let (person, hub_domain) = match app.hubspot.introspect(&grant.access_token).await {
        Ok(info) if info.hub_id != grant.hub_id => {
            return Err(unreadable("two answers name two portals"));
        }
        Ok(info) => {
            let person = Person {
                user_id: info.user_id,
                email: Some(info.user_email),
            };
            (person, info.hub_domain)
        }
        // The grant itself says who it was; the address and the domain are for display only.
        Err(error) => match grant.user_id {
            Some(user_id) if error.is_transient() => {
                tracing::warn!(portal.id = %grant.hub_id, %error, "a token could not be introspected");
                (
                    Person {
                        user_id,
                        email: None,
                    },
                    None,
                )
            }
            _ => return Err(Error::HubSpotUnavailable(error)),
        },
    };
    let tokens = access::fixed(&grant.access_token);
    let account = app
        .hubspot
        .portal(grant.hub_id, tokens, hubspot::CallClass::Interactive)
        .account_details()
        .await
        .map_err(Error::HubSpotUnavailable)?;
    let details = AccountDetails {
        hub_domain,
        ui_domain: account.ui_domain,
        time_zone: known_time_zone(&account.time_zone),
        currency: account.currency,
        account_type: Some(format!("{:?}", account.account_type)),
    };
    Ok((person, details))
}

/// Everything in one transaction, or nothing.
async fn store(
    app: &App,
    state: &InstallState,
    grant: &hubspot::Grant,
    offer: Option<&Offer>,
    Visitor {
        person,
        earlier_session,
        browser,
    }: &Visitor<'_>,
    details: &AccountDetails,
) -> Result<Completed, Error> {
    let now = app.now();
    let scope = PortalScope::from_grant(grant.hub_id);
    let Some(refresh_token) = &grant.refresh_token else {
        return Err(unreadable("the grant has no refresh token"));
    };
    let (refresh_at, expires_at) = access::times(grant.expires_in, now);
    let session_token = SecretString::from(tokens::random());

    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let earlier = connections::find(&mut tx, scope).await?;
    let known = store::portals::find(&mut tx, scope).await?;
    if known
        .as_ref()
        .is_some_and(|portal| portal.erasing_at.is_some())
    {
        return Err(Error::BeingErased);
    }
    let was_thnks_connected = known.as_ref().is_some_and(|portal| portal.thnks_connected);
    let was_disconnected = known.is_some_and(|portal| portal.disconnected_at.is_some());
    let organization_id = offer.map(|offer| offer.link.organization_id);
    store::portals::upsert(&mut tx, scope, organization_id, details, now).await?;
    let key = keys::of_portal(app, &mut tx, scope).await?;
    let (access_token, refresh_token) =
        access::seal_tokens(&key, &grant.access_token, refresh_token);
    let email = person.email.as_deref();
    let role = store::members::upsert(&mut tx, scope, person.user_id, email, now).await?;
    if was_disconnected && state.purpose == Purpose::Login && role != Role::Owner {
        return Err(Error::Disconnected);
    }
    // Whoever comes with fewer permissions must not take any from the portal, unless its owner installs it so.
    let keeps_all = |earlier: &connections::Connection| {
        // A grant that HubSpot has begun to refuse is no loss.
        earlier.refusals > 0
            || earlier
                .scopes
                .iter()
                .all(|held| scopes::has(&grant.scopes, held))
    };
    let is_owners_install = state.purpose == Purpose::Install && role == Role::Owner;
    if is_owners_install || earlier.as_ref().is_none_or(keeps_all) {
        let row = connections::Grant {
            access_token: &access_token,
            refresh_token: &refresh_token,
            refresh_at,
            expires_at,
            scopes: &grant.scopes,
        };
        connections::upsert(&mut tx, scope, &row).await?;
        store::renewals::note_granted(&mut tx, scope).await?;
    }
    if let Some(offer) = offer {
        if was_thnks_connected && role != Role::Owner {
            // The link would put another key in the place of the one that works.
            return Err(Error::OwnerNeeded);
        }
        if was_thnks_connected && offer.thnks_id.is_none() {
            // Whose key it is cannot be told now, and one that works is there.
            return Err(Error::ThnksUnavailable);
        }
        take_offer(app, &mut tx, scope, &key, offer).await?;
    }
    let actor = format!("user:{}", person.user_id);
    // Signing in to a portal that works asks for nothing.
    if state.purpose == Purpose::Install || earlier.is_none() {
        begin_work(app, &mut tx, scope, &actor).await?;
    }
    if let Some(token) = earlier_session {
        store::sessions::delete(&mut tx, &tokens::hash(token)).await?;
    }
    let token_hash = tokens::hash(session_token.expose_secret());
    let browser = browser.as_deref();
    store::sessions::insert(&mut tx, scope, &token_hash, person.user_id, browser, now).await?;
    let action = match state.purpose {
        Purpose::Install | Purpose::Marketplace => "portal.install",
        Purpose::Login => "session.begin",
    };
    let detail = json!({
        "scopes": grant.scopes,
        "setup_link": offer.map(|offer| offer.link.id),
        "owner": role == Role::Owner,
    });
    store::audit::insert(&mut tx, scope, &actor, action, &detail, now).await?;
    if was_disconnected || (earlier.is_some() && state.purpose == Purpose::Install) {
        again::tell(app, &mut tx, scope, person.user_id, earlier.as_ref()).await?;
    }
    tx.commit().await.map_err(store::Error::from)?;
    tracing::info!(portal.id = %grant.hub_id, action, "a portal's grant is stored");
    Ok(Completed {
        hub_id: grant.hub_id,
        session_token,
    })
}

/// Spends the link and connects its organization.
async fn take_offer(
    app: &App,
    tx: &mut store::Tx,
    scope: PortalScope,
    key: &PortalKey,
    offer: &Offer,
) -> Result<(), Error> {
    let now = app.now();
    if !store::organizations::spend_setup_link(tx, offer.link.id, now).await? {
        return Err(Error::SetupLinkUsed);
    }
    if let Some(id) = &offer.thnks_id
        && connect::is_another(tx, scope, id).await?
    {
        return Err(Error::OtherOrganization);
    }
    let connection = ThnksConnection {
        api_key: &key.seal(Secret::ThnksKey, &offer.key),
        organization_id: offer.thnks_id.as_deref(),
        organization_name: Some(&offer.name),
    };
    store::thnks_connections::upsert(tx, scope, &connection, now).await?;
    Ok(())
}

pub(super) fn unreadable(what: &str) -> Error {
    Error::HubSpotUnavailable(hubspot::Error::Unreadable(what.to_owned()))
}

async fn is_installed(app: &App, hub_id: HubId) -> Result<bool, store::Error> {
    let scope = PortalScope::from_grant(hub_id);
    let mut tx = app.db.begin(scope).await?;
    Ok(connections::find(&mut tx, scope).await?.is_some())
}

/// The zone if the world knows it, else UTC: days must be countable.
fn known_time_zone(name: &str) -> String {
    name.parse::<chrono_tz::Tz>()
        .map_or_else(|_| "UTC".to_owned(), |zone| zone.name().to_owned())
}
