//! The queue in Redis: its connection, its settings, and what is cleared away.

use std::time::Duration;

use apalis_core::worker::context::WorkerContext;
use apalis_redis::{Config, RedisStorage};
use redis::AsyncCommands;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use serde_json::Value;

/// A connection to Redis that mends itself.
#[derive(Clone)]
pub struct Redis {
    pub(crate) connection: ConnectionManager,
}

const QUEUE: &str = "runs";
/// A stalled Redis is waited for this long; apalis' own default of 500 ms ends the worker.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(2);
const LONGEST_RECONNECT: Duration = Duration::from_secs(1);
/// Signs of life, and how many may be missed before another worker takes the rings of a dead one: 15 s.
const HEARTBEAT: Duration = Duration::from_secs(5);
const MISSED_HEARTBEATS: usize = 3;
/// What is done is kept this long.
const KEEP_DONE: Duration = Duration::from_mins(1);

/// Opens the connection; Redis need not answer yet.
pub fn connect(url: &str) -> Result<Redis, redis::RedisError> {
    let client = redis::Client::open(url)?;
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_connection_timeout(Some(CONNECTION_TIMEOUT))
        .set_max_delay(LONGEST_RECONNECT)
        .set_number_of_retries(2);
    Ok(Redis {
        connection: ConnectionManager::new_lazy_with_config(client, config)?,
    })
}

impl Redis {
    /// The queue. Its payload type is any JSON: a payload of a type that does not decode ends the worker, and so does one that
    /// is not even JSON.
    pub(crate) fn storage(&self) -> RedisStorage<Value> {
        RedisStorage::new(self.connection.clone()).with_config(
            Config::default()
                .queue(QUEUE)
                .batch_size(1)
                .heartbeat_interval(HEARTBEAT)
                .missed_heartbeats(MISSED_HEARTBEATS)
                .lock_tasks(false)
                .emit_events(false),
        )
    }

    /// How many rings wait.
    pub async fn depth(&self) -> Result<i64, redis::RedisError> {
        let config = Config::default().queue(QUEUE);
        let mut connection = self.connection.clone();
        let (waiting, active): (i64, i64) = redis::pipe()
            .zcard(config.scheduled_jobs_set())
            .llen(config.active_jobs_list())
            .query_async(&mut connection)
            .await?;
        Ok(waiting + active)
    }

    /// Clears away what is done: apalis keeps it for ever.
    pub(crate) async fn sweep(&self) -> Result<(), redis::RedisError> {
        use apalis_core::backend::Vacuum;
        let config = Config::default().queue(QUEUE);
        if let Err(error) = self.storage().vacuum_before(KEEP_DONE).await {
            tracing::warn!(%error, "done rings could not be cleared away");
        }
        let mut connection = self.connection.clone();
        connection
            .del::<_, ()>(&[config.done_jobs_set(), config.dead_jobs_set()])
            .await
    }

    /// Drops what a worker that ended had taken; the board rings for what is due.
    pub(crate) async fn drop_taken(&self, worker: &WorkerContext) {
        let taken = Config::default().queue(QUEUE).inflight_set_for(worker);
        let mut connection = self.connection.clone();
        if let Err(error) = connection.del::<_, ()>(taken).await {
            tracing::warn!(%error, "the rings of a worker that ended could not be dropped");
        }
    }

    /// Whether Redis answers.
    pub async fn check(&self) -> Result<(), redis::RedisError> {
        redis::cmd("PING")
            .query_async(&mut self.connection.clone())
            .await
    }
}
