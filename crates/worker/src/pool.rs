//! The pool: apalis takes rings from Redis and calls the engine. The outcome is in Postgres before the handler returns,
//! so apalis is always told that all is well, and its own retries never begin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use apalis::prelude::{
    Data, Event, Monitor, MonitorContext, ParallelizeExt, WorkerBuilder, WorkerBuilderExt,
};
use app::{App, engine};
use domain::run::Ring;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::queue::Redis;
use crate::{Error, STOP_TIMEOUT};

/// Between the death of apalis' worker and the start of the next one.
const RESTART_PAUSE: Duration = Duration::from_millis(500);
/// A pool without a sign of life for this long, while Redis answers, is dead.
const SILENCE: Duration = Duration::from_mins(1);
const WATCH: Duration = Duration::from_secs(5);
/// How often an idle worker looks for rings.
const POLL: Duration = Duration::from_millis(200);

/// Runs the pool until `shutdown` is cancelled or the pool dies.
pub(crate) async fn run(
    app: App,
    redis: Redis,
    concurrency: usize,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let began = Instant::now();
    let last_beat = Arc::new(AtomicU64::new(0));
    let beat = Arc::clone(&last_beat);
    // A name that was used before is refused until its heartbeat is old: each start and restart has its own.
    let process = format!("{}-{:08x}", std::process::id(), rand::random::<u32>());
    let (queue, stop, dropped) = (redis.clone(), shutdown.clone(), redis.clone());
    let monitor = Monitor::new()
        .register(move |restarts| {
            WorkerBuilder::new(&*format!("worker-{process}-{restarts}"))
                .backend(queue.storage())
                .data(app.clone())
                .data(stop.clone())
                .concurrency(concurrency)
                .parallelize(tokio::spawn)
                .build(answer)
        })
        .should_restart(move |worker, error| {
            tracing::warn!(%error, "apalis' worker ended; it starts again");
            // What it had taken would be given to the next one, and may be what it died of.
            let (redis, worker) = (dropped.clone(), worker.clone());
            tokio::spawn(async move { redis.drop_taken(&worker).await });
            std::thread::sleep(RESTART_PAUSE);
            true
        })
        .on_event(move |_, event| {
            if matches!(event, Event::HeartBeat | Event::Start) {
                beat.store(began.elapsed().as_secs(), Ordering::Relaxed);
            }
        })
        .shutdown_timeout(STOP_TIMEOUT);
    let poller = monitor.context();
    let signal = {
        let shutdown = shutdown.clone();
        async move {
            shutdown.cancelled().await;
            Ok(())
        }
    };
    tokio::select! {
        ended = monitor.run_with_signal(signal) => match ended {
            Ok(()) => Ok(()),
            Err(_) if shutdown.is_cancelled() => Ok(()),
            Err(error) => Err(Error::Pool(error.to_string())),
        },
        silence = watch(&redis, began, &last_beat) => Err(silence),
        never = keep_awake(&poller) => match never {},
    }
}

/// Follows one ring.
async fn answer(
    payload: Value,
    app: Data<App>,
    shutdown: Data<CancellationToken>,
) -> Result<(), std::convert::Infallible> {
    let ring: Ring = match serde_json::from_value(payload) {
        Ok(ring) => ring,
        Err(error) => {
            // Nothing is lost: what a newer version or a stranger put here stands in Postgres or nowhere.
            tracing::warn!(%error, "a ring of an unknown shape");
            return Ok(());
        }
    };
    if ring.v != Ring::VERSION {
        tracing::warn!(ring.version = ring.v, "a ring of another version");
        return Ok(());
    }
    if let Err(error) = engine::work(&app, ring.run_id, &shutdown).await {
        tracing::warn!(run.id = %ring.run_id, %error, "a run could not be worked on; the board rings again");
    }
    Ok(())
}

/// Lets apalis look for rings. It waits for a timer of its own, and forgets the timer when that goes off while Redis is slow to
/// answer: it would look no more, nor give a sign of life, until something else wakes it (apalis-core 1.0.0).
async fn keep_awake(poller: &MonitorContext) -> std::convert::Infallible {
    let mut ticks = tokio::time::interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for worker in poller.workers() {
            if let Err(error) = poller.wake_worker(worker.name()) {
                tracing::warn!(%error, "apalis' worker could not be woken");
            }
        }
    }
}

/// Returns when the pool has been silent for too long although Redis answers.
async fn watch(redis: &Redis, began: Instant, last_beat: &AtomicU64) -> Error {
    let mut answered_since = None;
    loop {
        tokio::time::sleep(WATCH).await;
        let silence = began
            .elapsed()
            .saturating_sub(Duration::from_secs(last_beat.load(Ordering::Relaxed)));
        if redis.check().await.is_err() {
            answered_since = None;
            continue;
        }
        let since: Instant = *answered_since.get_or_insert_with(Instant::now);
        if silence > SILENCE && since.elapsed() > SILENCE {
            return Error::Pool(format!("no sign of life for {} s", silence.as_secs()));
        }
    }
}
