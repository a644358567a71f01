//! Storing pages: newer rows win in any order, and nothing is written that is not needed.

use chrono::{DateTime, TimeDelta, Utc};
use domain::status::StatusEntry;
use domain::{RecordId, RunId, Transaction};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use store::transactions::{self, Refused, Stored, Written};

use crate::harness::{World, gift, hash, now, world};

/// One version of a transaction as Thnks may have reported it: of some moment, with some history in some order.
fn version() -> impl Strategy<Value = Transaction> {
    let entries = proptest::collection::vec(
        (
            proptest::sample::select(vec![
                "sent",
                "Delivered",
                "opened",
                "redeemed",
                "expired",
                "refunded",
                "sparkled",
            ]),
            0..6_i64,
        ),
        0..6,
    );
    let name = proptest::sample::select(vec!["Coffee on us", "Lunch"]);
    (0..4_i64, entries, name).prop_map(|(updated, entries, name)| {
        let mut transaction = gift("txn_1", 50, &[]);
        let sent = transaction.created_at;
        transaction.updated_at = sent + TimeDelta::hours(updated);
        transaction.gift_name = Some(name.to_owned());
        transaction
            .history
            .extend(entries.iter().map(|(status, minutes)| StatusEntry {
                status: (*status).to_owned(),
                at: sent + TimeDelta::minutes(*minutes),
            }));
        transaction
    })
}

#[test]
fn the_same_versions_in_any_order_and_however_often_end_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(world());
    let hub = std::cell::Cell::new(1_000);
    let versions = proptest::collection::vec(version(), 1..7);
    let orders = versions.prop_flat_map(|versions| {
        let mut repeated = versions.clone();
        repeated.extend(versions.iter().take(3).cloned());
        (Just(versions), Just(repeated).prop_shuffle())
    });
    let mut runner = TestRunner::new(Config {
        cases: 60,
        ..Config::default()
    });
    runner
        .run(&orders, |(once, shuffled)| {
            let ends = [once, shuffled].map(|versions| {
                hub.set(hub.get() + 1);
                runtime.block_on(end_of(&world, hub.get(), &versions))
            });
            prop_assert_eq!(&ends[0], &ends[1]);
            Ok(())
        })
        .unwrap();
}

/// What a portal shows of a transaction after these versions have come, and that its date of each status is the first.
async fn end_of(world: &World, hub_id: i64, versions: &[Transaction]) -> (Value, Vec<String>) {
    let portal = world.portal(hub_id, "UTC").await;
    for version in versions {
        world.store(portal, std::slice::from_ref(version)).await;
    }
    let mut row = world.scratch.rows("transactions", portal).await.remove(0);
    row["hub_id"] = Value::Null;
    let mut tx = world.db.begin(portal).await.unwrap();
    let dirty = transactions::list_dirty(&mut tx, portal, RunId(uuid::Uuid::nil()), 10)
        .await
        .unwrap();
    let stored = &dirty[0].transaction;
    let values = domain::record::values(stored);
    for entry in &stored.history {
        let first = stored
            .history
            .iter()
            .filter(|other| other.status() == entry.status())
            .map(|other| other.at)
            .min()
            .unwrap();
        if let Some(date) = values.get(format!("{}_date", entry.status()).as_str()) {
            assert_eq!(date.parse::<DateTime<Utc>>().unwrap(), first);
        }
    }
    let activity = store::statistics::list_activity(&mut tx, portal, None, None)
        .await
        .unwrap();
    let activity = activity
        .iter()
        .map(|event| format!("{} {}", event.status, event.at))
        .collect();
    (row, activity)
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
    let written = written(77, &first);
    transactions::save_written(
        &mut tx,
        portal,
        RunId(uuid::Uuid::now_v7()),
        &[written],
        now(),
    )
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
        code: "INVALID_OPTION".into(),
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
    let written = written(77, &row);
    transactions::save_written(
        &mut tx,
        portal,
        RunId(uuid::Uuid::now_v7()),
        &[written],
        now(),
    )
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
        code_verifier: Some(store::Sealed(vec![3])),
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

#[tokio::test]
async fn a_state_of_the_marketplace_is_taken_by_any_browser_once_and_for_nothing_else() {
    use store::install_states::{self, InstallState, Purpose};
    let world = world().await;
    let state = InstallState {
        state_hash: vec![4],
        browser_hash: vec![5],
        purpose: Purpose::Marketplace,
        setup_link_id: None,
        code_verifier: None,
        expires_at: now() + TimeDelta::minutes(10),
    };
    let ours = InstallState {
        state_hash: vec![6],
        purpose: Purpose::Install,
        code_verifier: Some(store::Sealed(vec![3])),
        ..state.clone()
    };
    let mut tx = world.db.begin_unscoped().await.unwrap();
    for state in [&state, &ours] {
        install_states::insert(&mut tx, state, now()).await.unwrap();
    }
    let as_ours = install_states::take(&mut tx, &[4], &[5], now()).await;
    assert!(as_ours.unwrap().is_none(), "not by our own way");
    for (hash, at) in [(6, now()), (4, now() + TimeDelta::minutes(10))] {
        let taken = install_states::take_marketplace(&mut tx, &[hash], at).await;
        assert!(taken.unwrap().is_none(), "{hash}");
    }
    let taken = install_states::take_marketplace(&mut tx, &[4], now()).await;
    let taken = taken.unwrap().unwrap();
    assert_eq!(taken.browser_hash, [5]);
    assert_eq!(taken.purpose, Purpose::Marketplace);
    let again = install_states::take_marketplace(&mut tx, &[4], now()).await;
    assert!(again.unwrap().is_none(), "twice");
}

#[tokio::test]
async fn long_texts_in_keys_do_not_stop_a_page() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    // Incompressible, so that PostgreSQL cannot squeeze it into an index entry.
    let long: String = (0_u32..9_000)
        .map(|n| char::from_u32(0x4e00 + n.wrapping_mul(2_654_435_761) % 20_000).unwrap())
        .collect();
    let mut row = gift("txn_1", 5, &[]);
    row.gift_type = Some(long.clone());
    row.history[0].status = long.clone();
    row.recipient.email = Some(format!("{long}@client.example"));
    assert_eq!(world.store(portal, std::slice::from_ref(&row)).await.new, 1);
    let mut tx = world.db.begin(portal).await.unwrap();
    let written = written(77, &row);
    transactions::save_written(
        &mut tx,
        portal,
        RunId(uuid::Uuid::now_v7()),
        &[written],
        now(),
    )
    .await
    .unwrap();
    let counters = store::statistics::find_counters(&mut tx, portal)
        .await
        .unwrap();
    assert_eq!(counters.synced, 1);
}

#[tokio::test]
async fn a_record_that_was_made_again_has_no_links_and_waits_for_them() {
    use store::associations;
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let run = RunId(uuid::Uuid::now_v7());
    let first = gift("txn_1", 5, &[]);
    world.store(portal, std::slice::from_ref(&first)).await;
    let mut tx = world.db.begin(portal).await.unwrap();
    transactions::save_written(
        &mut tx,
        portal,
        RunId(uuid::Uuid::now_v7()),
        &[written(77, &first)],
        now(),
    )
    .await
    .unwrap();
    associations::save(&mut tx, portal, run, &[decided(&first, linked(run))])
        .await
        .unwrap();
    assert_eq!(associations::count_due(&mut tx, portal).await.unwrap(), 0);
    tx.commit().await.unwrap();
    let second = gift("txn_1", 5, &["opened"]);
    world.store(portal, std::slice::from_ref(&second)).await;
    let mut tx = world.db.begin(portal).await.unwrap();
    transactions::save_written(
        &mut tx,
        portal,
        RunId(uuid::Uuid::now_v7()),
        &[written(78, &second)],
        now(),
    )
    .await
    .unwrap();
    let due = associations::list_due(&mut tx, portal, run, 10)
        .await
        .unwrap();
    assert_eq!(
        (due.len(), &due[0].links),
        (1, &domain::association::Links::default())
    );
}

#[tokio::test]
async fn a_corrected_recipient_waits_and_the_links_made_for_the_earlier_one_are_to_go() {
    use store::associations;
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let run = RunId(uuid::Uuid::now_v7());
    let first = gift("txn_1", 5, &[]);
    world.store(portal, std::slice::from_ref(&first)).await;
    let mut tx = world.db.begin(portal).await.unwrap();
    let written = written(77, &first);
    transactions::save_written(
        &mut tx,
        portal,
        RunId(uuid::Uuid::now_v7()),
        &[written],
        now(),
    )
    .await
    .unwrap();
    associations::save(&mut tx, portal, run, &[decided(&first, linked(run))])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut corrected = gift("txn_1", 5, &["delivered"]);
    corrected.recipient.email = Some("right@client.example".into());
    world.store(portal, std::slice::from_ref(&corrected)).await;
    let mut tx = world.db.begin(portal).await.unwrap();
    let due = associations::list_due(&mut tx, portal, run, 10)
        .await
        .unwrap();
    assert_eq!(due[0].links, linked(run).links);
    assert_eq!(due[0].keep, domain::association::Keep::Wanted);
    assert_eq!(
        due[0].recipient.email.as_deref(),
        Some("right@client.example")
    );
}

#[tokio::test]
async fn a_refused_link_waits_for_the_next_run() {
    use store::associations;
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let (this, next) = (RunId(uuid::Uuid::now_v7()), RunId(uuid::Uuid::now_v7()));
    let row = gift("txn_1", 5, &[]);
    world.store(portal, std::slice::from_ref(&row)).await;
    let mut tx = world.db.begin(portal).await.unwrap();
    let written = written(77, &row);
    transactions::save_written(
        &mut tx,
        portal,
        RunId(uuid::Uuid::now_v7()),
        &[written],
        now(),
    )
    .await
    .unwrap();
    let mut decision = linked(this);
    decision.refusals = vec!["the deal has too many".into()];
    associations::save(&mut tx, portal, this, &[decided(&row, decision)])
        .await
        .unwrap();
    assert_eq!(
        associations::list_due(&mut tx, portal, this, 10)
            .await
            .unwrap()
            .len(),
        0
    );
    assert_eq!(
        associations::list_due(&mut tx, portal, next, 10)
            .await
            .unwrap()
            .len(),
        1
    );
    associations::save(&mut tx, portal, next, &[decided(&row, linked(next))])
        .await
        .unwrap();
    assert_eq!(associations::count_due(&mut tx, portal).await.unwrap(), 0);
}

#[tokio::test]
async fn a_refused_link_is_no_failure_once_what_was_decided_is_forgotten() {
    use store::associations;
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let run = RunId(uuid::Uuid::now_v7());
    let rows = [gift("txn_1", 5, &[]), gift("txn_2", 5, &[])];
    world.store(portal, &rows).await;
    let mut tx = world.db.begin(portal).await.unwrap();
    let all = [written(77, &rows[0]), written(78, &rows[1])];
    transactions::save_written(&mut tx, portal, run, &all, now())
        .await
        .unwrap();
    let mut decision = linked(run);
    decision.refusals = vec!["the deal has too many".into()];
    let refused = rows.each_ref().map(|row| decided(row, decision.clone()));
    associations::save(&mut tx, portal, run, &refused)
        .await
        .unwrap();
    let failures = async |tx: &mut store::Tx| {
        let all = domain::failure::Selection::default();
        let groups = store::failures::list_groups(tx, portal, 10).await.unwrap();
        let rows = store::failures::list(tx, portal, &all, None, 10)
            .await
            .unwrap();
        (groups.len(), rows.len())
    };
    assert_eq!(failures(&mut tx).await, (1, 2));
    // The first one goes to somebody now whose data was erased.
    let mut row = rows[0].clone().erased();
    row.updated_at += TimeDelta::minutes(1);
    let row = store::transactions::LedgerRow {
        transaction: &row,
        desired_hash: hash(&row),
        is_erased: true,
    };
    transactions::upsert_batch(&mut tx, portal, &[row], now())
        .await
        .unwrap();
    assert_eq!(failures(&mut tx).await, (1, 1));
    // The object is a new one, and with the records of the old one go their links.
    transactions::forget_records(&mut tx, portal).await.unwrap();
    assert_eq!(failures(&mut tx).await, (0, 0));
}

fn decided(
    gift: &domain::Transaction,
    decision: domain::association::Decision,
) -> store::associations::Decided {
    store::associations::Decided {
        id: gift.id.clone(),
        version: 0,
        former: None,
        decision,
    }
}

fn linked(run_id: RunId) -> domain::association::Decision {
    use domain::association::{Decision, Links, Outcome};
    Decision {
        links: Links {
            contact: Some(RecordId(5)),
            companies: [RecordId(6)].into(),
            deals: [RecordId(7)].into(),
        },
        ..Decision::new(Outcome::Linked, now(), Some(run_id))
    }
}

#[tokio::test]
async fn a_refused_row_that_is_not_met_again_is_forgotten() {
    use domain::transaction::Malformed;
    use store::rejected_rows::{self, RejectedRow};
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let malformed = Malformed {
        id: None,
        field: "id".into(),
        reason: "missing".into(),
    };
    let payload = serde_json::json!({"id": null});
    let row = |row_key| RejectedRow {
        row_key,
        malformed: &malformed,
        payload: &payload,
    };
    let mut tx = world.db.begin(portal).await.unwrap();
    let again = now() + TimeDelta::hours(1);
    rejected_rows::upsert_batch(&mut tx, portal, &[row("row:1"), row("row:2")], now())
        .await
        .unwrap();
    rejected_rows::upsert_batch(&mut tx, portal, &[row("row:2")], again)
        .await
        .unwrap();
    rejected_rows::delete_unseen(&mut tx, portal, again)
        .await
        .unwrap();
    assert_eq!(
        rejected_rows::list(&mut tx, portal, 10)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        store::statistics::find_counters(&mut tx, portal)
            .await
            .unwrap()
            .rejected,
        1
    );
}

/// What HubSpot's answer says of a row that was written as it is.
fn written(record: i64, row: &domain::Transaction) -> Written {
    Written {
        id: row.id.clone(),
        applied_hash: hash(row),
        record_id: RecordId(record),
    }
}
