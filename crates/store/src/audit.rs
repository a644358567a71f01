//! Who did what and when: append-only, the app's role can insert and read, not change.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{Conn, Error, PortalScope};

/// Adds a line. `actor` is `user:<id>`, `operator`, `schedule` or `hubspot`; `detail` holds ids and counts, never
/// secrets or personal data.
pub async fn insert(
    conn: &mut Conn,
    scope: PortalScope,
    actor: &str,
    action: &str,
    detail: &Value,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO audit (hub_id, at, actor, action, detail) VALUES ($1, $2, $3, $4, $5)",
        scope.hub_id().0,
        now,
        actor,
        action,
        detail
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds an act to the operators' own trail; `action` is the command.
pub async fn insert_operators(
    conn: &mut Conn,
    action: &str,
    detail: &Value,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO operator_acts (at, action, detail) VALUES ($1, $2, $3)",
        now,
        action,
        detail
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A line of the trail.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number: of lines of the same moment, the later ones have greater numbers.
    pub seq: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who: `user:<id>`, `operator`, `schedule`, `hubspot` or `worker`.
    pub actor: String,
    /// What, such as `run.request`.
    pub action: String,
    /// Ids and counts.
    pub detail: Value,
}

/// Which lines; what is `None` may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// By this actor.
    pub actor: Option<String>,
    /// This act.
    pub action: Option<String>,
    /// At this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Before this moment.
    pub until: Option<DateTime<Utc>>,
}

/// Up to `limit` lines of a filter, the newest first; those before the line with the number `before` when it is given.
pub async fn list(
    conn: &mut Conn,
    scope: PortalScope,
    filter: &Filter,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Entry>, Error> {
    // The bounds are never null, so that any plan enters the index at them.
    let entries = sqlx::query_as!(
        Entry,
        "SELECT seq, at, actor, action, detail FROM audit
         WHERE hub_id = $1 AND ($2::text IS NULL OR actor = $2) AND ($3::text IS NULL OR action = $3)
            AND at >= coalesce($4::timestamptz, '-infinity') AND at < coalesce($5::timestamptz, 'infinity')
            AND ($6::bigint IS NULL OR (at, seq) < (SELECT last.at, last.seq FROM audit AS last WHERE last.hub_id = $1 AND last.seq = $6))
         ORDER BY at DESC, seq DESC LIMIT $7",
        scope.hub_id().0,
        filter.actor,
        filter.action,
        filter.from,
        filter.until,
        before,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(entries)
}

/// Everybody who has ever done something, and everything that was ever done, each once and in order.
pub async fn list_choices(
    conn: &mut Conn,
    scope: PortalScope,
) -> Result<(Vec<String>, Vec<String>), Error> {
    // One step of each index per choice, however long the trail is.
    let actors = sqlx::query_scalar!(
        r#"WITH RECURSIVE choice AS (
            SELECT min(actor) AS name FROM audit WHERE hub_id = $1
            UNION ALL
            SELECT (SELECT min(actor) FROM audit WHERE hub_id = $1 AND actor > choice.name) FROM choice
            WHERE choice.name IS NOT NULL)
         SELECT name AS "name!" FROM choice WHERE name IS NOT NULL"#,
        scope.hub_id().0
    )
    .fetch_all(&mut *conn)
    .await?;
    let actions = sqlx::query_scalar!(
        r#"WITH RECURSIVE choice AS (
            SELECT min(action) AS name FROM audit WHERE hub_id = $1
            UNION ALL
            SELECT (SELECT min(action) FROM audit WHERE hub_id = $1 AND action > choice.name) FROM choice
            WHERE choice.name IS NOT NULL)
         SELECT name AS "name!" FROM choice WHERE name IS NOT NULL"#,
        scope.hub_id().0
    )
    .fetch_all(conn)
    .await?;
    Ok((actors, actions))
}
