//! Bringing the schema up to date, as its owner, and giving the app's role its rights and no more. The version before goes on
//! working meanwhile: nobody waits for a lock behind a migration for longer than [`LOCK_TIMEOUT`], and what is interrupted is
//! taken up again by the next `migrate`.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, Migrator};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::time::{Instant, sleep};

use crate::Error;

static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// What the app's role may do with each table; append-only ones have no UPDATE. From the ledger and the history it may take
/// rows away only while their portal is being erased: policies hold that (migration `…28000004`).
pub(crate) const RIGHTS: &[(&str, &str)] = &[
    ("organizations", "SELECT, INSERT, UPDATE"),
    ("setup_links", "SELECT, INSERT, UPDATE"),
    ("install_states", "SELECT, INSERT, DELETE"),
    ("portals", "SELECT, INSERT, UPDATE"),
    ("members", "SELECT, INSERT, UPDATE, DELETE"),
    ("connections", "SELECT, INSERT, UPDATE, DELETE"),
    ("portal_keys", "SELECT, INSERT, UPDATE, DELETE"),
    ("key_uses", "SELECT, INSERT, DELETE"),
    ("key_checks", "SELECT, INSERT"),
    ("thnks_connections", "SELECT, INSERT, UPDATE, DELETE"),
    ("sessions", "SELECT, INSERT, UPDATE, DELETE"),
    ("audit", "SELECT, INSERT"),
    ("transactions", "SELECT, INSERT, UPDATE, DELETE"),
    ("status_events", "SELECT, INSERT, DELETE"),
    ("rejected_rows", "SELECT, INSERT, UPDATE, DELETE"),
    ("runs", "SELECT, INSERT, UPDATE, DELETE"),
    ("portal_leases", "SELECT, INSERT, UPDATE"),
    ("run_queue", "SELECT, INSERT, UPDATE, DELETE"),
    ("sync_schedule", "SELECT, INSERT, UPDATE"),
    ("daily_totals", "SELECT, INSERT, UPDATE, DELETE"),
    ("portal_totals", "SELECT, INSERT, UPDATE"),
    ("hubspot_events", "SELECT, INSERT, UPDATE, DELETE"),
    ("recipient_remedies", "SELECT, INSERT, UPDATE, DELETE"),
    ("deal_facts", "SELECT, INSERT, DELETE"),
    ("erased_recipients", "SELECT, INSERT, DELETE"),
    ("gift_words", "SELECT, INSERT, DELETE"),
    ("daily_paces", "SELECT, INSERT, UPDATE, DELETE"),
    ("write_attempts", "SELECT, INSERT, DELETE"),
    ("write_batches", "SELECT, INSERT, DELETE"),
    ("chain_heads", "SELECT, INSERT, UPDATE"),
    ("operator_acts", "SELECT, INSERT"),
    ("pipeline_stages", "SELECT, INSERT, UPDATE, DELETE"),
    ("notice_settings", "SELECT, INSERT, UPDATE, DELETE"),
    ("portal_troubles", "SELECT, INSERT, UPDATE, DELETE"),
    ("notices", "SELECT, INSERT, DELETE"),
    ("notice_deliveries", "SELECT, INSERT, UPDATE, DELETE"),
    ("notice_board", "SELECT, INSERT, UPDATE, DELETE"),
    ("portal_board", "SELECT, INSERT, UPDATE"),
    ("ledger_board", "SELECT, INSERT, UPDATE"),
    ("run_board", "SELECT, INSERT, UPDATE, DELETE"),
    ("operator_sessions", "SELECT, INSERT, UPDATE, DELETE"),
    ("operator_looks", "SELECT, INSERT, UPDATE, DELETE"),
];

/// How long a migration waits for a lock: whoever comes after it waits behind it, pages and runs alike.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two attempts: long enough for those who waited to go on.
const PAUSE: Duration = Duration::from_secs(2);
/// How long to try again while locks are held, or another `migrate` is at work. Building an index on a large table takes
/// minutes.
const PATIENCE: Duration = Duration::from_mins(30);
/// How often to ask whether another `migrate` has ended. Waiting in the database instead would hold up, for ever, an index that
/// is built concurrently: it waits for every statement that began before it.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Whoever migrates this database holds it: the letters of "thnks".
const ADVISORY_LOCK: i64 = 0x74_68_6e_6b_73;
/// What PostgreSQL says when a lock was not to be had in time, and when two wait for each other.
const HELD: [&str; 2] = ["55P03", "40P01"];

/// What [`migrate`] has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrated {
    /// Schema and rights are this version's.
    UpToDate,
    /// The schema is a newer version's, on which this one works as well: it was left alone.
    Newer,
}

/// Runs the missing migrations as the role of `owner_url` and grants `app_role` its rights. May be run again, by several at once,
/// and while the version before works.
pub async fn migrate(owner_url: &str, app_role: &str) -> Result<Migrated, Error> {
    migrate_with(&MIGRATOR.migrations, owner_url, app_role).await
}

/// The same with these migrations.
async fn migrate_with(
    migrations: &[Migration],
    owner_url: &str,
    app_role: &str,
) -> Result<Migrated, Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Each attempt has a connection of its own: what the last one has locked or set is gone with it.
        let mut conn = PgConnection::connect(owner_url).await?;
        let attempted = attempt(migrations, &mut conn, app_role, deadline).await;
        conn.close().await.ok();
        match attempted {
            Err(error) if is_held(&error) && Instant::now() < deadline => {
                tracing::info!(%error, "somebody holds what a migration needs; it is tried again");
                sleep(PAUSE).await;
            }
            other => return other,
        }
    }
}

async fn attempt(
    migrations: &[Migration],
    conn: &mut PgConnection,
    app_role: &str,
    deadline: Instant,
) -> Result<Migrated, Error> {
    let is_mine = "SELECT pg_try_advisory_lock($1)";
    while !sqlx::query_scalar::<_, bool>(is_mine)
        .bind(ADVISORY_LOCK)
        .fetch_one(&mut *conn)
        .await?
    {
        if Instant::now() >= deadline {
            return Err(Error::Migrating);
        }
        sleep(LOOK_AGAIN).await;
    }
    let applied = list_applied(conn).await?;
    let unknown = applied
        .iter()
        .find(|(version, _)| migrations.iter().all(|known| known.version != *version));
    if let Some((version, _)) = unknown {
        // Somebody goes back to the version before, or its deploy is late. Its rights would take away those of the newer one.
        return match compare(migrations, &applied, conn).await {
            Ok(()) => Ok(Migrated::Newer),
            Err(Error::SchemaOlder) => Err(MigrateError::VersionMissing(*version).into()),
            Err(error) => Err(error),
        };
    }
    drop_invalid_indexes(conn).await?;
    let known = Migrator {
        migrations: Cow::Owned(migrations.to_vec()),
        ..Migrator::DEFAULT
    };
    for migration in migrations {
        if applied
            .iter()
            .all(|(version, _)| *version != migration.version)
        {
            // What goes outside of a transaction waits without keeping anybody waiting.
            let wait = if migration.no_tx {
                Duration::ZERO
            } else {
                LOCK_TIMEOUT
            };
            set_lock_timeout(conn, wait).await?;
            tracing::info!(migration = migration.version, "migrating");
            known.run_to(migration.version, &mut *conn).await?;
        }
    }
    // Those that have run before are compared.
    known.run(&mut *conn).await?;
    set_lock_timeout(conn, LOCK_TIMEOUT).await?;
    grant(conn, app_role).await?;
    Ok(Migrated::UpToDate)
}

/// Takes away indexes whose concurrent making was interrupted, so that they are made anew.
async fn drop_invalid_indexes(conn: &mut PgConnection) -> Result<(), Error> {
    let interrupted: Vec<String> = sqlx::query_scalar(
        r"SELECT i.indexrelid::regclass::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
         WHERE NOT i.indisvalid AND c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE '%\_cc%'",
    )
    .fetch_all(&mut *conn)
    .await?;
    for index in interrupted {
        tracing::warn!(index, "an index that was not finished is made anew");
        sqlx::query(AssertSqlSafe(format!("DROP INDEX CONCURRENTLY {index}")))
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

async fn set_lock_timeout(conn: &mut PgConnection, timeout: Duration) -> Result<(), Error> {
    sqlx::query("SELECT set_config('lock_timeout', $1, false)")
        .bind(format!("{}ms", timeout.as_millis()))
        .execute(conn)
        .await?;
    Ok(())
}

/// Gives the app's role [`RIGHTS`], all at once.
async fn grant(conn: &mut PgConnection, app_role: &str) -> Result<(), Error> {
    let role = format!("\"{}\"", app_role.replace('"', "\"\""));
    let current: String = sqlx::query_scalar("SELECT current_user::text")
        .fetch_one(&mut *conn)
        .await?;
    if current == app_role {
        return Ok(());
    }
    let mut tx = conn.begin().await?;
    for statement in [
        format!("GRANT USAGE ON SCHEMA public TO {role}"),
        format!("GRANT SELECT ON _sqlx_migrations TO {role}"),
    ] {
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut *tx)
            .await?;
    }
    for (table, rights) in RIGHTS {
        let statement =
            format!("REVOKE ALL ON {table} FROM {role}; GRANT {rights} ON {table} TO {role}");
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(())
}

fn is_held(error: &Error) -> bool {
    let (Error::Database(cause)
    | Error::Migration(MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _))) =
        error
    else {
        return false;
    };
    cause
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| HELD.contains(&&*code))
}

/// Version and checksum.
type Applied = (i64, Vec<u8>);

async fn list_applied(conn: &mut PgConnection) -> Result<Vec<Applied>, Error> {
    let is_new: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NULL")
        .fetch_one(&mut *conn)
        .await?;
    if is_new {
        return Ok(Vec::new());
    }
    let applied = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
    Ok(sqlx::query_as(applied).fetch_all(conn).await?)
}

/// Whether this binary can work on the schema: it has all of its migrations, unchanged, and none that has taken away what
/// this binary needs. A newer schema is fine otherwise: a version can be started beside the one after it, and go back to.
pub(crate) async fn check(pool: &PgPool) -> Result<(), Error> {
    let mut conn = pool.acquire().await?;
    let applied = list_applied(&mut conn).await?;
    compare(&MIGRATOR.migrations, &applied, &mut conn).await
}

async fn compare(
    migrations: &[Migration],
    applied: &[Applied],
    conn: &mut PgConnection,
) -> Result<(), Error> {
    for known in migrations {
        match applied
            .iter()
            .find(|(version, _)| *version == known.version)
        {
            None => return Err(Error::SchemaOlder),
            Some((version, checksum)) if *checksum != *known.checksum => {
                return Err(Error::SchemaForeign { version: *version });
            }
            Some(_) => {}
        }
    }
    // Only a schema that has all of ours has a floor.
    let floor: i64 = sqlx::query_scalar("SELECT schema_floor()")
        .fetch_one(conn)
        .await?;
    let newest = migrations.iter().map(|known| known.version).max();
    if newest.is_some_and(|newest| newest >= floor) {
        Ok(())
    } else {
        Err(Error::SchemaNewer { floor })
    }
}

/// The same with these migrations after ours, as the next version has them.
#[cfg(feature = "testing")]
pub(crate) async fn migrate_further(
    further: Vec<Migration>,
    owner_url: &str,
    app_role: &str,
) -> Result<Migrated, Error> {
    let migrations = [MIGRATOR.migrations.to_vec(), further].concat();
    migrate_with(&migrations, owner_url, app_role).await
}

/// A name for this set of migrations, for the tests' template.
#[cfg(feature = "testing")]
pub(crate) fn fingerprint() -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    for migration in MIGRATOR.iter() {
        migration.checksum.hash(&mut hasher);
    }
    RIGHTS.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
