//! Each portal's own key, wrapped by one of the operator's, and the secrets that it seals.

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

use crate::{Conn, Error, PortalScope, Sealed};

/// A sealed column: every portal has at most one value of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secret {
    /// HubSpot's access token.
    AccessToken,
    /// HubSpot's refresh token.
    RefreshToken,
    /// The Thnks API key.
    ThnksKey,
    /// The key of the tombstones of erased recipients.
    TombstoneKey,
    /// What calls of notices are signed with.
    WebhookSecret,
    /// What they were signed with before.
    FormerWebhookSecret,
}

impl Secret {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AccessToken,
        Self::RefreshToken,
        Self::ThnksKey,
        Self::TombstoneKey,
        Self::WebhookSecret,
        Self::FormerWebhookSecret,
    ];

    /// Its table and its column.
    pub fn column(self) -> (&'static str, &'static str) {
        match self {
            Self::AccessToken => ("connections", "access_token"),
            Self::RefreshToken => ("connections", "refresh_token"),
            Self::ThnksKey => ("thnks_connections", "api_key"),
            Self::TombstoneKey => ("portals", "erasure_key"),
            Self::WebhookSecret => ("notice_settings", "webhook_secret"),
            Self::FormerWebhookSecret => ("notice_settings", "former_secret"),
        }
    }
}

/// A portal's key as it is stored.
#[derive(Clone)]
pub struct WrappedKey {
    /// Names the key in what it has sealed.
    pub id: String,
    /// The key, sealed with one of the operator's.
    pub wrapped: Sealed,
}

/// The portal's key; `None` before it has one.
pub async fn find(conn: &mut Conn, scope: PortalScope) -> Result<Option<WrappedKey>, Error> {
    let row = sqlx::query!(
        "SELECT key_id, wrapped FROM portal_keys WHERE hub_id = $1",
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| WrappedKey {
        id: row.key_id,
        wrapped: Sealed(row.wrapped),
    }))
}

/// Stores the portal's first key, unless another process was quicker: then that one's holds. A portal that is being erased gets
/// none.
pub async fn insert(
    conn: &mut Conn,
    scope: PortalScope,
    key: &WrappedKey,
    wrapped_by: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "WITH made AS (
            INSERT INTO portal_keys (hub_id, key_id, wrapped, made_at)
            SELECT $1, $2, $3, $4 FROM portals WHERE hub_id = $1 AND erasing_at IS NULL
            ON CONFLICT DO NOTHING RETURNING hub_id)
         INSERT INTO key_uses (hub_id, key_id) SELECT hub_id, $5 FROM made ON CONFLICT DO NOTHING",
        scope.hub_id().0,
        key.id,
        key.wrapped.0,
        now,
        wrapped_by
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts another key in the place of the portal's.
pub async fn replace(
    conn: &mut Conn,
    scope: PortalScope,
    key: &WrappedKey,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE portal_keys SET key_id = $2, wrapped = $3, made_at = $4 WHERE hub_id = $1",
        scope.hub_id().0,
        key.id,
        key.wrapped.0,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores the same key wrapped anew, where it is still wrapped as `from`.
pub async fn rewrap(
    conn: &mut Conn,
    scope: PortalScope,
    from: &Sealed,
    to: &Sealed,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE portal_keys SET wrapped = $3 WHERE hub_id = $1 AND wrapped = $2",
        scope.hub_id().0,
        from.0,
        to.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that from now on nothing of the portal hangs on another of the operator's keys than `key_id`; that this is so is the
/// caller's to see to, in the same transaction. Whether that is new.
pub async fn save_use(conn: &mut Conn, scope: PortalScope, key_id: &str) -> Result<bool, Error> {
    let is_new = sqlx::query_scalar!(
        r#"WITH gone AS (DELETE FROM key_uses WHERE hub_id = $1 AND key_id <> $2 RETURNING key_id),
            made AS (INSERT INTO key_uses (hub_id, key_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING key_id)
         SELECT EXISTS (SELECT FROM gone) OR EXISTS (SELECT FROM made) AS "is_new!""#,
        scope.hub_id().0,
        key_id
    )
    .fetch_one(conn)
    .await?;
    Ok(is_new)
}

/// Everything that is sealed of the portal. Who means to change it holds the portal's lock.
pub async fn list_secrets(
    conn: &mut Conn,
    scope: PortalScope,
) -> Result<Vec<(Secret, Sealed)>, Error> {
    let mut secrets = Vec::new();
    for secret in Secret::ALL {
        let (table, column) = secret.column();
        let sealed: Option<Option<Vec<u8>>> = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT {column} FROM {table} WHERE hub_id = $1"
        )))
        .bind(scope.hub_id().0)
        .fetch_optional(&mut *conn)
        .await?;
        secrets.extend(sealed.flatten().map(|sealed| (secret, Sealed(sealed))));
    }
    Ok(secrets)
}

/// Stores a secret sealed anew, where it is still sealed as `from`: tokens may have been refreshed meanwhile.
pub async fn save_secret(
    conn: &mut Conn,
    scope: PortalScope,
    secret: Secret,
    from: &Sealed,
    to: &Sealed,
) -> Result<(), Error> {
    let (table, column) = secret.column();
    sqlx::query(AssertSqlSafe(format!(
        "UPDATE {table} SET {column} = $3 WHERE hub_id = $1 AND {column} = $2"
    )))
    .bind(scope.hub_id().0)
    .bind(&from.0)
    .bind(&to.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes away everything that is sealed of the portal.
pub async fn delete_secrets(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    let hub_id = scope.hub_id().0;
    crate::connections::delete(&mut *conn, scope).await?;
    sqlx::query!("DELETE FROM thnks_connections WHERE hub_id = $1", hub_id)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "UPDATE portals SET erasure_key = NULL WHERE hub_id = $1",
        hub_id
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE notice_settings SET webhook_url = NULL, webhook_secret = NULL, former_secret = NULL, former_until = NULL
         WHERE hub_id = $1",
        hub_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Destroys the portal's key: nothing that it has sealed can be read any more.
pub async fn delete(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    sqlx::query!(
        "WITH uses AS (DELETE FROM key_uses WHERE hub_id = $1)
         DELETE FROM portal_keys WHERE hub_id = $1",
        scope.hub_id().0
    )
    .execute(conn)
    .await?;
    Ok(())
}
