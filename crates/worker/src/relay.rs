//! The relay: inserts the runs that are due by the schedule, rings for those on the board, and begins deliveries of notices. It hears new runs at
//! once and looks by itself every few seconds, so that a lost ring is only a late one. Every worker process has one.

use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::TaskSink;
use app::crash::{self, Point};
use app::{App, engine, schedule};
use domain::RunId;
use domain::run::Ring;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::STOP_TIMEOUT;
use crate::notices::Deliveries;
use crate::queue::Redis;

/// How often the board is looked at without a ring: with the lease of 20 s a dead worker's run goes on within 30 s.
const LOOK: Duration = Duration::from_secs(5);
/// How often the schedule is looked at in any case: another process may have planned something.
const SCHEDULE: Duration = Duration::from_secs(1);
/// How often Redis is swept.
const SWEEP: Duration = Duration::from_secs(30);
/// How soon to look again while something is due.
const SOON: Duration = Duration::from_millis(50);
/// How soon to look again while as many rings wait in Redis as may.
const FULL: Duration = Duration::from_millis(100);
/// After a failure of the database.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Relays until `shutdown` is cancelled.
pub(crate) async fn run(app: App, redis: Redis, concurrency: usize, shutdown: CancellationToken) {
    let direct = Direct {
        room: Arc::new(Semaphore::new(concurrency)),
        tasks: TaskTracker::new(),
    };
    let deliveries = Deliveries::new(shutdown.clone());
    let mut next_sweep = Instant::now() + SWEEP;
    let mut doorbell = None;
    while !shutdown.is_cancelled() {
        if doorbell.is_none() {
            doorbell = app
                .doorbell()
                .await
                .inspect_err(|error| tracing::warn!(%error, "no doorbell"))
                .ok();
        }
        let pause = match turn(&app, &redis, &direct, &shutdown).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(%error, "the relay could not look at the board");
                AFTER_FAILURE
            }
        };
        if let Err(error) = deliveries.begin_due(&app).await {
            tracing::warn!(%error, "notices could not be taken");
        }
        if Instant::now() >= next_sweep {
            next_sweep = Instant::now() + SWEEP;
            if let Err(error) = redis.sweep().await {
                tracing::debug!(%error, "Redis could not be swept");
            }
        }
        let rung = async {
            match &mut doorbell {
                Some(bell) => bell.wait().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            rung = rung => if rung.is_err() {
                doorbell = None;
                tokio::time::sleep(AFTER_FAILURE).await;
            },
        }
    }
    direct.tasks.close();
    let runs_end = tokio::time::timeout(STOP_TIMEOUT, direct.tasks.wait());
    let ((), _) = tokio::join!(deliveries.finish(), runs_end);
}

/// Runs that this process works on without a ring from Redis.
struct Direct {
    room: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// One look at schedule and board; returns how long to pause unless something rings.
async fn turn(
    app: &App,
    redis: &Redis,
    direct: &Direct,
    shutdown: &CancellationToken,
) -> Result<Duration, app::Error> {
    schedule::insert_due_runs(app).await?;
    // What is due is rung for in any case.
    if let Err(error) = schedule::take_events(app).await {
        tracing::warn!(%error, "HubSpot's events could not be taken");
    }
    let free = i64::try_from(direct.room.available_permits()).unwrap_or(0);
    // Redis gives rings out in the order in which they came: no more wait there than this process could take at once, so that
    // what is urgent waits behind a handful at most. Everything else waits on the board, which knows precedence. It also
    // keeps the queue far below the 8,000 that apalis' script cannot take out. While Redis is away, only as many are
    // taken as this process can work on by itself.
    let room = match redis.depth().await {
        Ok(depth) => free - depth,
        Err(_) => free,
    };
    if room > 0 {
        let due = schedule::take_due(app, room).await?;
        if !due.is_empty() {
            crash::at(Point::RingNoted);
            ring(app, redis, direct, shutdown, due).await;
        }
    }
    // To the moment, or all portals of a second would begin together.
    let (due, planned) = (
        schedule::next_due(app).await?,
        schedule::next_planned(app).await?,
    );
    let next = due.into_iter().chain(planned).min().unwrap_or(LOOK);
    let soonest = if room > 0 { SOON } else { FULL };
    Ok(next.clamp(soonest, SCHEDULE))
}

/// Hands runs to Redis; without Redis this process works on them itself, as far as it has room.
async fn ring(
    app: &App,
    redis: &Redis,
    direct: &Direct,
    shutdown: &CancellationToken,
    due: Vec<RunId>,
) {
    let mut storage = redis.storage();
    let mut is_away = false;
    for run_id in due {
        if !is_away {
            match storage.push(json!(Ring::new(run_id))).await {
                Ok(()) => {
                    crash::at(Point::RingPushed);
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, "Redis is away: this process works on due runs by itself");
                    is_away = true;
                }
            }
        }
        // Without room the board rings for it again.
        let Ok(permit) = Arc::clone(&direct.room).try_acquire_owned() else {
            continue;
        };
        let (app, shutdown) = (app.clone(), shutdown.clone());
        direct.tasks.spawn(async move {
            let _permit = permit;
            if let Err(error) = engine::work(&app, run_id, &shutdown).await {
                tracing::warn!(run.id = %run_id, %error, "a run could not be worked on");
            }
        });
    }
}
