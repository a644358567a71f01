//! Open sessions. Only a hash of the token is stored; a session belongs to one person in one portal.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{HubId, UserId};

use crate::members::Role;
use crate::{Conn, Error, PortalScope};

/// A session nobody used for this long is over.
pub const IDLE: TimeDelta = TimeDelta::minutes(30);
/// A session is over after this long in any case.
pub const ABSOLUTE: TimeDelta = TimeDelta::hours(12);

/// An open session: whose, and the way to that portal's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The person.
    pub user_id: UserId,
    /// What they may do; the database keeps it the member's.
    pub role: Role,
    /// Their address, as it was at sign-in.
    pub email: Option<String>,
    /// The portal's rows.
    pub scope: PortalScope,
}

/// Opens a session of a member and clears away those of the portal that are over. Somebody who is no member is an error.
pub async fn insert(
    conn: &mut Conn,
    scope: PortalScope,
    token_hash: &[u8],
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "DELETE FROM sessions WHERE hub_id = $1 AND (created_at < $2 OR last_seen_at < $3)",
        scope.hub_id().0,
        now - ABSOLUTE,
        now - IDLE
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO sessions (token_hash, hub_id, user_id, role, email, created_at, last_seen_at)
         SELECT $1, hub_id, user_id, role, email, $4, $4 FROM members WHERE hub_id = $2 AND user_id = $3
         RETURNING role",
        token_hash,
        scope.hub_id().0,
        user_id.0,
        now
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// The session with this token, unless it is over. Its last use is noted, at most once a minute.
pub async fn find(
    conn: &mut Conn,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> Result<Option<Session>, Error> {
    let row = sqlx::query!(
        "SELECT hub_id, user_id, role, email, last_seen_at FROM sessions
         WHERE token_hash = $1 AND created_at > $2 AND last_seen_at > $3",
        token_hash,
        now - ABSOLUTE,
        now - IDLE
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.last_seen_at < now - TimeDelta::minutes(1) {
        sqlx::query!(
            "UPDATE sessions SET last_seen_at = $2 WHERE token_hash = $1",
            token_hash,
            now
        )
        .execute(conn)
        .await?;
    }
    Ok(Some(Session {
        user_id: UserId(row.user_id),
        role: Role::from_stored(&row.role)?,
        email: row.email,
        scope: PortalScope::new(HubId(row.hub_id)),
    }))
}

/// Whether the session with this token is not over.
pub async fn is_open(
    conn: &mut Conn,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let is_open = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM sessions WHERE token_hash = $1 AND created_at > $2 AND last_seen_at > $3) AS "open!""#,
        token_hash,
        now - ABSOLUTE,
        now - IDLE
    )
    .fetch_one(conn)
    .await?;
    Ok(is_open)
}

/// Ends one session.
pub async fn delete(conn: &mut Conn, token_hash: &[u8]) -> Result<(), Error> {
    sqlx::query!("DELETE FROM sessions WHERE token_hash = $1", token_hash)
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends every session of a person, in all portals: HubSpot's number of a person is the same in each.
pub async fn delete_of(conn: &mut Conn, user_id: UserId) -> Result<(), Error> {
    sqlx::query!("DELETE FROM sessions WHERE user_id = $1", user_id.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// How many sessions of a portal are open.
pub async fn count(conn: &mut Conn, scope: PortalScope, now: DateTime<Utc>) -> Result<i64, Error> {
    let open = sqlx::query_scalar!(
        r#"SELECT count(*) AS "open!" FROM sessions WHERE hub_id = $1 AND created_at > $2 AND last_seen_at > $3"#,
        scope.hub_id().0,
        now - ABSOLUTE,
        now - IDLE
    )
    .fetch_one(conn)
    .await?;
    Ok(open)
}

/// Ends every session of a portal.
pub async fn delete_all(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    sqlx::query!("DELETE FROM sessions WHERE hub_id = $1", scope.hub_id().0)
        .execute(conn)
        .await?;
    Ok(())
}
