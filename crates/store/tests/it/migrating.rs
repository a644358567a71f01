//! `migrate` beside a service that works: what waits, what is interrupted, and which versions go on.

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use store::testing::ScratchDatabase;
use store::{Error, Migrated};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_mins(2);
/// Migrations of versions to come.
const NEXT: i64 = 20_990_101_000_001;
const AFTER: i64 = 20_990_101_000_002;

async fn scalar<T>(owner: &mut PgConnection, sql: &'static str) -> T
where
    T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    sqlx::query_scalar(sql).fetch_one(owner).await.unwrap()
}

/// Asks until the answer is yes.
async fn until(owner: &mut PgConnection, sql: &'static str) {
    let asked = async {
        while !scalar::<bool>(owner, sql).await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(PATIENCE, asked).await.is_ok(), "never: {sql}");
}

/// Somebody waits for the table's strongest lock.
const IS_WAITING: &str =
    "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'transactions'::regclass
    AND mode = 'AccessExclusiveLock' AND NOT granted)";

#[tokio::test]
async fn a_newer_schema_that_only_adds_is_worked_on_and_left_alone() {
    let scratch = ScratchDatabase::create().await;
    let further = [(NEXT, "CREATE TABLE further (id bigint)")];
    let migrated = scratch.migrate_further(&further).await.unwrap();
    assert_eq!(migrated, Migrated::UpToDate);
    // The newer version gives a right that this one does not know.
    let mut owner = scratch.owner().await;
    sqlx::query("GRANT DELETE ON portals TO app")
        .execute(&mut owner)
        .await
        .unwrap();
    scratch.db().check().await.unwrap();
    assert_eq!(scratch.migrate().await.unwrap(), Migrated::Newer);
    let is_kept = "SELECT has_table_privilege('app', 'portals', 'DELETE')";
    assert!(scalar::<bool>(&mut owner, is_kept).await);
}

#[tokio::test]
async fn a_schema_that_has_taken_something_away_refuses_the_versions_that_need_it() {
    let scratch = ScratchDatabase::create().await;
    let further = [
        (NEXT, "ALTER TABLE portals ADD COLUMN further text"),
        (
            AFTER,
            "CREATE OR REPLACE FUNCTION schema_floor() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 20990101000001",
        ),
    ];
    scratch.migrate_further(&further[..1]).await.unwrap();
    scratch.db().check().await.unwrap();
    scratch.migrate_further(&further).await.unwrap();
    for refused in [
        scratch.db().check().await,
        scratch.migrate().await.map(|_| ()),
    ] {
        assert!(
            matches!(refused, Err(Error::SchemaNewer { floor: NEXT })),
            "{refused:?}"
        );
    }
    // A version between the two has what it needs.
    let between = scratch.migrate_further(&further[..1]).await.unwrap();
    assert_eq!(between, Migrated::Newer);
}

#[tokio::test]
async fn a_schema_that_lacks_a_migration_or_has_another_of_its_number_is_refused() {
    let scratch = ScratchDatabase::create().await;
    let mut owner = scratch.owner().await;
    let change = |sql: &'static str| sqlx::query(sql);
    change("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 20261128000006")
        .execute(&mut owner)
        .await
        .unwrap();
    let foreign = scratch.db().check().await;
    let is_named =
        |error| matches!(error, Error::SchemaForeign { version } if version == 20_261_128_000_006);
    assert!(foreign.is_err_and(is_named));
    assert!(scratch.migrate().await.is_err());
    change("DELETE FROM _sqlx_migrations WHERE version = 20261128000006")
        .execute(&mut owner)
        .await
        .unwrap();
    let older = scratch.db().check().await;
    assert!(matches!(older, Err(Error::SchemaOlder)), "{older:?}");
}

#[tokio::test]
async fn nobody_waits_for_long_behind_a_migration_that_waits_and_it_succeeds_afterwards() {
    let scratch = ScratchDatabase::create().await;
    let mut owner = scratch.owner().await;
    let mut reader = scratch.owner().await;
    // A long report, or a backup.
    let mut report = scratch.owner().await;
    let mut report = report.begin().await.unwrap();
    scalar::<i64>(&mut report, "SELECT count(*) FROM transactions").await;

    let further = [(NEXT, "ALTER TABLE transactions ADD COLUMN further text")];
    let migrating = scratch.migrate_further(&further);
    tokio::pin!(migrating);
    let others = async {
        // It waits, lets those behind it go on, and waits again, while the report still runs. Were it to wait on, the
        // readers would wait for the report as well.
        for _ in 0..2 {
            until(&mut owner, IS_WAITING).await;
            for _ in 0..20 {
                scalar::<i64>(&mut reader, "SELECT count(*) FROM transactions").await;
            }
        }
    };
    tokio::select! {
        ended = &mut migrating => panic!("the migration did not wait: {ended:?}"),
        () = others => {}
        () = sleep(PATIENCE) => panic!("readers wait behind the migration"),
    }
    report.commit().await.unwrap();
    let migrated = timeout(PATIENCE, migrating).await.unwrap().unwrap();
    assert_eq!(migrated, Migrated::UpToDate);
    scalar::<i64>(&mut reader, "SELECT count(further) FROM transactions").await;
}

#[tokio::test]
async fn a_migration_that_is_killed_is_taken_up_again() {
    let scratch = ScratchDatabase::create().await;
    let mut owner = scratch.owner().await;
    let mut report = scratch.owner().await;
    let mut report = report.begin().await.unwrap();
    scalar::<i64>(&mut report, "SELECT count(*) FROM transactions").await;
    let further = [
        (NEXT, "CREATE TABLE further (id bigint)"),
        (AFTER, "ALTER TABLE transactions ADD COLUMN further text"),
    ];
    let kill = async {
        loop {
            until(&mut owner, IS_WAITING).await;
            // It may have stopped waiting in between.
            sqlx::query(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'transactions'::regclass
                 AND mode = 'AccessExclusiveLock' AND NOT granted",
            )
            .execute(&mut owner)
            .await
            .unwrap();
        }
    };
    let killed = tokio::select! {
        killed = scratch.migrate_further(&further) => killed,
        () = kill => unreachable!("it goes on until the migration ends"),
    };
    assert!(killed.is_err(), "{killed:?}");
    report.commit().await.unwrap();
    assert_eq!(
        scratch.migrate_further(&further).await.unwrap(),
        Migrated::UpToDate
    );
    scalar::<i64>(
        &mut owner,
        "SELECT count(t.further) FROM transactions AS t, further",
    )
    .await;
}

#[tokio::test]
async fn an_index_whose_making_is_killed_is_made_anew() {
    let scratch = ScratchDatabase::create().await;
    let mut owner = scratch.owner().await;
    let mut writer = scratch.owner().await;
    let mut writing = writer.begin().await.unwrap();
    sqlx::query("LOCK TABLE transactions IN ROW EXCLUSIVE MODE")
        .execute(&mut *writing)
        .await
        .unwrap();
    let further = [(
        NEXT,
        "-- no-transaction\nCREATE INDEX CONCURRENTLY further_gift_type ON transactions (gift_type)",
    )];
    let kill = async {
        // It is there and waits for the writer.
        until(&mut owner, "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('further_gift_type') AND NOT indisvalid)").await;
        sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '-- no-transaction%'")
            .execute(&mut owner)
            .await
            .unwrap();
        std::future::pending::<()>().await;
    };
    let killed = tokio::select! {
        killed = scratch.migrate_further(&further) => killed,
        () = kill => unreachable!("it waits for the migration's end"),
    };
    assert!(killed.is_err(), "{killed:?}");
    writing.commit().await.unwrap();
    assert_eq!(
        scratch.migrate_further(&further).await.unwrap(),
        Migrated::UpToDate
    );
    let is_valid =
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'further_gift_type'::regclass";
    assert!(scalar::<bool>(&mut owner, is_valid).await);
}

#[tokio::test]
async fn several_migrations_at_once_are_one() {
    let scratch = ScratchDatabase::create().await;
    // Not one of them could be made twice.
    let further = [
        (NEXT, "CREATE TABLE further (id bigint)"),
        (
            AFTER,
            "-- no-transaction\nCREATE INDEX CONCURRENTLY further_id ON further (id)",
        ),
    ];
    let (one, two, three) = tokio::join!(
        scratch.migrate_further(&further),
        scratch.migrate_further(&further),
        scratch.migrate_further(&further),
    );
    for migrated in [one, two, three] {
        assert_eq!(migrated.unwrap(), Migrated::UpToDate);
    }
}
