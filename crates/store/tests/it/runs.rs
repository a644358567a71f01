//! Runs, leases and the board.

use chrono::TimeDelta;
use domain::run::{RunKind, RunState};
use serde_json::json;
use store::runs::{self, Claim, Progress};
use store::{Error, PortalScope, schedule};

use crate::harness::{World, now, world};

async fn request(world: &World, portal: PortalScope, kind: RunKind) -> runs::Requested {
    let mut tx = world.db.begin(portal).await.unwrap();
    let requested = runs::request(&mut tx, portal, kind, "test", now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    requested
}

async fn claim(world: &World, portal: PortalScope, run_id: domain::RunId) -> Claim {
    let mut tx = world.db.begin(portal).await.unwrap();
    let claim = runs::claim(&mut tx, portal, run_id, now()).await.unwrap();
    tx.commit().await.unwrap();
    claim
}

fn fence(claim: &Claim) -> i64 {
    match claim {
        Claim::Claimed(claimed) => claimed.fence,
        other => panic!("not claimed: {other:?}"),
    }
}

/// Lets the portal's lease and everything on the board run out, as time would.
async fn let_lease_lapse(world: &World, portal: PortalScope) {
    let mut owner = world.scratch.owner().await;
    let mut tx = sqlx::Connection::begin(&mut owner).await.unwrap();
    sqlx::query("SELECT set_config('app.hub_id', $1, true)")
        .bind(portal.hub_id().to_string())
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("UPDATE portal_leases SET lease_until = now() - interval '1 s'")
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query("UPDATE run_queue SET due_at = now() - interval '1 s'")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn one_run_of_a_kind_is_open_and_a_second_wish_is_kept() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let first = request(&world, portal, RunKind::Sync).await;
    let again = request(&world, portal, RunKind::Sync).await;
    assert_eq!((again.run_id, again.is_new), (first.run_id, false));
    // It had not begun: one run serves both wishes.
    let held = fence(&claim(&world, portal, first.run_id).await);
    request(&world, portal, RunKind::Sync).await;
    let mut tx = world.db.begin(portal).await.unwrap();
    runs::hold(&mut tx, portal, first.run_id, held)
        .await
        .unwrap();
    runs::finish(
        &mut tx,
        portal,
        first.run_id,
        RunState::Succeeded,
        None,
        now(),
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.db.begin(portal).await.unwrap();
    let next = runs::find_current(&mut tx, portal)
        .await
        .unwrap()
        .expect("the wish is kept");
    assert_ne!(next.id, first.run_id);
    assert_eq!(
        runs::find_last(&mut tx, portal).await.unwrap().unwrap().id,
        first.run_id
    );
}

#[tokio::test]
async fn a_portal_has_one_writer_and_an_old_fence_commits_nothing() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let backfill = request(&world, portal, RunKind::Backfill).await.run_id;
    let sync = request(&world, portal, RunKind::Sync).await.run_id;
    let old = fence(&claim(&world, portal, backfill).await);
    assert_eq!(claim(&world, portal, sync).await, Claim::Busy);
    assert_eq!(claim(&world, portal, backfill).await, Claim::Busy);
    let_lease_lapse(&world, portal).await;
    let new = fence(&claim(&world, portal, backfill).await);
    assert!(new > old);
    let mut tx = world.db.begin(portal).await.unwrap();
    assert!(matches!(
        runs::hold(&mut tx, portal, backfill, old).await,
        Err(Error::Fenced)
    ));
    runs::hold(&mut tx, portal, backfill, new).await.unwrap();
}

#[tokio::test]
async fn the_board_rings_once_for_each_due_run_and_again_when_a_worker_dies() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let run = request(&world, portal, RunKind::Backfill).await.run_id;
    let take = async || {
        let mut tx = world.db.begin_unscoped().await.unwrap();
        let due = runs::take_due(&mut tx, 10).await.unwrap();
        tx.commit().await.unwrap();
        due
    };
    assert_eq!(take().await, [run]);
    assert_eq!(take().await, []);
    claim(&world, portal, run).await;
    assert_eq!(take().await, [], "a run in work is not rung for");
    let_lease_lapse(&world, portal).await;
    assert_eq!(take().await, [run], "its worker died");
}

#[tokio::test]
async fn a_waiting_run_is_due_as_soon_as_the_other_lets_go() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let backfill = request(&world, portal, RunKind::Backfill).await.run_id;
    let check = request(&world, portal, RunKind::Check).await.run_id;
    claim(&world, portal, backfill).await;
    assert_eq!(claim(&world, portal, check).await, Claim::Busy);
    let mut tx = world.db.begin(portal).await.unwrap();
    runs::postpone(&mut tx, portal, backfill, TimeDelta::days(9_000), false)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.db.begin_unscoped().await.unwrap();
    assert_eq!(runs::take_due(&mut tx, 10).await.unwrap(), [check]);
}

#[tokio::test]
async fn three_starts_without_progress_make_a_run_dead_and_progress_starts_anew() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let run = request(&world, portal, RunKind::Backfill).await.run_id;
    for _ in 0..2 {
        fence(&claim(&world, portal, run).await);
        let_lease_lapse(&world, portal).await;
    }
    let held = fence(&claim(&world, portal, run).await);
    let mut tx = world.db.begin(portal).await.unwrap();
    runs::hold(&mut tx, portal, run, held).await.unwrap();
    let nothing = json!({});
    let progress = Progress {
        progress: &nothing,
        counts: &nothing,
        done: 1,
        total: None,
    };
    runs::save_progress(&mut tx, portal, run, progress)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    for _ in 0..3 {
        let_lease_lapse(&world, portal).await;
        fence(&claim(&world, portal, run).await);
    }
    let_lease_lapse(&world, portal).await;
    assert_eq!(claim(&world, portal, run).await, Claim::Dead);
    let mut tx = world.db.begin(portal).await.unwrap();
    assert_eq!(
        runs::find_last(&mut tx, portal)
            .await
            .unwrap()
            .unwrap()
            .state,
        RunState::Dead
    );
}

#[tokio::test]
async fn due_syncs_become_one_run_each_however_many_schedulers_there_are() {
    let world = world().await;
    let mut portals = Vec::new();
    for hub_id in 1..=30 {
        let portal = world.portal(hub_id, "UTC").await;
        let mut tx = world.db.begin(portal).await.unwrap();
        // Missed for days: it collapses to one.
        schedule::save_next_sync(&mut tx, portal, Some(now() - TimeDelta::days(3)))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        portals.push(portal);
    }
    let schedulers = (0..4).map(|_| async {
        let mut inserted = 0;
        for _ in 0..20 {
            let mut tx = world.db.begin_unscoped().await.unwrap();
            inserted += schedule::insert_due_runs(&mut tx, TimeDelta::hours(1), 7, now())
                .await
                .unwrap();
            tx.commit().await.unwrap();
        }
        inserted
    });
    let [a, b, c, d] = <[_; 4]>::try_from(schedulers.collect::<Vec<_>>())
        .ok()
        .unwrap();
    let (a, b, c, d) = tokio::join!(a, b, c, d);
    let total: usize = a + b + c + d;
    assert_eq!(total, portals.len());
    for portal in portals {
        let mut tx = world.db.begin(portal).await.unwrap();
        assert_eq!(
            runs::find_current(&mut tx, portal)
                .await
                .unwrap()
                .unwrap()
                .kind,
            RunKind::Sync
        );
        let next = schedule::find_next_sync(&mut tx, portal)
            .await
            .unwrap()
            .unwrap();
        assert!(next > now() && next <= now() + TimeDelta::hours(1));
    }
}
