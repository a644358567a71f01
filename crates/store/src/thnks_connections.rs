//! The Thnks side of a portal: its sealed API key.

use chrono::{DateTime, Utc};

use crate::{Conn, Error, PortalScope, Sealed};

/// Stores the key, in place of an earlier one.
pub async fn upsert(
    conn: &mut Conn,
    scope: PortalScope,
    api_key: &Sealed,
    organization_name: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO thnks_connections (hub_id, api_key, organization_name, connected_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (hub_id) DO UPDATE SET api_key = excluded.api_key,
            organization_name = excluded.organization_name, connected_at = excluded.connected_at",
        scope.hub_id().0,
        api_key.0,
        organization_name,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The sealed key.
pub async fn find_api_key(conn: &mut Conn, scope: PortalScope) -> Result<Option<Sealed>, Error> {
    let key = sqlx::query_scalar!(
        "SELECT api_key FROM thnks_connections WHERE hub_id = $1",
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    Ok(key.map(Sealed))
}
