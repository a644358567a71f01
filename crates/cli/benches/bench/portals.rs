//! Many idle portals in a compressed hour: how evenly their syncs begin, how late, how many rings wait in Redis, and what the
//! portals cost: time of processors, memory, bytes of the database, statements.
//!
//! The portals are written as an install leaves them (`app::testing`); everything else is the product's. An idle sync
//! asks Thnks and makes no call to HubSpot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use app::{App, KeyRing};
use chrono::{DateTime, TimeDelta, Utc};
use domain::HubId;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sandbox::WorldSpec;
use secrecy::SecretString;
use serde_json::Value;
use store::testing::Statement;

use crate::engine::{since, title};
use crate::figures::{Figures, Limit, count};
use crate::meter::Meter;
use crate::processes::{ENCRYPTION_KEYS, Process, Stage};
use crate::say;

const PORTALS: usize = 10_000;
const HOUR: TimeDelta = TimeDelta::hours(1);
/// An hour, compressed twelvefold.
const INTERVAL: &str = "5m";
const WORKERS: usize = 2;
/// Ten seconds of an hour.
const BUCKETS: usize = 360;
/// The busiest ten seconds against the mean.
const SPREAD: f64 = 1.5;
/// Rings that may wait in Redis.
const DEPTH: f64 = 500.0;
/// Statements to PostgreSQL for one sync that finds nothing changed, with its part of the dispatcher's looks.
const STATEMENTS: f64 = 60.0;
/// How many of the most frequent ones are named.
const NAMED: usize = 12;
/// Bytes of the database for a portal without gifts, its part of indexes included, and after a run or two.
const BYTES: f64 = 16_384.0;
/// How many portals are written at once.
const WRITERS: usize = 8;
/// How often the queue is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// After the interval, for the last runs to begin.
const GRACE: Duration = Duration::from_secs(20);

pub async fn run(figures: &mut Figures, arguments: &[String]) {
    let portals = arguments
        .first()
        .map_or(PORTALS, |text| text.parse().expect("a number of portals"));
    let interval_text = arguments.get(1).map_or(INTERVAL, String::as_str);
    let interval = humantime::parse_duration(interval_text).expect("an interval");

    let now = sandbox::machine_clock()();
    let stage = Stage::with(WorldSpec::empty(now)).await;
    let app = app(&stage, interval);
    say(&format!("writing {portals} portals …"));
    let hub_ids = hub_ids(portals);
    let empty_bytes = stage.scratch.bytes().await;
    write(&app, &hub_ids).await;
    let bytes = stage.scratch.bytes().await - empty_bytes;
    app::testing::plan_syncs(&app, &hub_ids).await.unwrap();
    let workers: Vec<Process> = (0..WORKERS)
        .map(|_| Process::spawn(stage.command(&["work"]).env("SYNC_INTERVAL", interval_text)))
        .collect();
    let warm_up = interval / 10;
    say(&format!(
        "warming up for {warm_up:.0?}, then measuring for {interval_text} …"
    ));
    tokio::time::sleep(warm_up).await;

    let planned = planned(&stage).await;
    assert_eq!(planned.len(), portals, "every portal has a plan");
    let meter = Meter::of(&stage, &workers).await;
    let began = app.now();
    let (cpu, statements) = (meter.cpu(), stage.scratch.statements().await);
    let depth = watch_queue(&stage, interval).await;
    let cpu = meter.cpu() - cpu;
    let statements = statements.zip(stage.scratch.statements().await);
    let held_kb = [
        ("the larger worker", meter.worker_kb()),
        ("PostgreSQL", meter.postgres_kb()),
        ("Redis", meter.redis_kb()),
    ];
    tokio::time::sleep(GRACE).await;
    for worker in workers {
        assert_eq!(worker.terminate(), Some(0), "a worker ends well");
    }
    let interval = TimeDelta::from_std(interval).unwrap();
    let runs = runs(&stage).await;
    show(figures, &planned, &runs, began, interval);
    figures.show(
        "rings waiting in Redis, at most",
        count(depth),
        Limit::AtMost(DEPTH),
        "looked at every 100 ms",
    );
    let by_kind = stage.control().counters(None).by_kind;
    let to_hubspot: u64 = by_kind
        .iter()
        .filter(|(kind, _)| !kind.starts_with("thnks."))
        .map(|(_, count)| count)
        .sum();
    figures.show(
        "calls to HubSpot",
        count(to_hubspot),
        Limit::AtMost(0.0),
        "",
    );
    let seconds = count(interval.num_seconds());
    for (name, used) in [
        ("both workers", cpu.worker),
        ("PostgreSQL", cpu.postgres),
        ("Redis", cpu.redis),
    ] {
        figures.show(
            &format!("CPU of {name}, % of one core"),
            100.0 * used / seconds,
            Limit::None,
            &format!(
                "{:.1} s; {:.2} ms a sync",
                used,
                1_000.0 * used / count(portals)
            ),
        );
    }
    for (name, kb) in held_kb {
        let name = format!("memory of {name}, kB");
        figures.show(&name, count(kb), Limit::None, "at the end of the interval");
    }
    figures.show(
        "database, bytes a portal",
        (count(bytes) / count(portals)).round(),
        Limit::AtMost(BYTES),
        "before its first sync; the empty schema taken off",
    );
    if let Some((before, after)) = statements {
        show_statements(figures, since(&before, &after), portals);
    }
    app.close().await;
}

/// How many statements a portal costs, and which ones most of them are.
fn show_statements(figures: &mut Figures, mut ran: Vec<Statement>, portals: usize) {
    let all: i64 = ran.iter().map(|statement| statement.calls).sum();
    figures.show(
        "statements per idle portal and interval",
        count(all) / count(portals),
        Limit::AtMost(STATEMENTS),
        "by pg_stat_statements, without BEGIN and COMMIT",
    );
    let millis: f64 = ran.iter().map(|statement| statement.millis).sum();
    ran.sort_by_key(|statement| std::cmp::Reverse(statement.calls));
    for statement in ran.iter().take(NAMED) {
        figures.show(
            &title(&statement.text),
            count(statement.calls) / count(portals),
            Limit::None,
            &format!(
                "{:.0} % of the statements’ time",
                100.0 * statement.millis / millis
            ),
        );
    }
}

/// HubSpot, as the product knows it.
pub fn hubspot_client(stage: &Stage, budget: Arc<dyn hubspot::Budget>) -> hubspot::Client {
    let public_url = stage.public_url().parse::<url::Url>().unwrap();
    let config = hubspot::Config {
        api_url: stage.sandbox.hubspot_url().clone(),
        authorize_url: stage.sandbox.authorize_url(),
        client_id: sandbox::CLIENT_ID.into(),
        client_secret: sandbox::CLIENT_SECRET.into(),
        previous_client_secret: None,
        app_id: None,
        redirect_uri: public_url.join("/oauth/callback").unwrap(),
    };
    hubspot::Client::new(config, budget).unwrap()
}

/// Thnks, as the product knows it.
pub fn thnks_client(stage: &Stage) -> thnks::Client {
    let api_url = stage.sandbox.thnks_url().clone();
    thnks::Client::new(&thnks::Config { api_url }).unwrap()
}

/// The product's context, to write with.
pub fn app(stage: &Stage, interval: Duration) -> App {
    let public_url = stage.public_url().parse::<url::Url>().unwrap();
    App::new(
        stage.scratch.db(),
        hubspot_client(stage, Arc::new(hubspot::LocalBudget::new(1))),
        thnks_client(stage),
        KeyRing::parse(&ENCRYPTION_KEYS.into()).unwrap(),
        app::Config {
            public_url,
            sync_interval: TimeDelta::from_std(interval).unwrap(),
            retention: TimeDelta::days(30),
        },
        app::system_clock(),
    )
}

/// Distinct ids as HubSpot gives them out: in no order that a schedule could lean on.
fn hub_ids(portals: usize) -> Vec<HubId> {
    let mut random = StdRng::seed_from_u64(20_261_124);
    let mut ids = std::collections::BTreeSet::new();
    while ids.len() < portals {
        ids.insert(random.random_range(1_000_000..60_000_000_i64));
    }
    ids.into_iter().map(HubId).collect()
}

async fn write(app: &App, hub_ids: &[HubId]) {
    let key = SecretString::from(sandbox::THNKS_API_KEY);
    let mut writers = tokio::task::JoinSet::new();
    for part in hub_ids.chunks(hub_ids.len().div_ceil(WRITERS)) {
        let (app, key, part) = (app.clone(), key.clone(), part.to_vec());
        writers.spawn(async move {
            for hub_id in part {
                app::testing::insert_idle_portal(&app, hub_id, &key)
                    .await
                    .unwrap();
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
}

/// When each portal's next sync should begin.
async fn planned(stage: &Stage) -> BTreeMap<i64, DateTime<Utc>> {
    stage
        .scratch
        .rows_of_all("sync_schedule")
        .await
        .iter()
        .filter_map(|row| Some((row["hub_id"].as_i64()?, time(&row["next_sync_at"])?)))
        .collect()
}

/// The most rings that waited in Redis while it was looked at.
async fn watch_queue(stage: &Stage, how_long: Duration) -> i64 {
    let redis = worker::connect(&stage.redis.url()).unwrap();
    let end = tokio::time::Instant::now() + how_long;
    let mut looks = tokio::time::interval(LOOK);
    let mut most = 0;
    while looks.tick().await < end {
        most = most.max(redis.depth().await.unwrap());
    }
    most
}

/// A sync.
struct Run {
    hub_id: i64,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
}

async fn runs(stage: &Stage) -> Vec<Run> {
    let rows = stage.scratch.rows_of_all("runs").await;
    let unwell = rows
        .iter()
        .filter(|row| row["state"] == "failed" || row["state"] == "dead")
        .count();
    assert_eq!(unwell, 0, "no run ends badly");
    rows.iter()
        .filter(|row| row["kind"] == "sync")
        .map(|row| Run {
            hub_id: row["hub_id"].as_i64().unwrap(),
            created_at: time(&row["created_at"]).unwrap(),
            started_at: time(&row["started_at"]),
        })
        .collect()
}

fn time(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str().map(|text| text.parse().expect("a time"))
}

fn show(
    figures: &mut Figures,
    planned: &BTreeMap<i64, DateTime<Utc>>,
    runs: &[Run],
    began: DateTime<Utc>,
    interval: TimeDelta,
) {
    let factor = HOUR.as_seconds_f64() / interval.as_seconds_f64();
    figures.head(&format!(
        "{} idle portals, {WORKERS} worker processes, an hour compressed {factor:.0} times",
        planned.len()
    ));
    let part = |at: DateTime<Utc>| (at - began).as_seconds_f64() / interval.as_seconds_f64();
    let plan = Spread::of(planned.values().map(|plan| part(*plan)));
    figures.show(
        "planned in the busiest 10 s against the mean",
        plan.ratio(),
        Limit::None,
        &plan.words(),
    );
    let starts = Spread::of(runs.iter().filter_map(|run| run.started_at).map(part));
    figures.show(
        "begun in the busiest 10 s against the mean",
        starts.ratio(),
        Limit::AtMost(SPREAD),
        &starts.words(),
    );

    let mut late: Vec<(DateTime<Utc>, TimeDelta)> = Vec::new();
    let mut begun: BTreeMap<i64, usize> = BTreeMap::new();
    for run in runs {
        let Some(plan) = planned.get(&run.hub_id) else {
            continue;
        };
        // Earlier and later ones belong to the intervals beside this one.
        let half = interval / 2;
        if (*plan - half..*plan + half).contains(&run.created_at)
            && let Some(started_at) = run.started_at
        {
            late.push((*plan, started_at - *plan));
            *begun.entry(run.hub_id).or_default() += 1;
        }
    }
    // Lateness does not shrink with the interval: in the hour itself plans lie further apart, and starts follow them at
    // most as late as here, where the load is higher.
    let stretched = |(plan, late): &(DateTime<Utc>, TimeDelta)| {
        part(*plan) + late.as_seconds_f64() / HOUR.as_seconds_f64()
    };
    let hour = Spread::of(late.iter().map(stretched));
    figures.show(
        "the same, stretched to the hour",
        hour.ratio(),
        Limit::None,
        &hour.words(),
    );
    let mut late: Vec<TimeDelta> = late.into_iter().map(|(_, late)| late).collect();
    late.sort_unstable();
    for (name, share) in [("median", 0.5), ("p99", 0.99), ("most", 1.0)] {
        let wait = quantile(&late, share).as_seconds_f64();
        figures.show(
            &format!("late by, {name}, s"),
            wait,
            Limit::None,
            &format!(
                "{:.1} % of the interval",
                100.0 * wait / interval.as_seconds_f64()
            ),
        );
    }
    let odd = planned
        .keys()
        .filter(|hub_id| begun.get(hub_id) != Some(&1))
        .count();
    figures.show(
        "portals without exactly one sync",
        count(odd),
        Limit::AtMost(0.0),
        "",
    );
}

/// The value below which this share of the sorted values lies.
fn quantile(sorted: &[TimeDelta], share: f64) -> TimeDelta {
    let index = whole((share * count(sorted.len())).ceil());
    sorted[index.clamp(1, sorted.len()) - 1]
}

/// Moments of an interval, counted by ten seconds of the hour that it stands for.
struct Spread {
    buckets: Vec<usize>,
}

impl Spread {
    /// Of moments given as parts of the interval; others are left out.
    fn of(parts: impl Iterator<Item = f64>) -> Self {
        let mut buckets = vec![0; BUCKETS];
        for part in parts.filter(|part| (0.0..1.0).contains(part)) {
            buckets[whole(part * count(BUCKETS))] += 1;
        }
        Self { buckets }
    }

    fn most(&self) -> usize {
        self.buckets.iter().copied().max().unwrap_or(0)
    }

    fn mean(&self) -> f64 {
        count(self.buckets.iter().sum::<usize>()) / count(self.buckets.len())
    }

    fn ratio(&self) -> f64 {
        count(self.most()) / self.mean()
    }

    fn words(&self) -> String {
        format!("{} against {:.1}", self.most(), self.mean())
    }
}

/// The whole part of a small positive number.
fn whole(number: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    {
        number as usize
    }
}
