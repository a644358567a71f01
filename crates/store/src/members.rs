//! The people of a portal and what each may do.

use chrono::{DateTime, Utc};
use domain::{HubId, UserId};

use crate::{Conn, Error, PortalScope};

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// See and change.
    Owner,
    /// See.
    Member,
}

impl Role {
    /// The value in the database and in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Member => "member",
        }
    }

    pub(crate) fn from_stored(text: &str) -> Result<Self, Error> {
        match text {
            "owner" => Ok(Self::Owner),
            "member" => Ok(Self::Member),
            _ => Err(Error::Corrupt {
                table: "members",
                column: "role",
            }),
        }
    }
}

/// Lets a person in: the first of a portal as its owner, later ones as members. An existing member keeps the role.
pub async fn upsert(
    conn: &mut Conn,
    scope: PortalScope,
    user_id: UserId,
    email: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Role, Error> {
    let stored = sqlx::query_scalar!(
        "INSERT INTO members AS known (hub_id, user_id, email, role, joined_at)
         SELECT $1, $2, $3, CASE WHEN EXISTS (SELECT FROM members WHERE hub_id = $1) THEN 'member' ELSE 'owner' END, $4
         ON CONFLICT (hub_id, user_id) DO UPDATE SET email = coalesce(excluded.email, known.email)
         RETURNING role",
        scope.hub_id().0,
        user_id.0,
        email,
        now
    )
    .fetch_one(conn)
    .await?;
    Role::from_stored(&stored)
}

/// A member's role and e-mail address.
pub async fn find(
    conn: &mut Conn,
    scope: PortalScope,
    user_id: UserId,
) -> Result<Option<(Role, Option<String>)>, Error> {
    let row = sqlx::query!(
        "SELECT role, email FROM members WHERE hub_id = $1 AND user_id = $2",
        scope.hub_id().0,
        user_id.0
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| Ok((Role::from_stored(&row.role)?, row.email)))
        .transpose()
}

/// A person of a portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The person's number at HubSpot.
    pub user_id: UserId,
    /// The e-mail address, when HubSpot has told it.
    pub email: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Since when they belong to the portal.
    pub joined_at: DateTime<Utc>,
}

/// Everybody: owners first, then by the time they came.
pub async fn list(conn: &mut Conn, scope: PortalScope) -> Result<Vec<Member>, Error> {
    let rows = sqlx::query!(
        "SELECT user_id, email, role, joined_at FROM members WHERE hub_id = $1
         ORDER BY role = 'owner' DESC, joined_at, user_id",
        scope.hub_id().0
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Member {
                user_id: UserId(row.user_id),
                email: row.email,
                role: Role::from_stored(&row.role)?,
                joined_at: row.joined_at,
            })
        })
        .collect()
}

/// Locks the portal's owners until the transaction ends, and tells who they are: of two who would take away the last two
/// owners at once, the second sees what the first has left.
pub async fn lock_owners(conn: &mut Conn, scope: PortalScope) -> Result<Vec<UserId>, Error> {
    let owners = sqlx::query_scalar!(
        "SELECT user_id FROM members WHERE hub_id = $1 AND role = 'owner' ORDER BY user_id FOR UPDATE",
        scope.hub_id().0
    )
    .fetch_all(conn)
    .await?;
    Ok(owners.into_iter().map(UserId).collect())
}

/// Changes what a member may do; `false` when there is no such member.
pub async fn save_role(
    conn: &mut Conn,
    scope: PortalScope,
    user_id: UserId,
    role: Role,
) -> Result<bool, Error> {
    let changed = sqlx::query!(
        "UPDATE members SET role = $3 WHERE hub_id = $1 AND user_id = $2",
        scope.hub_id().0,
        user_id.0,
        role.as_str()
    )
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Takes a member out of the portal; `false` when there is no such member.
pub async fn delete(conn: &mut Conn, scope: PortalScope, user_id: UserId) -> Result<bool, Error> {
    let deleted = sqlx::query!(
        "DELETE FROM members WHERE hub_id = $1 AND user_id = $2",
        scope.hub_id().0,
        user_id.0
    )
    .execute(conn)
    .await?;
    Ok(deleted.rows_affected() == 1)
}

/// The portals that this person belongs to: membership is the proof. Begin the transaction unscoped: the person's own rows are all it sees.
pub async fn list_portals(conn: &mut Conn, user_id: UserId) -> Result<Vec<PortalScope>, Error> {
    sqlx::query!(
        "SELECT set_config('app.user_id', $1, true)",
        user_id.to_string()
    )
    .fetch_one(&mut *conn)
    .await?;
    let hubs = sqlx::query_scalar!(
        "SELECT hub_id FROM members WHERE user_id = $1 ORDER BY hub_id",
        user_id.0
    )
    .fetch_all(conn)
    .await?;
    Ok(hubs
        .into_iter()
        .map(|hub_id| PortalScope::new(HubId(hub_id)))
        .collect())
}
