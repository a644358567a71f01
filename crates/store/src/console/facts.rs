//! What the console says of one portal beyond what its own pages do: ages and counts, nothing of a person.

use chrono::{DateTime, Utc};

use crate::{Conn, Error, PortalScope};

/// Ages and counts of a portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// When it was installed.
    pub installed_at: DateTime<Utc>,
    /// When its needs were last looked at.
    pub needs_checked_at: Option<DateTime<Utc>>,
    /// When its own key was made; `None` while it has no secrets.
    pub key_made_at: Option<DateTime<Utc>>,
    /// When its access token at HubSpot ends; `None` without a grant.
    pub token_expires_at: Option<DateTime<Utc>>,
    /// When its Thnks key was entered.
    pub thnks_connected_at: Option<DateTime<Utc>>,
    /// When it is swept next.
    pub next_sweep_at: Option<DateTime<Utc>>,
    /// When its needs are looked at again.
    pub next_check_at: Option<DateTime<Utc>>,
    /// How many people belong to it.
    pub members: i64,
    /// How many of them are owners.
    pub owners: i64,
}

/// The facts of a portal; `None` when it was never installed.
pub async fn find_facts(conn: &mut Conn, scope: PortalScope) -> Result<Option<Facts>, Error> {
    let facts = sqlx::query_as!(
        Facts,
        r#"SELECT p.installed_at, p.needs_checked_at, k.made_at AS "key_made_at?", g.expires_at AS "token_expires_at?",
            t.connected_at AS "thnks_connected_at?", s.next_sweep_at AS "next_sweep_at?", s.next_check_at AS "next_check_at?",
            m.members AS "members!", m.owners AS "owners!"
         FROM portals AS p LEFT JOIN portal_keys AS k USING (hub_id) LEFT JOIN connections AS g USING (hub_id)
            LEFT JOIN thnks_connections AS t USING (hub_id) LEFT JOIN sync_schedule AS s USING (hub_id)
            CROSS JOIN LATERAL (
                SELECT count(*) AS members, count(*) FILTER (WHERE role = 'owner') AS owners
                FROM members WHERE hub_id = p.hub_id) AS m
         WHERE p.hub_id = $1"#,
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    Ok(facts)
}

/// How many calls to HubSpot the runs have made that were asked for since then.
pub async fn count_calls(
    conn: &mut Conn,
    scope: PortalScope,
    since: DateTime<Utc>,
) -> Result<i64, Error> {
    let calls = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(calls::bigint), 0)::bigint AS "calls!"
         FROM runs, jsonb_each_text(counts -> 'calls') AS kind (name, calls) WHERE hub_id = $1 AND created_at >= $2"#,
        scope.hub_id().0,
        since
    )
    .fetch_one(conn)
    .await?;
    Ok(calls)
}
