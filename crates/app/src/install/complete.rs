//! The callback: from HubSpot's code to a stored portal and an open session.

use domain::{HubId, scopes};
use serde_json::json;
use store::install_states::{InstallState, Purpose};
use store::members::Role;
use store::portals::AccountDetails;
use store::{PortalScope, connections};

use super::{Callback, Completed, Error, begin_work, hex, take_state, usable, verifier_place};
use crate::{App, access, tokens};

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
    store::runs::lock(&mut tx, scope).await?;
    if let Some(link) = &link
        && !store::organizations::spend_setup_link(&mut tx, link.id, now).await?
    {
        return Err(Error::SetupLinkUsed);
    }
    let earlier = connections::find(&mut tx, scope).await?;
    let was_thnks_connected = store::portals::find(&mut tx, scope)
        .await?
        .is_some_and(|portal| portal.thnks_connected);
    let organization_id = link.as_ref().map(|link| link.organization_id);
    store::portals::upsert(&mut tx, scope, organization_id, &details, now).await?;
    let role = store::members::upsert(&mut tx, scope, user_id, Some(&info.user_email), now).await?;
    if link.is_some() && was_thnks_connected && role != Role::Owner {
        // The link would put another key in the place of the one that works.
        return Err(Error::OwnerNeeded);
    }
    let grant_row = connections::Grant {
        access_token: &access_token,
        refresh_token: &refresh_token,
        refresh_at,
        expires_at,
        scopes: &grant.scopes,
    };
    // Whoever signs in with fewer permissions must not take any from the portal.
    let narrower = earlier.as_ref().is_some_and(|earlier| {
        !earlier
            .scopes
            .iter()
            .all(|held| scopes::has(&grant.scopes, held))
    });
    if state.purpose == Purpose::Install || !narrower {
        connections::upsert(&mut tx, scope, &grant_row).await?;
    }
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
    if state.purpose == Purpose::Install || earlier.is_none() {
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
