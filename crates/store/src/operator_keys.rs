//! What hangs on which of the operator's keys, over all portals, and the known text by which a key is told from another of
//! the same name. The operator's, not a portal's.

use chrono::{DateTime, Utc};
use domain::{HubId, OrganizationId};

use crate::{Conn, Error, PortalScope, Sealed};

/// How much hangs on a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The key's name in `ENCRYPTION_KEYS`.
    pub key_id: String,
    /// Portals whose secrets cannot be read without it.
    pub portals: i64,
    /// Organizations whose Thnks key cannot be read without it.
    pub organizations: i64,
    /// Setup links that are still good and bear its signature.
    pub setup_links: i64,
}

/// Every key on which something hangs, by name.
pub async fn list_uses(conn: &mut Conn, now: DateTime<Utc>) -> Result<Vec<KeyUse>, Error> {
    let uses = sqlx::query_as!(
        KeyUse,
        r#"SELECT key_id AS "key_id!", coalesce(sum(portals), 0)::bigint AS "portals!",
            coalesce(sum(organizations), 0)::bigint AS "organizations!", coalesce(sum(setup_links), 0)::bigint AS "setup_links!"
         FROM (
            SELECT key_id, count(*) AS portals, 0 AS organizations, 0 AS setup_links FROM key_uses GROUP BY 1
            UNION ALL
            -- What is no sealed value hangs on no key; `keys check` names it.
            SELECT encode(substring(api_key FROM 3 FOR get_byte(api_key, 1)), 'escape'), 0, count(*), 0
            FROM organizations WHERE octet_length(api_key) > 2 GROUP BY 1
            UNION ALL
            SELECT signed_by, 0, 0, count(*) FROM setup_links
            WHERE signed_by IS NOT NULL AND expires_at > $1 AND used_at IS NULL AND revoked_at IS NULL GROUP BY 1
         ) AS uses (key_id, portals, organizations, setup_links)
         GROUP BY 1 ORDER BY 1"#,
        now
    )
    .fetch_all(conn)
    .await?;
    Ok(uses)
}

/// Up to `limit` portals that have secrets, those after `after`, in order.
pub async fn list_portals(
    conn: &mut Conn,
    after: Option<PortalScope>,
    limit: i64,
) -> Result<Vec<PortalScope>, Error> {
    let hub_ids = sqlx::query_scalar!(
        "SELECT DISTINCT hub_id FROM key_uses WHERE hub_id > coalesce($1::bigint, 0) ORDER BY hub_id LIMIT $2",
        after.map(|scope| scope.hub_id().0),
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(scopes(hub_ids))
}

fn scopes(hub_ids: Vec<i64>) -> Vec<PortalScope> {
    let scope = |hub_id| PortalScope::new(HubId(hub_id));
    hub_ids.into_iter().map(scope).collect()
}

/// A portal that hangs on this key, if there is one.
pub async fn find_portal_of(conn: &mut Conn, key_id: &str) -> Result<Option<PortalScope>, Error> {
    let hub_id = sqlx::query_scalar!(
        "SELECT hub_id FROM key_uses WHERE key_id = $1 ORDER BY hub_id LIMIT 1",
        key_id
    )
    .fetch_optional(conn)
    .await?;
    Ok(hub_id.map(|hub_id| PortalScope::new(HubId(hub_id))))
}

/// All organizations' sealed Thnks keys.
pub async fn list_organizations(conn: &mut Conn) -> Result<Vec<(OrganizationId, Sealed)>, Error> {
    let rows =
        sqlx::query!("SELECT organization_id, api_key FROM organizations ORDER BY organization_id")
            .fetch_all(conn)
            .await?;
    Ok(rows
        .into_iter()
        .map(|row| (OrganizationId(row.organization_id), Sealed(row.api_key)))
        .collect())
}

/// Stores an organization's Thnks key sealed anew, where it is still sealed as `from`.
pub async fn save_organization(
    conn: &mut Conn,
    id: OrganizationId,
    from: &Sealed,
    to: &Sealed,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE organizations SET api_key = $3 WHERE organization_id = $1 AND api_key = $2",
        id.0,
        from.0,
        to.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The known text as a key of this name has sealed it; `None` when none of this name was ever used.
pub async fn find_check(conn: &mut Conn, key_id: &str) -> Result<Option<Sealed>, Error> {
    let sealed = sqlx::query_scalar!("SELECT sealed FROM key_checks WHERE key_id = $1", key_id)
        .fetch_optional(conn)
        .await?;
    Ok(sealed.map(Sealed))
}

/// Stores the known text of a key that is used for the first time, unless another process was quicker.
pub async fn insert_check(
    conn: &mut Conn,
    key_id: &str,
    sealed: &Sealed,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO key_checks (key_id, sealed, first_used_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        key_id,
        sealed.0,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}
