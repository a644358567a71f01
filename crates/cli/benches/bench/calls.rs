//! HubSpot calls per gift: a cold backfill, alone and while HubSpot tells of contacts, an idle hour, changed gifts. Calls of
//! set-up are counted apart.

use std::time::{Duration, Instant};

use sandbox::control::{Change, Contact};
use sandbox::{DEMO_HUB_ID, DEMO_ORGANIZATION_ID, WorldSpec};

use crate::figures::{Figures, Limit, count};
use crate::processes::Stage;
use crate::say;

/// Gifts of a cold backfill.
const GIFTS: usize = 5_000;
/// Gifts changed at once.
const CHANGED: usize = 500;
/// Recipients, and the most calls per 1,000 gifts. The floors are about 34 and 17: writes go by 100 records, reads of
/// distinct contacts and of their deals by 100, reads of their links by 1,000, new links by 2,000.
const BACKFILLS: [(usize, f64); 2] = [(GIFTS, 40.0), (1_200, 22.0)];
const PATIENCE: Duration = Duration::from_mins(10);
/// A contact appears so often in the portal while the history comes in.
const APPEARS: Duration = Duration::from_millis(500);
/// What such a stream may add to the calls of a backfill, per 1,000 gifts. Where nobody waits for a contact no event costs a
/// call; but runs that look into events also link what is due, fewer at a time.
const STIRRED: f64 = 4.0;
/// And to its time.
const SLOWED: f64 = 2.0;

pub async fn run(figures: &mut Figures) {
    for (recipients, limit) in BACKFILLS {
        backfill(figures, recipients, limit).await;
    }
    stirred(figures).await;
}

/// The same backfill in a portal where nothing else happens and in one of which HubSpot has something to tell all the time.
async fn stirred(figures: &mut Figures) {
    let mut costs = Vec::new();
    for appears in [None, Some(APPEARS)] {
        say(&format!(
            "bringing in {GIFTS} gifts, a contact appears: {appears:?} …"
        ));
        let now = sandbox::machine_clock()();
        let mut stage = Stage::with(WorldSpec::even(now, GIFTS, GIFTS)).await;
        stage.patience = PATIENCE;
        let target = format!("{}/webhooks/hubspot", stage.public_url());
        stage.control().set_webhook_target(target.parse().ok());
        let _worker = stage.worker();
        let began = Instant::now();
        stage.install().await;
        tokio::select! {
            verdict = stage.wait_for_the_end() => assert_eq!(verdict["orphans"], 0),
            () = stir(&stage, appears) => {}
        }
        costs.push((Calls::so_far(&stage), began.elapsed().as_secs_f64()));
    }
    let [(calm, calm_secs), (calls, secs)] = <[_; 2]>::try_from(costs).ok().expect("two backfills");
    let thousands = count(GIFTS) / 1_000.0;
    figures.head(&format!(
        "{GIFTS} gifts to {GIFTS} people, while a contact appears every {APPEARS:?}"
    ));
    figures.show(
        "calls more than without, per 1,000 gifts",
        (count(calls.work) - count(calm.work)) / thousands,
        Limit::AtMost(STIRRED),
        &format!("{} calls: {}", calls.work, calls.words),
    );
    figures.show(
        "time against the time without",
        secs / calm_secs,
        Limit::AtMost(SLOWED),
        &format!("{secs:.1} s against {calm_secs:.1} s"),
    );
}

/// Lets contacts of whom no gift knows appear, for ever.
async fn stir(stage: &Stage, appears: Option<Duration>) {
    let Some(appears) = appears else {
        return std::future::pending().await;
    };
    for n in 0.. {
        let contact = Contact {
            email: Some(format!("somebody{n}@else.example")),
            ..Contact::default()
        };
        stage.control().add_contact(DEMO_HUB_ID, &contact).unwrap();
        tokio::time::sleep(appears).await;
    }
}

async fn backfill(figures: &mut Figures, recipients: usize, limit: f64) {
    say(&format!(
        "bringing in {GIFTS} gifts to {recipients} people …"
    ));
    let now = sandbox::machine_clock()();
    let mut stage = Stage::with(WorldSpec::even(now, GIFTS, recipients)).await;
    stage.patience = PATIENCE;
    let _worker = stage.worker();
    stage.install().await;
    let verdict = stage.wait_for_the_end().await;
    assert_eq!(verdict["orphans"], 0, "an even world has no orphans");
    let made = Calls::so_far(&stage);
    figures.head(&format!(
        "HubSpot calls, {GIFTS} gifts to {recipients} people"
    ));
    let thousands = count(GIFTS) / 1_000.0;
    figures.show(
        "cold backfill, per 1,000 gifts",
        count(made.work) / thousands,
        Limit::AtMost(limit),
        &format!("{} calls: {}", made.work, made.words),
    );
    figures.show("set-up, counted apart", count(made.apart), Limit::None, "");

    sync(figures, &stage, "an idle hour", 0.0).await;
    for (changed, limit) in [(1, 2.0), (CHANGED, 8.0)] {
        let change = Change {
            id: None,
            count: changed,
            status: None,
            at: None,
        };
        let ids = stage
            .control()
            .advance(DEMO_ORGANIZATION_ID, &change)
            .unwrap();
        assert_eq!(ids.len(), changed, "so many gifts can still change");
        let name = format!("{changed} changed");
        sync(figures, &stage, &name, limit).await;
    }
}

/// What one sync costs, started from the command line as the schedule would start it.
async fn sync(figures: &mut Figures, stage: &Stage, name: &str, limit: f64) {
    let before = Calls::so_far(stage);
    let hub_id = DEMO_HUB_ID.to_string();
    let done = stage
        .command(&["run", "start", "--portal", &hub_id, "--kind", "sync"])
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{name}: {complaint}");
    stage.wait_for_the_end().await;
    let after = Calls::so_far(stage);
    let (work, apart) = (after.work - before.work, after.apart - before.apart);
    let detail = if apart == 0 {
        String::new()
    } else {
        format!("and {apart} of set-up")
    };
    figures.show(name, count(work), Limit::AtMost(limit), &detail);
}

/// The calls of the portal so far, by the sandbox' own count.
struct Calls {
    /// Those that read and write records and links.
    work: u64,
    /// Those of set-up: tokens, account, object, properties, association types, pipelines.
    apart: u64,
    words: String,
}

impl Calls {
    fn so_far(stage: &Stage) -> Self {
        let by_kind = stage.control().counters(Some(DEMO_HUB_ID)).by_kind;
        let (work, apart): (Vec<_>, Vec<_>) =
            by_kind.iter().partition(|(kind, _)| is_work(kind.as_str()));
        Self {
            work: work.iter().map(|(_, count)| **count).sum(),
            apart: apart.iter().map(|(_, count)| **count).sum(),
            words: work
                .iter()
                .map(|(kind, count)| format!("{count} {kind}"))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}

/// Whether a call of this kind brings gifts in, as opposed to set-up.
pub fn is_work(kind: &str) -> bool {
    kind.starts_with("objects.") || kind.starts_with("associations.batch_")
}
