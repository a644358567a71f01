//! Of which portals a session of an operator may see people and gifts, and until when.

use chrono::{DateTime, Utc};

use crate::{Conn, Error, PortalScope};

/// Lets the session look at the portal until `ends_at`.
pub async fn begin_look(
    conn: &mut Conn,
    scope: PortalScope,
    token_hash: &[u8],
    ends_at: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO operator_looks (token_hash, hub_id, ends_at) VALUES ($1, $2, $3)
         ON CONFLICT (token_hash, hub_id) DO UPDATE SET ends_at = excluded.ends_at",
        token_hash,
        scope.hub_id().0,
        ends_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Until when the session may look at the portal; `None` when it may not, or no more.
pub async fn find_look(
    conn: &mut Conn,
    scope: PortalScope,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Error> {
    let ends_at = sqlx::query_scalar!(
        "SELECT ends_at FROM operator_looks WHERE token_hash = $1 AND hub_id = $2 AND ends_at > $3",
        token_hash,
        scope.hub_id().0,
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(ends_at)
}

/// Ends a look; `false` when there was none.
pub async fn end_look(
    conn: &mut Conn,
    scope: PortalScope,
    token_hash: &[u8],
) -> Result<bool, Error> {
    let ended = sqlx::query!(
        "DELETE FROM operator_looks WHERE token_hash = $1 AND hub_id = $2",
        token_hash,
        scope.hub_id().0
    )
    .execute(conn)
    .await?;
    Ok(ended.rows_affected() > 0)
}
