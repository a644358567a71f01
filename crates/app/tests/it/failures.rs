//! What does not get through: grouped by reason, tried again, given up.

use domain::failure::{Selection, Stage};
use sandbox::control::Change;
use sandbox::{Action, Fault};
use serde_json::json;

use crate::harness::{ORGANIZATION, World, scope, world};

/// HubSpot refuses the first `count` records of every batch from now on.
fn refuse(world: &World, count: usize) {
    world.control.inject(Fault {
        times: u64::MAX,
        ..Fault::once("objects.batch_upsert", Action::Partial { count })
    });
}

fn change(world: &World, count: usize) {
    let change = Change {
        id: None,
        count,
        status: None,
        at: None,
    };
    world.control.advance(ORGANIZATION, &change).unwrap();
}

#[tokio::test]
async fn failures_are_grouped_by_reason_with_the_rows_behind_them() {
    let world = world(200).await;
    let session = world.backfilled().await;
    refuse(&world, 3);
    change(&world, 5);
    world.control.add_bad_rows(ORGANIZATION, 4).unwrap();
    world.sync().await;
    assert_eq!(world.status().await.failed, 7);

    let groups = app::failures::list_groups(&world.app, &scope())
        .await
        .unwrap();
    let rows: i64 = groups.iter().map(|group| group.rows).sum();
    assert_eq!(rows, 7);
    let refused = groups
        .iter()
        .find(|group| group.stage == Stage::Record)
        .unwrap();
    assert_eq!(
        (refused.rows, refused.code.as_str()),
        (3, "VALIDATION_ERROR")
    );
    assert!(!refused.reason.is_empty());
    let behind = app::failures::list(&world.app, &scope(), &refused.selection(), None)
        .await
        .unwrap();
    assert_eq!(behind.len(), 3);
    assert!(
        behind
            .iter()
            .all(|row| row.transaction_id.as_ref() == Some(&row.key))
    );
    let after = app::failures::list(
        &world.app,
        &scope(),
        &refused.selection(),
        Some(&behind[0].place()),
    )
    .await
    .unwrap();
    assert_eq!(after, behind[1..]);

    // The run's own account names them too, for later.
    let last = app::runs::list(&world.app, &scope(), None).await.unwrap();
    let counts = &last[0].counts;
    assert_eq!(
        (counts.refused, counts.malformed, counts.failed()),
        (3, 4, 7)
    );
    let named: i64 = counts.failures.rows().values().sum();
    assert_eq!(named, 7);
    assert_eq!(counts.written, 2);

    // One is given up, the rest is tried again.
    let one = Selection {
        key: Some(behind[0].key.clone()),
        ..refused.selection()
    };
    assert_eq!(
        app::failures::dismiss(&world.app, &session, &one)
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        app::failures::dismiss(&world.app, &session, &one)
            .await
            .unwrap(),
        0
    );
    assert_eq!(world.status().await.failed, 6);
    world.control.clear_faults();
    let calls = world.calls("objects.batch_upsert");
    let another = Selection {
        key: Some(behind[1].key.clone()),
        ..refused.selection()
    };
    let retried = app::failures::retry(&world.app, &session, &another).await;
    assert!(retried.unwrap().run_id.is_some());
    world.drain().await;
    assert_eq!(world.calls("objects.batch_upsert") - calls, 1);
    world.end().await;
}

#[tokio::test]
async fn a_row_that_was_given_up_is_left_alone_until_it_changes() {
    let world = world(100).await;
    let session = world.backfilled().await;
    refuse(&world, 1);
    change(&world, 1);
    world.sync().await;
    assert_eq!(world.status().await.failed, 1);
    let failed = app::failures::list(&world.app, &scope(), &Selection::default(), None)
        .await
        .unwrap();
    // Every run tries it again, whatever its fingerprint says.
    for _ in 0..3 {
        let calls = world.calls("objects.batch_upsert");
        world.sync().await;
        assert_eq!(world.calls("objects.batch_upsert") - calls, 1);
    }
    app::failures::dismiss(&world.app, &session, &Selection::default())
        .await
        .unwrap();
    world.control.clear_faults();
    let calls = world.calls("objects.batch_upsert");
    world.sync().await;
    // By night orphans are looked at, too.
    let tried = world.calls("objects.batch_upsert") - calls;
    assert_eq!(tried, 0, "it is not tried");
    let status = world.status().await;
    assert_eq!((status.failed, status.synced), (0, 99));

    let edit = json!({"message": "Another word"});
    world
        .control
        .edit_transaction(ORGANIZATION, &failed[0].key, &edit)
        .unwrap();
    world.sync().await;
    assert_eq!(world.status().await.synced, 100);
    assert_eq!(world.assert_good().await.records, 100);
    world.end().await;
}

#[tokio::test]
async fn what_was_given_up_can_be_asked_for_again() {
    let world = world(100).await;
    let session = world.backfilled().await;
    refuse(&world, 1);
    change(&world, 1);
    world.control.add_bad_rows(ORGANIZATION, 2).unwrap();
    world.sync().await;
    let all = Selection::default();
    assert_eq!(
        app::failures::dismiss(&world.app, &session, &all)
            .await
            .unwrap(),
        3
    );
    assert_eq!(world.status().await.failed, 0);
    world.control.clear_faults();
    let retried = app::failures::retry(&world.app, &session, &all)
        .await
        .unwrap();
    assert_eq!(retried.failures, 3);
    world.drain().await;
    let status = world.status().await;
    // The bad rows are bad still.
    assert_eq!((status.failed, status.synced), (2, 100));
    let nothing = Selection {
        stage: Some(Stage::Link),
        ..all
    };
    let retried = app::failures::retry(&world.app, &session, &nothing)
        .await
        .unwrap();
    assert_eq!((retried.failures, retried.run_id), (0, None));
    world.end().await;
}

#[tokio::test]
async fn refused_links_are_failures_too() {
    let world = world(100).await;
    let session = world.install_from_link().await;
    world.control.inject(Fault {
        times: u64::MAX,
        ..Fault::once("associations.batch_create", Action::Partial { count: 2 })
    });
    world.drain().await;
    let groups = app::failures::list_groups(&world.app, &scope())
        .await
        .unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].stage, Stage::Link);
    let behind = app::failures::list(&world.app, &scope(), &groups[0].selection(), None)
        .await
        .unwrap();
    assert_eq!(i64::try_from(behind.len()).unwrap(), groups[0].rows);
    world.control.clear_faults();
    app::failures::retry(&world.app, &session, &groups[0].selection())
        .await
        .unwrap();
    world.drain().await;
    assert_eq!(
        app::failures::list_groups(&world.app, &scope())
            .await
            .unwrap(),
        []
    );
    assert_eq!(world.assert_good().await.records, 100);
    world.end().await;
}
