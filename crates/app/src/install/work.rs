//! What follows a fresh grant or a fresh key.

use domain::run::RunKind;
use store::PortalScope;

use crate::{App, runs};

/// Asks for the work that a fresh grant or key makes possible, if Thnks is connected, and plans the syncs: the first
/// backfill; a look at what was missing; or a sync, to make good what was missed meanwhile.
pub(crate) async fn begin_work(
    app: &App,
    tx: &mut store::Tx,
    scope: PortalScope,
    actor: &str,
) -> Result<(), store::Error> {
    let now = app.now();
    let Some(portal) = store::portals::find(tx, scope).await? else {
        return Ok(());
    };
    let rests = portal.paused_at.is_some() || portal.disconnected_at.is_some();
    if !portal.thnks_connected || rests {
        return Ok(());
    }
    let kind = if portal.needs.is_empty() {
        runs::sync_or_backfill(&portal)
    } else {
        RunKind::Check
    };
    store::runs::request(tx, scope, kind, actor, now).await?;
    store::schedule::plan(tx, scope, app.config.sync_interval, now).await
}
