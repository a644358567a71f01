//! Open sessions of operators. Only a hash of the token is stored.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{Conn, Error};

/// A session nobody used for this long is over.
pub const IDLE: TimeDelta = TimeDelta::minutes(30);
/// A session is over after this long in any case: a working day.
pub const ABSOLUTE: TimeDelta = TimeDelta::hours(8);

/// An open session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorSession {
    /// The name in `OPERATORS`.
    pub operator: String,
    /// The fingerprint of what stood beside it at sign-in.
    pub credential: Vec<u8>,
}

/// Opens a session and clears away those that are over.
pub async fn insert(
    conn: &mut Conn,
    token_hash: &[u8],
    session: &OperatorSession,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "DELETE FROM operator_sessions WHERE created_at < $1 OR last_seen_at < $2",
        now - ABSOLUTE,
        now - IDLE
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO operator_sessions (token_hash, operator, credential, created_at, last_seen_at)
         VALUES ($1, $2, $3, $4, $4)",
        token_hash,
        session.operator,
        session.credential,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The session with this token, unless it is over. Its last use is noted, at most once a minute.
pub async fn find_session(
    conn: &mut Conn,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> Result<Option<OperatorSession>, Error> {
    let row = sqlx::query!(
        "SELECT operator, credential, last_seen_at FROM operator_sessions
         WHERE token_hash = $1 AND created_at > $2 AND last_seen_at > $3",
        token_hash,
        now - ABSOLUTE,
        now - IDLE
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.last_seen_at < now - TimeDelta::minutes(1) {
        sqlx::query!(
            "UPDATE operator_sessions SET last_seen_at = $2 WHERE token_hash = $1",
            token_hash,
            now
        )
        .execute(conn)
        .await?;
    }
    Ok(Some(OperatorSession {
        operator: row.operator,
        credential: row.credential,
    }))
}

/// Ends a session, and what it might look at with it; `false` when there is none.
pub async fn delete(conn: &mut Conn, token_hash: &[u8]) -> Result<bool, Error> {
    let deleted = sqlx::query!(
        "DELETE FROM operator_sessions WHERE token_hash = $1",
        token_hash
    )
    .execute(conn)
    .await?;
    Ok(deleted.rows_affected() > 0)
}
