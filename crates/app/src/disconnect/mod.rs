//! Ending a connection from our side: HubSpot is told, tokens are destroyed, sessions and runs end, data stays.

mod all;

use domain::portal::{Need, NeedCode, PortalStatus};
use domain::trouble::Sign;
use secrecy::SecretString;
use serde_json::{Value, json};
use store::PortalScope;
use store::connections::Connection;

pub use all::{Everybody, disconnect_all};

use crate::crash::{self, Point};
use crate::portals::PortalSummary;
use crate::session::Session;
use crate::{App, Error, access, chain, keys, notices, operator, portals, status};

/// How often it is begun anew because somebody installs at the same time.
const TRIES: usize = 3;

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

/// Disconnects on behalf of the operator. Tells what [`disconnect`] tells.
pub async fn disconnect_by_operator(app: &App, scope: PortalScope) -> Result<bool, Error> {
    let by = By {
        actor: operator::ACTOR,
        command: Some("disconnect"),
    };
    uninstall(app, scope, by).await
}

/// Uninstalls the app from the portal and forgets its tokens. A HubSpot that does not answer does not stop it: the
/// tokens are destroyed all the same, and `false` tells that HubSpot may still list the app.
pub async fn disconnect(app: &App, scope: PortalScope, actor: &str) -> Result<bool, Error> {
    let by = By {
        actor,
        command: None,
    };
    uninstall(app, scope, by).await
}

/// Who ends a connection, and the operator's command, if it is one for this portal alone.
#[derive(Clone, Copy)]
struct By<'a> {
    actor: &'a str,
    command: Option<&'static str>,
}

async fn uninstall(app: &App, scope: PortalScope, by: By<'_>) -> Result<bool, Error> {
    for _ in 0..TRIES {
        // Renewed first where that is due, so that the grant that is ended is the one that HubSpot was told of.
        let renewed = access::tokens(app).current(scope.hub_id()).await;
        let connection = find(app, scope).await?;
        let told = match &connection {
            None => true,
            Some(connection) => leave(app, scope, connection, renewed).await,
        };
        crash::at(Point::UninstallTold);
        let detail = json!({"hubspot_told": told});
        if end(app, scope, connection.as_ref(), Key::Kept, by, &detail).await? {
            return Ok(told);
        }
    }
    Err(Error::Busy)
}

/// Whether HubSpot has taken the app out of the portal. Where it has not, the app stays listed there, but its access ends.
async fn leave(
    app: &App,
    scope: PortalScope,
    connection: &Connection,
    token: Result<SecretString, hubspot::Error>,
) -> bool {
    let told = match token {
        Ok(token) => app.hubspot.uninstall(&token).await,
        Err(error) => Err(error),
    };
    let Err(error) = told else {
        return true;
    };
    tracing::warn!(portal.id = %scope.hub_id(), %error, "HubSpot could not be told of the disconnect");
    // A token that does not open any more must not keep the portal connected.
    if let Err(error) = revoke(app, scope, connection).await {
        tracing::warn!(portal.id = %scope.hub_id(), %error, "a grant could not be revoked");
    }
    false
}

async fn find(app: &App, scope: PortalScope) -> Result<Option<Connection>, Error> {
    let mut tx = app.db.begin(scope).await?;
    Ok(store::connections::find(&mut tx, scope).await?)
}

/// Tells HubSpot that the grant is over. One that it does not know any more is.
async fn revoke(app: &App, scope: PortalScope, connection: &Connection) -> Result<(), Error> {
    let token = access::open_refresh_token(app, scope, connection).await?;
    match app.hubspot.revoke(&token).await {
        Ok(()) | Err(hubspot::Error::Revoked) => Ok(()),
        Err(error) => Err(Error::NotRevoked(error)),
    }
}

/// What people of a disconnected portal must do.
pub(crate) fn need() -> Need {
    Need {
        code: NeedCode::AuthorizationLost,
        detail: "This portal was disconnected.".into(),
        remedy: "Install the app again to go on where it stopped.".into(),
    }
}

/// What becomes of the portal's key when its connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// An install goes on with it.
    Kept,
    /// Somebody else may have it: what is entered from now on hangs on another one.
    Replaced,
}

/// Ends the connection that HubSpot was told of; `false` when there is another by now, of an install meanwhile. The key is
/// replaced in the same transaction: a portal that is disconnected is not looked at again.
async fn end(
    app: &App,
    scope: PortalScope,
    told_of: Option<&Connection>,
    key: Key,
    by: By<'_>,
    detail: &Value,
) -> Result<bool, Error> {
    let (now, need) = (app.now(), need());
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let current = store::connections::find(&mut tx, scope).await?;
    let generation = |connection: &Connection| connection.generation;
    if current.as_ref().map(generation) != told_of.map(generation) {
        return Ok(false);
    }
    store::runs::fail_open(&mut tx, scope, "the portal was disconnected", now).await?;
    store::portals::disconnect(&mut tx, scope, &need, now).await?;
    store::connections::delete(&mut tx, scope).await?;
    store::sessions::delete_all(&mut tx, scope).await?;
    notices::note(app, &mut tx, scope, Sign::Ended, now).await?;
    store::audit::insert(&mut tx, scope, by.actor, "portal.disconnect", detail, now).await?;
    if key == Key::Replaced {
        match keys::replace(app, &mut tx, scope, now).await {
            // What cannot be read cannot be moved, and must not keep the portal connected.
            Err(error @ Error::Unsealable { .. }) => {
                tracing::error!(portal.id = %scope.hub_id(), %error, "the portal keeps its key");
            }
            replaced => replaced?,
        }
    }
    let ends = chain::Ends::find(app, &mut tx, scope).await?;
    if let Some(command) = by.command {
        operator::note(&mut tx, scope, command, json!({}), now).await?;
    }
    tx.commit().await.map_err(store::Error::from)?;
    ends.note();
    Ok(true)
}
