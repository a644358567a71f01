//! The board of open runs, as the dispatcher reads it over all portals.

use domain::RunId;
use domain::run::RunKind;

use crate::{Conn, Error, PortalScope};

/// A ring that nobody followed is repeated after this time, in seconds: Redis may have lost it.
const RING_AGAIN_SECS: f64 = 15.0;

/// Up to `limit` runs to ring for, of all portals: people's first, then by the time they have waited. They are noted
/// as rung and come again only if nobody follows.
pub async fn take_due(conn: &mut Conn, limit: i64) -> Result<Vec<RunId>, Error> {
    let ids = sqlx::query_scalar!(
        "UPDATE run_queue SET rung_at = now() WHERE run_id = ANY(ARRAY(
            SELECT run_id FROM run_queue
            WHERE due_at <= now() AND NOT held AND (rung_at IS NULL OR rung_at < now() - make_interval(secs => $2))
            ORDER BY priority, rung_at NULLS FIRST, due_at LIMIT $1 FOR UPDATE SKIP LOCKED))
         RETURNING run_id",
        limit,
        RING_AGAIN_SECS
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(RunId).collect())
}

/// Whether a run of the same portal that goes before `kind` is due.
pub async fn is_outranked(
    conn: &mut Conn,
    scope: PortalScope,
    kind: RunKind,
) -> Result<bool, Error> {
    let is_outranked = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM run_queue
            WHERE hub_id = $1 AND priority < $2 AND NOT held AND (busy OR due_at <= now())) AS "is_outranked!""#,
        scope.hub_id().0,
        kind.priority()
    )
    .fetch_one(conn)
    .await?;
    Ok(is_outranked)
}

/// How many seconds until the next run on the board is due, 0 when one is; `None` when none is, held ones left out.
pub async fn next_due_secs(conn: &mut Conn) -> Result<Option<f64>, Error> {
    let secs = sqlx::query_scalar!(
        r#"SELECT extract(epoch FROM min(
            CASE WHEN rung_at IS NULL THEN due_at ELSE greatest(due_at, rung_at + make_interval(secs => $1)) END) - now()
         )::float8 FROM run_queue WHERE NOT held"#,
        RING_AGAIN_SECS
    )
    .fetch_one(conn)
    .await?;
    // An empty board has no minimum, and PostgreSQL's `greatest` would make 0 of it: a dispatcher that never rests.
    Ok(secs.map(|secs| secs.max(0.0)))
}
