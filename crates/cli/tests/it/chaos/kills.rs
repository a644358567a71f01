//! How soon a run goes on whose worker was killed, with nothing else at fault: what a lease costs.

use std::time::Duration;

use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::plan::Plan;
use super::play::{Notes, Stroke, What, now, recovery};
use super::site::Site;
use crate::processes::Process;

/// Where in the time between two renewals a worker is killed is left to chance.
const RENEWAL_MILLIS: u64 = 2_500;

/// Kills the worker that has the site's only portal until that has been done `kills` times: each time after the run has gone
/// on. The workers that run at the end.
pub async fn play(site: &Site, plan: &Plan, kills: usize) -> (Vec<Process>, Notes) {
    for fault in &plan.throughout {
        site.control().inject(fault.clone());
    }
    let mut dice = StdRng::seed_from_u64(plan.seed);
    let mut notes = Notes::default();
    let mut workers: Vec<Process> = (0..plan.workers).map(|_| site.worker()).collect();
    let scope = site.tenants[0].scope();
    while notes.recoveries.len() < kills {
        let (seen, deaths) = (notes.recoveries.len(), notes.strokes.len());
        assert!(
            deaths < 3 * kills + 3,
            "{seen} runs went on after {deaths} deaths: the backfill was too short"
        );
        let wait = dice.random_range(0..RENEWAL_MILLIS);
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let (began, killed) = (now(), tokio::time::Instant::now());
        // The one that took over last. At the start that is not known: nothing recovers when it was the idle one.
        workers.remove(0).kill();
        let took = recovery(site.database(), scope, killed).await;
        notes.recoveries.extend(took);
        notes.strokes.push(Stroke {
            what: What::Worker,
            from: began,
            until: now() + TimeDelta::seconds(1),
        });
        workers.push(site.worker());
    }
    site.calm_down();
    (workers, notes)
}
