//! A live access token for a portal: read, or refreshed by one process at a time.
//!
//! The right to refresh is a short lease with the grant's generation in the connection's row; no transaction is open
//! over the call, and whatever HubSpot returns is stored. Others wait and read again.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::HubId;
use domain::portal::{Need, NeedCode};
use domain::trouble::Sign;
use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use store::connections::{self, Connection};
use store::portal_keys::Secret;
use store::{PortalScope, Sealed, renewals};
use telemetry::measure::token_refresh;
use tracing::Instrument;
use uuid::Uuid;

use crate::cipher::PortalKey;
use crate::crash::{self, Point};
use crate::{App, Error, blame, keys, notices};

/// Tokens are refreshed this long before they end, or at half their life when that is shorter.
const REFRESH_MARGIN: TimeDelta = TimeDelta::minutes(5);
/// How long one process may take to refresh: longer than the call with all its repeats.
const LEASE_SECS: f64 = 90.0;
/// How often those who wait look again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How often at most: a little longer than the lease.
const LOOKS: u32 = 500;
/// How often storing a new pair of tokens is tried: HubSpot may have ended the old one.
const STORE_TRIES: u32 = 5;
/// A second refusal counts only when it comes this long after the first.
const REFUSALS_APART: TimeDelta = TimeDelta::seconds(30);
/// So many spaced refusals in a row end the connection.
const REFUSALS: i32 = 2;

/// The access tokens of all portals, for the HubSpot client.
pub fn tokens(app: &App) -> Arc<dyn hubspot::AccessTokens> {
    Arc::new(Stored(app.clone()))
}

/// One token that is not stored yet, for the calls of an install.
pub(crate) fn fixed(token: &SecretString) -> Arc<dyn hubspot::AccessTokens> {
    Arc::new(Fixed(token.clone()))
}

/// When a token of this life should be refreshed and when it ends.
pub(crate) fn times(expires_in: Duration, now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    let life = TimeDelta::from_std(expires_in).unwrap_or(TimeDelta::minutes(30));
    let expires_at = now + life;
    (expires_at - REFRESH_MARGIN.min(life / 2), expires_at)
}

/// Both tokens, sealed for the portal's connection.
pub(crate) fn seal_tokens(
    key: &PortalKey,
    access: &SecretString,
    refresh: &SecretString,
) -> (Sealed, Sealed) {
    (
        key.seal(Secret::AccessToken, access),
        key.seal(Secret::RefreshToken, refresh),
    )
}

/// The portal's refresh token, to revoke it.
pub(crate) async fn open_refresh_token(
    app: &App,
    scope: PortalScope,
    connection: &Connection,
) -> Result<SecretString, Error> {
    let mut tx = app.db.begin(scope).await?;
    let key = keys::of_portal(app, &mut tx, scope).await?;
    key.open(Secret::RefreshToken, &connection.refresh_token)
}

struct Fixed(SecretString);

#[async_trait::async_trait]
impl hubspot::AccessTokens for Fixed {
    async fn current(&self, _: HubId) -> Result<SecretString, hubspot::Error> {
        Ok(self.0.clone())
    }

    async fn replace(&self, _: HubId, _: &SecretString) -> Result<SecretString, hubspot::Error> {
        Err(hubspot::Error::Revoked)
    }
}

struct Stored(App);

#[async_trait::async_trait]
impl hubspot::AccessTokens for Stored {
    async fn current(&self, hub_id: HubId) -> Result<SecretString, hubspot::Error> {
        live(&self.0, PortalScope::from_grant(hub_id), None).await
    }

    async fn replace(
        &self,
        hub_id: HubId,
        refused: &SecretString,
    ) -> Result<SecretString, hubspot::Error> {
        live(&self.0, PortalScope::from_grant(hub_id), Some(refused)).await
    }
}

/// A token that is good for some minutes and is not `refused`.
async fn live(
    app: &App,
    scope: PortalScope,
    refused: Option<&SecretString>,
) -> Result<SecretString, hubspot::Error> {
    for _ in 0..LOOKS {
        let (connection, access) = find(app, scope)
            .await
            .map_err(unavailable)?
            .ok_or(hubspot::Error::Revoked)?;
        let now = app.now();
        let is_refused =
            refused.is_some_and(|refused| refused.expose_secret() == access.expose_secret());
        if !is_refused && now < connection.refresh_at {
            return Ok(access);
        }
        if connection
            .refused_at
            .is_some_and(|at| now - at < REFUSALS_APART)
        {
            // Asked a moment ago: the answer would be the same and would count as a second one.
            return Err(hubspot::Error::Revoked);
        }
        let lease = Uuid::now_v7();
        let as_read = (connection.generation, connection.refused_at);
        let mut tx = app.db.begin(scope).await.map_err(unavailable)?;
        let won = connections::lease_refresh(&mut tx, scope, as_read, lease, LEASE_SECS)
            .await
            .map_err(unavailable)?;
        tx.commit().await.map_err(unavailable)?;
        if won {
            // In a task of its own: a caller that goes away must not leave HubSpot's answer unstored.
            let (app, connection) = (app.clone(), connection.clone());
            let span = tracing::error_span!("refresh", portal.id = %scope.hub_id());
            let refreshing = async move {
                let refreshed = refresh(&app, scope, &connection, lease).await;
                token_refresh(outcome(&refreshed));
                refreshed
            };
            let refreshed = tokio::spawn(refreshing.instrument(span));
            return refreshed.await.map_err(unavailable)?;
        }
        if !is_refused && now + TimeDelta::seconds(30) < connection.expires_at {
            // Somebody else refreshes it; the old one still serves.
            return Ok(access);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Err(hubspot::Error::TokensUnavailable(
        "another process has been refreshing for too long".into(),
    ))
}

/// For figures: how a refresh ended. What HubSpot says of our own registration is no portal's trouble.
fn outcome(refreshed: &Result<SecretString, hubspot::Error>) -> &'static str {
    match refreshed {
        Ok(_) => "renewed",
        Err(hubspot::Error::Revoked) => "refused",
        Err(hubspot::Error::OurFault(_)) => "our_fault",
        Err(hubspot::Error::TokensUnavailable(_)) => "not_stored",
        Err(_) => "unavailable",
    }
}

/// Renews a portal's tokens, whether it is time or not: HubSpot's answer tells whether it takes ours.
pub(crate) fn renew(app: &App, scope: PortalScope) -> BoxFuture<'_, Result<(), hubspot::Error>> {
    // Boxed, because a refusal may lead to another portal's renewal.
    async move {
        let held = live(app, scope, None).await?;
        live(app, scope, Some(&held)).await.map(drop)
    }
    .boxed()
}

/// Refreshes under the lease and stores what comes back.
async fn refresh(
    app: &App,
    scope: PortalScope,
    connection: &Connection,
    lease: Uuid,
) -> Result<SecretString, hubspot::Error> {
    let refresh_token = open_refresh_token(app, scope, connection)
        .await
        .map_err(unavailable)?;
    crash::at(Point::TokenLeased);
    let grant = match app.hubspot.refresh(&refresh_token).await {
        Ok(grant) if grant.hub_id == scope.hub_id() => grant,
        Ok(_) => {
            note_failure(app, scope, connection.generation, lease, false)
                .await
                .map_err(unavailable)?;
            return Err(hubspot::Error::Unreadable(
                "a refresh answered for another portal".into(),
            ));
        }
        Err(error) => {
            blame::complain(app, &error, app.now());
            let refused = matches!(error, hubspot::Error::Revoked);
            note_failure(app, scope, connection.generation, lease, refused)
                .await
                .map_err(unavailable)?;
            return Err(error);
        }
    };
    crash::at(Point::TokenAnswered);
    for tries in 1.. {
        match store_refreshed(app, scope, connection, &grant, &refresh_token).await {
            Ok(()) => break,
            Err(error) if tries < STORE_TRIES => {
                tracing::warn!(portal.id = %scope.hub_id(), %error, "refreshed tokens could not be stored; again");
                tokio::time::sleep(LOOK_AGAIN * tries).await;
            }
            Err(error) => return Err(unavailable(error)),
        }
    }
    crash::at(Point::TokenStored);
    Ok(grant.access_token)
}

/// Stores whatever HubSpot returned.
async fn store_refreshed(
    app: &App,
    scope: PortalScope,
    connection: &Connection,
    grant: &hubspot::Grant,
    old_refresh: &SecretString,
) -> Result<(), Error> {
    let mut tx = app.db.begin(scope).await?;
    let key = keys::of_portal(app, &mut tx, scope).await?;
    let next_refresh = grant.refresh_token.as_ref().unwrap_or(old_refresh);
    let (access_token, refresh_token) = seal_tokens(&key, &grant.access_token, next_refresh);
    let (refresh_at, expires_at) = times(grant.expires_in, app.now());
    let scopes = if grant.scopes.is_empty() {
        &connection.scopes
    } else {
        &grant.scopes
    };
    let row = connections::Grant {
        access_token: &access_token,
        refresh_token: &refresh_token,
        refresh_at,
        expires_at,
        scopes,
    };
    let kept = connections::save_refreshed(&mut tx, scope, connection.generation, &row).await?;
    tx.commit().await.map_err(store::Error::from)?;
    if !kept {
        give_back(app, scope, next_refresh).await?;
    }
    // By itself: others take the schedule's row and the connection's in another order, and nothing depends on it.
    let noted = async {
        let mut conn = app.db.unscoped().await?;
        renewals::note_renewed(&mut conn, scope, app.now()).await
    };
    if let Err(error) = noted.await {
        tracing::warn!(portal.id = %scope.hub_id(), %error, "that tokens were renewed could not be noted");
    }
    Ok(())
}

/// What was refreshed while the connection ended, or another one came. Of one that ended nobody else can tell HubSpot.
async fn give_back(app: &App, scope: PortalScope, refresh: &SecretString) -> Result<(), Error> {
    tracing::warn!(portal.id = %scope.hub_id(), "tokens were refreshed while the connection ended or another one came");
    let mut tx = app.db.begin(scope).await?;
    let has_other = connections::find(&mut tx, scope).await?.is_some();
    drop(tx);
    if !has_other && let Err(error) = app.hubspot.revoke(refresh).await {
        tracing::error!(portal.id = %scope.hub_id(), %error, "a grant that nobody holds could not be revoked");
    }
    Ok(())
}

/// Gives the lease back. After enough spaced refusals the connection is over, unless it looks as if they were about us.
async fn note_failure(
    app: &App,
    scope: PortalScope,
    generation: i64,
    lease: Uuid,
    refused: bool,
) -> Result<(), store::Error> {
    let now = app.now();
    let mut tx = app.db.begin(scope).await?;
    let refusals =
        connections::release_refresh(&mut tx, scope, lease, refused.then_some(now)).await?;
    tx.commit().await?;
    if !refused {
        return Ok(());
    }
    let mut conn = app.db.unscoped().await?;
    renewals::note_refused(&mut conn, scope, now).await?;
    drop(conn);
    if refusals >= REFUSALS && blame::is_the_portals(app, scope, now).await? {
        let mut tx = app.db.begin(scope).await?;
        store::runs::lock(&mut tx, scope).await?;
        // An install may have stored a fresh grant meanwhile.
        let current = connections::find(&mut tx, scope).await?;
        if current.is_some_and(|current| current.generation == generation) {
            lose_authorization(app, &mut tx, scope, now).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

/// Ends a connection that HubSpot no longer honours: tokens destroyed, runs ended, data kept.
async fn lose_authorization(
    app: &App,
    tx: &mut store::Tx,
    scope: PortalScope,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let need = Need {
        code: NeedCode::AuthorizationLost,
        detail: "HubSpot no longer accepts this connection: the app was uninstalled, or its access was revoked.".into(),
        remedy: "Sign in here with HubSpot as an owner, or choose Install on our first page; an install from the marketplace alone does not connect a portal again. Nothing is lost: it goes on where it stopped."
            .into(),
    };
    store::runs::fail_open(tx, scope, "the HubSpot connection was lost", now).await?;
    store::portals::disconnect(tx, scope, &need, now).await?;
    connections::delete(tx, scope).await?;
    // Whoever HubSpot no longer lets in sees nothing here either; signing in goes through HubSpot.
    store::sessions::delete_all(tx, scope).await?;
    store::audit::insert(
        tx,
        scope,
        "hubspot",
        "portal.authorization_lost",
        &json!({}),
        now,
    )
    .await?;
    notices::note(app, tx, scope, Sign::Lost, now).await
}

/// The portal's grant and its access token.
async fn find(app: &App, scope: PortalScope) -> Result<Option<(Connection, SecretString)>, Error> {
    let mut tx = app.db.begin(scope).await?;
    let Some(connection) = connections::find(&mut tx, scope).await? else {
        return Ok(None);
    };
    let key = keys::of_portal(app, &mut tx, scope).await?;
    let access = key.open(Secret::AccessToken, &connection.access_token)?;
    Ok(Some((connection, access)))
}

fn unavailable(error: impl std::error::Error) -> hubspot::Error {
    hubspot::Error::TokensUnavailable(error.to_string())
}
