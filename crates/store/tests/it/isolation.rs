//! One portal never sees or changes another's rows, even where a query would let it.

use domain::HubId;
use sqlx::{Connection, PgConnection};
use store::PortalScope;
use store::statistics::find_counters;

use crate::harness::{gift, world};

#[tokio::test]
async fn a_scope_on_another_portals_transaction_finds_nothing() {
    let world = world().await;
    let (a, b) = (world.portal(1, "UTC").await, world.portal(2, "UTC").await);
    world.store(a, &[gift("txn_1", 1, &[])]).await;
    world
        .store(b, &[gift("txn_1", 1, &[]), gift("txn_2", 1, &[])])
        .await;
    let mut tx = world.db.begin(a).await.unwrap();
    assert_eq!(find_counters(&mut tx, a).await.unwrap().transactions, 1);
    // The predicate says b, the transaction says a: row-level security decides.
    assert_eq!(find_counters(&mut tx, b).await.unwrap().transactions, 0);
}

#[tokio::test]
async fn queries_without_a_predicate_see_one_portal_and_none_without_a_scope() {
    let world = world().await;
    let (a, b) = (world.portal(1, "UTC").await, world.portal(2, "UTC").await);
    world.store(a, &[gift("txn_1", 1, &[])]).await;
    world.store(b, &[gift("txn_2", 1, &[])]).await;
    let mut app = PgConnection::connect(&world.scratch.app_url).await.unwrap();
    for table in [
        "transactions",
        "status_events",
        "portals",
        "daily_totals",
        "portal_leases",
    ] {
        let count = format!("SELECT count(*) FROM {table}");
        let unscoped: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count.clone()))
            .fetch_one(&mut app)
            .await
            .unwrap();
        assert_eq!(unscoped, 0, "{table}");
        let mut tx = app.begin().await.unwrap();
        sqlx::query("SELECT set_config('app.hub_id', '1', true)")
            .execute(&mut *tx)
            .await
            .unwrap();
        let scoped: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count))
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        assert_eq!(scoped, 1, "{table}");
        let stolen = sqlx::query("UPDATE transactions SET gift_name = 'x' WHERE hub_id = 2")
            .execute(&mut *tx)
            .await
            .unwrap();
        assert_eq!(stolen.rows_affected(), 0);
        tx.commit().await.unwrap();
    }
    let mut tx = app.begin().await.unwrap();
    sqlx::query("SELECT set_config('app.hub_id', '1', true)")
        .execute(&mut *tx)
        .await
        .unwrap();
    let planted =
        sqlx::query("INSERT INTO audit (hub_id, at, actor, action) VALUES (2, now(), 'x', 'x')")
            .execute(&mut *tx)
            .await;
    assert!(planted.is_err(), "a row was planted in another portal");
}

#[tokio::test]
async fn a_portal_that_was_never_installed_has_nothing() {
    let world = world().await;
    let nobody = PortalScope::from_operator(HubId(99));
    let mut tx = world.db.begin(nobody).await.unwrap();
    assert!(
        store::portals::find(&mut tx, nobody)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store::connections::find(&mut tx, nobody)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_while_a_transaction_begins_leaves_none_open() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let mut owner = world.scratch.owner().await;
    drop(world.db.begin(portal).await.unwrap());
    for patience in 0..200 {
        // Dropped at another moment each time, some of them between BEGIN and its answer.
        let leaves = async {
            for _ in 0..patience % 20 {
                std::thread::sleep(std::time::Duration::from_micros(20));
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            begun = world.db.begin(portal) => drop(begun),
            () = leaves => {}
        }
        // What nobody took is rolled back in a moment; what was forgotten would stay for seconds.
        let mut looks = 0;
        while open_transactions(&mut owner).await > 0 {
            looks += 1;
            assert!(looks < 500, "left open after {} looks", patience % 20);
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

/// Transactions that others have open in this database.
async fn open_transactions(owner: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL
         AND pid <> pg_backend_pid()",
    )
    .fetch_one(owner)
    .await
    .unwrap()
}
