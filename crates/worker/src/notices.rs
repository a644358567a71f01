//! Deliveries of notices, beside the relay: a receiver that is slow keeps no run waiting.

use std::sync::Arc;
use std::time::Duration;

use app::{App, notices};
use tokio::sync::Semaphore;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// Portals whose notices this process delivers at once. Each mostly waits for somebody else's server.
const PORTALS: usize = 4;
/// How long attempts under way are waited for when the process stops. What is cut off is sent again: at least once.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Deliveries under way.
pub(crate) struct Deliveries {
    room: Arc<Semaphore>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Deliveries {
    /// None yet.
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self {
            room: Arc::new(Semaphore::new(PORTALS)),
            tasks: TaskTracker::new(),
            shutdown,
        }
    }

    /// Begins with what is due, as far as there is room, and does not wait for it.
    pub(crate) async fn begin_due(&self, app: &App) -> Result<(), app::Error> {
        let mut permits = Vec::new();
        while let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() {
            permits.push(permit);
        }
        let room = i64::try_from(permits.len()).unwrap_or(0);
        if room == 0 {
            return Ok(());
        }
        let due = notices::take_due(app, room).await?;
        for (scope, permit) in due.into_iter().zip(permits) {
            let (app, shutdown) = (app.clone(), self.shutdown.clone());
            let span = tracing::error_span!("notices", portal.id = %scope.hub_id());
            let delivering = async move {
                let _permit = permit;
                if let Err(error) = notices::deliver_due(&app, scope, &shutdown).await {
                    tracing::warn!(portal.id = %scope.hub_id(), %error, "notices could not be delivered; they are tried again");
                }
            };
            self.tasks.spawn(delivering.instrument(span));
        }
        Ok(())
    }

    /// Waits for the attempts under way.
    pub(crate) async fn finish(self) {
        self.tasks.close();
        time::timeout(STOP_TIMEOUT, self.tasks.wait()).await.ok();
    }
}
