//! Pause and resume: nothing starts, nothing is lost, everything goes on where it stood.

use app::runs::Error;
use chrono::TimeDelta;
use domain::portal::PortalState;
use domain::run::{RunKind, RunState};
use sandbox::control::Sent;
use tokio_util::sync::CancellationToken;

use crate::harness::{ORGANIZATION, world};

#[tokio::test]
async fn a_backfill_that_is_paused_in_the_middle_goes_on_there() {
    let world = world(1_100).await;
    let session = world.install_from_link().await;
    let stopped = CancellationToken::new();
    stopped.cancel();
    while world.calls("objects.batch_upsert") == 0 {
        let due = app::schedule::take_due(&world.app, 1).await.unwrap();
        app::engine::work(&world.app, due[0], &stopped)
            .await
            .unwrap();
    }
    app::pause::pause(&world.app, &session).await.unwrap();
    app::pause::pause(&world.app, &session).await.unwrap();
    let paused = world.status().await;
    assert_eq!(paused.state, PortalState::Paused);
    assert_eq!(paused.next_sync_at, None);
    assert_eq!(paused.current_run.as_ref().unwrap().state, RunState::Queued);
    let calls = world.all_calls();
    for _ in 0..3 {
        world.let_pass(TimeDelta::hours(5));
        assert_eq!(app::schedule::insert_due_runs(&world.app).await.unwrap(), 0);
        world.drain().await;
    }
    assert_eq!(world.all_calls(), calls);
    let refused = app::runs::request(&world.app, &session, RunKind::Sync).await;
    assert!(matches!(
        refused,
        Err(Error::NotPossible {
            state: PortalState::Paused
        })
    ));

    world
        .control
        .send_gift(ORGANIZATION, Sent::default())
        .unwrap();
    app::pause::resume(&world.app, &session).await.unwrap();
    world.drain().await;
    let status = world.status().await;
    assert_eq!(status.state, PortalState::Active);
    assert!(status.next_sync_at.is_some());
    // The same run, and another one for what was sent while it was asleep.
    let runs = world.runs().await;
    assert_eq!(runs[0]["state"], "succeeded");
    assert_eq!(runs[0]["kind"], "backfill");
    world.sync().await;
    assert_eq!(world.assert_good().await.records, 1_101);
    assert_eq!(world.calls("objects.batch_upsert"), 12);
    world.end().await;
}

#[tokio::test]
async fn what_was_missed_in_a_pause_comes_at_once_with_its_end() {
    let world = world(40).await;
    let session = world.backfilled().await;
    app::pause::pause(&world.app, &session).await.unwrap();
    world
        .control
        .send_gift(ORGANIZATION, Sent::default())
        .unwrap();
    world.let_pass(TimeDelta::days(3));
    app::pause::resume(&world.app, &session).await.unwrap();
    app::pause::resume(&world.app, &session).await.unwrap();
    world.drain().await;
    assert_eq!(world.assert_good().await.records, 41);
    let audit = world.rows("audit").await;
    let acts = |action: &str| audit.iter().filter(|row| row["action"] == action).count();
    assert_eq!((acts("portal.pause"), acts("portal.resume")), (1, 1));
    world.end().await;
}

#[tokio::test]
async fn a_worker_in_the_middle_of_a_call_stops_at_its_next_commit() {
    let world = world(300).await;
    let session = world.install_from_link().await;
    let run_id = app::schedule::take_due(&world.app, 1).await.unwrap()[0];
    world.control.inject(sandbox::Fault {
        times: u64::MAX,
        ..sandbox::Fault::once(
            "objects.batch_upsert",
            sandbox::Action::Delay { millis: 400 },
        )
    });
    let app = world.app.clone();
    let working =
        tokio::spawn(
            async move { app::engine::work(&app, run_id, &CancellationToken::new()).await },
        );
    while world.status().await.current_run.unwrap().phase != Some(domain::run::Phase::Reading) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    app::pause::pause(&world.app, &session).await.unwrap();
    let outcome = working.await.unwrap().unwrap();
    assert_eq!(outcome, app::engine::Outcome::Passed);
    assert_eq!(world.status().await.synced, 0);
    world.control.clear_faults();
    app::pause::resume(&world.app, &session).await.unwrap();
    world.drain().await;
    assert_eq!(world.assert_good().await.records, 300);
    world.end().await;
}
