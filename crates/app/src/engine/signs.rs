//! What a run shows of its portal's health, for those who want to be told. Runs that bring gifts in decide: others may fail
//! while the portal is in step.

use chrono::{DateTime, Utc};
use domain::RunId;
use domain::notice::Cause;
use domain::trouble::Sign;
use store::{PortalScope, Tx, runs};

use super::{Run, Stop};
use crate::{App, notices};

/// Takes note of how a slice has ended, in its transaction.
pub(super) async fn show(
    app: &App,
    run: &Run,
    tx: &mut Tx,
    sign: Sign<'_>,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    if !run.kind.includes_sync() {
        return Ok(());
    }
    notices::note(app, tx, run.scope, sign, now).await
}

/// The sign of a run that was stopped and tries again.
pub(super) fn stumbled(run: &Run, stop: &Stop, again_at: DateTime<Utc>) -> Sign<'static> {
    Sign::Stumbled {
        cause: cause(stop),
        has_moved: run.has_moved,
        again_at,
    }
}

/// Takes note of a run that has just been given up, in the transaction of the claim.
pub(super) async fn show_death(
    app: &App,
    tx: &mut Tx,
    scope: PortalScope,
    run_id: RunId,
) -> Result<(), store::Error> {
    let account = runs::find(tx, scope, run_id).await?;
    if !account.is_some_and(|account| account.kind.includes_sync()) {
        return Ok(());
    }
    let sign = Sign::Failed { cause: Cause::Ours };
    notices::note(app, tx, scope, sign, app.now()).await
}

/// Where a run was stopped.
pub(super) fn cause(stop: &Stop) -> Cause {
    match stop {
        Stop::HubSpot(_) | Stop::Again => Cause::HubSpot,
        Stop::Thnks(_) => Cause::Thnks,
        Stop::Needs(_) => Cause::Needs,
        Stop::Store(_) | Stop::Internal(_) | Stop::Idle(_) => Cause::Ours,
    }
}
