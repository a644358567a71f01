//! Whatever is killed in mid-backfill, every transaction ends as one record, linked as it should be.

use std::time::Duration;

use sandbox::{Action, DEMO_HUB_ID, Fault};

use crate::processes::Stage;

/// Slow enough that there is a middle to strike in.
async fn backfilling(transactions: usize) -> Stage {
    let stage = Stage::set(transactions).await;
    let slow = Fault {
        times: u64::MAX,
        ..Fault::once("objects.batch_upsert", Action::Delay { millis: 150 })
    };
    stage.control().inject(slow);
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_workers_backfill_is_finished_by_another_with_every_record_once() {
    let stage = backfilling(1_500).await;
    let first = stage.worker();
    stage.install().await;
    stage.wait_for_the_middle().await;
    first.kill();
    let _second = stage.worker();
    stage.wait_for_the_end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_sleeps_through_its_lease_does_no_harm() {
    let stage = backfilling(1_500).await;
    let sleeper = stage.worker();
    stage.install().await;
    stage.wait_for_the_middle().await;
    sleeper.signal("STOP");
    let second = stage.worker();
    stage.wait_for_the_end().await;
    sleeper.signal("CONT");
    // What the sleeper had in flight lands now; whatever it does, the truth stays.
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.wait_for_the_end().await;
    assert_eq!(second.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flushed_redis_loses_nothing() {
    let stage = backfilling(1_500).await;
    let _worker = stage.worker();
    stage.install().await;
    stage.wait_for_the_middle().await;
    stage.redis.flush();
    stage.wait_for_the_end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_redis_loses_nothing() {
    let mut stage = backfilling(1_500).await;
    let _worker = stage.worker();
    stage.install().await;
    stage.wait_for_the_middle().await;
    stage.redis.restart();
    stage.wait_for_the_end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_stalls_puts_no_idle_worker_to_sleep() {
    let stage = Stage::set(100).await;
    let _worker = stage.worker();
    stage.install().await;
    stage.wait_for_the_end().await;
    // Longer than the poller's own timers, shorter than what would end its connection.
    for _ in 0..2 {
        stage.redis.stall(Duration::from_secs(4)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let page = format!("/portals/{DEMO_HUB_ID}");
    let button = format!("{page}/reassociate");
    assert_eq!(
        stage.browser.press(&page, &button).await["kind"],
        "reassociate"
    );
    stage
        .wait("the re-association", |status| {
            status["last_run"]["kind"] == "reassociate" && status["current_run"].is_null()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_the_work_goes_on() {
    let mut stage = backfilling(600).await;
    stage.redis.stop();
    let _worker = stage.worker();
    stage.install().await;
    stage.wait_for_the_end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_leaves_at_a_commit_and_another_goes_on() {
    let stage = backfilling(1_500).await;
    let first = stage.worker();
    stage.install().await;
    stage.wait_for_the_middle().await;
    assert_eq!(first.terminate(), Some(0));
    // Nothing waits for a lease to lapse: the run was given back.
    let given_back = stage.status().await;
    assert_eq!(
        given_back["current_run"]["state"], "queued",
        "{given_back:#}"
    );
    let _second = stage.worker();
    stage.wait_for_the_end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_a_portal_without_doubling_anything() {
    let stage = backfilling(1_000).await;
    let (_one, _two) = (stage.worker(), stage.worker());
    stage.install().await;
    let verdict = stage.wait_for_the_end().await;
    // Ten batches of records: a second page-writer would have sent some of them twice.
    assert_eq!(verdict["calls"]["by_kind"]["objects.batch_upsert"], 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_button_links_gifts_whose_contact_was_added_meanwhile() {
    let stage = Stage::set(400).await;
    let _worker = stage.worker();
    stage.install().await;
    let before = stage.wait_for_the_end().await["orphans"].as_i64().unwrap();
    let adopted = stage.control().adopt_orphans(DEMO_HUB_ID, None, 5).unwrap();
    assert_eq!(adopted.len(), 5);
    let page = format!("/portals/{DEMO_HUB_ID}");
    let run = stage
        .browser
        .press(&page, &format!("{page}/reassociate"))
        .await;
    assert_eq!(run["kind"], "reassociate");
    let status = stage
        .wait("the re-association", |status| {
            status["last_run"]["kind"] == "reassociate" && status["current_run"].is_null()
        })
        .await;
    assert_eq!(status["last_run"]["state"], "succeeded");
    assert!(
        status["orphans"].as_i64().unwrap() <= before - 5,
        "{status:#}"
    );
    stage.wait_for_the_end().await;
}
