//! Pausing a portal and resuming it. Nothing is lost meanwhile: open runs stay where they stand, and what Thnks changes is
//! read after the pause.

use chrono::{DateTime, Utc};
use domain::portal::PortalState;
use domain::run::RunKind;
use domain::trouble::Sign;
use serde_json::json;
use store::PortalScope;

use crate::runs::{self, Error};
use crate::session::Session;
use crate::{App, notices, status};

/// Pauses the portal: no run starts, those in work stop at their next commit. Again is harmless.
pub async fn pause(app: &App, session: &Session) -> Result<(), Error> {
    let (scope, now, actor) = (*session.scope(), app.now(), session.actor());
    let mut tx = app.db.begin(scope).await?;
    // Workers lock the lease first, and so does everybody else.
    store::runs::lock(&mut tx, scope).await?;
    pause_in(&mut tx, scope, &actor, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// The same in a transaction that began with [`store::runs::lock`].
pub(crate) async fn pause_in(
    tx: &mut store::Tx,
    scope: PortalScope,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let portal = find(tx, scope).await?;
    let state = status::read(tx, scope, &portal).await?.state;
    if matches!(state, PortalState::Disconnected | PortalState::Connecting) {
        return Err(Error::NotPossible { state });
    }
    if portal.paused_at.is_some() {
        return Ok(());
    }
    store::runs::pause(tx, scope).await?;
    store::portals::save_paused(tx, scope, Some(now)).await?;
    store::schedule::clear(tx, scope).await?;
    store::audit::insert(tx, scope, actor, "portal.pause", &json!({}), now).await?;
    Ok(())
}

/// Ends the pause: open runs go on where they stood; without one a run makes good what was missed. Again is harmless.
pub async fn resume(app: &App, session: &Session) -> Result<(), Error> {
    let (scope, now, actor) = (*session.scope(), app.now(), session.actor());
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    resume_in(&mut tx, app, scope, &actor, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// The same in a transaction that began with [`store::runs::lock`].
pub(crate) async fn resume_in(
    tx: &mut store::Tx,
    app: &App,
    scope: PortalScope,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let portal = find(tx, scope).await?;
    if portal.paused_at.is_none() {
        return Ok(());
    }
    store::portals::save_paused(tx, scope, None).await?;
    store::schedule::plan(tx, scope, app.config.sync_interval, now).await?;
    store::runs::resume(tx, scope).await?;
    let kind = if portal.needs.is_empty() {
        runs::sync_or_backfill(&portal)
    } else {
        RunKind::Check
    };
    store::runs::request(tx, scope, kind, actor, now).await?;
    // The time of the pause is no time of trouble.
    notices::note(app, tx, scope, Sign::Moved, now).await?;
    store::audit::insert(tx, scope, actor, "portal.resume", &json!({}), now).await?;
    Ok(())
}

async fn find(
    tx: &mut store::Tx,
    scope: PortalScope,
) -> Result<store::portals::Portal, crate::Error> {
    let portal = store::portals::find(tx, scope).await?;
    portal.ok_or(crate::Error::NotConnected)
}
