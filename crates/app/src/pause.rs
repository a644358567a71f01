//! Pausing a portal and resuming it. Nothing is lost meanwhile: open runs stay where they stand, and what Thnks changes is
//! read after the pause.

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
    let portal = find(&mut tx, scope).await?;
    let state = status::read(&mut tx, scope, &portal).await?.state;
    if matches!(state, PortalState::Disconnected | PortalState::Connecting) {
        return Err(Error::NotPossible { state });
    }
    if portal.paused_at.is_some() {
        return Ok(());
    }
    store::runs::pause(&mut tx, scope).await?;
    store::portals::save_paused(&mut tx, scope, Some(now)).await?;
    store::schedule::clear(&mut tx, scope).await?;
    store::audit::insert(&mut tx, scope, &actor, "portal.pause", &json!({}), now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// Ends the pause: open runs go on where they stood; without one a run makes good what was missed. Again is harmless.
pub async fn resume(app: &App, session: &Session) -> Result<(), Error> {
    let (scope, now, actor) = (*session.scope(), app.now(), session.actor());
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let portal = find(&mut tx, scope).await?;
    if portal.paused_at.is_none() {
        return Ok(());
    }
    store::portals::save_paused(&mut tx, scope, None).await?;
    store::schedule::plan(&mut tx, scope, app.config.sync_interval, now).await?;
    store::runs::resume(&mut tx, scope).await?;
    let kind = if portal.needs.is_empty() {
        runs::sync_or_backfill(&portal)
    } else {
        RunKind::Check
    };
    store::runs::request(&mut tx, scope, kind, &actor, now).await?;
    // The time of the pause is no time of trouble.
    notices::note(app, &mut tx, scope, Sign::Moved, now).await?;
    store::audit::insert(&mut tx, scope, &actor, "portal.resume", &json!({}), now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

async fn find(
    tx: &mut store::Tx,
    scope: PortalScope,
) -> Result<store::portals::Portal, crate::Error> {
    let portal = store::portals::find(tx, scope).await?;
    portal.ok_or(crate::Error::NotConnected)
}
