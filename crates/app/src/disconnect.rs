//! Ending a connection from our side: HubSpot is told, tokens are destroyed, sessions and runs end, data stays.

use domain::portal::{Need, NeedCode, PortalStatus};
use domain::trouble::Sign;
use serde_json::json;
use store::PortalScope;

use crate::portals::PortalSummary;
use crate::session::Session;
use crate::{App, Error, access, notices, portals, status};

/// What a person who wants to disconnect is told.
#[derive(Debug, Clone)]
pub struct Parting {
    /// The portal.
    pub portal: PortalSummary,
    /// Where it stands.
    pub status: PortalStatus,
    /// Sessions that end, the person's own included.
    pub sessions: i64,
    /// Days for which what is known of the portal is kept.
    pub kept_days: i64,
}

/// Why the portal was not disconnected.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// What was typed is neither the portal's number nor its domain.
    #[error("not confirmed")]
    NotConfirmed,
    /// Something inside failed.
    #[error(transparent)]
    Internal(#[from] Error),
}

/// What there is to part from.
pub async fn load(app: &App, scope: &PortalScope) -> Result<Parting, Error> {
    let mut tx = app.db.begin(*scope).await?;
    let portal = store::portals::find(&mut tx, *scope)
        .await?
        .ok_or(Error::NotConnected)?;
    Ok(Parting {
        status: status::read(&mut tx, *scope, &portal).await?,
        sessions: store::sessions::count(&mut tx, *scope, app.now()).await?,
        kept_days: app.config.retention.num_days(),
        portal: PortalSummary::of(*scope, &portal),
    })
}

/// Disconnects on behalf of an owner who has typed the portal's number or its domain. Tells what [`disconnect`] tells.
pub async fn disconnect_by_owner(
    app: &App,
    session: &Session,
    typed: &str,
) -> Result<bool, Refused> {
    let portal = portals::load(app, session.scope()).await?;
    let typed = typed.trim();
    let is_domain = |domain: &String| domain.eq_ignore_ascii_case(typed);
    if typed != portal.hub_id.to_string() && !portal.hub_domain.as_ref().is_some_and(is_domain) {
        return Err(Refused::NotConfirmed);
    }
    Ok(disconnect(app, *session.scope(), &session.actor()).await?)
}

/// Uninstalls the app from the portal and forgets its tokens. A HubSpot that does not answer does not stop it: the
/// tokens are destroyed all the same, and `false` tells that HubSpot may still list the app.
pub async fn disconnect(app: &App, scope: PortalScope, actor: &str) -> Result<bool, Error> {
    let mut tx = app.db.begin(scope).await?;
    let connection = store::connections::find(&mut tx, scope).await?;
    drop(tx);
    let mut told = true;
    if let Some(connection) = &connection
        && let Err(error) = uninstall(app, scope).await
    {
        tracing::warn!(portal.id = %scope.hub_id(), %error, "HubSpot could not be told of the disconnect");
        told = false;
        // The app stays listed in HubSpot, but its access ends. A token that does not open any more must not keep the
        // portal connected.
        if let Ok(refresh_token) = access::open_refresh_token(app, scope, connection).await
            && let Err(error) = app.hubspot.revoke(&refresh_token).await
        {
            tracing::warn!(portal.id = %scope.hub_id(), %error, "a grant could not be revoked");
        }
    }
    let now = app.now();
    let need = Need {
        code: NeedCode::AuthorizationLost,
        detail: "This portal was disconnected.".into(),
        remedy: "Install the app again to go on where it stopped.".into(),
    };
    let mut tx = app.db.begin(scope).await?;
    store::runs::fail_open(&mut tx, scope, "the portal was disconnected", now).await?;
    store::portals::disconnect(&mut tx, scope, &need, now).await?;
    store::connections::delete(&mut tx, scope).await?;
    store::sessions::delete_all(&mut tx, scope).await?;
    notices::note(app, &mut tx, scope, Sign::Ended, now).await?;
    store::audit::insert(
        &mut tx,
        scope,
        actor,
        "portal.disconnect",
        &json!({"hubspot_told": told}),
        now,
    )
    .await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(told)
}

async fn uninstall(app: &App, scope: PortalScope) -> Result<(), hubspot::Error> {
    let token = access::tokens(app).current(scope.hub_id()).await?;
    app.hubspot.uninstall(&token).await
}
