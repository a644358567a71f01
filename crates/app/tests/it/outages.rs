//! When a whole service is down, or slow, or asks for patience: nobody hammers it, nobody gives up, and what waits is not
//! counted as failed.

use chrono::TimeDelta;
use domain::run::RunState;
use sandbox::control::Sent;
use sandbox::{Action, Fault, FaultBody};
use tokio_util::sync::CancellationToken;

use crate::harness::{ORGANIZATION, World, world};

fn down() -> Action {
    Action::Status {
        status: 503,
        body: FaultBody::Html,
        retry_after: None,
    }
}

fn break_down(world: &World, kind: &str) {
    world.control.inject(Fault {
        times: u64::MAX,
        ..Fault::once(kind, down())
    });
}

/// Works and lets the waits pass until `time` has; the world's clock moves only by the waits.
async fn live(world: &World, time: TimeDelta) {
    let until = world.now() + time;
    while world.now() < until {
        world.work_what_is_due(&CancellationToken::new()).await;
        if !world.skip_wait().await {
            return;
        }
    }
}

#[tokio::test]
async fn hours_without_hubspot_end_no_run_and_cost_no_calls_but_probes() {
    let world = world(120).await;
    world.install_from_link().await;
    for kind in [
        "objects.*",
        "schemas.*",
        "properties.*",
        "associations.*",
        "account.*",
    ] {
        break_down(&world, kind);
    }
    // The breaker's minute is the machine's own: only the run's waits pass here, and all of them are asked for.
    live(&world, TimeDelta::minutes(30)).await;
    let before = world.all_calls();
    live(&world, TimeDelta::hours(6)).await;
    assert_eq!(world.all_calls(), before);
    let run = world
        .status()
        .await
        .current_run
        .expect("it is not given up");
    assert_eq!(run.state, RunState::Queued);

    world.control.clear_faults();
    // Time for the next probe, by the machine's clock.
    world.forget_outages().await;
    world.drain().await;
    assert_eq!(world.assert_good().await.records, 120);
    world.end().await;
}

#[tokio::test]
async fn repeats_stay_few_when_half_of_all_calls_fail() {
    let world = world(2_000).await;
    world.install_from_link().await;
    for nth in 1..400 {
        world.control.inject(Fault {
            nth: 2 * nth,
            ..Fault::once("objects.batch_upsert", down())
        });
    }
    world.drain().await;
    assert_eq!(world.assert_good().await.records, 2_000);
    // 20 batches; half of all calls fail, each is repeated by the call itself or by the run.
    assert!(world.calls("objects.batch_upsert") <= 60);
    world.control.clear_faults();
    world.end().await;
}

#[tokio::test]
async fn patience_that_hubspot_asks_for_is_no_failure() {
    let world = world(60).await;
    world.install_from_link().await;
    world.control.inject(Fault {
        times: 30,
        ..Fault::once(
            "objects.batch_upsert",
            Action::Throttle {
                policy: "DAILY".into(),
                retry_after: None,
            },
        )
    });
    world.drain().await;
    let run = &world.runs().await[0];
    assert_eq!(run["state"], "succeeded", "{run}");
    assert_eq!(run["progress"]["failures"], 0);
    assert_eq!(world.assert_good().await.records, 60);
    world.end().await;
}

#[tokio::test]
async fn an_outage_of_thnks_is_waited_out() {
    let world = world(60).await;
    world.backfilled().await;
    world
        .control
        .send_gift(ORGANIZATION, Sent::default())
        .unwrap();
    world.control.inject(Fault {
        times: 15,
        ..Fault::once("thnks.transactions", down())
    });
    world.sync().await;
    assert_eq!(world.assert_good().await.records, 61);
    world.end().await;
}
