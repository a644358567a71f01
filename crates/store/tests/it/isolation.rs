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

/// How a turn on the connection ends.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Committed,
    /// The caller is dropped with its transaction open.
    Dropped,
    /// A statement fails, and with it the transaction.
    Aborted,
    /// The caller goes away while the transaction begins, or while it waits for an answer.
    Cancelled(usize),
}

#[tokio::test]
async fn two_portals_in_turn_on_one_connection_see_only_their_own() {
    const TURNS: usize = 10_000;
    let world = world().await;
    let portals = [world.portal(1, "UTC").await, world.portal(2, "UTC").await];
    for (portal, gifts) in portals.into_iter().zip(1..) {
        let page: Vec<_> = (0..gifts)
            .map(|n| gift(&format!("txn_{n}"), 1, &[]))
            .collect();
        world.store(portal, &page).await;
    }
    let db = store::Db::open(&world.scratch.app_url, 1).unwrap();
    let (mut cancelled, mut begun) = (0, 0);
    for n in 0..TURNS {
        let portal = portals[n % 2];
        let turn = match n % 7 {
            0..=2 => Turn::Committed,
            3 => Turn::Dropped,
            4 => Turn::Aborted,
            // Some before anything is answered, whatever the machine does meanwhile.
            _ => Turn::Cancelled(n % 12),
        };
        let looks = async {
            let mut tx = db.begin(portal).await.unwrap();
            // Without a predicate: row-level security alone tells the portals apart.
            let seen: Vec<(i64, i64)> =
                sqlx::query_as("SELECT hub_id, count(*) FROM transactions GROUP BY hub_id")
                    .fetch_all(&mut *tx)
                    .await
                    .unwrap();
            let own = portal.hub_id().0;
            assert_eq!(seen, [(own, own)], "turn {n}");
            tx
        };
        match turn {
            Turn::Committed => looks.await.commit().await.unwrap(),
            Turn::Dropped => drop(looks.await),
            Turn::Aborted => {
                let mut tx = looks.await;
                let failed = sqlx::query("SELECT 1 / 0").execute(&mut *tx).await;
                assert!(failed.is_err());
            }
            Turn::Cancelled(patience) => {
                let goes_away = async {
                    for _ in 0..patience {
                        tokio::task::yield_now().await;
                        std::thread::sleep(std::time::Duration::from_micros(10));
                    }
                };
                tokio::select! {
                    biased;
                    tx = looks => {
                        begun += 1;
                        drop(tx);
                    }
                    () = goes_away => cancelled += 1,
                }
            }
        }
        if n % 5 == 0 {
            // Of no portal: what the one before has left on the connection would show.
            let mut conn = db.unscoped().await.unwrap();
            let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM transactions")
                .fetch_one(&mut *conn)
                .await
                .unwrap();
            assert_eq!(seen, 0, "after turn {n}");
        }
    }
    assert!(cancelled > 100, "{cancelled} went away, {begun} did not");
}
