//! HubSpot grants: sealed tokens, their generation, and the short lease under which one process refreshes them.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Conn, Error, PortalScope, Sealed};

/// A portal's grant.
#[derive(Clone)]
pub struct Connection {
    /// The access token, sealed.
    pub access_token: Sealed,
    /// The refresh token, sealed.
    pub refresh_token: Sealed,
    /// From when on it should be refreshed.
    pub refresh_at: DateTime<Utc>,
    /// From when on HubSpot refuses the access token.
    pub expires_at: DateTime<Utc>,
    /// What HubSpot granted.
    pub scopes: Vec<String>,
    /// Grows with each pair of tokens.
    pub generation: i64,
    /// Refusals of the refresh token in a row.
    pub refusals: i32,
    /// The last of them.
    pub refused_at: Option<DateTime<Utc>>,
}

/// What a token exchange brings.
pub struct Grant<'a> {
    /// The access token, sealed.
    pub access_token: &'a Sealed,
    /// The refresh token, sealed.
    pub refresh_token: &'a Sealed,
    /// From when on it should be refreshed.
    pub refresh_at: DateTime<Utc>,
    /// From when on HubSpot refuses the access token.
    pub expires_at: DateTime<Utc>,
    /// What HubSpot granted.
    pub scopes: &'a [String],
}

/// Stores a grant from an install or a sign-in; the generation grows, so that a refresh under way is void.
pub async fn upsert(conn: &mut Conn, scope: PortalScope, grant: &Grant<'_>) -> Result<(), Error> {
    sqlx::query!(
        // A connection that comes after another one that ended has no generation of that one's.
        "INSERT INTO connections AS known (hub_id, access_token, refresh_token, refresh_at, expires_at, scopes, generation)
         VALUES ($1, $2, $3, $4, $5, $6, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
         ON CONFLICT (hub_id) DO UPDATE SET
            access_token = excluded.access_token, refresh_token = excluded.refresh_token,
            refresh_at = excluded.refresh_at, expires_at = excluded.expires_at, scopes = excluded.scopes,
            generation = known.generation + 1, refresh_lease = NULL, refresh_lease_until = NULL,
            refusals = 0, refused_at = NULL",
        scope.hub_id().0,
        grant.access_token.0,
        grant.refresh_token.0,
        grant.refresh_at,
        grant.expires_at,
        grant.scopes
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The portal's grant; `None` when it is disconnected.
pub async fn find(conn: &mut Conn, scope: PortalScope) -> Result<Option<Connection>, Error> {
    let row = sqlx::query!(
        "SELECT access_token, refresh_token, refresh_at, expires_at, scopes, generation, refusals, refused_at
         FROM connections WHERE hub_id = $1",
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Connection {
        access_token: Sealed(row.access_token),
        refresh_token: Sealed(row.refresh_token),
        refresh_at: row.refresh_at,
        expires_at: row.expires_at,
        scopes: row.scopes,
        generation: row.generation,
        refusals: row.refusals,
        refused_at: row.refused_at,
    }))
}

/// Takes the right to refresh the tokens of this connection, as it was read, for `lease_secs`; `false` when another process
/// has it, the generation has moved on, or HubSpot has refused them meanwhile. By the database's clock.
pub async fn lease_refresh(
    conn: &mut Conn,
    scope: PortalScope,
    (generation, refused_at): (i64, Option<DateTime<Utc>>),
    lease: Uuid,
    lease_secs: f64,
) -> Result<bool, Error> {
    let result = sqlx::query!(
        "UPDATE connections SET refresh_lease = $3, refresh_lease_until = now() + make_interval(secs => $4)
         WHERE hub_id = $1 AND generation = $2 AND refused_at IS NOT DISTINCT FROM $5
            AND (refresh_lease IS NULL OR refresh_lease_until < now())",
        scope.hub_id().0,
        generation,
        lease,
        lease_secs,
        refused_at
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Stores the next pair of tokens and gives the lease back, also when the lease has run out meanwhile: HubSpot may have
/// ended the earlier pair. `false` when another pair was stored since `generation`.
pub async fn save_refreshed(
    conn: &mut Conn,
    scope: PortalScope,
    generation: i64,
    grant: &Grant<'_>,
) -> Result<bool, Error> {
    let result = sqlx::query!(
        "UPDATE connections SET access_token = $3, refresh_token = $4, refresh_at = $5, expires_at = $6,
            scopes = $7, generation = generation + 1,
            refresh_lease = NULL, refresh_lease_until = NULL, refusals = 0, refused_at = NULL
         WHERE hub_id = $1 AND generation = $2",
        scope.hub_id().0,
        generation,
        grant.access_token.0,
        grant.refresh_token.0,
        grant.refresh_at,
        grant.expires_at,
        grant.scopes
    )
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Gives the lease back after a failed refresh. A refusal is counted; returns how many there are in a row now.
pub async fn release_refresh(
    conn: &mut Conn,
    scope: PortalScope,
    lease: Uuid,
    refused_at: Option<DateTime<Utc>>,
) -> Result<i32, Error> {
    let refusals = sqlx::query_scalar!(
        "UPDATE connections SET refresh_lease = NULL, refresh_lease_until = NULL,
            refusals = refusals + CASE WHEN $3::timestamptz IS NULL THEN 0 ELSE 1 END,
            refused_at = coalesce($3, refused_at)
         WHERE hub_id = $1 AND refresh_lease = $2
         RETURNING refusals",
        scope.hub_id().0,
        lease,
        refused_at
    )
    .fetch_optional(conn)
    .await?;
    Ok(refusals.unwrap_or(0))
}

/// Destroys the tokens.
pub async fn delete(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    sqlx::query!(
        "DELETE FROM connections WHERE hub_id = $1",
        scope.hub_id().0
    )
    .execute(conn)
    .await?;
    Ok(())
}
