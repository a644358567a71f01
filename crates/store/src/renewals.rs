//! How the renewal of tokens goes over all portals. Ids and times only.

use chrono::{DateTime, Utc};

use crate::{Conn, Error, PortalScope};

/// A portal whose tokens HubSpot refuses to renew, beside the others.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    /// How many were refused lately, this one included, and those that have lost their connection over it.
    pub refused: i64,
    /// Out of how many that are asked for.
    pub connected: i64,
    /// Another one's tokens have been renewed since then.
    pub is_vouched: bool,
}

/// HubSpot has renewed the portal's tokens.
pub async fn note_renewed(
    conn: &mut Conn,
    scope: PortalScope,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE sync_schedule SET renewed_at = $2, refused_since = NULL, refused_at = NULL WHERE hub_id = $1",
        scope.hub_id().0,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The portal has granted new tokens. That says nothing of the others': whoever has another app's credentials is granted some.
pub async fn note_granted(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE sync_schedule SET refused_since = NULL, refused_at = NULL WHERE hub_id = $1",
        scope.hub_id().0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// HubSpot has refused to renew them.
pub async fn note_refused(
    conn: &mut Conn,
    scope: PortalScope,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE sync_schedule SET refused_since = coalesce(refused_since, $2), refused_at = $2 WHERE hub_id = $1",
        scope.hub_id().0,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The portal beside the others; refusals from before `lately` do not count.
pub async fn compare(
    conn: &mut Conn,
    scope: PortalScope,
    lately: DateTime<Utc>,
) -> Result<Comparison, Error> {
    let comparison = sqlx::query_as!(
        Comparison,
        r#"SELECT count(*) FILTER (WHERE other.refused_at >= $2) AS "refused!",
            count(*) FILTER (WHERE other.refused_at >= $2 OR other.next_sync_at IS NOT NULL OR other.next_check_at IS NOT NULL)
                AS "connected!",
            coalesce(bool_or(other.renewed_at >= own.refused_since), false) AS "is_vouched!"
         FROM sync_schedule AS other, sync_schedule AS own WHERE own.hub_id = $1"#,
        scope.hub_id().0,
        lately
    )
    .fetch_one(conn)
    .await?;
    Ok(comparison)
}

/// Another portal that works and was not refused lately.
pub async fn find_unrefused(
    conn: &mut Conn,
    scope: PortalScope,
    lately: DateTime<Utc>,
) -> Result<Option<PortalScope>, Error> {
    let hub_id = sqlx::query_scalar!(
        "SELECT hub_id FROM sync_schedule
         WHERE hub_id <> $1 AND next_sync_at IS NOT NULL AND disconnected_at IS NULL AND (refused_at IS NULL OR refused_at < $2)
         ORDER BY next_sync_at LIMIT 1",
        scope.hub_id().0,
        lately
    )
    .fetch_optional(conn)
    .await?;
    Ok(hub_id.map(|hub_id| PortalScope::new(domain::HubId(hub_id))))
}
