//! Plays a plan: each kind of act in a lane of its own, as the lanes know nothing of each other. Notes when something
//! struck, and how soon a killed worker's run went on.

use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sandbox::control::{Change, Sent};
use serde_json::Value;
use store::PortalScope;
use store::testing::Look;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::plan::{Act, Event, Line, Plan};
use super::servers::Addresses;
use super::site::Site;
use super::wire::Mood;
use crate::processes::Process;

/// What may keep a write from being noted, or an answer from arriving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A worker died or slept.
    Worker,
    /// The database was away.
    Database,
    /// Calls to HubSpot did not get through.
    HubSpot,
}

/// A time in which something struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stroke {
    pub what: What,
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// An expiry that was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    pub hub_id: i64,
    pub at: DateTime<Utc>,
}

/// What is noted while a plan is played.
#[derive(Debug, Default)]
pub struct Notes {
    pub strokes: Vec<Stroke>,
    pub expiries: Vec<Expiry>,
    /// From the SIGKILL of a worker that had a portal to the next commit of that portal's run by another one.
    pub recoveries: Vec<Duration>,
}

pub fn now() -> DateTime<Utc> {
    sandbox::machine_clock()()
}

/// A worker that was frozen in the middle of something ends it when it wakes.
const AFTERMATH: TimeDelta = TimeDelta::seconds(2);
/// After PostgreSQL is back, processes take so long until their connections are too.
const RECONNECT: TimeDelta = TimeDelta::seconds(6);
/// How long a run that was killed is watched.
const WATCH: Duration = Duration::from_mins(2);

struct Player<'a> {
    site: &'a Site,
    began: Instant,
    notes: Mutex<Notes>,
}

/// Plays all of it; the workers that run at the end.
pub async fn play(site: &Site, plan: &Plan) -> (Vec<Process>, Notes) {
    for fault in &plan.throughout {
        site.control().inject(fault.clone());
    }
    let player = Player {
        site,
        began: Instant::now(),
        notes: Mutex::default(),
    };
    let workers = (0..plan.workers).map(|_| Some(site.worker())).collect();
    let takes_workers = |act: &Act| matches!(act, Act::Kill { .. } | Act::Freeze { .. });
    let takes_servers = |act: &Act| {
        matches!(
            act,
            Act::CrashPostgres { .. } | Act::CrashRedis { .. } | Act::FlushRedis
        )
    };
    let takes_wires = |act: &Act| matches!(act, Act::Wire { .. } | Act::Cut { .. });
    let takes_world = |act: &Act| {
        matches!(
            act,
            Act::HubSpot { .. } | Act::Expire { .. } | Act::Send { .. } | Act::Advance { .. }
        )
    };
    let (workers, (), (), ()) = tokio::join!(
        player.workers(plan.lane(takes_workers), workers),
        player.servers(plan.lane(takes_servers)),
        player.wires(plan.lane(takes_wires)),
        player.world(plan.lane(takes_world), plan.seed),
    );
    site.calm_down();
    let mut workers: Vec<Option<Process>> = workers.into_iter().map(Some).collect();
    player.supervise(&mut workers);
    let workers = workers.into_iter().flatten().collect();
    (workers, player.notes.into_inner().unwrap())
}

/// What is to be done with a worker, and when.
enum Step {
    Kill(usize, Duration),
    Start(usize),
    Freeze(usize, Duration),
    Wake(usize, DateTime<Utc>),
}

impl Player<'_> {
    async fn until(&self, at: Duration) {
        tokio::time::sleep_until(self.began + at).await;
    }

    fn struck(&self, what: What, from: DateTime<Utc>, until: DateTime<Utc>) {
        let stroke = Stroke { what, from, until };
        self.notes.lock().unwrap().strokes.push(stroke);
    }

    async fn workers(&self, events: Vec<Event>, mut workers: Vec<Option<Process>>) -> Vec<Process> {
        let mut steps: Vec<(Duration, Step)> = events
            .into_iter()
            .filter_map(|Event { at, act }| match act {
                Act::Kill { worker, down } => Some((at, Step::Kill(worker, down))),
                Act::Freeze { worker, lasts } => Some((at, Step::Freeze(worker, lasts))),
                _ => None,
            })
            .collect();
        let mut watched = JoinSet::new();
        // The earliest is last.
        let order = |(at, _): &(Duration, Step)| std::cmp::Reverse(*at);
        steps.sort_by_key(order);
        while let Some((at, step)) = steps.pop() {
            self.until(at).await;
            self.supervise(&mut workers);
            match step {
                // One that is dead already is not killed again.
                Step::Kill(worker, down) => {
                    if let Some(process) = workers[worker].take() {
                        let (at, killed) = (now(), Instant::now());
                        process.kill();
                        self.struck(What::Worker, at, now());
                        self.watch(&mut watched, killed);
                        steps.push((self.began.elapsed() + down, Step::Start(worker)));
                    }
                }
                Step::Start(worker) => workers[worker] = Some(self.site.worker()),
                Step::Freeze(worker, lasts) => {
                    if let Some(process) = &workers[worker] {
                        process.signal("STOP");
                        steps.push((self.began.elapsed() + lasts, Step::Wake(worker, now())));
                    } else {
                        // It is just being started again.
                        steps.push((at + Duration::from_millis(200), Step::Freeze(worker, lasts)));
                    }
                }
                Step::Wake(worker, slept_at) => {
                    if let Some(process) = &workers[worker] {
                        process.signal("CONT");
                    }
                    self.struck(What::Worker, slept_at, now() + AFTERMATH);
                }
            }
            steps.sort_by_key(order);
        }
        let recoveries = watched.join_all().await.into_iter().flatten();
        self.notes.lock().unwrap().recoveries.extend(recoveries);
        workers.into_iter().flatten().collect()
    }

    /// Starts those again that have given up at their start, as the database was away: whoever runs a service does so.
    fn supervise(&self, workers: &mut [Option<Process>]) {
        for worker in workers.iter_mut().flatten() {
            if worker.has_ended() {
                *worker = self.site.worker();
            }
        }
    }

    fn watch(&self, watched: &mut JoinSet<Option<Duration>>, killed: Instant) {
        for tenant in &self.site.tenants {
            watched.spawn(recovery(self.site.database(), tenant.scope(), killed));
        }
    }

    async fn servers(&self, events: Vec<Event>) {
        for Event { at, act } in events {
            self.until(at).await;
            let began = now();
            match act {
                Act::CrashPostgres { down } => {
                    self.site.crash("postgres").await;
                    tokio::time::sleep(down).await;
                    self.site.bring_back().await;
                    self.struck(What::Database, began, now() + RECONNECT);
                }
                Act::CrashRedis { down } => {
                    self.site.crash("redis").await;
                    tokio::time::sleep(down).await;
                    self.site.bring_back().await;
                }
                Act::FlushRedis => self.site.flush_redis().await,
                _ => {}
            }
        }
    }

    async fn wires(&self, events: Vec<Event>) {
        let strikes = |line| match line {
            Line::Postgres => Some(What::Database),
            Line::HubSpot => Some(What::HubSpot),
            Line::Redis | Line::Thnks => None,
        };
        for Event { at, act } in events {
            self.until(at).await;
            let began = now();
            let line = match act {
                Act::Wire { line, mood, lasts } => {
                    self.site.wire(line).set(mood);
                    tokio::time::sleep(lasts).await;
                    self.site.wire(line).set(Mood::Open);
                    line
                }
                Act::Cut { line } => {
                    self.site.wire(line).cut();
                    line
                }
                _ => continue,
            };
            if let Some(what) = strikes(line) {
                self.struck(what, began, now() + RECONNECT);
            }
        }
    }

    async fn world(&self, events: Vec<Event>, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let control = self.site.control();
        for Event { at, act } in events {
            self.until(at).await;
            match act {
                Act::HubSpot { fault } => control.inject(fault),
                Act::Expire { portal } => {
                    let hub_id = self.site.tenants[portal].hub_id;
                    let expiry = Expiry { hub_id, at: now() };
                    self.notes.lock().unwrap().expiries.push(expiry);
                    control.expire_tokens(hub_id).unwrap();
                }
                Act::Send { portal, gifts } => self.send(portal, gifts, &mut rng),
                Act::Advance { portal, gifts } => self.advance(portal, gifts, &mut rng),
                _ => {}
            }
        }
    }

    /// New gifts to people who have had one, and to strangers.
    fn send(&self, portal: usize, gifts: usize, rng: &mut StdRng) {
        let organization = &self.site.tenants[portal].organization;
        let control = self.site.control();
        let known = control.transactions(organization).unwrap();
        for _ in 0..gifts {
            let recipient = &known.choose(rng).unwrap()["recipient"];
            let text = |name: &str| recipient[name].as_str().map(str::to_owned);
            let sent = Sent {
                email: text("email").or_else(|| Some("stranger@client.example".to_owned())),
                name: text("name"),
                ..Sent::default()
            };
            control.send_gift(organization, sent).unwrap();
        }
    }

    /// Gifts that can go on reach their next status.
    fn advance(&self, portal: usize, gifts: usize, rng: &mut StdRng) {
        let organization = &self.site.tenants[portal].organization;
        let control = self.site.control();
        let known = control.transactions(organization).unwrap();
        let goes_on = |gift: &&Value| {
            let status = gift["status"].as_str().unwrap_or_default();
            ["scheduled", "sent", "delivered", "opened", "expired"].contains(&status)
        };
        let open: Vec<&Value> = known.iter().filter(goes_on).collect();
        for gift in open.choose_multiple(rng, gifts) {
            let change = Change {
                id: gift["id"].as_str().map(str::to_owned),
                count: 1,
                status: None,
                // A gift that is planned for a later day is sent on that day.
                at: latest(gift)
                    .filter(|latest| *latest > now())
                    .map(|latest| latest + TimeDelta::milliseconds(rng.random_range(1..1_000))),
            };
            control.advance(organization, &change).unwrap();
        }
    }
}

fn latest(gift: &Value) -> Option<DateTime<Utc>> {
    let steps = gift["status_history"].as_array()?.iter();
    steps
        .filter_map(|step| step["at"].as_str()?.parse().ok())
        .max()
}

/// The portal's lease, unless the database is away.
async fn look(
    database: &(impl Fn() -> Addresses + Sync),
    scope: PortalScope,
    run_id: Option<&str>,
) -> Option<Look> {
    let scratch = database().scratch();
    scratch.look(scope, run_id).await.ok().flatten()
}

/// How soon a portal's run goes on whose worker was killed; `None` when the dead one had no lease on it.
pub async fn recovery(
    database: impl Fn() -> Addresses + Sync,
    scope: PortalScope,
    killed: Instant,
) -> Option<Duration> {
    // What the dead one had sent to the database last is done first.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = look(&database, scope, None).await?;
    let run_id = before.run_id.clone()?;
    // The living renew every 2.5 s: a lease that is older than that is a sleeper's, or the database was away.
    if before.left_secs < store::runs::LEASE_SECS - 4.0 {
        return None;
    }
    while killed.elapsed() < WATCH {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let Some(seen) = look(&database, scope, Some(&run_id)).await else {
            continue;
        };
        if seen.fence == before.fence && seen.until != before.until {
            // Its holder lives.
            return None;
        }
        if seen.fence > before.fence && killed.elapsed().as_secs_f64() < before.left_secs - 0.5 {
            // Its holder lived, and gave it away.
            return None;
        }
        if seen.fence > before.fence && seen.trail != before.trail {
            return Some(killed.elapsed());
        }
    }
    Some(WATCH)
}
