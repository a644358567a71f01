//! The pool, transactions bound to one portal, and the doorbell.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection};
use tokio::time::Instant;
use tracing::Instrument;

use crate::{Error, PortalScope, migrate};

/// A connection, or a transaction on one.
pub type Conn = sqlx::PgConnection;
/// A transaction; dropped without commit it leaves nothing behind.
pub type Tx = sqlx::Transaction<'static, sqlx::Postgres>;
/// A connection of the pool, in no transaction.
pub type Pooled = sqlx::pool::PoolConnection<sqlx::Postgres>;

/// How long a request waits for a free connection before it is told that the database is busy.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that has rested so long is tested before it is used: the server may have gone away meanwhile.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(1);
/// What PostgreSQL ends by itself. A process that is frozen within a transaction would hold its locks for as long as it
/// sleeps; ours never rest there, for no call to the outside is made in one. And nobody waits for a lock for ever.
/// Nor is any statement compiled: that takes longer than the longest of ours runs.
const SETTINGS: [(&str, &str); 3] = [
    ("idle_in_transaction_session_timeout", "8s"),
    ("lock_timeout", "10s"),
    ("jit", "off"),
];
/// The channel on which new runs ring.
pub(crate) const CHANNEL: &str = "runs";

/// The pool of connections of one process.
#[derive(Debug, Clone)]
pub struct Db {
    pool: sqlx::PgPool,
}

impl Db {
    /// Opens a pool of at most `max_connections`, as the app's role. Nothing is checked yet.
    pub fn open(url: &str, max_connections: u32) -> Result<Self, Error> {
        let options: PgConnectOptions = url.parse()?;
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A connection that has just been used needs no test, which costs as much as a small query.
            .test_before_acquire(false)
            .before_acquire(|conn, meta| {
                Box::pin(async move {
                    if meta.idle_for >= TEST_AFTER_IDLE {
                        conn.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options.application_name("thnks-hubspot").options(SETTINGS));
        Ok(Self { pool })
    }

    /// A transaction that sees and changes the rows of one portal only.
    pub async fn begin(&self, scope: PortalScope) -> Result<Tx, Error> {
        // In one go with the beginning: every page and every step of a run begins so.
        let statement = format!("BEGIN; SET LOCAL app.hub_id = '{}'", scope.hub_id());
        self.begin_by(Some(AssertSqlSafe(statement))).await
    }

    /// A transaction for what belongs to no portal: setup links, install states, sessions, the boards of the dispatcher.
    pub async fn begin_unscoped(&self) -> Result<Tx, Error> {
        self.begin_by(None).await
    }

    /// A connection for single statements that belong to no portal: tenants' rows are not seen on it.
    pub async fn unscoped(&self) -> Result<Pooled, Error> {
        Ok(self.pool.acquire().await?)
    }

    async fn begin_by(&self, statement: Option<AssertSqlSafe<String>>) -> Result<Tx, Error> {
        // Callers are dropped when a browser goes away or a lease is lost. sqlx forgets a BEGIN whose answer nobody waits for:
        // the connection would go back to the pool within a transaction, and in it of the portal before. A task of its
        // own is not dropped, and a transaction that nobody takes is rolled back.
        let pool = self.pool.clone();
        let started = Instant::now();
        let begin = async move {
            match statement {
                Some(statement) => pool.begin_with(statement).await,
                None => pool.begin().await,
            }
        };
        let begun = tokio::spawn(begin.in_current_span()).await;
        telemetry::measure::database_wait(started.elapsed());
        Ok(begun.map_err(|_| sqlx::Error::WorkerCrashed)??)
    }

    /// Whether the database answers and its schema is this binary's.
    pub async fn check(&self) -> Result<(), Error> {
        migrate::check(&self.pool).await
    }

    /// A listener for new runs.
    pub async fn doorbell(&self) -> Result<Doorbell, Error> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(Doorbell { listener })
    }

    /// How many connections there are.
    pub fn pool_state(&self) -> telemetry::figures::Pool {
        telemetry::figures::Pool {
            open: self.pool.size(),
            idle: u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX),
            max: self.pool.options().get_max_connections(),
        }
    }

    /// Closes every connection, for a graceful stop.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Binds the transaction to a portal, until it ends.
pub(crate) async fn enter(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    sqlx::query!(
        "SELECT set_config('app.hub_id', $1, true)",
        scope.hub_id().to_string()
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// What follows in this transaction is read as of one moment. Only before its first statement on a table.
pub async fn freeze(conn: &mut Conn) -> Result<(), Error> {
    sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        .execute(conn)
        .await?;
    Ok(())
}

/// Rings the doorbell when the transaction commits.
pub(crate) async fn ring(conn: &mut Conn) -> Result<(), Error> {
    sqlx::query!("SELECT pg_notify($1, '')", CHANNEL)
        .execute(conn)
        .await?;
    Ok(())
}

/// Hears when runs are inserted. Missing a ring is harmless: the relay also looks by itself.
#[derive(Debug)]
pub struct Doorbell {
    listener: PgListener,
}

impl Doorbell {
    /// Waits for the next ring.
    pub async fn wait(&mut self) -> Result<(), Error> {
        self.listener.recv().await?;
        // One look answers all that have rung meanwhile.
        while self.listener.next_buffered().is_some() {}
        Ok(())
    }
}
