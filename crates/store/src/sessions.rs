//! Open sessions. Only a hash of the token is stored; a session belongs to one person in one portal.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{HubId, SessionId, UserId};

use crate::members::Role;
use crate::{Conn, Error, PortalScope};

/// A session nobody used for this long is over.
pub const IDLE: TimeDelta = TimeDelta::minutes(30);
/// A session is over after this long in any case.
pub const ABSOLUTE: TimeDelta = TimeDelta::hours(12);

/// Sessions of a person that are listed: more than anybody has, and a bound for whoever signs in by a script.
const LISTED: i64 = 50;

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

/// An open session, as its person sees it among theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Names it in forms.
    pub session_id: SessionId,
    /// The browser in words, where it said what it is.
    pub browser: Option<String>,
    /// Since when it is open.
    pub created_at: DateTime<Utc>,
    /// Its last use, to a minute.
    pub last_seen_at: DateTime<Utc>,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

/// Opens a session of a member and clears away those of the portal that are over. Somebody who is no member is an error.
/// The `browser` is told in words of ours, at most 60 characters.
pub async fn insert(
    conn: &mut Conn,
    scope: PortalScope,
    token_hash: &[u8],
    user_id: UserId,
    browser: Option<&str>,
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
        "INSERT INTO sessions (token_hash, hub_id, user_id, role, email, browser, created_at, last_seen_at)
         SELECT $1, hub_id, user_id, role, email, $4, $5, $5 FROM members WHERE hub_id = $2 AND user_id = $3
         RETURNING role",
        token_hash,
        scope.hub_id().0,
        user_id.0,
        browser,
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

/// A person's open sessions of this portal: the one with this token first, then by their last use.
pub async fn list_of(
    conn: &mut Conn,
    scope: PortalScope,
    user_id: UserId,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> Result<Vec<Open>, Error> {
    let rows = sqlx::query!(
        r#"SELECT session_id, browser, created_at, last_seen_at, token_hash = $3 AS "is_current!" FROM sessions
         WHERE hub_id = $1 AND user_id = $2 AND created_at > $4 AND last_seen_at > $5
         ORDER BY token_hash = $3 DESC, last_seen_at DESC, session_id LIMIT $6"#,
        scope.hub_id().0,
        user_id.0,
        token_hash,
        now - ABSOLUTE,
        now - IDLE,
        LISTED
    )
    .fetch_all(conn)
    .await?;
    let open = rows.into_iter().map(|row| Open {
        session_id: SessionId(row.session_id),
        browser: row.browser,
        created_at: row.created_at,
        last_seen_at: row.last_seen_at,
        is_current: row.is_current,
    });
    Ok(open.collect())
}

/// Ends this session of a person in this portal and tells its token's hash; `None` when it is no session of theirs here.
pub async fn delete_one_of(
    conn: &mut Conn,
    scope: PortalScope,
    user_id: UserId,
    session_id: SessionId,
) -> Result<Option<Vec<u8>>, Error> {
    let token_hash = sqlx::query_scalar!(
        "DELETE FROM sessions WHERE hub_id = $1 AND user_id = $2 AND session_id = $3 RETURNING token_hash",
        scope.hub_id().0,
        user_id.0,
        session_id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(token_hash)
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
