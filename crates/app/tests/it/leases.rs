//! Two workers, and workers that stop: one writes at a time, and whoever comes next goes on.

use app::engine::{self, Outcome};
use domain::run::RunState;
use tokio_util::sync::CancellationToken;

use crate::harness::world;

#[tokio::test]
async fn of_two_workers_with_one_run_one_works_and_the_other_passes() {
    let world = world(200).await;
    world.install_from_link().await;
    let run_id = app::schedule::take_due(&world.app, 1).await.unwrap()[0];
    let never = CancellationToken::new();
    let (one, two) = tokio::join!(
        engine::work(&world.app, run_id, &never),
        engine::work(&world.app, run_id, &never)
    );
    let mut outcomes = [one.unwrap(), two.unwrap()];
    outcomes.sort_by_key(|outcome| *outcome == Outcome::Passed);
    assert_eq!(
        outcomes,
        [Outcome::Ended(RunState::Succeeded), Outcome::Passed]
    );
    assert_eq!(world.assert_good().await.records, 200);
    assert_eq!(world.calls("objects.batch_upsert"), 2);
    world.end().await;
}

#[tokio::test]
async fn a_worker_that_stops_yields_after_a_step_and_the_next_goes_on() {
    let world = world(1_100).await;
    world.install_from_link().await;
    let stopped = CancellationToken::new();
    stopped.cancel();
    let (mut turns, mut done) = (0, 0);
    loop {
        let due = app::schedule::take_due(&world.app, 1).await.unwrap();
        let outcome = engine::work(&world.app, due[0], &stopped).await.unwrap();
        turns += 1;
        assert!(turns < 20);
        if outcome == Outcome::Ended(RunState::Succeeded) {
            break;
        }
        assert_eq!(outcome, Outcome::Yielded);
        let now = world.runs().await[0]["done"].as_i64().unwrap();
        assert!(now >= done);
        done = now;
    }
    // Three pages read, three times some batches written, one stride linked.
    assert!(turns >= 7, "{turns}");
    assert_eq!(done, 1_100);
    assert_eq!(world.calls("objects.batch_upsert"), 11);
    assert_eq!(world.assert_good().await.records, 1_100);
    world.end().await;
}

#[tokio::test]
async fn a_run_that_was_killed_goes_on_where_its_rows_are_stored() {
    let world = world(300).await;
    world.install_from_link().await;
    let run_id = app::schedule::take_due(&world.app, 1).await.unwrap()[0];
    world.control.inject(sandbox::Fault {
        nth: 2,
        apply: true,
        ..sandbox::Fault::once(
            "objects.batch_upsert",
            sandbox::Action::Hang { millis: 600_000 },
        )
    });
    // The worker dies while HubSpot has its second batch.
    let dying = tokio::spawn({
        let app = world.app.clone();
        async move { engine::work(&app, run_id, &CancellationToken::new()).await }
    });
    while !world.control.faults().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());
    world.scratch.end_leases().await;
    world.drain().await;
    assert_eq!(world.assert_good().await.records, 300);
    world.end().await;
}
