//! Organizations at Thnks and the setup links that the operator hands out. Not a portal's rows: the operator's.

use chrono::{DateTime, Utc};
use domain::{HubId, OrganizationId};
use uuid::Uuid;

use crate::{Conn, Error, Sealed};

/// An organization as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Our id of it.
    pub id: OrganizationId,
    /// The name the operator gave.
    pub name: String,
    /// When it was added.
    pub created_at: DateTime<Utc>,
}

/// A setup link as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupLink {
    /// Its id, part of the link.
    pub id: Uuid,
    /// The organization it connects.
    pub organization_id: OrganizationId,
    /// The only portal that may use it, if any.
    pub bound_to: Option<HubId>,
    /// From when on it is refused.
    pub expires_at: DateTime<Utc>,
    /// When it was used or revoked: it is refused since then.
    pub spent_at: Option<DateTime<Utc>>,
}

/// Adds an organization with its sealed Thnks API key.
pub async fn insert(
    conn: &mut Conn,
    id: OrganizationId,
    name: &str,
    api_key: &Sealed,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO organizations (organization_id, name, api_key, created_at) VALUES ($1, $2, $3, $4)",
        id.0,
        name,
        api_key.0,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// All organizations, newest first.
pub async fn list(conn: &mut Conn) -> Result<Vec<Organization>, Error> {
    let rows = sqlx::query!(
        "SELECT organization_id, name, created_at FROM organizations ORDER BY created_at DESC"
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Organization {
            id: OrganizationId(row.organization_id),
            name: row.name,
            created_at: row.created_at,
        })
        .collect())
}

/// The organization's name and sealed Thnks API key.
pub async fn find_api_key(
    conn: &mut Conn,
    id: OrganizationId,
) -> Result<Option<(String, Sealed)>, Error> {
    let row = sqlx::query!(
        "SELECT name, api_key FROM organizations WHERE organization_id = $1",
        id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.name, Sealed(row.api_key))))
}

/// Adds a setup link that bears the signature of the operator's key `signed_by`.
pub async fn insert_setup_link(
    conn: &mut Conn,
    link: &SetupLink,
    signed_by: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO setup_links (link_id, organization_id, bound_to, expires_at, created_at, signed_by)
         VALUES ($1, $2, $3, $4, $5, $6)",
        link.id,
        link.organization_id.0,
        link.bound_to.map(|hub_id| hub_id.0),
        link.expires_at,
        now,
        signed_by
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The setup link with this id.
pub async fn find_setup_link(conn: &mut Conn, id: Uuid) -> Result<Option<SetupLink>, Error> {
    let row = sqlx::query!(
        "SELECT organization_id, bound_to, expires_at, coalesce(used_at, revoked_at) AS spent_at
         FROM setup_links WHERE link_id = $1",
        id
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| SetupLink {
        id,
        organization_id: OrganizationId(row.organization_id),
        bound_to: row.bound_to.map(HubId),
        expires_at: row.expires_at,
        spent_at: row.spent_at,
    }))
}

/// Spends a setup link; `false` when it was spent before, also by another install at the same moment.
pub async fn spend_setup_link(
    conn: &mut Conn,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let result = sqlx::query!(
        "UPDATE setup_links SET used_at = $2 WHERE link_id = $1 AND used_at IS NULL AND revoked_at IS NULL",
        id,
        now
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Revokes a setup link; `false` when there is none or it was spent before.
pub async fn revoke_setup_link(
    conn: &mut Conn,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let result = sqlx::query!(
        "UPDATE setup_links SET revoked_at = $2 WHERE link_id = $1 AND used_at IS NULL AND revoked_at IS NULL",
        id,
        now
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}
