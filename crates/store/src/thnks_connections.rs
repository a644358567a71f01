//! The Thnks side of a portal: its sealed API key, and whose it is.

use chrono::{DateTime, Utc};

use crate::{Conn, Error, PortalScope, Sealed};

/// What is stored of a Thnks connection.
pub struct ThnksConnection<'a> {
    /// The API key, sealed.
    pub api_key: &'a Sealed,
    /// Thnks' own id of the organization, when Thnks has told it.
    pub organization_id: Option<&'a str>,
    /// The organization's name.
    pub organization_name: Option<&'a str>,
}

/// Stores the connection, in place of an earlier one. An id that is known stays known.
pub async fn upsert(
    conn: &mut Conn,
    scope: PortalScope,
    connection: &ThnksConnection<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO thnks_connections AS known
            (hub_id, api_key, thnks_organization_id, organization_name, connected_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (hub_id) DO UPDATE SET api_key = excluded.api_key,
            thnks_organization_id = coalesce(excluded.thnks_organization_id, known.thnks_organization_id),
            organization_name = excluded.organization_name, connected_at = excluded.connected_at",
        scope.hub_id().0,
        connection.api_key.0,
        connection.organization_id,
        connection.organization_name,
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

/// Thnks' id of the organization that the portal is connected to, when it is known.
pub async fn find_organization_id(
    conn: &mut Conn,
    scope: PortalScope,
) -> Result<Option<String>, Error> {
    let id = sqlx::query_scalar!(
        "SELECT thnks_organization_id FROM thnks_connections WHERE hub_id = $1",
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    Ok(id.flatten())
}
