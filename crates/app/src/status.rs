//! Where a portal stands, in one read.

use domain::portal::{PortalState, PortalStatus};
use store::PortalScope;

use crate::{App, Error};

/// The portal's status.
pub async fn load(app: &App, scope: &PortalScope) -> Result<PortalStatus, Error> {
    let mut tx = app.db.begin(*scope).await?;
    let portal = store::portals::find(&mut tx, *scope)
        .await?
        .ok_or(Error::NotConnected)?;
    read(&mut tx, *scope, &portal).await
}

pub(crate) async fn read(
    tx: &mut store::Tx,
    scope: PortalScope,
    portal: &store::portals::Portal,
) -> Result<PortalStatus, Error> {
    let counters = &portal.counters;
    let counted_twice = match counters.rejected {
        0 => 0,
        _ => store::statistics::count_rejected_known(tx, scope).await?,
    };
    let state = PortalState::of(portal.facts());
    let idle = matches!(state, PortalState::Disconnected | PortalState::Paused);
    Ok(PortalStatus {
        state,
        current_run: portal.current_run.clone(),
        last_run: portal.last_run.clone(),
        transactions: counters.transactions + counters.rejected - counted_twice,
        synced: counters.synced,
        failed: counters.failed + counters.rejected,
        orphans: counters.orphans,
        next_sync_at: portal.next_sync_at.filter(|_| !idle),
        needs: portal.needs.clone(),
    })
}
