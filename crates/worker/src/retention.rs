//! Erasing what is known of portals that were disconnected long ago, a little at a time, beside everything else.

use std::time::Duration;

use app::{App, retention};
use tokio::time;
use tokio_util::sync::CancellationToken;

/// How often to look whether a portal's time is over: it is a matter of days.
const LOOK: Duration = Duration::from_mins(1);
/// Between two bouts of work while there is more: runs come first.
const REST: Duration = Duration::from_millis(500);

/// Erases until `shutdown` is cancelled.
pub(crate) async fn run(app: App, shutdown: CancellationToken) {
    loop {
        let has_more = retention::run_due(&app).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "disconnected portals could not be looked at");
            false
        });
        let pause = if has_more { REST } else { LOOK };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = time::sleep(pause) => {}
        }
    }
}
