//! The rate budget of each portal, shared by all processes through Redis: an exact sliding window by Redis' clock.
//!
//! This process' own calls are counted as well, so that a Redis that was flushed does not open the gate; without Redis
//! each process keeps to a share.

use std::time::Duration;

use async_trait::async_trait;
use domain::HubId;
use hubspot::limits::BUDGET_WINDOW;
use hubspot::{Budget, CallClass, LocalBudget};
use redis::Script;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::queue::Redis;

/// Without Redis a process uses this part of a portal's budget: so many processes may run at once.
const PROCESSES: u32 = 4;

/// Takes one call from the window of `KEYS[1]`, or tells how many milliseconds to wait.
/// Arguments: window in ms, calls per window, a unique name of this call.
const ACQUIRE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local blocked = tonumber(redis.call('GET', KEYS[2]) or '0')
if blocked > now then return blocked - now end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
local used = redis.call('ZCARD', KEYS[1])
local limit = tonumber(ARGV[2])
if used < limit then
    redis.call('ZADD', KEYS[1], now, ARGV[3])
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    return 0
end
local leaves = redis.call('ZRANGE', KEYS[1], used - limit, used - limit, 'WITHSCORES')
return math.max(1, leaves[2] + ARGV[1] + 1 - now)
";

/// Blocks the portal of `KEYS[1]` for `ARGV[1]` milliseconds; a longer block stays.
const BLOCK: &str = r"
local time = redis.call('TIME')
local until_ms = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
if until_ms > tonumber(redis.call('GET', KEYS[1]) or '0') then
    redis.call('SET', KEYS[1], until_ms, 'PX', ARGV[1])
end
return 0
";

/// The budget that all processes share.
pub struct SharedBudget {
    redis: Redis,
    limit: u32,
    acquire: Script,
    block: Script,
    /// All calls of this process.
    own: LocalBudget,
    /// Its share while Redis is away.
    share: LocalBudget,
    /// The last call that Redis counted: the share opens a window later, when no other process can still be counting
    /// on the whole.
    counted_at: Mutex<Option<Instant>>,
}

impl SharedBudget {
    /// A budget of `limit` calls per ten seconds and portal (`HUBSPOT_RATE_PER_10S`).
    pub fn new(redis: Redis, limit: u32) -> Self {
        Self {
            redis,
            limit,
            acquire: Script::new(ACQUIRE),
            block: Script::new(BLOCK),
            own: LocalBudget::new(limit),
            share: LocalBudget::new((limit / PROCESSES).max(1)),
            counted_at: Mutex::new(None),
        }
    }

    /// Waits for a turn by Redis' count; without Redis, by this process' share.
    async fn shared_turn(
        &self,
        hub: HubId,
        class: CallClass,
        give_up_at: Instant,
    ) -> Result<(), Duration> {
        loop {
            match self.ask(hub, class).await {
                Ok(Duration::ZERO) => {
                    *self.counted_at.lock().await = Some(Instant::now());
                    return Ok(());
                }
                Ok(wait) => wait_until(Instant::now() + wait, give_up_at).await?,
                Err(error) => {
                    tracing::debug!(%error, "Redis is away: this process keeps to its share");
                    let counted_at = *self.counted_at.lock().await;
                    if let Some(at) = counted_at {
                        wait_until(at + BUDGET_WINDOW, give_up_at).await?;
                    }
                    return self.share.acquire(hub, class).await;
                }
            }
        }
    }

    /// How long to wait by Redis' count; zero when the call is counted and may go.
    async fn ask(&self, hub: HubId, class: CallClass) -> Result<Duration, redis::RedisError> {
        let wait: u64 = self
            .acquire
            .key(format!("budget:{hub}:calls"))
            .key(format!("budget:{hub}:blocked"))
            .arg(u64::try_from(BUDGET_WINDOW.as_millis()).unwrap_or(u64::MAX))
            .arg(class.share(self.limit))
            .arg(rand::random::<u64>())
            .invoke_async(&mut self.redis.connection.clone())
            .await?;
        Ok(Duration::from_millis(wait))
    }
}

/// Sleeps until `at`; when that is later than `give_up_at`, answers at once how long it would be.
async fn wait_until(at: Instant, give_up_at: Instant) -> Result<(), Duration> {
    if at > give_up_at {
        return Err(at.duration_since(Instant::now()));
    }
    tokio::time::sleep_until(at).await;
    Ok(())
}

#[async_trait]
impl Budget for SharedBudget {
    async fn acquire(&self, hub: HubId, class: CallClass) -> Result<(), Duration> {
        let give_up_at = Instant::now() + class.patience();
        let taken = loop {
            match self.own.take(hub, class) {
                Ok(taken) => break taken,
                Err(ask_again) => wait_until(ask_again, give_up_at).await?,
            }
        };
        let turn = self.shared_turn(hub, class, give_up_at).await;
        if turn.is_err() {
            self.own.give_back(hub, taken);
        }
        turn
    }

    async fn block(&self, hub: HubId, wait: Duration) {
        self.own.block(hub, wait).await;
        let blocked: Result<(), _> = self
            .block
            .key(format!("budget:{hub}:blocked"))
            .arg(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1))
            .invoke_async(&mut self.redis.connection.clone())
            .await;
        if let Err(error) = blocked {
            tracing::debug!(%error, "other processes could not be told to slow down");
        }
    }
}
