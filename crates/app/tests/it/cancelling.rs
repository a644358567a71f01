//! Runs that people cancel: they end where they are, nothing is lost, and the next one goes on there.

use app::engine::{self, Outcome};
use app::runs;
use chrono::TimeDelta;
use domain::RunId;
use domain::portal::PortalState;
use domain::run::{RunKind, RunState};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::harness::{World, world};

async fn acts(world: &World) -> usize {
    let audit = world.rows("audit").await;
    let cancels = audit.iter().filter(|row| row["action"] == "run.cancel");
    cancels.count()
}

#[tokio::test]
async fn a_backfill_that_is_cancelled_goes_on_where_it_had_read_to_with_the_next_sync() {
    let world = world(1_100).await;
    let session = world.install_from_link().await;
    let stopped = CancellationToken::new();
    stopped.cancel();
    // A turn of one step: the first 500 gifts are read.
    let run_id = app::schedule::take_due(&world.app, 1).await.unwrap()[0];
    let turn = engine::work(&world.app, run_id, &stopped).await.unwrap();
    assert_eq!(turn, Outcome::Yielded);
    let cancelled = runs::cancel(&world.app, &session, run_id).await.unwrap();
    assert_eq!(cancelled.unwrap().state, RunState::Cancelled);
    let status = world.status().await;
    assert_eq!(status.state, PortalState::Backfilling);
    assert_eq!(status.current_run, None);
    assert_eq!(status.last_run.unwrap().state, RunState::Cancelled);
    let next = status.next_sync_at.expect("the schedule goes on");
    let calls = world.all_calls();
    world.drain().await;
    assert_eq!(world.all_calls(), calls, "nobody goes on by themselves");

    world.let_pass(next - world.now() + TimeDelta::seconds(1));
    assert_eq!(app::schedule::insert_due_runs(&world.app).await.unwrap(), 1);
    world.drain().await;
    assert_eq!(world.status().await.state, PortalState::Active);
    assert_eq!(world.assert_good().await.records, 1_100);
    assert_eq!(world.calls("objects.batch_upsert"), 11);
    let sync = runs::list(&world.app, session.scope(), None).await.unwrap();
    assert_eq!(sync[0].kind, RunKind::Sync);
    assert!(sync[0].counts.read < 1_100, "{}", sync[0].counts.read);
    world.end().await;
}

#[tokio::test]
async fn a_worker_in_the_middle_of_a_call_ends_quietly_and_others_have_the_portal() {
    let world = world(300).await;
    let session = world.install_from_link().await;
    let run_id = app::schedule::take_due(&world.app, 1).await.unwrap()[0];
    world.control.inject(sandbox::Fault {
        apply: true,
        ..sandbox::Fault::once(
            "objects.batch_upsert",
            sandbox::Action::Hang { millis: 600_000 },
        )
    });
    let app = world.app.clone();
    let working =
        tokio::spawn(async move { engine::work(&app, run_id, &CancellationToken::new()).await });
    while !world.control.faults().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    runs::cancel(&world.app, &session, run_id).await.unwrap();
    // At once, while the worker still waits for HubSpot.
    runs::request(&world.app, &session, RunKind::Sync)
        .await
        .unwrap();
    world.drain().await;
    assert_eq!(working.await.unwrap().unwrap(), Outcome::Passed);
    assert_eq!(world.assert_good().await.records, 300);
    let states: Vec<_> = world
        .runs()
        .await
        .iter()
        .map(|run| run["state"].clone())
        .collect();
    assert_eq!(states, ["cancelled", "succeeded"]);
    world.end().await;
}

#[tokio::test]
async fn a_run_that_waits_is_taken_off_and_one_that_has_ended_stays_as_it_ended() {
    let world = world(20).await;
    let session = world.backfilled().await;
    let ended = world.status().await.last_run.unwrap().id;
    let asked = runs::request(&world.app, &session, RunKind::Reassociate)
        .await
        .unwrap();
    for _ in 0..2 {
        let cancelled = runs::cancel(&world.app, &session, asked.id).await.unwrap();
        assert_eq!(cancelled.unwrap().state, RunState::Cancelled);
    }
    assert_eq!(acts(&world).await, 1, "the second time is no act");
    let untouched = runs::cancel(&world.app, &session, ended).await.unwrap();
    assert_eq!(untouched.unwrap().state, RunState::Succeeded);
    let nobodys = RunId(Uuid::nil());
    assert_eq!(
        runs::cancel(&world.app, &session, nobodys).await.unwrap(),
        None
    );
    assert_eq!(acts(&world).await, 1);
    world.drain().await;
    world.sync().await;
    assert_eq!(world.assert_good().await.records, 20);
    world.end().await;
}

#[tokio::test]
async fn a_run_of_a_paused_portal_is_cancelled_too_and_resuming_asks_for_another() {
    let world = world(40).await;
    let session = world.install_from_link().await;
    app::pause::pause(&world.app, &session).await.unwrap();
    let held = world.status().await.current_run.unwrap();
    runs::cancel(&world.app, &session, held.id).await.unwrap();
    assert_eq!(world.status().await.current_run, None);
    app::pause::resume(&world.app, &session).await.unwrap();
    world.drain().await;
    assert_eq!(world.assert_good().await.records, 40);
    world.end().await;
}
