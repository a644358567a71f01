//! Runs, leases and the board.

use chrono::TimeDelta;
use domain::portal::{CurrentRun, LastRun};
use domain::run::{RunKind, RunState};
use serde_json::json;
use store::runs::{self, Claim, Progress};
use store::{Error, PortalScope, Tx, portals, schedule};

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

async fn portal_of(tx: &mut Tx, scope: PortalScope) -> portals::Portal {
    portals::find(tx, scope).await.unwrap().unwrap()
}

async fn current_run(tx: &mut Tx, scope: PortalScope) -> Option<CurrentRun> {
    portal_of(tx, scope).await.current_run
}

async fn last_run(tx: &mut Tx, scope: PortalScope) -> Option<LastRun> {
    portal_of(tx, scope).await.last_run
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
    let next = current_run(&mut tx, portal)
        .await
        .expect("the wish is kept");
    assert_ne!(next.id, first.run_id);
    assert_eq!(last_run(&mut tx, portal).await.unwrap().id, first.run_id);
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
async fn a_run_that_was_cut_off_keeps_its_portal_closed_for_a_while_and_its_start_does_not_count() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let run = request(&world, portal, RunKind::Backfill).await.run_id;
    let sync = request(&world, portal, RunKind::Sync).await.run_id;
    // More often than a run may start without progress.
    for _ in 0..5 {
        let fence = fence(&claim(&world, portal, run).await);
        let mut tx = world.db.begin(portal).await.unwrap();
        runs::hold(&mut tx, portal, run, fence).await.unwrap();
        let wait = std::time::Duration::from_hours(1);
        runs::let_go(&mut tx, portal, run, wait).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = world.db.begin(portal).await.unwrap();
        let current = current_run(&mut tx, portal).await.unwrap();
        assert_eq!(current.state, RunState::Queued);
        drop(tx);
        assert_eq!(claim(&world, portal, run).await, Claim::Busy);
        assert_eq!(claim(&world, portal, sync).await, Claim::Busy);
        let_lease_lapse(&world, portal).await;
    }
}

#[tokio::test]
async fn a_run_of_a_kind_that_only_a_newer_version_knows_is_left_to_it() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let run = request(&world, portal, RunKind::Backfill).await.run_id;
    let mut owner = world.scratch.owner().await;
    sqlx::query("ALTER TABLE runs DROP CONSTRAINT runs_kind_check")
        .execute(&mut owner)
        .await
        .unwrap();
    world
        .scratch
        .tamper(&["runs"], "UPDATE runs SET kind = 'of_tomorrow'")
        .await;
    let before = world.scratch.rows("runs", portal).await;
    for _ in 0..5 {
        let mut tx = world.db.begin(portal).await.unwrap();
        let refused = runs::claim(&mut tx, portal, run, now()).await;
        assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
    }
    assert_eq!(world.scratch.rows("runs", portal).await, before);
    let mut tx = world.db.begin_unscoped().await.unwrap();
    assert_eq!(runs::take_due(&mut tx, 10).await.unwrap(), [run]);
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
        last_run(&mut tx, portal).await.unwrap().state,
        RunState::Dead
    );
    tx.commit().await.unwrap();
    // It is shown, and can be asked for again.
    let again = request(&world, portal, RunKind::Backfill).await;
    assert!(again.is_new);
    assert!(matches!(
        claim(&world, portal, again.run_id).await,
        Claim::Claimed(_)
    ));
}

#[tokio::test]
async fn due_syncs_become_one_run_each_however_many_schedulers_there_are() {
    let world = world().await;
    let mut portals = Vec::new();
    for hub_id in 1..=30 {
        let portal = world.portal(hub_id, "UTC").await;
        let mut tx = world.db.begin(portal).await.unwrap();
        schedule::save_next_sync(&mut tx, portal, Some(now() - TimeDelta::minutes(2)))
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
            current_run(&mut tx, portal).await.unwrap().kind,
            RunKind::Sync
        );
        let found = store::portals::find(&mut tx, portal).await.unwrap();
        let next = found.unwrap().next_sync_at.unwrap();
        assert!(next > now() && next <= now() + TimeDelta::hours(1));
    }
}

#[tokio::test]
async fn after_an_outage_missed_hours_are_one_run_each_spread_over_a_quarter_of_an_hour() {
    let world = world().await;
    let hour = TimeDelta::hours(1);
    for hub_id in 1..=60 {
        let portal = world.portal(hub_id, "UTC").await;
        let mut tx = world.db.begin(portal).await.unwrap();
        let missed = now() - TimeDelta::hours(6);
        schedule::save_next_sync(&mut tx, portal, Some(missed))
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    let mut started = Vec::new();
    for minute in 0..=15 {
        let at = now() + TimeDelta::minutes(minute);
        let mut tx = world.db.begin_unscoped().await.unwrap();
        schedule::insert_due_runs(&mut tx, hour, 1_000, at)
            .await
            .unwrap();
        let due = runs::take_due(&mut tx, 1_000).await.unwrap();
        tx.commit().await.unwrap();
        started.push(due.len());
    }
    assert_eq!(started[0], 0, "the first minute is not a rush");
    assert_eq!(started.iter().sum::<usize>(), 60);
    assert!(started.iter().all(|runs| *runs <= 12), "{started:?}");
}

#[tokio::test]
async fn a_paused_portal_keeps_its_runs_and_goes_on_where_they_stood() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let run = request(&world, portal, RunKind::Backfill).await.run_id;
    let old = fence(&claim(&world, portal, run).await);
    let mut tx = world.db.begin(portal).await.unwrap();
    runs::lock(&mut tx, portal).await.unwrap();
    runs::pause(&mut tx, portal).await.unwrap();
    store::portals::save_paused(&mut tx, portal, Some(now()))
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let mut tx = world.db.begin(portal).await.unwrap();
    assert!(matches!(
        runs::hold(&mut tx, portal, run, old).await,
        Err(Error::Fenced)
    ));
    drop(tx);
    // What is asked for meanwhile waits too.
    let sync = request(&world, portal, RunKind::Sync).await.run_id;
    let mut tx = world.db.begin_unscoped().await.unwrap();
    assert_eq!(runs::next_due_secs(&mut tx).await.unwrap(), None);
    assert_eq!(runs::take_due(&mut tx, 10).await.unwrap(), []);
    drop(tx);
    assert_eq!(claim(&world, portal, run).await, Claim::Held);

    let mut tx = world.db.begin(portal).await.unwrap();
    runs::lock(&mut tx, portal).await.unwrap();
    store::portals::save_paused(&mut tx, portal, None)
        .await
        .unwrap();
    assert!(runs::resume(&mut tx, portal).await.unwrap());
    tx.commit().await.unwrap();
    let mut tx = world.db.begin_unscoped().await.unwrap();
    let mut due = runs::take_due(&mut tx, 10).await.unwrap();
    due.sort();
    assert_eq!(due, [run, sync]);
}

#[tokio::test]
async fn a_wish_outlives_a_run_that_failed() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let first = request(&world, portal, RunKind::Sync).await.run_id;
    let held = fence(&claim(&world, portal, first).await);
    request(&world, portal, RunKind::Sync).await;
    let mut tx = world.db.begin(portal).await.unwrap();
    runs::hold(&mut tx, portal, first, held).await.unwrap();
    runs::finish(&mut tx, portal, first, RunState::Failed, Some("no"), now())
        .await
        .unwrap();
    let next = current_run(&mut tx, portal).await;
    assert_ne!(next.expect("the wish is kept").id, first);
}

#[tokio::test]
async fn a_date_that_is_asked_for_again_moves_back_and_never_on() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let ask = async |days_ago| {
        let wish = runs::Wish {
            kind: RunKind::Resync,
            since: Some(now() - TimeDelta::days(days_ago)),
            planned_for: None,
            requested_by: "test",
        };
        let mut tx = world.db.begin(portal).await.unwrap();
        let requested = runs::request_wish(&mut tx, portal, wish, now()).await;
        tx.commit().await.unwrap();
        requested.unwrap().run_id
    };
    let since = async |run_id| {
        let mut tx = world.db.begin(portal).await.unwrap();
        let account = runs::find(&mut tx, portal, run_id).await.unwrap().unwrap();
        (now() - account.since.unwrap()).num_days()
    };
    let first = ask(10).await;
    ask(30).await;
    ask(20).await;
    assert_eq!(since(first).await, 30);
    // Once it has begun its date stands; the next one goes back as far as was asked for.
    let held = fence(&claim(&world, portal, first).await);
    ask(40).await;
    ask(35).await;
    assert_eq!(since(first).await, 30);
    let mut tx = world.db.begin(portal).await.unwrap();
    runs::hold(&mut tx, portal, first, held).await.unwrap();
    runs::finish(&mut tx, portal, first, RunState::Succeeded, None, now())
        .await
        .unwrap();
    let next = current_run(&mut tx, portal).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(since(next.id).await, 40);
}

#[tokio::test]
async fn a_process_that_freezes_within_a_transaction_loses_its_locks() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let run = request(&world, portal, RunKind::Sync).await.run_id;
    let mut frozen = world.db.begin(portal).await.unwrap();
    runs::lock(&mut frozen, portal).await.unwrap();
    // The claim waits for the lock, and PostgreSQL ends the transaction that rests.
    assert!(matches!(
        claim(&world, portal, run).await,
        Claim::Claimed(_)
    ));
    assert!(runs::lock(&mut frozen, portal).await.is_err());
}

#[tokio::test]
async fn giants_take_turns_and_never_stand_before_a_sync() {
    let world = world().await;
    let next = async || {
        let mut tx = world.db.begin_unscoped().await.unwrap();
        let due = runs::take_due(&mut tx, 1).await.unwrap();
        tx.commit().await.unwrap();
        due.first().copied()
    };
    let mut giants = Vec::new();
    for hub_id in 1..=3 {
        let portal = world.portal(hub_id, "UTC").await;
        let run = request(&world, portal, RunKind::Backfill).await.run_id;
        giants.push((portal, run));
    }
    let mut turns = Vec::new();
    for _ in 0..9 {
        let run = next().await.unwrap();
        let (portal, _) = giants.iter().find(|(_, known)| *known == run).unwrap();
        fence(&claim(&world, *portal, run).await);
        turns.push(run);
        let mut tx = world.db.begin(*portal).await.unwrap();
        runs::postpone(&mut tx, *portal, run, TimeDelta::zero(), true)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        if turns.len() % 3 == 0 {
            // Whoever comes with a sync meanwhile is next.
            let small = world
                .portal(100 + i64::try_from(turns.len()).unwrap(), "UTC")
                .await;
            let sync = request(&world, small, RunKind::Sync).await.run_id;
            assert_eq!(next().await, Some(sync));
        }
    }
    for round in turns.chunks(3) {
        let mut round = round.to_vec();
        round.sort();
        let mut all: Vec<_> = giants.iter().map(|(_, run)| *run).collect();
        all.sort();
        assert_eq!(round, all, "each giant has its turn before any has two");
    }
}

async fn cancel(
    world: &World,
    portal: PortalScope,
    run_id: domain::RunId,
) -> Option<runs::Cancelled> {
    let mut tx = world.db.begin(portal).await.unwrap();
    runs::lock(&mut tx, portal).await.unwrap();
    let cancelled = runs::cancel(&mut tx, portal, run_id, now()).await.unwrap();
    tx.commit().await.unwrap();
    cancelled
}

#[tokio::test]
async fn a_run_that_is_cancelled_at_work_commits_no_more_and_lets_the_others_go() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let run = request(&world, portal, RunKind::Sync).await.run_id;
    let next = request(&world, portal, RunKind::Sweep).await.run_id;
    let old = fence(&claim(&world, portal, run).await);
    assert_eq!(claim(&world, portal, next).await, Claim::Busy);
    // Somebody wanted it once more: that goes with it.
    request(&world, portal, RunKind::Sync).await;
    let cancelled = cancel(&world, portal, run).await.unwrap();
    assert_eq!(
        (cancelled.kind, cancelled.was),
        (RunKind::Sync, RunState::Running)
    );
    assert_eq!(cancel(&world, portal, run).await, None, "it has ended");

    let mut tx = world.db.begin(portal).await.unwrap();
    assert!(matches!(
        runs::hold(&mut tx, portal, run, old).await,
        Err(Error::Fenced)
    ));
    drop(tx);
    assert_eq!(claim(&world, portal, run).await, Claim::Gone);
    let mut tx = world.db.begin(portal).await.unwrap();
    let last = last_run(&mut tx, portal).await.unwrap();
    assert_eq!((last.id, last.state), (run, RunState::Cancelled));
    let current = current_run(&mut tx, portal).await.unwrap();
    assert_eq!(current.id, next, "nothing follows the cancelled one");
    drop(tx);
    let mut tx = world.db.begin_unscoped().await.unwrap();
    assert_eq!(runs::take_due(&mut tx, 10).await.unwrap(), [next]);
    drop(tx);
    assert!(fence(&claim(&world, portal, next).await) > old);
    // It can be asked for again.
    assert!(request(&world, portal, RunKind::Sync).await.is_new);
}

#[tokio::test]
async fn a_run_that_waits_is_cancelled_and_the_one_at_work_goes_on() {
    let world = world().await;
    let (portal, other) = (world.portal(1, "UTC").await, world.portal(2, "UTC").await);
    let at_work = request(&world, portal, RunKind::Backfill).await.run_id;
    let waits = request(&world, portal, RunKind::Reassociate).await.run_id;
    let held = fence(&claim(&world, portal, at_work).await);
    assert_eq!(claim(&world, portal, waits).await, Claim::Busy);
    assert_eq!(cancel(&world, other, waits).await, None, "another portal's");
    assert_eq!(
        cancel(&world, portal, waits).await.unwrap().was,
        RunState::Queued
    );
    let mut tx = world.db.begin(portal).await.unwrap();
    runs::hold(&mut tx, portal, at_work, held).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(claim(&world, portal, waits).await, Claim::Busy);
    let mut tx = world.db.begin_unscoped().await.unwrap();
    assert_eq!(runs::find_scope(&mut tx, waits).await.unwrap(), None);
}
