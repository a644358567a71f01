//! Noting where the operator's own trail ends; where portals' end is noted with their runs.

use std::time::Duration;

use app::{App, chain};
use tokio::time;
use tokio_util::sync::CancellationToken;

/// How long an act of the operator's may stay without a note that tells it from one that was made anew.
const INTERVAL: Duration = Duration::from_hours(1);

/// Notes it at once and each hour, until `shutdown` is cancelled.
pub(crate) async fn run(app: App, shutdown: CancellationToken) {
    loop {
        if let Err(error) = chain::note_operators(&app).await {
            tracing::warn!(%error, "the operator's trail could not be looked at");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = time::sleep(INTERVAL) => {}
        }
    }
}
