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
/// Arguments: window in ms, calls per window, a unique name of this call. A call that asks again has not gone yet: what an
/// answer that was lost has counted for it is taken back first.
const ACQUIRE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREM', KEYS[1], ARGV[3])
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

    /// Counts the call with all that have a say, or with none, and then says when to ask again.
    async fn take(&self, hub: HubId, class: CallClass, call: u64) -> Result<(), Instant> {
        let taken = self.own.take(hub, class)?;
        let turn = match self.ask(hub, class, call).await {
            Ok(Duration::ZERO) => {
                *self.counted_at.lock().await = Some(Instant::now());
                Ok(())
            }
            Ok(wait) => Err(Instant::now() + wait),
            Err(error) => {
                tracing::debug!(%error, "Redis is away: this process keeps to its share");
                self.take_of_share(hub, class).await
            }
        };
        if turn.is_err() {
            self.own.give_back(hub, taken);
        }
        turn
    }

    /// Counts the call in this process' share, or says when to ask again.
    async fn take_of_share(&self, hub: HubId, class: CallClass) -> Result<(), Instant> {
        let opens = self.counted_at.lock().await.map(|at| at + BUDGET_WINDOW);
        match opens.filter(|opens| *opens > Instant::now()) {
            Some(opens) => Err(opens),
            None => self.share.take(hub, class).map(drop),
        }
    }

    /// How long to wait by Redis' count; zero when the call named `call` is counted and may go.
    async fn ask(
        &self,
        hub: HubId,
        class: CallClass,
        call: u64,
    ) -> Result<Duration, redis::RedisError> {
        let wait: u64 = self
            .acquire
            .key(format!("budget:{hub}:calls"))
            .key(format!("budget:{hub}:blocked"))
            .arg(u64::try_from(BUDGET_WINDOW.as_millis()).unwrap_or(u64::MAX))
            .arg(class.share(self.limit))
            .arg(call)
            .invoke_async(&mut self.redis.connection.clone())
            .await?;
        Ok(Duration::from_millis(wait))
    }
}

#[async_trait]
impl Budget for SharedBudget {
    async fn acquire(&self, hub: HubId, class: CallClass) -> Result<(), Duration> {
        let give_up_at = Instant::now() + class.patience();
        let call = rand::random();
        while let Err(ask_again) = self.take(hub, class, call).await {
            if ask_again > give_up_at {
                return Err(ask_again.saturating_duration_since(Instant::now()));
            }
            tokio::time::sleep_until(ask_again).await;
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};

    const HUB: HubId = HubId(1);

    /// A Redis on a socket in a folder of its own; both end with the test.
    struct Server {
        folder: PathBuf,
        child: Child,
    }

    impl Server {
        fn start() -> Self {
            let folder = PathBuf::from(format!("/tmp/budget-{:x}", rand::random::<u64>()));
            std::fs::create_dir(&folder).unwrap();
            let child = Command::new("redis-server")
                .args(["--port", "0", "--save", "", "--unixsocket"])
                .arg(folder.join("s"))
                .arg("--dir")
                .arg(&folder)
                .stdout(Stdio::null())
                .spawn()
                .expect("redis-server is installed by script/services");
            let mut server = Self { folder, child };
            while !server.folder.join("s").exists() {
                assert_eq!(server.child.try_wait().unwrap(), None, "Redis ended");
                std::thread::yield_now();
            }
            server
        }

        /// The budget of one more process.
        fn budget(&self, limit: u32) -> SharedBudget {
            budget(&self.folder, limit)
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    fn budget(folder: &Path, limit: u32) -> SharedBudget {
        let url = format!("redis+unix://{}", folder.join("s").display());
        SharedBudget::new(crate::queue::connect(&url).unwrap(), limit)
    }

    #[tokio::test]
    async fn the_block_of_another_process_is_given_back_at_once_and_counts_nothing() {
        let server = Server::start();
        let (ours, theirs) = (server.budget(1), server.budget(1));
        theirs.block(HUB, Duration::from_hours(1)).await;
        let wait = ours.acquire(HUB, CallClass::Backfill).await.unwrap_err();
        assert!(wait > Duration::from_mins(59), "{wait:?}");
        assert!(ours.own.take(HUB, CallClass::Backfill).is_ok());
        // Another portal's calls go.
        ours.acquire(HubId(2), CallClass::Backfill).await.unwrap();
    }

    #[tokio::test]
    async fn a_call_that_redis_holds_back_is_counted_nowhere() {
        let server = Server::start();
        let (ours, theirs) = (server.budget(1), server.budget(1));
        theirs.acquire(HUB, CallClass::Sync).await.unwrap();
        for call in [1, 2] {
            assert!(ours.take(HUB, CallClass::Sync, call).await.is_err());
        }
        assert!(ours.own.take(HUB, CallClass::Sync).is_ok());
    }

    #[tokio::test]
    async fn a_call_that_asks_redis_again_is_counted_once() {
        let server = Server::start();
        let budget = server.budget(2);
        for call in [1, 1, 2] {
            let wait = budget.ask(HUB, CallClass::Sync, call).await.unwrap();
            assert_eq!(wait, Duration::ZERO);
        }
        let wait = budget.ask(HUB, CallClass::Sync, 3).await.unwrap();
        assert!(wait > Duration::ZERO && wait <= BUDGET_WINDOW + Duration::from_millis(1));
    }

    #[tokio::test]
    async fn without_redis_a_long_wait_for_the_share_is_given_back() {
        let budget = budget(Path::new("/tmp/no-redis-here"), 4);
        budget.acquire(HUB, CallClass::Interactive).await.unwrap();
        budget.share.block(HUB, Duration::from_hours(1)).await;
        let wait = budget.acquire(HUB, CallClass::Interactive).await;
        assert!(wait.unwrap_err() > Duration::from_mins(59));
        // Of the four calls one has gone; the one that gave up is not counted.
        for _ in 0..3 {
            assert!(budget.own.take(HUB, CallClass::Interactive).is_ok());
        }
        assert!(budget.own.take(HUB, CallClass::Interactive).is_err());
    }
}
