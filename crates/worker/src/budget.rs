//! The rate budget of each portal, shared by all processes through Redis: an exact sliding window by Redis' clock.
//!
//! This process' own calls are counted as well, so that a Redis that was flushed does not open the gate; without Redis
//! each process keeps to a share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::HubId;
use domain::breaker::{OPENS_AFTER, PROBE_EVERY};
use hubspot::limits::BUDGET_WINDOW;
use hubspot::{Budget, CallClass, LocalBudget, NoTurn, Used};
use redis::Script;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::queue::Redis;

/// Without Redis a process uses this part of a portal's budget: so many processes may run at once.
const PROCESSES: u32 = 4;

/// Where all processes count calls that broke in a row, and note when the next probe goes while HubSpot is down.
const BROKEN: &str = "breaker:hubspot:broken";
const PROBE: &str = "breaker:hubspot:probe";
/// A count of broken calls that nobody adds to is forgotten.
const FORGET_BROKEN: Duration = Duration::from_mins(10);

/// Takes one call from the window of `KEYS[1]`; answers with how many milliseconds to wait, whether it is HubSpot that is
/// down, and whether there are broken calls that an answer should clear.
/// Arguments: window in ms, calls per window, a unique name of this call, ms between probes. A call that asks again has not
/// gone yet: what an answer that was lost has counted for it is taken back first.
const ACQUIRE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREM', KEYS[1], ARGV[3])
local blocked = tonumber(redis.call('GET', KEYS[2]) or '0')
if blocked > now then return {blocked - now, 0, 0} end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
local used = redis.call('ZCARD', KEYS[1])
local limit = tonumber(ARGV[2])
if used < limit then
    local probe = tonumber(redis.call('GET', KEYS[3]) or '0')
    if probe > now then return {probe - now, 1, 1} end
    if probe > 0 then redis.call('SET', KEYS[3], now + ARGV[4], 'PX', ARGV[4] * 10) end
    redis.call('ZADD', KEYS[1], now, ARGV[3])
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    return {0, 0, redis.call('EXISTS', KEYS[3], KEYS[4])}
end
local leaves = redis.call('ZRANGE', KEYS[1], used - limit, used - limit, 'WITHSCORES')
return {math.max(1, leaves[2] + ARGV[1] + 1 - now), 0, 0}
";

/// Counts a broken call in `KEYS[2]`; the `ARGV[1]`th in a row stops all processes but for a probe each `ARGV[2]` ms.
const BROKE: &str = r"
local broken = redis.call('INCR', KEYS[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
if broken >= tonumber(ARGV[1]) then
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    redis.call('SET', KEYS[1], now + ARGV[2], 'PX', ARGV[2] * 10, 'NX')
end
return 0
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

/// For each portal, whose two keys follow each other: its calls of the last `ARGV[1]` milliseconds, and for how many it is blocked.
const USED: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local used = {}
for key = 1, #KEYS, 2 do
    used[key] = redis.call('ZCOUNT', KEYS[key], string.format('(%.0f', now - ARGV[1]), '+inf')
    used[key + 1] = math.max(0, tonumber(redis.call('GET', KEYS[key + 1]) or '0') - now)
end
return used
";

/// How long somebody who looks at a page waits for Redis to tell.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// The budget that all processes share.
pub struct SharedBudget {
    redis: Redis,
    limit: u32,
    acquire: Script,
    block: Script,
    broke: Script,
    used: Script,
    /// All calls of this process.
    own: LocalBudget,
    /// Its share while Redis is away.
    share: LocalBudget,
    /// The last call that Redis counted: the share opens a window later, when no other process can still be counting
    /// on the whole.
    counted_at: Mutex<Option<Instant>>,
    /// Some process has noted broken calls that the next answer clears.
    has_broken: AtomicBool,
    /// Redis has said that HubSpot is down.
    is_down: AtomicBool,
}

/// What Redis says about a call.
struct Word {
    wait: Duration,
    is_down: bool,
}

impl SharedBudget {
    /// A budget of `limit` calls per ten seconds and portal (`HUBSPOT_RATE_PER_10S`).
    pub fn new(redis: Redis, limit: u32) -> Self {
        Self {
            redis,
            limit,
            acquire: Script::new(ACQUIRE),
            block: Script::new(BLOCK),
            broke: Script::new(BROKE),
            used: Script::new(USED),
            own: LocalBudget::new(limit),
            share: LocalBudget::new((limit / PROCESSES).max(1)),
            counted_at: Mutex::new(None),
            has_broken: AtomicBool::new(false),
            is_down: AtomicBool::new(false),
        }
    }

    /// Counts the call with all that have a say, or with none, and then says when to ask again and whether it is HubSpot that
    /// is down.
    async fn take(&self, hub: HubId, class: CallClass, call: u64) -> Result<(), (Instant, bool)> {
        let taken = self.own.take(hub, class).map_err(|at| (at, false))?;
        let turn = match self.ask(hub, class, call).await {
            Ok(Word {
                wait: Duration::ZERO,
                ..
            }) => {
                *self.counted_at.lock().await = Some(Instant::now());
                Ok(())
            }
            Ok(Word { wait, is_down }) => Err((Instant::now() + wait, is_down)),
            Err(error) => {
                tracing::debug!(%error, "Redis is away: this process keeps to its share");
                let turn = self.take_of_share(hub, class).await;
                turn.map_err(|at| (at, false))
                    .and_then(|()| self.own.pass().map_err(|at| (at, true)))
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

    /// What Redis says of the call named `call`; without a wait it is counted and may go.
    async fn ask(
        &self,
        hub: HubId,
        class: CallClass,
        call: u64,
    ) -> Result<Word, redis::RedisError> {
        let (wait, is_down, has_broken): (u64, bool, u64) = self
            .acquire
            .key(format!("budget:{hub}:calls"))
            .key(format!("budget:{hub}:blocked"))
            .key(PROBE)
            .key(BROKEN)
            .arg(millis(BUDGET_WINDOW))
            .arg(class.share(self.limit))
            .arg(call)
            .arg(millis(PROBE_EVERY))
            .invoke_async(&mut self.redis.connection.clone())
            .await?;
        if wait == 0 || is_down {
            self.has_broken.store(has_broken > 0, Ordering::Relaxed);
            self.is_down.store(is_down, Ordering::Relaxed);
            if has_broken == 0 {
                self.own.report(true).await;
            }
        }
        Ok(Word {
            wait: Duration::from_millis(wait),
            is_down,
        })
    }

    /// Tells all processes of a broken call, or that HubSpot answers.
    async fn tell(&self, answered: bool) -> Result<(), redis::RedisError> {
        let mut connection = self.redis.connection.clone();
        if answered {
            return redis::cmd("DEL")
                .arg(&[PROBE, BROKEN])
                .query_async(&mut connection)
                .await;
        }
        self.broke
            .key(PROBE)
            .key(BROKEN)
            .arg(OPENS_AFTER)
            .arg(millis(PROBE_EVERY))
            .arg(millis(FORGET_BROKEN))
            .invoke_async(&mut connection)
            .await
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait]
impl Budget for SharedBudget {
    async fn acquire(&self, hub: HubId, class: CallClass) -> Result<(), NoTurn> {
        let give_up_at = Instant::now() + class.patience();
        let call = rand::random();
        loop {
            let Err((ask_again, is_down)) = self.take(hub, class, call).await else {
                return Ok(());
            };
            let wait = ask_again.saturating_duration_since(Instant::now());
            if is_down {
                return Err(NoTurn::Down(wait));
            }
            if ask_again > give_up_at {
                return Err(NoTurn::Busy(wait));
            }
            tokio::time::sleep_until(ask_again).await;
        }
    }

    async fn report(&self, answered: bool) {
        self.own.report(answered).await;
        // What goes well all the time needs no telling.
        if answered && !self.has_broken.swap(false, Ordering::Relaxed) {
            return;
        }
        if answered {
            self.is_down.store(false, Ordering::Relaxed);
        }
        if let Err(error) = self.tell(answered).await {
            tracing::debug!(%error, "other processes could not be told how HubSpot is");
        }
    }

    fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Relaxed) || self.own.is_down()
    }

    async fn block(&self, hub: HubId, wait: Duration) {
        self.own.block(hub, wait).await;
        let blocked: Result<(), _> = self
            .block
            .key(format!("budget:{hub}:blocked"))
            .arg(millis(wait).max(1))
            .invoke_async(&mut self.redis.connection.clone())
            .await;
        if let Err(error) = blocked {
            tracing::debug!(%error, "other processes could not be told to slow down");
        }
    }

    async fn used(&self, hubs: &[HubId]) -> Option<Vec<Used>> {
        let mut asked = self.used.prepare_invoke();
        asked.arg(millis(BUDGET_WINDOW));
        for hub in hubs {
            asked
                .key(format!("budget:{hub}:calls"))
                .key(format!("budget:{hub}:blocked"));
        }
        let mut connection = self.redis.connection.clone();
        let told = tokio::time::timeout(TOLD_WITHIN, asked.invoke_async(&mut connection)).await;
        let told: Vec<u64> = told.ok()?.ok()?;
        let used = told.chunks_exact(2).map(|pair| Used {
            calls: u32::try_from(pair[0]).unwrap_or(u32::MAX),
            limit: self.limit,
            blocked: Duration::from_millis(pair[1]),
        });
        Some(used.collect())
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

    fn assert_waits_long(turn: Result<(), NoTurn>) {
        match turn {
            Err(NoTurn::Busy(wait)) => assert!(wait > Duration::from_mins(59), "{wait:?}"),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn when_hubspot_is_down_for_one_process_the_other_asks_no_more_than_the_probe() {
        let server = Server::start();
        let (ours, theirs) = (server.budget(100), server.budget(100));
        for _ in 0..OPENS_AFTER {
            ours.acquire(HUB, CallClass::Sync).await.unwrap();
            ours.report(false).await;
        }
        for budget in [&ours, &theirs] {
            let turn = budget.acquire(HubId(2), CallClass::Interactive).await;
            let Err(NoTurn::Down(wait)) = turn else {
                panic!("{turn:?}")
            };
            assert!(wait > PROBE_EVERY / 2 && wait <= PROBE_EVERY, "{wait:?}");
            assert!(budget.is_down());
        }
        // A minute later one of them may ask.
        let mut connection = ours.redis.connection.clone();
        let () = redis::cmd("SET")
            .arg(PROBE)
            .arg(1)
            .query_async(&mut connection)
            .await
            .unwrap();
        theirs.acquire(HubId(2), CallClass::Sync).await.unwrap();
        let turn = theirs.acquire(HubId(3), CallClass::Sync).await;
        assert!(matches!(turn, Err(NoTurn::Down(_))), "{turn:?}");
        // Its answer opens the way for all.
        theirs.report(true).await;
        theirs.acquire(HubId(3), CallClass::Sync).await.unwrap();
        let turn = ours.acquire(HubId(3), CallClass::Sync).await;
        assert!(turn.is_ok(), "{turn:?}");
        assert!(!theirs.is_down() && !ours.is_down());
    }

    #[tokio::test]
    async fn the_block_of_another_process_is_given_back_at_once_and_counts_nothing() {
        let server = Server::start();
        let (ours, theirs) = (server.budget(1), server.budget(1));
        theirs.block(HUB, Duration::from_hours(1)).await;
        assert_waits_long(ours.acquire(HUB, CallClass::Backfill).await);
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
            let word = budget.ask(HUB, CallClass::Sync, call).await.unwrap();
            assert_eq!(word.wait, Duration::ZERO);
        }
        let wait = budget.ask(HUB, CallClass::Sync, 3).await.unwrap().wait;
        assert!(wait > Duration::ZERO && wait <= BUDGET_WINDOW + Duration::from_millis(1));
    }

    #[tokio::test]
    async fn what_all_processes_have_used_is_told_without_counting_as_a_call() {
        let server = Server::start();
        let (ours, theirs) = (server.budget(9), server.budget(9));
        for budget in [&ours, &theirs, &theirs] {
            budget.acquire(HUB, CallClass::Sync).await.unwrap();
        }
        theirs.block(HubId(2), Duration::from_hours(1)).await;
        for _ in 0..2 {
            let used = ours.used(&[HubId(2), HUB, HubId(3)]).await.unwrap();
            let calls: Vec<u32> = used.iter().map(|used| used.calls).collect();
            assert_eq!(calls, [0, 3, 0]);
            let blocked: Vec<bool> = used.iter().map(|used| !used.blocked.is_zero()).collect();
            assert_eq!(blocked, [true, false, false]);
        }
        assert_eq!(ours.used(&[]).await, Some(Vec::new()));
        let away = budget(Path::new("/tmp/no-redis-here"), 9);
        assert_eq!(away.used(&[HUB]).await, None);
    }

    #[tokio::test]
    async fn without_redis_a_long_wait_for_the_share_is_given_back() {
        let budget = budget(Path::new("/tmp/no-redis-here"), 4);
        budget.acquire(HUB, CallClass::Interactive).await.unwrap();
        budget.share.block(HUB, Duration::from_hours(1)).await;
        assert_waits_long(budget.acquire(HUB, CallClass::Interactive).await);
        // Of the four calls one has gone; the one that gave up is not counted.
        for _ in 0..3 {
            assert!(budget.own.take(HUB, CallClass::Interactive).is_ok());
        }
        assert!(budget.own.take(HUB, CallClass::Interactive).is_err());
    }
}
