//! What holds a process up when it is told to stop: a call that does not end, a stream that has no end, a connection that is kept.

use std::time::Duration;

use app::engine::STOP_PATIENCE;
use hubspot::limits::{CALL_TIMEOUT, IN_FLIGHT, OBJECTS_PER_BATCH};
use sandbox::{Action, DEMO_HUB_ID, Fault, WorldSpec};
use serde_json::Value;
use store::testing::ScratchDatabase;
use tokio::net::TcpStream;

use super::visitors::retry_of;
use crate::aftermath::{judge, runs, scope, sent_again};
use crate::line::{self, Line};
use crate::processes::{Process, Stage, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_lets_go_of_calls_that_hang_and_another_one_goes_on_with_its_run() {
    let stage = Stage::set(1_000).await;
    // The first stride passes. HubSpot does what the second one asks for, and says nothing.
    stage.control().inject(Fault {
        nth: 1 + IN_FLIGHT as u64,
        times: IN_FLIGHT as u64,
        apply: true,
        ..Fault::once("objects.batch_upsert", Action::Hang { millis: 120_000 })
    });
    let upserts = || {
        let log = stage.control();
        log.log(Some(DEMO_HUB_ID), Some("objects.batch_upsert"), 0, 100)
    };
    let held_up = stage.worker();
    stage.install().await;
    stage
        .wait("calls that hang", |_| upserts().len() == 2 * IN_FLIGHT)
        .await;
    let told_at = sandbox::machine_clock()();
    let stopping = held_up.stop();
    let _other = stage.worker();
    let took = stopping.ended().await;
    let ended_at = sandbox::machine_clock()();
    let given_back = stage.scratch.rows("runs", scope()).await;
    assert_eq!(given_back.len(), 1, "{given_back:#?}");
    assert_eq!(given_back[0]["state"], "queued", "{given_back:#?}");
    // It was no fault of the run's: the start does not count against it.
    assert_eq!(given_back[0]["starts_without_progress"], 0);
    // It is due as soon as nothing of it can be under way any more.
    let queued = stage.scratch.rows("run_queue", scope()).await;
    let due: chrono::DateTime<chrono::Utc> = moment(&queued[0]["due_at"]);
    assert!(
        due <= ended_at + CALL_TIMEOUT,
        "due at {due}, ended at {ended_at}"
    );

    judge(&stage).await;
    let calls = upserts();
    let next = calls[2 * IN_FLIGHT].at;
    assert!(
        next >= told_at + STOP_PATIENCE + CALL_TIMEOUT,
        "told at {told_at}, the next call came at {next}"
    );
    println!(
        "from SIGTERM to the end {took:.1?}, to the other worker's first call {} s; records sent again: {}",
        (next - told_at).num_seconds(),
        sent_again(&stage)
    );
    assert_eq!(
        runs(&stage, "backfill").await,
        [("succeeded".to_owned(), None)]
    );
    assert!(sent_again(&stage) <= IN_FLIGHT * OBJECTS_PER_BATCH);
}

fn moment(value: &Value) -> chrono::DateTime<chrono::Utc> {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_process_sends_its_visitors_elsewhere_before_it_ends() {
    let world = WorldSpec::small(sandbox::machine_clock()(), 10);
    let stage = Stage::without_web(ScratchDatabase::create().await, world).await;
    let mut command = stage.command(&["serve"]);
    let web = Process::spawn(command.env("SHUTDOWN_DELAY", "5s"));
    stage.browser.wait_until_served().await;
    stage.install().await;
    let (port, cookie) = (stage.port(), stage.browser.cookie());
    let dashboard = format!("/portals/{DEMO_HUB_ID}");
    let mut kept = Line::open(port, &cookie).await.unwrap();
    let before = kept.get(&dashboard).await.unwrap();
    assert_eq!((before.status, before.closes), (200, false));
    let mut stream = hubspot::http_client()
        .build()
        .unwrap()
        .get(format!("{}{dashboard}/events", stage.public_url()))
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), 200);
    let first = stream.chunk().await.unwrap().unwrap();

    let stopping = web.stop();
    until("the word that it is not ready", async || {
        let answer = line::get_once(port, "", "/readyz").await.unwrap();
        (answer.status, answer.closes) == (503, true)
    })
    .await;
    // Everything else is answered, over connections that are kept and over new ones: the last answer that each gives.
    let anew = line::get_once(port, &cookie, &dashboard).await.unwrap();
    assert_eq!((anew.status, anew.closes), (200, true));
    let last = kept.get(&dashboard).await.unwrap();
    assert_eq!((last.status, last.closes), (200, true));
    assert!(kept.get(&dashboard).await.is_err());

    // The stream ends in order, with the word when to come back, and not before no connection is taken any more.
    while let Some(_more) = stream.chunk().await.unwrap() {}
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    let retry = retry_of(&String::from_utf8_lossy(&first)).unwrap();
    assert!(retry < Duration::from_secs(10), "{retry:?}");
    let took = stopping.ended().await;
    println!("from SIGTERM to the end {took:.1?}");
}
