//! The hourly schedule: which portals are due, over all of them. Ids and times only.

use chrono::{DateTime, TimeDelta, Utc};
use domain::HubId;
use domain::run::RunKind;
use domain::schedule::next_slot;

use crate::{Conn, Error, PortalScope, db, runs};

/// How long after a look at a portal's needs they are looked at again.
pub const CHECK_INTERVAL: TimeDelta = TimeDelta::minutes(1);

/// Plans the portal's next sync; `None` plans none.
pub async fn save_next_sync(
    conn: &mut Conn,
    scope: PortalScope,
    next_sync_at: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE sync_schedule SET next_sync_at = $2 WHERE hub_id = $1",
        scope.hub_id().0,
        next_sync_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// When the portal's next sync is planned.
pub async fn find_next_sync(
    conn: &mut Conn,
    scope: PortalScope,
) -> Result<Option<DateTime<Utc>>, Error> {
    let at = sqlx::query_scalar!(
        "SELECT next_sync_at FROM sync_schedule WHERE hub_id = $1",
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    Ok(at.flatten())
}

/// Inserts the runs of up to `limit` portals that are due and plans their next ones, in one transaction; returns how
/// many. Any number of processes may call it at once. Missed times collapse to one.
pub async fn insert_due_runs(
    conn: &mut Conn,
    interval: TimeDelta,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<usize, Error> {
    let due = sqlx::query!(
        r#"SELECT hub_id, coalesce(next_sync_at <= $1, false) AS "sync!" FROM sync_schedule
         WHERE next_sync_at <= $1 OR next_check_at <= $1
         ORDER BY least(next_sync_at, next_check_at) LIMIT $2 FOR UPDATE SKIP LOCKED"#,
        now,
        limit
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in &due {
        let scope = PortalScope::new(HubId(row.hub_id));
        db::enter(conn, scope).await?;
        if !runs::try_lock(conn, scope).await? {
            // A worker is committing: the next look comes within seconds.
            continue;
        }
        if row.sync {
            // A backfill that is open brings in everything anyway.
            let open = sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT FROM runs WHERE hub_id = $1 AND kind = 'backfill'
                    AND state IN ('queued', 'running')) AS "open!""#,
                row.hub_id
            )
            .fetch_one(&mut *conn)
            .await?;
            if !open {
                runs::request(conn, scope, RunKind::Sync, "schedule", now).await?;
            }
            save_next_sync(conn, scope, Some(next_slot(scope.hub_id(), interval, now))).await?;
        } else {
            runs::request(conn, scope, RunKind::Check, "schedule", now).await?;
            sqlx::query!(
                "UPDATE sync_schedule SET next_check_at = $2 WHERE hub_id = $1",
                row.hub_id,
                now + CHECK_INTERVAL
            )
            .execute(&mut *conn)
            .await?;
        }
    }
    Ok(due.len())
}
