//! Rows of Thnks that cannot be a transaction: kept with field and reason, until a good row of that id comes.

use chrono::{DateTime, Utc};
use domain::TransactionId;
use domain::transaction::Malformed;
use serde_json::Value;

use crate::{Conn, Error, PortalScope};

/// A refused row to store.
pub struct RejectedRow<'a> {
    /// The row's id, or a fingerprint of it when it has none.
    pub row_key: &'a str,
    /// What is wrong.
    pub malformed: &'a Malformed,
    /// The row as it came.
    pub payload: &'a Value,
}

/// A refused row as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The row's id when it has one.
    pub transaction_id: Option<String>,
    /// Path of the field.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
    /// When it came last.
    pub last_seen_at: DateTime<Utc>,
}

/// Stores refused rows; one that is known is updated.
pub async fn upsert_batch(
    conn: &mut Conn,
    scope: PortalScope,
    rows: &[RejectedRow<'_>],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    for row in rows {
        sqlx::query!(
            "INSERT INTO rejected_rows AS known (hub_id, row_key, transaction_id, field, reason, payload, first_seen_at, last_seen_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
             ON CONFLICT (hub_id, row_key) DO UPDATE SET field = excluded.field, reason = excluded.reason,
                payload = excluded.payload, last_seen_at = excluded.last_seen_at, reread = false,
                -- What was given up comes back when it is another row now.
                dismissed_at = CASE WHEN known.payload IS DISTINCT FROM excluded.payload THEN NULL ELSE known.dismissed_at END",
            scope.hub_id().0,
            row.row_key,
            row.malformed.id.as_ref().map(domain::TransactionId::as_str),
            row.malformed.field,
            row.malformed.reason,
            row.payload,
            now
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// Forgets the refused rows of these ids: good rows have come.
pub async fn delete_batch(
    conn: &mut Conn,
    scope: PortalScope,
    transaction_ids: &[String],
) -> Result<(), Error> {
    sqlx::query!(
        "DELETE FROM rejected_rows WHERE hub_id = $1 AND row_key = ANY($2)",
        scope.hub_id().0,
        transaction_ids
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets the refused rows that a reading of all history, begun at `since`, has not met again: Thnks has mended or
/// dropped them. The only way out for a row without an id.
pub async fn delete_unseen(
    conn: &mut Conn,
    scope: PortalScope,
    since: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "DELETE FROM rejected_rows WHERE hub_id = $1 AND last_seen_at < $2",
        scope.hub_id().0,
        since
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Up to `limit` transactions that somebody wants read again.
pub async fn list_to_reread(
    conn: &mut Conn,
    scope: PortalScope,
    limit: i64,
) -> Result<Vec<TransactionId>, Error> {
    let ids = sqlx::query_scalar!(
        r#"SELECT transaction_id AS "id!" FROM rejected_rows WHERE hub_id = $1 AND reread AND transaction_id IS NOT NULL
         ORDER BY row_key LIMIT $2"#,
        scope.hub_id().0,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(TransactionId).collect())
}

/// Notes that these have been read again.
pub async fn clear_reread(
    conn: &mut Conn,
    scope: PortalScope,
    ids: &[TransactionId],
) -> Result<(), Error> {
    let ids: Vec<String> = ids.iter().map(|id| id.0.clone()).collect();
    sqlx::query!(
        "UPDATE rejected_rows SET reread = false WHERE hub_id = $1 AND transaction_id = ANY($2)",
        scope.hub_id().0,
        &ids
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The refused rows, newest first.
pub async fn list(conn: &mut Conn, scope: PortalScope, limit: i64) -> Result<Vec<Rejected>, Error> {
    let rows = sqlx::query_as!(
        Rejected,
        "SELECT transaction_id, field, reason, last_seen_at FROM rejected_rows
         WHERE hub_id = $1 ORDER BY last_seen_at DESC, row_key LIMIT $2",
        scope.hub_id().0,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}
