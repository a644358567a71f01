//! Roll-ups equal a full recount, whatever is done to the ledger.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::association::{Decision, Links, Outcome};
use domain::failure::Selection;
use domain::statistics::{Range, Statistics};
use domain::{RecordId, RunId, Transaction, TransactionId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rust_decimal::Decimal;
use sqlx::Row;
use store::transactions::{Refused, Written};
use store::{PortalScope, associations, failures, statistics, transactions};

use crate::harness::{World, gift, now, world};

/// Something that happens to the ledger.
#[derive(Debug, Clone)]
enum Step {
    Page(Vec<Transaction>),
    Write(usize),
    Refuse(usize),
    GiveUp,
    TryAgain,
    Associate(usize, bool),
    MarkOrphans,
}

fn transaction() -> impl Strategy<Value = Transaction> {
    (
        0..12_u32,
        0..(24 * 90_i64),
        proptest::sample::select(vec![
            vec![],
            vec!["opened"],
            vec!["opened", "redeemed"],
            vec!["expired", "refunded"],
            vec!["sparkled"],
        ]),
        proptest::option::of(proptest::sample::select(vec!["Coffee", "Lunch"])),
        proptest::option::of((
            0..10_000_i64,
            proptest::sample::select(vec!["USD", "JPY", "KWD"]),
        )),
        any::<bool>(),
    )
        .prop_map(|(id, hours_ago, then, gift_type, price, scheduled)| {
            let mut transaction = gift(&format!("txn_{id}"), hours_ago, &then);
            if scheduled && then.is_empty() {
                transaction.history[0].status = "scheduled".into();
            }
            transaction.gift_type = gift_type.map(str::to_owned);
            transaction.amount = price.map(|(cents, _)| Decimal::new(cents, 2));
            transaction.currency = price.map(|(_, currency)| currency.to_owned());
            transaction
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::collection::vec(transaction(), 1..8).prop_map(Step::Page),
        2 => (1..6_usize).prop_map(Step::Write),
        1 => (1..3_usize).prop_map(Step::Refuse),
        2 => (1..6_usize, any::<bool>()).prop_map(|(count, found)| Step::Associate(count, found)),
        1 => Just(Step::MarkOrphans),
        1 => Just(Step::GiveUp),
        1 => Just(Step::TryAgain),
    ]
}

async fn take(world: &World, portal: PortalScope, step: Step, run: RunId) {
    let mut tx = world.db.begin(portal).await.unwrap();
    match step {
        Step::Page(page) => {
            drop(tx);
            let distinct: BTreeMap<TransactionId, Transaction> = page
                .into_iter()
                .map(|transaction| (transaction.id.clone(), transaction))
                .collect();
            world
                .store(portal, &distinct.into_values().collect::<Vec<_>>())
                .await;
            return;
        }
        Step::Write(count) => {
            let dirty =
                transactions::list_dirty(&mut tx, portal, run, i64::try_from(count).unwrap())
                    .await
                    .unwrap();
            let written: Vec<Written> = dirty
                .iter()
                .map(|row| Written {
                    id: row.transaction.id.clone(),
                    applied_hash: row.desired_hash.clone(),
                    record_id: RecordId(row.transaction.id.0[4..].parse::<i64>().unwrap() + 100),
                })
                .collect();
            transactions::save_written(
                &mut tx,
                portal,
                RunId(uuid::Uuid::now_v7()),
                &written,
                now(),
            )
            .await
            .unwrap();
        }
        Step::Refuse(count) => {
            let dirty =
                transactions::list_dirty(&mut tx, portal, run, i64::try_from(count).unwrap())
                    .await
                    .unwrap();
            let refused: Vec<Refused> = dirty
                .iter()
                .map(|row| Refused {
                    id: row.transaction.id.clone(),
                    code: "REFUSED".into(),
                    field: None,
                    reason: "no".into(),
                })
                .collect();
            let other = RunId(uuid::Uuid::now_v7());
            transactions::save_refused(&mut tx, portal, other, &refused, now())
                .await
                .unwrap();
        }
        Step::Associate(count, found) => {
            let due = associations::list_due(&mut tx, portal, run, i64::try_from(count).unwrap())
                .await
                .unwrap();
            let decisions: Vec<associations::Decided> = due
                .into_iter()
                .map(|row| {
                    let links = Links {
                        contact: found.then_some(RecordId(5)),
                        ..row.links
                    };
                    let outcome = if found {
                        Outcome::Linked
                    } else {
                        Outcome::NoContact
                    };
                    let decision = Decision {
                        links,
                        ..Decision::new(outcome, now(), Some(run))
                    };
                    associations::Decided {
                        id: row.id,
                        version: row.version,
                        former: None,
                        decision,
                    }
                })
                .collect();
            associations::save(&mut tx, portal, run, &decisions)
                .await
                .unwrap();
        }
        Step::GiveUp => {
            failures::dismiss(&mut tx, portal, &Selection::default(), now())
                .await
                .unwrap();
        }
        Step::TryAgain => {
            failures::retry(&mut tx, portal, &Selection::default())
                .await
                .unwrap();
        }
        Step::MarkOrphans => {
            associations::mark_orphans_due(&mut tx, portal, true, None)
                .await
                .unwrap();
        }
    }
    tx.commit().await.unwrap();
}

/// The same statistics counted from the ledger's rows alone, in this test's own words.
async fn recount(world: &World, portal: PortalScope) -> (Statistics, (i64, i64, i64, i64)) {
    let mut owner = world.scratch.owner().await;
    let mut tx = sqlx::Connection::begin(&mut owner).await.unwrap();
    sqlx::query("SELECT set_config('app.hub_id', $1, true)")
        .bind(portal.hub_id().to_string())
        .execute(&mut *tx)
        .await
        .unwrap();
    let rows = sqlx::query(
        "SELECT status, gift_type, currency, amount, delivered, opened, redeemed, counted_at FROM transactions",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    let totals: Vec<domain::statistics::Total> = rows
        .iter()
        .map(|row| {
            let amount: Option<Decimal> = row.get("amount");
            domain::statistics::Total {
                status: domain::Status::from_source(row.get("status")),
                gift_type: row.get("gift_type"),
                currency: row.get("currency"),
                transactions: 1,
                delivered: i64::from(row.get::<bool, _>("delivered")),
                opened: i64::from(row.get::<bool, _>("opened")),
                redeemed: i64::from(row.get::<bool, _>("redeemed")),
                priced: i64::from(amount.is_some()),
                amount: amount.unwrap_or_default(),
            }
        })
        .collect();
    let until = now() - TimeDelta::days(30);
    let old: Vec<_> = rows
        .iter()
        .filter(|row| {
            row.get::<&str, _>("status") != "scheduled"
                && row.get::<chrono::DateTime<chrono::Utc>, _>("counted_at") <= until
        })
        .collect();
    let redeemed = old
        .iter()
        .filter(|row| row.get::<bool, _>("redeemed"))
        .count();
    let counters: (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE applied_hash = desired_hash), count(*) FILTER (
                WHERE failure_reason IS NOT NULL AND (dismissed_hash IS NULL OR dismissed_hash <> desired_hash)),
            count(*) FILTER (WHERE record_id IS NOT NULL AND contact_id IS NULL AND association_outcome IS NOT NULL)
         FROM transactions",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    let matured = (
        i64::try_from(old.len()).unwrap(),
        i64::try_from(redeemed).unwrap(),
    );
    (
        Statistics::assemble(&totals, matured, Vec::new(), counters.3),
        counters,
    )
}

#[test]
fn roll_ups_equal_a_recount_after_anything() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(world());
    let hub = std::cell::Cell::new(1_000);
    let mut runner = TestRunner::new(Config {
        cases: 40,
        ..Config::default()
    });
    let zones = vec!["UTC", "America/St_Johns", "Pacific/Kiritimati"];
    runner
        .run(
            &(
                proptest::collection::vec(step(), 1..14),
                proptest::sample::select(zones),
            ),
            |(steps, zone)| {
                hub.set(hub.get() + 1);
                runtime.block_on(async {
                    let portal = world.portal(hub.get(), zone).await;
                    let run = RunId(uuid::Uuid::now_v7());
                    for step in steps {
                        take(&world, portal, step, run).await;
                    }
                    let (expected, counters) = recount(&world, portal).await;
                    let mut tx = world.db.begin(portal).await.unwrap();
                    let totals = statistics::list_totals(&mut tx, portal, Range::default())
                        .await
                        .unwrap();
                    let until = now() - TimeDelta::days(30);
                    let zone: chrono_tz::Tz = zone.parse().unwrap();
                    let boundary = until.with_timezone(&zone).date_naive();
                    let all = Range::default();
                    let before = statistics::find_sent_before(&mut tx, portal, all, boundary)
                        .await
                        .unwrap();
                    let on_the_day = statistics::find_sent_until(&mut tx, portal, boundary, until)
                        .await
                        .unwrap();
                    let matured = (before.0 + on_the_day.0, before.1 + on_the_day.1);
                    let kept = statistics::find_counters(&mut tx, portal).await.unwrap();
                    assert_eq!(
                        Statistics::assemble(&totals, matured, Vec::new(), kept.orphans),
                        expected
                    );
                    assert_eq!(
                        (kept.transactions, kept.synced, kept.failed, kept.orphans),
                        counters
                    );
                });
                Ok(())
            },
        )
        .unwrap();
}

#[tokio::test]
async fn days_begin_at_the_portals_midnight() {
    let world = world().await;
    let portal = world.portal(1, "America/New_York").await;
    // 10:00 UTC less 6 h is 23:00 of the day before in New York.
    world
        .store(portal, &[gift("txn_1", 6, &[]), gift("txn_2", 1, &[])])
        .await;
    let mut tx = world.db.begin(portal).await.unwrap();
    let day = |text: &str| Some(text.parse().unwrap());
    for (from, to, count) in [
        ("2026-11-22", "2026-11-22", 1),
        ("2026-11-23", "2026-11-23", 1),
        ("2026-11-22", "2026-11-23", 2),
    ] {
        let range = Range {
            from: day(from),
            to: day(to),
        };
        let totals = statistics::list_totals(&mut tx, portal, range)
            .await
            .unwrap();
        assert_eq!(
            totals.iter().map(|total| total.transactions).sum::<i64>(),
            count
        );
    }
}

#[tokio::test]
async fn all_orphans_are_found_again_for_a_re_association() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let run = RunId(uuid::Uuid::now_v7());
    let page: Vec<Transaction> = (0..5).map(|n| gift(&format!("txn_{n}"), 5, &[])).collect();
    take(&world, portal, Step::Page(page.clone()), run).await;
    take(&world, portal, Step::Write(5), run).await;
    take(&world, portal, Step::Associate(2, true), run).await;
    take(&world, portal, Step::Associate(3, false), run).await;
    let mut tx = world.db.begin(portal).await.unwrap();
    assert_eq!(
        statistics::find_counters(&mut tx, portal)
            .await
            .unwrap()
            .orphans,
        3
    );
    assert_eq!(associations::count_due(&mut tx, portal).await.unwrap(), 0);
    assert_eq!(
        associations::mark_orphans_due(&mut tx, portal, true, None)
            .await
            .unwrap(),
        3
    );
    assert_eq!(associations::count_due(&mut tx, portal).await.unwrap(), 3);
}
