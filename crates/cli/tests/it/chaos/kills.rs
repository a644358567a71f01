//! How soon a run goes on whose worker was killed, with nothing else at fault: what a lease costs.

use std::time::Duration;

use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::plan::Plan;
use super::play::{Notes, Stroke, What, now, recovery};
use super::site::Site;
use crate::processes::Process;

/// Workers of a site: while one is dead the other one takes the portal.
const WORKERS: usize = 2;
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
    let mut workers: Vec<Process> = (0..WORKERS).map(|_| site.worker()).collect();
    let scope = site.tenants[0].scope();
    for killed in 0.. {
        if notes.recoveries.len() == kills {
            break;
        }
        let (seen, most) = (notes.recoveries.len(), 3 * kills + 3);
        assert!(
            killed < most,
            "{seen} runs went on after {killed} deaths: the backfill was too short"
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
