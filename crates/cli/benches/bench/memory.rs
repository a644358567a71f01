//! The worker's largest memory against the number of gifts that it brings in, without limits on either side. Nothing in a
//! worker may grow with a portal's history.

use std::time::Instant;

use sandbox::WorldSpec;

use crate::engine::{wait_for_the_end, worker_without_limits};
use crate::figures::{Figures, Limit, count};
use crate::meter::status_kb;
use crate::processes::Stage;
use crate::say;

/// The first fills every page, batch and stride several times.
const GIFTS: [usize; 2] = [10_000, 1_000_000];
/// The last against the first.
const GROWTH: f64 = 1.5;

pub async fn run(figures: &mut Figures, arguments: &[String]) {
    let sizes: Vec<usize> = if arguments.is_empty() {
        GIFTS.into()
    } else {
        arguments
            .iter()
            .map(|text| text.parse().expect("a number of gifts"))
            .collect()
    };
    figures.head("memory while gifts are brought in, the most of each process");
    let mut worker_kb = Vec::new();
    for gifts in sizes {
        say(&format!("bringing in {gifts} gifts …"));
        worker_kb.push(measure(figures, gifts).await);
    }
    if let [first, .., last] = worker_kb[..] {
        figures.show(
            "the worker at the last against the first",
            last / first,
            Limit::AtMost(GROWTH),
            "",
        );
    }
}

/// Brings in one world; the worker's largest memory in kB.
async fn measure(figures: &mut Figures, gifts: usize) -> f64 {
    let now = sandbox::machine_clock()();
    let stage = Stage::with(WorldSpec::small(now, gifts)).await;
    let worker = worker_without_limits(&stage);
    stage.install().await;
    let began = Instant::now();
    wait_for_the_end(&stage).await;
    let took = began.elapsed();
    let worker_kb = count(status_kb(worker.id(), "VmHWM"));
    let web = stage.web.as_ref().unwrap();
    figures.show(
        &format!("{gifts} gifts, worker, kB"),
        worker_kb,
        Limit::None,
        &format!(
            "web {} kB; {:.0} s, {:.0} gifts a second",
            status_kb(web.id(), "VmHWM"),
            took.as_secs_f64(),
            count(gifts) / took.as_secs_f64()
        ),
    );
    worker_kb
}
