//! Schedules of faults: web, workers, PostgreSQL, Redis and the wires between them are killed, frozen, cut and emptied while
//! gifts come in; afterwards the sandbox's own log says whether anything was lost, doubled, or done twice.
//!
//! One number decides a schedule; `script/chaos --seed N` plays it again. `docs/reliability.md` says what must hold.

mod evidence;
mod judge;
mod judge_tests;
mod plan;
mod play;
mod servers;
mod site;
pub mod wire;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::plan::Plan;
use self::play::Notes;
use self::site::{Site, Tenant};

/// Schedules that `script/test` plays: the first seeds.
const SEEDS: u64 = 10;
/// A schedule mostly waits: so many are played at once.
const AT_ONCE: u64 = 5;
/// How long everything may take after the faults have stopped. Nothing is judged by it but that there is an end.
const PATIENCE: Duration = Duration::from_mins(5);

fn variable(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "script/chaos says which schedules are wanted"
    )]
    std::env::var(name).ok()
}

fn number(name: &str, default: u64) -> u64 {
    variable(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text}"))
    })
}

/// What a schedule has come to.
struct Outcome {
    plan: Plan,
    violations: Vec<String>,
    recoveries: Vec<Duration>,
    took: Duration,
    drained: Duration,
    records: usize,
    calls: usize,
    kills: usize,
    unnoted: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_of_faults_break_no_promise() {
    let (first, count) = (number("CHAOS_SEED", 1), number("CHAOS_SEEDS", SEEDS));
    let at_once = usize::try_from(number("CHAOS_AT_ONCE", AT_ONCE)).unwrap();
    let turns = Arc::new(Semaphore::new(at_once));
    let mut schedules = JoinSet::new();
    for seed in first..first + count {
        let turns = Arc::clone(&turns);
        schedules.spawn(async move {
            let _turn = turns.acquire_owned().await.unwrap();
            // A schedule that cannot be played is told of like one that went wrong.
            let handle = Handle::current();
            let played = tokio::task::spawn_blocking(move || handle.block_on(schedule(seed)));
            (seed, played.await)
        });
    }
    let (mut recoveries, mut broken) = (Vec::new(), Vec::new());
    while let Some(ended) = schedules.join_next().await {
        let (seed, ended) = ended.unwrap();
        match ended {
            Ok(outcome) => {
                println!("{}", outcome.line());
                if count == 1 || !outcome.violations.is_empty() {
                    println!("{}", outcome.plan);
                }
                for violation in &outcome.violations {
                    println!("  VIOLATED, seed {seed}: {violation}");
                }
                if !outcome.violations.is_empty() {
                    broken.push(seed);
                }
                recoveries.extend(outcome.recoveries);
            }
            Err(error) => {
                println!(
                    "seed {seed} could not be played: {error}\n{}",
                    Plan::of(seed)
                );
                broken.push(seed);
            }
        }
    }
    println!("{}", recovered(recoveries));
    assert!(
        broken.is_empty(),
        "promises were broken with the seeds {broken:?}: repeat one with script/chaos --seed N"
    );
}

impl Outcome {
    fn line(&self) -> String {
        let mut line = format!(
            "seed {}: {} portals, {} workers, {} records, {} calls, {} SIGKILL, {:.0} s of which {:.0} s after the faults",
            self.plan.seed,
            self.plan.gifts.len(),
            self.plan.workers,
            self.records,
            self.calls,
            self.kills,
            self.took.as_secs_f64(),
            self.drained.as_secs_f64(),
        );
        let _ = write!(line, ", {} writes superseded", self.unnoted);
        if !self.violations.is_empty() {
            let _ = write!(line, ", {} VIOLATIONS", self.violations.len());
        }
        line
    }
}

/// The goals for the time from a SIGKILL to the next commit of the run.
const MEDIAN_GOAL: Duration = Duration::from_secs(12);
const P99_GOAL: Duration = Duration::from_secs(30);

fn recovered(mut times: Vec<Duration>) -> String {
    if times.is_empty() {
        return "recovery after SIGKILL: no worker that was killed had a run".to_owned();
    }
    times.sort_unstable();
    let quantile = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
    let verdict = |seen: Duration, goal: Duration| if seen <= goal { "ok" } else { "MISSED" };
    let (median, p99) = (quantile(50), quantile(99));
    format!(
        "recovery after SIGKILL, {} runs: p50 {:.1} s (goal 12 s: {}), p99 {:.1} s (goal 30 s: {})",
        times.len(),
        median.as_secs_f64(),
        verdict(median, MEDIAN_GOAL),
        p99.as_secs_f64(),
        verdict(p99, P99_GOAL),
    )
}

async fn schedule(seed: u64) -> Outcome {
    let plan = Plan::of(seed);
    let began = Instant::now();
    let mut site = Site::build(&plan).await;
    let (workers, notes) = play::play(&site, &plan).await;
    let calmed = Instant::now();
    let (is_drained, pages) = drain(&site).await;
    let drained = calmed.elapsed();
    let mut bad_exits = Vec::new();
    for (number, worker) in workers.into_iter().enumerate() {
        match worker.terminate() {
            Some(0) => {}
            code => bad_exits.push(format!("worker {number} with {code:?}")),
        }
    }
    match site.stop_web() {
        Some(0) => {}
        code => bad_exits.push(format!("web with {code:?}")),
    }
    let evidence = evidence::gather(&site, &notes, is_drained, pages, bad_exits).await;
    let violations = judge::violations(&evidence);
    let Notes { recoveries, .. } = notes;
    let kills = plan.lane(|act| matches!(act, plan::Act::Kill { .. })).len();
    Outcome {
        violations,
        recoveries,
        took: began.elapsed(),
        drained,
        records: evidence
            .portals
            .iter()
            .map(|portal| portal.verdict.records)
            .sum(),
        calls: evidence.log.len(),
        kills,
        unnoted: evidence.superseded(),
        plan,
    }
}

/// Waits until HubSpot is equal to Thnks and the pages say so; whether that was within the patience, and the pages.
async fn drain(site: &Site) -> (bool, Vec<(Value, Value)>) {
    let began = Instant::now();
    loop {
        let mut pages = Vec::new();
        let mut is_drained = true;
        for tenant in &site.tenants {
            let status = tenant.status().await.unwrap_or_default();
            let page = format!("/portals/{}/statistics.json", tenant.hub_id);
            let statistics = tenant.browser.try_json(&page).await.unwrap_or_default();
            is_drained &= is_at_rest(site, tenant, &status);
            pages.push((status, statistics));
        }
        if is_drained || began.elapsed() > PATIENCE {
            return (is_drained, pages);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

fn is_at_rest(site: &Site, tenant: &Tenant, status: &Value) -> bool {
    let verdict = site
        .control()
        .verify(tenant.hub_id, Some(&tenant.organization))
        .unwrap();
    status["state"] == "active"
        && status["current_run"].is_null()
        && status["last_run"]["state"] == "succeeded"
        && status["synced"] == verdict.records
        && status["orphans"] == verdict.orphans
        && verdict.ok
}
