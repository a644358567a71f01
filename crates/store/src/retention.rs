//! Erasing what is known of a portal that was disconnected long ago.

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

use crate::{Conn, Error, PortalScope};

/// What goes, table by table, so that nothing is left that refers to what is gone. The portal's own row, its lease and totals,
/// its places on boards and in the schedule, and the trail of acts stay (`app/tests/it/retention.rs` holds that nothing is forgotten).
const ERASED: [&str; 26] = [
    "run_queue",
    "run_board",
    "operator_looks",
    "hubspot_events",
    "notice_board",
    "notice_deliveries",
    "notices",
    "notice_settings",
    "portal_troubles",
    "sessions",
    "members",
    "thnks_connections",
    "connections",
    "gift_words",
    "write_attempts",
    "write_batches",
    "status_events",
    "deal_facts",
    "recipient_remedies",
    "erased_recipients",
    "rejected_rows",
    "runs",
    "transactions",
    "daily_paces",
    "daily_totals",
    "pipeline_stages",
];

/// Up to `limit` portals that were disconnected before `before`, the longest first.
pub async fn list_due(
    conn: &mut Conn,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<PortalScope>, Error> {
    let hub_ids = sqlx::query_scalar!(
        "SELECT hub_id FROM sync_schedule WHERE disconnected_at < $1 ORDER BY disconnected_at LIMIT $2",
        before,
        limit
    )
    .fetch_all(conn)
    .await?;
    let scope = |hub_id| PortalScope::new(domain::HubId(hub_id));
    Ok(hub_ids.into_iter().map(scope).collect())
}

/// Where an erasure stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// The portal is connected, or was disconnected later: nothing is to be erased.
    No,
    /// It begins now.
    Now,
    /// It has begun before.
    Before,
}

/// Marks the portal as being erased, if it was disconnected before `before`. The caller holds the portal's lock.
pub async fn begin(
    conn: &mut Conn,
    scope: PortalScope,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Begun, Error> {
    let began = sqlx::query_scalar!(
        r#"WITH earlier AS (SELECT erasing_at FROM portals WHERE hub_id = $1)
         UPDATE portals AS p SET erasing_at = coalesce(p.erasing_at, $3) FROM earlier, sync_schedule AS s
         WHERE p.hub_id = $1 AND s.hub_id = $1 AND p.disconnected_at IS NOT NULL
            AND (s.disconnected_at < $2 OR p.erasing_at IS NOT NULL)
         RETURNING earlier.erasing_at IS NULL AS "is_new!""#,
        scope.hub_id().0,
        before,
        now
    )
    .fetch_optional(conn)
    .await?;
    Ok(match began {
        None => Begun::No,
        Some(true) => Begun::Now,
        Some(false) => Begun::Before,
    })
}

/// Erases up to `limit` rows of the first table that has any; `false` when none has.
pub async fn erase_some(conn: &mut Conn, scope: PortalScope, limit: i64) -> Result<bool, Error> {
    for table in ERASED {
        let sql = format!(
            "DELETE FROM {table} WHERE hub_id = $1 AND ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE hub_id = $1 LIMIT $2))"
        );
        let erased = sqlx::query(AssertSqlSafe(sql))
            .bind(scope.hub_id().0)
            .bind(limit)
            .execute(&mut *conn)
            .await?;
        if erased.rows_affected() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Leaves of the portal its number and when it was erased.
pub async fn finish(conn: &mut Conn, scope: PortalScope, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE portals SET organization_id = NULL, hub_domain = NULL, ui_domain = DEFAULT, time_zone = DEFAULT, currency = NULL,
            account_type = NULL, object_type_id = NULL, association_types = NULL, needs = '[]', needs_checked_at = NULL,
            synced_through = NULL, backfilled_at = NULL, paused_at = NULL, association_rules = '{}', erasure_key = NULL,
            erasing_at = NULL, erased_at = $2
         WHERE hub_id = $1",
        scope.hub_id().0,
        now
    )
    .execute(&mut *conn)
    .await?;
    // Whatever came while rows went.
    crate::portal_keys::delete(conn, scope).await?;
    // Disconnected still, but nothing is left to erase.
    sqlx::query!(
        "UPDATE sync_schedule SET disconnected_at = NULL WHERE hub_id = $1",
        scope.hub_id().0
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE chain_heads SET number = 0, hash = '' WHERE hub_id = $1 AND chain = 'writes'",
        scope.hub_id().0
    )
    .execute(conn)
    .await?;
    Ok(())
}
