//! What an operator's monitoring is told: the installation as the database knows it, and how this process reaches what it
//! needs. Every process may be asked; each reads for itself, at most every [`KEEP`].

use std::time::{Duration, SystemTime};

use domain::run::{RunKind, RunState};
use telemetry::Installation;
use telemetry::figures::{set_installation, set_outside, set_pool};
use tokio::time::timeout;

use crate::{App, Error};

/// So long what was read is good enough.
pub const KEEP: Duration = Duration::from_secs(10);
/// A database that answers later than this counts as one that does not: whoever asks waits ten seconds at most.
const PATIENCE: Duration = Duration::from_secs(3);

/// Tells that no run has ended in this process, which is going to work on some.
pub fn begin_runs() {
    let ended = [RunState::Succeeded, RunState::Failed].map(RunState::as_str);
    telemetry::figures::begin_runs(RunKind::ALL.map(RunKind::as_str), &ended);
}

/// Reads the figures and tells them.
pub async fn tell(app: &App) {
    let is = match timeout(PATIENCE, read(app)).await {
        Ok(Ok(is)) => Some(is),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the figures could not be read");
            None
        }
        Err(_) => {
            tracing::warn!("the figures could not be read in time");
            None
        }
    };
    set_installation(is.as_ref(), SystemTime::from(app.now()));
    set_outside(app.hubspot.is_down(), app.thnks.is_down());
    set_pool(app.db.pool_state());
}

/// How the installation is.
pub async fn read(app: &App) -> Result<Installation, Error> {
    let mut conn = app.db.unscoped().await?;
    Ok(store::figures::read(&mut conn).await?)
}
