//! Storing pages: newer rows win in any order, and nothing is written that is not needed.

use chrono::TimeDelta;
use domain::{RecordId, RunId};
use store::transactions::{self, Refused, Stored, Written};

use crate::harness::{gift, hash, now, world};

#[tokio::test]
async fn the_same_rows_in_any_order_end_the_same() {
    let versions = [
        gift("txn_1", 50, &[]),
        gift("txn_1", 50, &["delivered"]),
        gift("txn_1", 50, &["delivered", "opened"]),
    ];
    let orders: [[usize; 4]; 4] = [[0, 1, 2, 2], [2, 1, 0, 2], [1, 2, 0, 1], [2, 0, 1, 0]];
    for order in orders {
        let world = world().await;
        let portal = world.portal(1, "UTC").await;
        for index in order {
            world.store(portal, &versions[index..=index]).await;
        }
        let mut tx = world.db.begin(portal).await.unwrap();
        let dirty = transactions::list_dirty(&mut tx, portal, RunId(uuid::Uuid::nil()), 10)
            .await
            .unwrap();
        assert_eq!(dirty.len(), 1);
        assert_eq!(dirty[0].transaction, versions[2], "order {order:?}");
        assert_eq!(dirty[0].desired_hash, hash(&versions[2]));
    }
}

#[tokio::test]
async fn two_versions_of_one_instant_end_the_same_in_either_order() {
    let mut other = gift("txn_1", 5, &[]);
    other.gift_name = Some("Lunch".into());
    let versions = [gift("txn_1", 5, &[]), other];
    let mut ends = Vec::new();
    for order in [[0, 1], [1, 0]] {
        let world = world().await;
        let portal = world.portal(1, "UTC").await;
        for index in order {
            world.store(portal, &versions[index..=index]).await;
        }
        let mut tx = world.db.begin(portal).await.unwrap();
        let dirty = transactions::list_dirty(&mut tx, portal, RunId(uuid::Uuid::nil()), 10)
            .await
            .unwrap();
        ends.push(dirty[0].transaction.gift_name.clone());
    }
    assert_eq!(ends[0], ends[1]);
}

#[tokio::test]
async fn a_row_is_clean_once_written_and_dirty_again_once_changed() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let first = gift("txn_1", 5, &[]);
    assert_eq!(
        world.store(portal, std::slice::from_ref(&first)).await,
        Stored { new: 1, changed: 0 }
    );
    assert_eq!(
        world.store(portal, std::slice::from_ref(&first)).await,
        Stored { new: 0, changed: 0 }
    );
    let mut tx = world.db.begin(portal).await.unwrap();
    let written = Written {
        id: first.id.clone(),
        applied_hash: hash(&first),
        record_id: RecordId(77),
    };
    transactions::save_written(&mut tx, portal, &[written], now())
        .await
        .unwrap();
    assert_eq!(transactions::count_dirty(&mut tx, portal).await.unwrap(), 0);
    tx.commit().await.unwrap();
    assert_eq!(
        world.store(portal, &[gift("txn_1", 5, &["opened"])]).await,
        Stored { new: 0, changed: 1 }
    );
    let mut tx = world.db.begin(portal).await.unwrap();
    assert_eq!(transactions::count_dirty(&mut tx, portal).await.unwrap(), 1);
}

#[tokio::test]
async fn a_refused_row_waits_for_the_next_run_with_its_reason() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let row = gift("txn_1", 5, &[]);
    world.store(portal, std::slice::from_ref(&row)).await;
    let (this, next) = (RunId(uuid::Uuid::now_v7()), RunId(uuid::Uuid::now_v7()));
    let mut tx = world.db.begin(portal).await.unwrap();
    let refused = Refused {
        id: row.id.clone(),
        field: Some("status".into()),
        reason: "not an option".into(),
    };
    transactions::save_refused(&mut tx, portal, this, &[refused], now())
        .await
        .unwrap();
    assert!(
        transactions::list_dirty(&mut tx, portal, this, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        transactions::list_dirty(&mut tx, portal, next, 10)
            .await
            .unwrap()
            .len(),
        1
    );
    let counters = store::statistics::find_counters(&mut tx, portal)
        .await
        .unwrap();
    assert_eq!((counters.failed, counters.synced), (1, 0));
    let written = Written {
        id: row.id.clone(),
        applied_hash: hash(&row),
        record_id: RecordId(77),
    };
    transactions::save_written(&mut tx, portal, &[written], now())
        .await
        .unwrap();
    let counters = store::statistics::find_counters(&mut tx, portal)
        .await
        .unwrap();
    assert_eq!((counters.failed, counters.synced), (0, 1));
}

#[tokio::test]
async fn a_state_is_taken_once_by_its_own_browser_and_in_time() {
    use store::install_states::{self, InstallState, Purpose};
    let world = world().await;
    let state = InstallState {
        state_hash: vec![1],
        browser_hash: vec![2],
        purpose: Purpose::Install,
        setup_link_id: None,
        code_verifier: store::Sealed(vec![3]),
        expires_at: now() + TimeDelta::minutes(10),
    };
    let mut tx = world.db.begin_unscoped().await.unwrap();
    install_states::insert(&mut tx, &state, now())
        .await
        .unwrap();
    assert!(
        install_states::take(&mut tx, &[1], &[9], now())
            .await
            .unwrap()
            .is_none(),
        "another browser"
    );
    let late = now() + TimeDelta::minutes(10);
    assert!(
        install_states::take(&mut tx, &[1], &[2], late)
            .await
            .unwrap()
            .is_none(),
        "too late"
    );
    assert!(
        install_states::take(&mut tx, &[1], &[2], now())
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        install_states::take(&mut tx, &[1], &[2], now())
            .await
            .unwrap()
            .is_none(),
        "twice"
    );
}
