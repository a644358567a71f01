//! What the server has done and what it holds, by PostgreSQL's own counts: for benches.

use sqlx::{Connection, PgConnection};

use super::{ScratchDatabase, with_database};

/// A kind of statement that clients sent, its constants left out.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Its text.
    pub text: String,
    /// How often it ran.
    pub calls: i64,
    /// How long that took together, triggers included, in milliseconds.
    pub millis: f64,
}

/// A session with the server.
pub struct Session {
    /// The number of its process. The parent of that is the server itself, if it runs on this machine.
    pub process: i32,
    _connection: PgConnection,
}

impl ScratchDatabase {
    /// A session, for as long as it is held.
    pub async fn session(&self) -> Session {
        let mut connection = self.owner().await;
        let process = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&mut connection)
            .await
            .expect("the number of a process");
        Session {
            process,
            _connection: connection,
        }
    }

    /// Bytes of all tables and indexes.
    pub async fn bytes(&self) -> i64 {
        let mut owner = self.owner().await;
        sqlx::query_scalar("SELECT pg_database_size(current_database())")
            .fetch_one(&mut owner)
            .await
            .expect("the size of the database")
    }

    /// The statements of this database so far, exactly, without BEGIN, COMMIT and the like; `None` where PostgreSQL does not
    /// count them (`script/services start --statements` lets it).
    pub async fn statements(&self) -> Option<Vec<Statement>> {
        // The extension is in another database, so that what it is asked is not counted here.
        let mut owner = PgConnection::connect(&with_database(&self.owner_url, "postgres"))
            .await
            .ok()?;
        let rows: Vec<(String, i64, f64)> = sqlx::query_as(
            "SELECT query, calls, total_exec_time FROM pg_stat_statements
             WHERE toplevel AND dbid = (SELECT oid FROM pg_database WHERE datname = $1)",
        )
        .bind(self.name())
        .fetch_all(&mut owner)
        .await
        .ok()?;
        let statement = |(text, calls, millis)| Statement {
            text,
            calls,
            millis,
        };
        Some(rows.into_iter().map(statement).collect())
    }
}
