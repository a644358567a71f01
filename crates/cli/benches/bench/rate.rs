//! How much of a portal's rate is used, and that it is never exceeded, with several worker processes.
//!
//! A portal is looked at in whole tens of seconds, from its backfill's first call on; the last ten seconds are left out,
//! when there may be less to do than the rate allows. Utilisation is the calls of that stretch against what the product
//! allows itself in it.

use std::time::Duration;

use chrono::TimeDelta;
use sandbox::control::{NewOrganization, NewPortal};
use sandbox::{Action, DEMO_HUB_ID, DEMO_ORGANIZATION_ID, Fault, WorldSpec};

use crate::browser::Browser;
use crate::calls::is_work;
use crate::figures::{Figures, Limit, count};
use crate::processes::{Process, Stage};
use crate::say;

/// Gifts of a portal, each to somebody else: about 400 calls, 40 s at the full rate.
const GIFTS: usize = 12_000;
const WORKERS: [usize; 3] = [1, 2, 4];
/// What the product allows itself in ten seconds (`HUBSPOT_RATE_PER_10S`).
const RATE: f64 = 100.0;
/// What HubSpot allows.
const HUBSPOT_LIMIT: f64 = 110.0;
/// Of the rate of one portal, once it has work enough (G7 of facts/reliability-security.md).
const UTILISATION: f64 = 0.9;
/// HubSpot's answers take about so long.
const LATENCY_MILLIS: u64 = 150;
/// In which HubSpot counts.
const WINDOW: TimeDelta = TimeDelta::seconds(10);
const PATIENCE: Duration = Duration::from_mins(20);

pub async fn run(figures: &mut Figures, arguments: &[String]) {
    let gifts = arguments
        .first()
        .map_or(GIFTS, |text| text.parse().expect("a number of gifts"));
    // Ten portals together may be more than the machine can carry: what they use of their rates says nothing then.
    for (portals, floor) in [(1, Limit::AtLeast(UTILISATION)), (10, Limit::None)] {
        for workers in WORKERS {
            say(&format!(
                "{workers} workers bring {gifts} gifts into each of {portals} portals …"
            ));
            measure(figures, portals, gifts, workers, floor).await;
        }
    }
}

async fn measure(
    figures: &mut Figures,
    portals: usize,
    gifts: usize,
    workers: usize,
    floor: Limit,
) {
    let now = sandbox::machine_clock()();
    let stage = Stage::with(WorldSpec::even(now, gifts, gifts)).await;
    let _workers: Vec<Process> = (0..workers).map(|_| stage.worker()).collect();
    let portals = add_portals(&stage, portals, gifts);
    slow_down(&stage);
    for portal in &portals {
        let link = stage.setup_link_for(&portal.key);
        portal.browser.install(&link, portal.hub_id).await;
    }
    for portal in &portals {
        wait_for_the_end(&stage, portal).await;
    }
    let used: Vec<Stretch> = portals
        .iter()
        .map(|portal| Stretch::of(&stage, portal.hub_id))
        .collect();
    let least = used
        .iter()
        .map(Stretch::utilisation)
        .fold(f64::MAX, f64::min);
    let mean = used.iter().map(Stretch::utilisation).sum::<f64>() / count(used.len());
    let most = used.iter().map(|used| used.most_in_10s).max().unwrap_or(0);
    let calls: usize = used.iter().map(|used| used.calls).sum();
    let longest = used.iter().map(|used| used.windows).max().unwrap_or(0);

    figures.head(&format!(
        "{} × {gifts} gifts, {workers} worker processes, {LATENCY_MILLIS} ms a call",
        portals.len()
    ));
    let detail = format!("{calls} calls in up to {longest}0 s; mean {mean:.2}");
    let name = "utilisation of the rate, least used portal";
    figures.show(name, least, floor, &detail);
    figures.show(
        "most calls of a portal in any 10 s",
        count(most),
        Limit::AtMost(HUBSPOT_LIMIT),
        "",
    );
    let refused: u64 = used.iter().map(|used| used.refused).sum();
    figures.show("answers 429", count(refused), Limit::AtMost(0.0), "");
}

struct Portal {
    hub_id: i64,
    organization: String,
    key: String,
    browser: Browser,
}

/// The demonstration's portal and as many more as make `portals`, each with an organization of its own.
fn add_portals(stage: &Stage, portals: usize, gifts: usize) -> Vec<Portal> {
    (0_i64..)
        .take(portals)
        .map(|index| {
            let mut portal = Portal {
                hub_id: DEMO_HUB_ID,
                organization: DEMO_ORGANIZATION_ID.into(),
                key: sandbox::THNKS_API_KEY.into(),
                browser: Browser::open(&stage.public_url()),
            };
            if index > 0 {
                portal.hub_id += index;
                portal.organization = format!("org_bench{index}");
                portal.key = format!("thnks_sandbox_key_{index}");
                let new = NewPortal {
                    hub_id: portal.hub_id,
                    name: format!("Acme {index}"),
                    enterprise: true,
                    users: Vec::new(),
                    organization: Some(NewOrganization {
                        id: portal.organization.clone(),
                        key: portal.key.clone(),
                    }),
                    transactions: gifts,
                    recipients: Some(gifts),
                };
                stage.control().add_portal(&new).unwrap();
            }
            portal
        })
        .collect()
}

/// From now on HubSpot's answers take a believable time.
fn slow_down(stage: &Stage) {
    for kind in [
        "objects.*",
        "associations.*",
        "schemas.*",
        "properties.*",
        "pipelines.*",
    ] {
        let action = Action::Delay {
            millis: LATENCY_MILLIS,
        };
        stage.control().inject(Fault {
            times: u64::MAX,
            ..Fault::once(kind, action)
        });
    }
}

async fn wait_for_the_end(stage: &Stage, portal: &Portal) {
    let started = tokio::time::Instant::now();
    let path = format!("/portals/{}/status.json", portal.hub_id);
    loop {
        let status = portal.browser.json(&path).await;
        if status["state"] == "active" && status["current_run"].is_null() {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{status:#}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let organization = Some(portal.organization.as_str());
    let verdict = stage.control().verify(portal.hub_id, organization).unwrap();
    assert!(verdict.ok, "{verdict:#?}");
}

/// A portal's backfill, in whole tens of seconds and without the last ones.
struct Stretch {
    calls: usize,
    windows: usize,
    most_in_10s: usize,
    refused: u64,
}

impl Stretch {
    fn of(stage: &Stage, hub_id: i64) -> Self {
        let control = stage.control();
        let mut times: Vec<_> = control
            .log(Some(hub_id), None, 0, usize::MAX)
            .into_iter()
            .filter(|entry| is_work(entry.kind))
            .map(|entry| entry.at)
            .collect();
        times.sort_unstable();
        let (first, last) = (times[0], times[times.len() - 1]);
        let mut windows = 0;
        let mut end = first;
        while end + WINDOW <= last - WINDOW {
            windows += 1;
            end += WINDOW;
        }
        assert!(
            windows > 0,
            "the backfill is too short to be measured: give it more gifts"
        );
        let counters = control.counters(Some(hub_id));
        Self {
            calls: times.iter().filter(|at| **at < end).count(),
            windows,
            most_in_10s: counters.max_calls_in_10s,
            refused: counters.by_status.get(&429).copied().unwrap_or(0),
        }
    }

    fn utilisation(&self) -> f64 {
        count(self.calls) / (RATE * count(self.windows))
    }
}
