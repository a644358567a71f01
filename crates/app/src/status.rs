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
    let counters = store::statistics::find_counters(tx, scope).await?;
    read_with(tx, scope, portal, &counters).await
}

/// The same for somebody who has read the counters already.
pub(crate) async fn read_with(
    tx: &mut store::Tx,
    scope: PortalScope,
    portal: &store::portals::Portal,
    counters: &store::statistics::Counters,
) -> Result<PortalStatus, Error> {
    let counted_twice = match counters.rejected {
        0 => 0,
        _ => store::statistics::count_rejected_known(tx, scope).await?,
    };
    let state = PortalState::of(portal.facts());
    let idle = matches!(state, PortalState::Disconnected | PortalState::Paused);
    Ok(PortalStatus {
        state,
        current_run: store::runs::find_current(tx, scope).await?,
        last_run: store::runs::find_last(tx, scope).await?,
        transactions: counters.transactions + counters.rejected - counted_twice,
        synced: counters.synced,
        failed: counters.failed + counters.rejected,
        orphans: counters.orphans,
        next_sync_at: if idle {
            None
        } else {
            store::schedule::find_next_sync(tx, scope).await?
        },
        needs: portal.needs.clone(),
    })
}
