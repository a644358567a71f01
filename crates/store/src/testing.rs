//! Scratch databases for tests: one each, copied from a template that is migrated once per schema.
//!
//! Reads `MIGRATION_DATABASE_URL` (a role that may create databases) and `DATABASE_URL` (the app's role), as
//! `script/services env` prints them. Tests run as the app's role: row-level security holds in them.

mod leases;
mod load;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use chrono::{DateTime, TimeDelta, Utc};
use domain::HubId;
use sqlx::migrate::{Migration, MigrationType};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqlSafeStr};
use tokio::sync::Mutex;

use crate::{Db, Error, Migrated, PortalScope, migrate};

pub use leases::Look;
pub use load::{Session, Statement};

/// Fingerprints of rows, by table and portal; the latter is `None` where a table has none. What has no rows is not in it.
pub type Digest = BTreeMap<(String, Option<i64>), String>;

/// A database of one test, about 12 MB on disk, which goes when this value does.
pub struct ScratchDatabase {
    /// As the app's role.
    pub app_url: String,
    /// As the owner.
    pub owner_url: String,
}

/// What the names of the databases begin with that one test has for itself.
const SCRATCH: &str = "scratch_";

impl Drop for ScratchDatabase {
    fn drop(&mut self) {
        // A kept database, or one whose servers are a test's own, goes with its PostgreSQL.
        let name = self.name();
        if !name.starts_with(SCRATCH) {
            return;
        }
        let owner_url = variable("MIGRATION_DATABASE_URL");
        // A thread of its own, as a runtime cannot be waited for within another. What cannot be dropped goes with its
        // PostgreSQL as well: the test has had its result.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let _ = runtime.map(|runtime| runtime.block_on(drop_database(&owner_url, &name)));
        });
        let _ = dropping.join();
    }
}

/// Drops a database, whoever is still connected to it.
async fn drop_database(owner_url: &str, name: &str) -> Result<(), sqlx::Error> {
    let mut owner = PgConnection::connect(owner_url).await?;
    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    sqlx::query(AssertSqlSafe(sql)).execute(&mut owner).await?;
    owner.close().await
}

/// Takes away every row of a table that the app's role can; how many those are.
pub async fn delete_all(tx: &mut crate::Tx, table: &str) -> u64 {
    let deleted = sqlx::query(AssertSqlSafe(format!("DELETE FROM {table}")))
        .execute(&mut **tx)
        .await
        .expect("the role may try");
    deleted.rows_affected()
}

async fn enter(conn: &mut PgConnection, scope: PortalScope) {
    sqlx::query("SELECT set_config('app.hub_id', $1, true)")
        .bind(scope.hub_id().to_string())
        .execute(conn)
        .await
        .expect("the portal is entered");
}

/// Row-level security holds for the owner as well; it is back when the transaction is rolled back.
async fn see_all(conn: &mut PgConnection, tables: &[String]) {
    let statements: Vec<String> = tables
        .iter()
        .map(|table| format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"))
        .collect();
    sqlx::raw_sql(AssertSqlSafe(statements.join(";")))
        .execute(conn)
        .await
        .expect("the owner sees all");
}

async fn tables(conn: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT relname::text FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> '_sqlx_migrations'",
    )
    .fetch_all(conn)
    .await
    .expect("the tables")
}

fn variable(name: &str) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told by the scripts where their database is"
    )]
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run tests through script/test"))
}

fn with_database(url: &str, name: &str) -> String {
    let options: PgConnectOptions = url.parse().expect("a PostgreSQL address");
    options.database(name).to_url_lossy().to_string()
}

/// Each table, and what the app's role may do with it.
pub fn rights() -> &'static [(&'static str, &'static str)] {
    migrate::RIGHTS
}

fn kept_name(name: &str) -> String {
    format!("kept_{name}_{}", migrate::fingerprint())
}

impl ScratchDatabase {
    /// Makes a migrated, empty database.
    pub async fn create() -> Self {
        static TEMPLATE: OnceLock<Mutex<Option<String>>> = OnceLock::new();
        let (owner_url, app_url) = (variable("MIGRATION_DATABASE_URL"), variable("DATABASE_URL"));
        let options: PgConnectOptions = app_url.parse().expect("DATABASE_URL is an address");
        let mut owner = PgConnection::connect(&owner_url)
            .await
            .expect("the owner connects");

        // nextest runs each test in its own process, so the template is agreed on in the database: a lock lets one
        // process make it, the name changes with the migrations.
        let mut template = TEMPLATE.get_or_init(Mutex::default).lock().await;
        if template.is_none() {
            let name = format!("template_{}", migrate::fingerprint());
            sqlx::query("SELECT pg_advisory_lock(4711)")
                .execute(&mut owner)
                .await
                .expect("the template's lock");
            let known: Option<i32> =
                sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = $1")
                    .bind(&name)
                    .fetch_optional(&mut owner)
                    .await
                    .expect("the list of databases");
            if known.is_none() {
                let making = format!("{name}_new");
                for statement in [
                    format!("DROP DATABASE IF EXISTS {making}"),
                    format!("CREATE DATABASE {making}"),
                ] {
                    sqlx::query(AssertSqlSafe(statement))
                        .execute(&mut owner)
                        .await
                        .expect("the template is made");
                }
                crate::migrate(&with_database(&owner_url, &making), options.get_username())
                    .await
                    .expect("migrations");
                let rename = format!("ALTER DATABASE {making} RENAME TO {name}");
                sqlx::query(AssertSqlSafe(rename))
                    .execute(&mut owner)
                    .await
                    .expect("the template is named");
            }
            sqlx::query("SELECT pg_advisory_unlock(4711)")
                .execute(&mut owner)
                .await
                .expect("the lock is given back");
            *template = Some(name);
        }
        let source = template.clone().expect("just made");
        drop(template);
        owner.close().await.expect("the owner leaves");
        Self::copy_of(&source).await
    }

    /// Makes a copy of a database that nobody is connected to.
    async fn copy_of(source: &str) -> Self {
        let (owner_url, app_url) = (variable("MIGRATION_DATABASE_URL"), variable("DATABASE_URL"));
        let mut owner = PgConnection::connect(&owner_url)
            .await
            .expect("the owner connects");
        let name = format!("{SCRATCH}{}", uuid::Uuid::now_v7().simple());
        sqlx::query(AssertSqlSafe(format!(
            "CREATE DATABASE {name} TEMPLATE {source} STRATEGY file_copy"
        )))
        .execute(&mut owner)
        .await
        .expect("a scratch database");
        owner.close().await.expect("the owner leaves");
        Self {
            app_url: with_database(&app_url, &name),
            owner_url: with_database(&owner_url, &name),
        }
    }

    /// A copy of the database that was kept under this name for today's schema, if there is one.
    pub async fn of_kept(name: &str) -> Option<Self> {
        let name = kept_name(name);
        let mut owner = PgConnection::connect(&variable("MIGRATION_DATABASE_URL"))
            .await
            .expect("the owner connects");
        let known: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = $1")
            .bind(&name)
            .fetch_optional(&mut owner)
            .await
            .expect("the list of databases");
        owner.close().await.expect("the owner leaves");
        known?;
        Some(Self::copy_of(&name).await)
    }

    /// Keeps this database under a name for [`Self::of_kept`], as long as its PostgreSQL lives. Nobody may be connected.
    pub async fn keep_as(self, name: &str) {
        let mut owner = PgConnection::connect(&variable("MIGRATION_DATABASE_URL"))
            .await
            .expect("the owner connects");
        let sql = format!(
            "ALTER DATABASE {} RENAME TO {}",
            self.name(),
            kept_name(name)
        );
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut owner)
            .await
            .expect("the database is named");
        owner.close().await.expect("the owner leaves");
    }

    /// Migrates to the version after this one, which has these migrations (number and statements) beside ours.
    pub async fn migrate_further(
        &self,
        further: &[(i64, &'static str)],
    ) -> Result<Migrated, Error> {
        let further = further.iter().map(|(version, sql)| {
            let is_outside = sql.starts_with("-- no-transaction");
            let (kind, sql) = (MigrationType::Simple, (*sql).into_sql_str());
            Migration::new(*version, "further".into(), kind, sql, is_outside)
        });
        migrate::migrate_further(further.collect(), &self.owner_url, &self.app_role()).await
    }

    /// Migrates as this version does.
    pub async fn migrate(&self) -> Result<Migrated, Error> {
        crate::migrate(&self.owner_url, &self.app_role()).await
    }

    fn app_role(&self) -> String {
        let options: PgConnectOptions = self.app_url.parse().expect("an address");
        options.get_username().to_owned()
    }

    /// A pool as the app's role.
    pub fn db(&self) -> Db {
        Db::open(&self.app_url, 8).expect("a pool")
    }

    /// A connection as the owner, to look at what the app's role cannot.
    pub async fn owner(&self) -> PgConnection {
        PgConnection::connect(&self.owner_url)
            .await
            .expect("the owner connects")
    }

    /// Every row of a portal's table as JSON, in no order.
    pub async fn rows(&self, table: &str, scope: PortalScope) -> Vec<serde_json::Value> {
        let mut owner = self.owner().await;
        let mut tx = owner.begin().await.expect("a transaction");
        enter(&mut tx, scope).await;
        let sql = format!("SELECT to_jsonb(t) FROM {table} AS t");
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&mut *tx)
            .await
            .expect("the rows of a table")
    }

    /// Does what only somebody who owns the database can: statements without triggers and row-level security, of all portals.
    pub async fn tamper(&self, tables: &[&str], sql: &str) {
        let mut owner = self.owner().await;
        let mut tx = owner.begin().await.expect("a transaction");
        for (security, triggers) in [("NO FORCE", "DISABLE"), ("FORCE", "ENABLE")] {
            for table in tables {
                let sql = format!(
                    "SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE {table} {security} ROW LEVEL SECURITY; ALTER TABLE {table} {triggers} TRIGGER USER"
                );
                sqlx::raw_sql(AssertSqlSafe(sql))
                    .execute(&mut *tx)
                    .await
                    .expect("the guards go and come");
            }
            if security == "NO FORCE" {
                sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                    .execute(&mut *tx)
                    .await
                    .expect("the statement of a test");
            }
        }
        tx.commit().await.expect("the commit");
    }

    /// Makes everything of a portal that waits or lapses this much older, as if the time had gone by: leases of the portal, of
    /// its tokens and of notices, what is due later, rings, and refusals of its tokens.
    pub async fn let_pass(&self, scope: PortalScope, time: TimeDelta) {
        let mut owner = self.owner().await;
        let mut tx = owner.begin().await.expect("a transaction");
        enter(&mut tx, scope).await;
        for (table, columns) in [
            // In the order in which workers lock.
            ("portal_leases", &["lease_until"][..]),
            ("run_queue", &["due_at", "rung_at"]),
            ("connections", &["refresh_lease_until", "refused_at"]),
            ("sync_schedule", &["events_asked_at"]),
            ("notice_board", &["due_at"]),
            ("notice_deliveries", &["due_at"]),
        ] {
            let set: Vec<String> = columns
                .iter()
                .map(|column| format!("{column} = {column} - make_interval(secs => $2)"))
                .collect();
            let sql = format!("UPDATE {table} SET {} WHERE hub_id = $1", set.join(", "));
            sqlx::query(AssertSqlSafe(sql))
                .bind(scope.hub_id().0)
                .bind(time.as_seconds_f64())
                .execute(&mut *tx)
                .await
                .expect("time goes by");
        }
        tx.commit().await.expect("the time has gone by");
    }

    /// What the database answers to the owner of its tables: nothing, or why not.
    pub async fn try_as_owner(&self, sql: &str) -> Result<(), String> {
        let mut owner = self.owner().await;
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut owner)
            .await;
        done.map(drop).map_err(|error| error.to_string())
    }

    /// How many rows a portal has in each table that has portals' rows.
    pub async fn count_rows(&self, scope: PortalScope) -> BTreeMap<String, i64> {
        let mut owner = self.owner().await;
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT attrelid::regclass::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
             WHERE attname = 'hub_id' AND relkind = 'r' AND relnamespace = 'public'::regnamespace",
        )
        .fetch_all(&mut owner)
        .await
        .expect("the tables");
        let counts: Vec<String> = tables
            .iter()
            .map(|table| format!("SELECT '{table}', count(*) FROM {table} WHERE hub_id = $1"))
            .collect();
        let mut tx = owner.begin().await.expect("a transaction");
        see_all(&mut tx, &tables).await;
        let counts: Vec<(String, i64)> = sqlx::query_as(AssertSqlSafe(counts.join(" UNION ALL ")))
            .bind(scope.hub_id().0)
            .fetch_all(&mut *tx)
            .await
            .expect("the counts");
        counts.into_iter().collect()
    }

    /// Puts a row into each table in which a first backfill leaves none.
    pub async fn fill_tables(&self, scope: PortalScope) {
        let mut owner = self.owner().await;
        let mut tx = owner.begin().await.expect("a transaction");
        enter(&mut tx, scope).await;
        for sql in [
            "INSERT INTO run_queue (run_id, hub_id, priority, due_at) SELECT run_id, hub_id, 1, 'infinity' FROM runs LIMIT 1",
            "INSERT INTO notices (hub_id, notice_id, kind, detail, created_at) VALUES ($1, gen_random_uuid(), 'test', '{}', now())",
            "INSERT INTO notice_deliveries (hub_id, notice_id, channel, target, due_at)
             SELECT hub_id, notice_id, 'email', 'a@client.example', 'infinity' FROM notices LIMIT 1",
            "INSERT INTO deal_facts (hub_id, transaction_id, deal_id, linked_at) SELECT hub_id, transaction_id, 1, now() FROM transactions LIMIT 1",
            "INSERT INTO hubspot_events (hub_id, change, contact_id) VALUES ($1, 'changed', 1)",
            "INSERT INTO notice_board (hub_id, due_at) VALUES ($1, 'infinity') ON CONFLICT DO NOTHING",
            "INSERT INTO notice_settings (hub_id, kinds, changed_at) VALUES ($1, '{}', now()) ON CONFLICT DO NOTHING",
            "INSERT INTO portal_troubles (hub_id, failures) VALUES ($1, 1) ON CONFLICT DO NOTHING",
            "INSERT INTO recipient_remedies (hub_id, recipient, contact_id, made_by, made_at) VALUES ($1, 'a@client.example', 1, 'user:1', now())",
            "INSERT INTO erased_recipients (hub_id, identifier_hash, erased_at) VALUES ($1, '\\x00', now())",
            "INSERT INTO rejected_rows (hub_id, row_key, field, reason, payload, first_seen_at, last_seen_at)
             VALUES ($1, 'k', 'id', 'missing', '{}', now(), now()) ON CONFLICT DO NOTHING",
            "WITH open AS (
                INSERT INTO operator_sessions (token_hash, operator, credential, created_at, last_seen_at)
                VALUES (int8send($1), 'ana', '\\x00', now(), now()) RETURNING token_hash)
             INSERT INTO operator_looks (token_hash, hub_id, ends_at) SELECT token_hash, $1, 'infinity' FROM open",
            "INSERT INTO pipeline_stages (hub_id, pipeline, stage, pipeline_label, stage_label, read_at)
             VALUES ($1, 'p', 's', 'P', 'S', now()) ON CONFLICT DO NOTHING",
        ] {
            sqlx::query(sql)
                .bind(scope.hub_id().0)
                .execute(&mut *tx)
                .await
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        tx.commit().await.expect("the rows");
    }

    /// Ends every connection and lets nobody in until [`Self::let_in`], as when PostgreSQL is away.
    pub async fn lock_out(&self) {
        self.allow_connections(false).await;
        // A role may end what it has opened itself.
        let mut app = PgConnection::connect(&variable("DATABASE_URL"))
            .await
            .expect("the app's role connects to another database");
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND usename = current_user",
        )
        .bind(self.name())
        .execute(&mut app)
        .await
        .expect("connections are ended");
    }

    /// Lets everybody in again.
    pub async fn let_in(&self) {
        self.allow_connections(true).await;
    }

    async fn allow_connections(&self, allowed: bool) {
        let mut owner = PgConnection::connect(&variable("MIGRATION_DATABASE_URL"))
            .await
            .expect("the owner connects to another database");
        let sql = format!("ALTER DATABASE {} ALLOW_CONNECTIONS {allowed}", self.name());
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut owner)
            .await
            .expect("the door opens and shuts");
    }

    fn name(&self) -> String {
        let options: PgConnectOptions = self.owner_url.parse().expect("an address");
        let name = options.get_database().expect("a scratch database's name");
        name.to_owned()
    }

    /// Makes a portal one whose history is not in yet.
    pub async fn forget_backfill(&self, scope: PortalScope) {
        let mut owner = self.owner().await;
        let mut tx = owner.begin().await.expect("a transaction");
        enter(&mut tx, scope).await;
        sqlx::query("UPDATE portals SET backfilled_at = NULL")
            .execute(&mut *tx)
            .await
            .expect("the backfill is forgotten");
        tx.commit().await.expect("the backfill is forgotten");
    }

    /// Makes every gift of a portal one that HubSpot has and that is linked; one in `orphans_every` has no contact, and one in
    /// `refused_every` was refused. Tells the planner what there is.
    pub async fn settle(&self, scope: PortalScope, orphans_every: i64, refused_every: i64) {
        let mut owner = self.owner().await;
        let ids: Vec<String> = {
            let mut tx = owner.begin().await.expect("a transaction");
            enter(&mut tx, scope).await;
            sqlx::query_scalar("SELECT transaction_id FROM transactions ORDER BY 1")
                .fetch_all(&mut *tx)
                .await
                .expect("the gifts")
        };
        for (page, ids) in (0_i64..).zip(ids.chunks(20_000)) {
            let mut tx = owner.begin().await.expect("a transaction");
            enter(&mut tx, scope).await;
            sqlx::query(
                "UPDATE transactions AS t SET
                    applied_hash = CASE WHEN n % $4 = 0 THEN NULL ELSE desired_hash END,
                    record_id = CASE WHEN n % $4 = 0 THEN NULL ELSE $2 + n END,
                    failure_code = CASE WHEN n % $4 = 0 THEN 'INVALID_EMAIL' END,
                    failure_field = CASE WHEN n % $4 = 0 THEN 'recipient_email' END,
                    failure_reason = CASE WHEN n % $4 = 0 THEN 'The address is not valid.' END,
                    failed_at = CASE WHEN n % $4 = 0 THEN now() END,
                    association_due = false, written_at = now(), attempts = 1,
                    association_outcome = CASE WHEN n % $4 = 0 THEN NULL WHEN n % $3 = 0 THEN 'no_contact' ELSE 'linked' END,
                    contact_id = CASE WHEN n % $4 = 0 OR n % $3 = 0 THEN NULL ELSE 1000 + n % 50000 END
                 FROM UNNEST($1::text[]) WITH ORDINALITY AS page (id, n) WHERE t.transaction_id = page.id",
            )
            .bind(ids)
            .bind(page * 20_000)
            .bind(orphans_every)
            .bind(refused_every)
            .execute(&mut *tx)
            .await
            .expect("the gifts are settled");
            tx.commit().await.expect("the gifts are settled");
        }
        for statement in ["VACUUM (ANALYZE) transactions", "VACUUM (ANALYZE)"] {
            sqlx::raw_sql(statement)
                .execute(&mut owner)
                .await
                .expect("the planner is told");
        }
    }

    /// How many numbers a sequence has given out.
    pub async fn numbered(&self, sequence: &str) -> i64 {
        let mut owner = self.owner().await;
        let sql = format!("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}");
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut owner)
            .await
            .expect("a sequence")
    }

    /// Every row of a table as JSON, of all portals, in no order. For a moment nobody else may use the table.
    pub async fn rows_of_all(&self, table: &str) -> Vec<serde_json::Value> {
        let mut owner = self.owner().await;
        let mut tx = owner.begin().await.expect("a transaction");
        see_all(&mut tx, &[table.to_owned()]).await;
        let sql = format!("SELECT to_jsonb(t) FROM {table} AS t");
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&mut *tx)
            .await
            .expect("the rows of a table")
    }

    /// Everything in every column of every table, of all portals, as text: by `table.column`, one value a line, bytes in
    /// hexadecimal. For moments nobody else may use a table.
    pub async fn dump(&self) -> BTreeMap<String, String> {
        let mut owner = self.owner().await;
        let mut dump = BTreeMap::new();
        for table in tables(&mut owner).await {
            let mut tx = owner.begin().await.expect("a transaction");
            see_all(&mut tx, std::slice::from_ref(&table)).await;
            let sql = format!(
                "SELECT '{table}.' || key, string_agg(value, E'\\n')
                 FROM {table} AS t, jsonb_each_text(to_jsonb(t)) WHERE value IS NOT NULL GROUP BY key"
            );
            let columns: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(sql))
                .fetch_all(&mut *tx)
                .await
                .expect("the columns of a table");
            dump.extend(columns);
        }
        dump
    }

    /// Of every row of every table. Nobody may be writing.
    pub async fn digest(&self) -> Digest {
        let mut owner = self.owner().await;
        let tables = tables(&mut owner).await;
        let fingerprints: Vec<String> = tables
            .iter()
            .map(|table| {
                format!(
                    "SELECT '{table}', (row ->> 'hub_id')::bigint, md5(string_agg(row::text, E'\\n' ORDER BY row::text))
                     FROM (SELECT to_jsonb(t) AS row FROM {table} AS t) AS rows GROUP BY 2"
                )
            })
            .collect();
        let mut tx = owner.begin().await.expect("a transaction");
        see_all(&mut tx, &tables).await;
        let sql = fingerprints.join(" UNION ALL ");
        let found: Vec<(String, Option<i64>, String)> = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_all(&mut *tx)
            .await
            .expect("the fingerprints");
        found
            .into_iter()
            .map(|(table, hub_id, fingerprint)| ((table, hub_id), fingerprint))
            .collect()
    }

    /// Lets time pass over every session: so much since it was last used, so much since it was opened.
    pub async fn age_sessions(&self, unused_for: TimeDelta, open_for: TimeDelta) {
        sqlx::query(
            "UPDATE sessions SET last_seen_at = last_seen_at - $1, created_at = created_at - $2",
        )
        .bind(unused_for)
        .bind(open_for)
        .execute(&mut self.owner().await)
        .await
        .expect("sessions grow older");
    }

    /// The same over every session of an operator.
    pub async fn age_operator_sessions(&self, unused_for: TimeDelta, open_for: TimeDelta) {
        sqlx::query(
            "UPDATE operator_sessions SET last_seen_at = last_seen_at - $1, created_at = created_at - $2",
        )
        .bind(unused_for)
        .bind(open_for)
        .execute(&mut self.owner().await)
        .await
        .expect("operators' sessions grow older");
    }

    /// Lets time pass over every look of an operator at a portal.
    pub async fn age_looks(&self, by: TimeDelta) {
        sqlx::query("UPDATE operator_looks SET ends_at = ends_at - $1")
            .bind(by)
            .execute(&mut self.owner().await)
            .await
            .expect("looks come nearer to their end");
    }

    /// Ends the wait of the run on the board that is due first, and tells how long it would still have waited; `None`
    /// when the board is empty.
    pub async fn skip_wait(&self) -> Option<TimeDelta> {
        let mut owner = self.owner().await;
        let (first, now): (Option<DateTime<Utc>>, DateTime<Utc>) =
            sqlx::query_as("SELECT min(due_at), now() FROM run_queue WHERE NOT held")
                .fetch_one(&mut owner)
                .await
                .expect("the board");
        let first = first?;
        sqlx::query(
            "UPDATE run_queue SET due_at = now(), rung_at = NULL WHERE due_at <= $1 AND NOT held",
        )
        .bind(first)
        .execute(&mut owner)
        .await
        .expect("the wait is skipped");
        Some((first - now).max(TimeDelta::zero()))
    }

    /// Ends every lease on a portal, as time does after its worker has died.
    pub async fn end_leases(&self) {
        let mut owner = self.owner().await;
        let portals: Vec<i64> = sqlx::query_scalar("SELECT DISTINCT hub_id FROM run_queue")
            .fetch_all(&mut owner)
            .await
            .expect("the board");
        for hub_id in portals {
            let mut tx = owner.begin().await.expect("a transaction");
            enter(&mut tx, PortalScope::from_operator(HubId(hub_id))).await;
            sqlx::query("UPDATE portal_leases SET lease_until = now() - interval '1 s'")
                .execute(&mut *tx)
                .await
                .expect("the lease ends");
            tx.commit().await.expect("the lease has ended");
        }
    }
}
