//! Deploys: every process is replaced during a backfill while people and HubSpot go on as ever; and each way in which one may be
//! held up when it is told to stop.

mod balancer;
mod slow;
mod stopping;
mod visitors;

use sandbox::{Action, DEMO_HUB_ID, Fault, WorldSpec};
use store::testing::ScratchDatabase;

use self::balancer::Balancer;
use self::visitors::Visitors;
use crate::aftermath::{judge, runs, scope, sent_again};
use crate::metrics::Told;
use crate::processes::{Process, Stage, free_port, until};

const UPSERT: &str = "objects.batch_upsert";
/// Twelve strides of five batches, which a slow machine needs.
const GIFTS: usize = 6_000;
/// How late HubSpot answers: less than a run is waited for, and so late that the backfill outlasts all the old processes.
const LATE_MILLIS: u64 = 4_000;

/// What everybody uses while its processes come and go.
struct Fleet {
    stage: Stage,
    balancer: Balancer,
}

/// A process, and the port that it is reached at.
struct Member {
    process: Process,
    port: u16,
}

impl Fleet {
    /// A web process behind the balancer, which is ready.
    async fn web(&self) -> Member {
        let port = free_port();
        let mut command = self.stage.command(&["serve"]);
        command
            .env("LISTEN_ADDR", format!("127.0.0.1:{port}"))
            // As the manifests for Kubernetes have it.
            .env("SHUTDOWN_DELAY", "5s");
        let process = Process::spawn(&mut command);
        self.balancer.add(port).await;
        Member { process, port }
    }

    /// A worker that tells its figures at its port, and so is there.
    async fn worker(&self) -> Member {
        let port = free_port();
        let mut command = self.stage.command(&["work"]);
        let process = Process::spawn(command.env("METRICS_ADDR", format!("127.0.0.1:{port}")));
        until("a worker", async || Told::if_there(port).await.is_some()).await;
        Member { process, port }
    }
}

impl Member {
    /// Whether a worker has a run just now. One that follows HubSpot's events writes what is due as well, like the backfill.
    async fn is_at_work(&self) -> bool {
        let told = Told::if_there(self.port).await.unwrap();
        told.sum("thnks_runs_in_work", &[]) > 0.0
    }
}

/// Takes the one that is at work out of these workers, when it has just begun some calls.
async fn take_busy(stage: &Stage, workers: &mut Vec<Member>) -> Member {
    let counters = || stage.control().counters(Some(DEMO_HUB_ID));
    let calls = || counters().by_kind.get(UPSERT).copied();
    loop {
        let before = calls();
        stage
            .wait("more calls", |status| {
                assert_eq!(status["state"], "backfilling", "{status:#}");
                calls() > before
            })
            .await;
        for at in 0..workers.len() {
            if workers[at].is_at_work().await {
                return workers.swap_remove(at);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_is_replaced_during_a_backfill_and_nobody_notices() {
    let world = WorldSpec::small(sandbox::machine_clock()(), GIFTS);
    let stage = Stage::without_web(ScratchDatabase::create().await, world).await;
    let balancer = Balancer::listen(stage.port()).await;
    let fleet = Fleet { stage, balancer };
    let (stage, balancer) = (&fleet.stage, &fleet.balancer);
    let late = Action::Delay {
        millis: LATE_MILLIS,
    };
    stage.control().inject(Fault {
        times: u64::MAX,
        ..Fault::once(UPSERT, late)
    });
    let old_webs = [fleet.web().await, fleet.web().await];
    let mut workers = vec![fleet.worker().await, fleet.worker().await];
    stage.install().await;
    let visitors = Visitors::come(stage).await;

    let mut ports: Vec<u16> = old_webs.iter().map(|web| web.port).collect();
    let (mut told, mut webs) = (Vec::new(), Vec::new());
    for old in old_webs {
        let web = fleet.web().await;
        ports.push(web.port);
        webs.push(web);
        told.push(format!("web {:.1?}", old.process.stop().ended().await));
    }
    // First the one that is at work, then the other one, then whoever is at work by now.
    let busy = take_busy(stage, &mut workers).await;
    let other = workers.pop().unwrap();
    for (name, old) in [("busy worker", busy), ("worker", other)] {
        workers.push(fleet.worker().await);
        told.push(format!("{name} {:.1?}", old.process.stop().ended().await));
    }
    let busy = take_busy(stage, &mut workers).await;
    workers.push(fleet.worker().await);
    told.push(format!(
        "busy worker {:.1?}",
        busy.process.stop().ended().await
    ));
    let status = stage.status().await;
    assert_eq!(status["state"], "backfilling", "{status:#}");
    let sent_by_then = status["synced"].clone();
    stage.control().clear_faults();
    judge(stage).await;
    let seen = visitors.leave().await;

    println!(
        "from SIGTERM to the end: {}; {sent_by_then} of {GIFTS} gifts were in HubSpot then",
        told.join(", ")
    );
    println!(
        "{:?}; failures: {}; records sent again: {}",
        seen.well,
        seen.failures.len(),
        sent_again(stage)
    );
    assert_eq!(seen.failures, Vec::<String>::new());
    assert_eq!(sent_again(stage), 0);
    // One backfill, which read each gift once.
    assert_eq!(
        runs(stage, "backfill").await,
        [("succeeded".to_owned(), None)]
    );
    let mut backfills = stage.scratch.rows("runs", scope()).await;
    backfills.retain(|run| run["kind"] == "backfill");
    assert_eq!(backfills[0]["counts"]["read"], GIFTS);
    // It was not quiet meanwhile: each process had visitors, and those who keep a connection were sent on.
    for port in ports {
        assert!(balancer.given(port) > 0, "nobody came to {port}");
    }
    for (what, least) in [
        ("kept connection", 2),
        ("event stream", 2),
        ("delivery of events", 10),
    ] {
        let count = seen.well.get(what).copied().unwrap_or_default();
        assert!(count >= least, "{what}: {count}");
    }
}
