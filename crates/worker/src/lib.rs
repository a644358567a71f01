//! The worker: thin adapters between the queue and the use cases of `app`. Postgres decides, Redis is a doorbell: it
//! carries `{run_id}` and may be lost at any moment.
//!
//! apalis' own retries, idempotency keys and attempts are not used; why is in
//! `docs/adr/0001-postgres-is-the-truth-redis-is-a-doorbell.md`.

mod budget;
mod ends;
mod notices;
mod pool;
mod queue;
mod relay;
mod retention;

use std::time::Duration;

use app::App;
use tokio_util::sync::CancellationToken;

pub use budget::SharedBudget;
pub use queue::{Redis, connect};

/// What the operator decides.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// How many runs this process works on at once.
    pub concurrency: usize,
}

impl Default for Config {
    fn default() -> Self {
        // A run mostly waits for HubSpot; each needs a connection of the pool now and then.
        Self { concurrency: 8 }
    }
}

/// Why a worker ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pool ended or stopped giving signs of life although Redis answers.
    #[error("the pool of workers died: {0}")]
    Pool(String),
}

/// How long the process waits for runs after it was told to stop: longer than a run takes to reach a commit or to let go of
/// a call that does not end ([`app::engine::STOP_PATIENCE`]), with some seconds to note it in a database that is slow.
const STOP_TIMEOUT: Duration = Duration::from_secs(16);

/// Works until `shutdown` is cancelled: relays due runs to Redis and takes them from there. Runs under way reach a
/// commit and yield.
pub async fn run(
    app: App,
    redis: Redis,
    config: Config,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    app::figures::begin_runs();
    let relay = tokio::spawn(relay::run(
        app.clone(),
        redis.clone(),
        config.concurrency,
        shutdown.clone(),
    ));
    let erasing = tokio::spawn(retention::run(app.clone(), shutdown.clone()));
    let noting = tokio::spawn(ends::run(app.clone(), shutdown.clone()));
    let worked = pool::run(app, redis, config.concurrency, shutdown.clone()).await;
    // The pool has ended: by the token, or because it died; then the relay ends with it.
    shutdown.cancel();
    if relay.await.is_err() {
        tracing::error!("the relay panicked");
    }
    if erasing.await.is_err() {
        tracing::error!("what erases disconnected portals panicked");
    }
    if noting.await.is_err() {
        tracing::error!("what notes the end of the operator's trail panicked");
    }
    worked
}
