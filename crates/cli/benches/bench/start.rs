//! How soon the processes are there, and what they hold while there is nothing to do.

use std::time::{Duration, Instant};

use sandbox::WorldSpec;

use crate::figures::{Figures, Limit, count, percentile};
use crate::meter::status_kb;
use crate::processes::{Process, Stage};
use crate::say;

/// Starts whose median counts.
const STARTS: usize = 15;
const LOOK: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_mins(1);
/// For what a start leaves behind to settle.
const REST: Duration = Duration::from_secs(20);
/// Memory at rest, in kB: what a small container has left.
const AT_REST_KB: f64 = 65_536.0;

pub async fn run(figures: &mut Figures) {
    let now = sandbox::machine_clock()();
    let mut stage = Stage::with(WorldSpec::empty(now)).await;
    say(&format!("starting web {STARTS} times …"));
    let (mut alive, mut ready) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let web = stage.web.take().unwrap();
        assert_eq!(web.terminate(), Some(0), "web ends well");
        let began = Instant::now();
        stage.web = Some(Process::spawn(&mut stage.command(&["serve"])));
        alive.push(until_answered(&stage, "healthz", began).await);
        ready.push(until_answered(&stage, "readyz", began).await);
    }
    figures.head(&format!("start and rest, {STARTS} starts of web"));
    for (name, mut millis) in [("/healthz", alive), ("/readyz", ready)] {
        let most = percentile(&mut millis, 100);
        figures.show(
            &format!("from exec to the first 200 of {name}, ms"),
            percentile(&mut millis, 50),
            Limit::None,
            &format!("the median; at most {most:.0}"),
        );
    }

    let worker = stage.worker();
    tokio::time::sleep(REST).await;
    let web = stage.web.as_ref().unwrap();
    for (name, process) in [("web", web), ("worker", &worker)] {
        figures.show(
            &format!("memory of {name} at rest, kB"),
            count(status_kb(process.id(), "VmRSS")),
            Limit::AtMost(AT_REST_KB),
            &format!("VmRSS {} s after its start", REST.as_secs()),
        );
    }
}

/// Milliseconds since `began` when the first request to a path is answered with 200. Each opens a connection of its own.
async fn until_answered(stage: &Stage, path: &str, began: Instant) -> f64 {
    let url = format!("{}/{path}", stage.public_url());
    let http = hubspot::http_client()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    loop {
        let answer = http.get(&url).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return began.elapsed().as_secs_f64() * 1_000.0;
        }
        assert!(began.elapsed() < PATIENCE, "{path} is never answered");
        tokio::time::sleep(LOOK).await;
    }
}
