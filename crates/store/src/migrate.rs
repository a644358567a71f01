//! Bringing the schema up to date, as its owner, and giving the app's role its rights and no more.

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgPool};

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
];

/// Runs the missing migrations as the role of `owner_url` and grants `app_role` its rights. May be run again.
pub async fn migrate(owner_url: &str, app_role: &str) -> Result<(), Error> {
    let mut conn = sqlx::PgConnection::connect(owner_url).await?;
    MIGRATOR.run(&mut conn).await?;
    let role = format!("\"{}\"", app_role.replace('"', "\"\""));
    let current: String = sqlx::query_scalar("SELECT current_user::text")
        .fetch_one(&mut conn)
        .await?;
    if current != app_role {
        let mut tx = conn.begin().await?;
        sqlx::query(AssertSqlSafe(format!(
            "GRANT USAGE ON SCHEMA public TO {role}"
        )))
        .execute(&mut *tx)
        .await?;
        sqlx::query(AssertSqlSafe(format!(
            "GRANT SELECT ON _sqlx_migrations TO {role}"
        )))
        .execute(&mut *tx)
        .await?;
        for (table, rights) in RIGHTS {
            let statement =
                format!("REVOKE ALL ON {table} FROM {role}; GRANT {rights} ON {table} TO {role}");
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
    }
    conn.close().await?;
    Ok(())
}

/// Whether exactly this binary's migrations have been run.
pub(crate) async fn check(pool: &PgPool) -> Result<(), Error> {
    let applied: Vec<i64> =
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(pool)
            .await?;
    let known = MIGRATOR.iter().map(|migration| migration.version);
    // A newer schema is fine: expand and contract keeps the version before working.
    if known.into_iter().all(|version| applied.contains(&version)) {
        Ok(())
    } else {
        Err(Error::SchemaDiffers)
    }
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
