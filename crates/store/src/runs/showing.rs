//! What pages and the command line see of runs.

use chrono::{DateTime, Utc};
use domain::RunId;
use domain::portal::{CurrentRun, LastRun};
use domain::run::{RunKind, RunState};
use serde_json::Value;
use uuid::Uuid;

use super::{kind_from, state_from};
use crate::{Conn, Error, PortalScope};

/// The run in work, else the next that waits; and the run that ended last. Looking at needs does not count as one, nor does
/// an event that led to nothing.
pub async fn find_both(
    conn: &mut Conn,
    scope: PortalScope,
) -> Result<(Option<CurrentRun>, Option<LastRun>), Error> {
    let rows = sqlx::query!(
        r#"(SELECT run_id AS "run_id!", kind AS "kind!", state AS "state!", done AS "done!", total, started_at, finished_at,
            progress -> 'phase' AS phase
         FROM runs WHERE hub_id = $1 AND state IN ('queued', 'running')
         ORDER BY state = 'running' DESC, started_at IS NULL, created_at LIMIT 1)
        UNION ALL
        (SELECT run_id, kind, state, done, total, started_at, finished_at, NULL
         FROM runs WHERE hub_id = $1 AND finished_at IS NOT NULL AND kind <> 'check' AND (kind <> 'link' OR done > 0)
         ORDER BY finished_at DESC LIMIT 1)"#,
        scope.hub_id().0
    )
    .fetch_all(conn)
    .await?;
    let (mut current, mut last) = (None, None);
    for row in rows {
        let (id, kind, state) = (
            RunId(row.run_id),
            kind_from(&row.kind)?,
            state_from(&row.state)?,
        );
        if state.is_open() {
            current = Some(CurrentRun {
                id,
                kind,
                state,
                done: row.done,
                total: row.total,
                started_at: row.started_at,
                phase: row
                    .phase
                    .and_then(|phase| serde_json::from_value(phase).ok()),
            });
        } else {
            last = Some(LastRun {
                id,
                kind,
                state,
                finished_at: row.finished_at,
            });
        }
    }
    Ok((current, last))
}

/// The first of [`find_both`].
pub async fn find_current(
    conn: &mut Conn,
    scope: PortalScope,
) -> Result<Option<CurrentRun>, Error> {
    Ok(find_both(conn, scope).await?.0)
}

/// The second of [`find_both`].
pub async fn find_last(conn: &mut Conn, scope: PortalScope) -> Result<Option<LastRun>, Error> {
    Ok(find_both(conn, scope).await?.1)
}

/// The account of a run: what it was to do, what it did, how it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Its id.
    pub run_id: RunId,
    /// What it does.
    pub kind: RunKind,
    /// Where it stands.
    pub state: RunState,
    /// Who asked for it.
    pub requested_by: String,
    /// For a kind that reads from a date on: that date.
    pub since: Option<DateTime<Utc>>,
    /// Transactions done so far.
    pub done: i64,
    /// Out of how many, where known.
    pub total: Option<i64>,
    /// Its counts; their shape belongs to `app::engine`.
    pub counts: Value,
    /// Why it ended badly.
    pub error: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it first began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A row of `runs`, as the queries below read it.
struct Row {
    run_id: Uuid,
    kind: String,
    state: String,
    requested_by: String,
    since: Option<DateTime<Utc>>,
    done: i64,
    total: Option<i64>,
    counts: Value,
    error: Option<String>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Account {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            run_id: RunId(row.run_id),
            kind: kind_from(&row.kind)?,
            state: state_from(&row.state)?,
            requested_by: row.requested_by,
            since: row.since,
            done: row.done,
            total: row.total,
            counts: row.counts,
            error: row.error,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        })
    }
}

/// One run.
pub async fn find(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
) -> Result<Option<Account>, Error> {
    let row = sqlx::query_as!(
        Row,
        "SELECT run_id, kind, state, requested_by, since, done, total, counts, error, created_at, started_at, finished_at
         FROM runs WHERE hub_id = $1 AND run_id = $2",
        scope.hub_id().0,
        run_id.0
    )
    .fetch_optional(conn)
    .await?;
    row.map(Account::try_from).transpose()
}

/// Up to `limit` runs, the newest first; those before `before` when it is given. Looks at needs, and events that led to nothing, are left out.
pub async fn list(
    conn: &mut Conn,
    scope: PortalScope,
    before: Option<RunId>,
    limit: i64,
) -> Result<Vec<Account>, Error> {
    // Ids are made in the order of time.
    let rows = sqlx::query_as!(
        Row,
        "SELECT run_id, kind, state, requested_by, since, done, total, counts, error, created_at, started_at, finished_at
         FROM runs WHERE hub_id = $1 AND kind <> 'check' AND (kind <> 'link' OR done > 0) AND ($2::uuid IS NULL OR run_id < $2)
         ORDER BY run_id DESC LIMIT $3",
        scope.hub_id().0,
        before.map(|run| run.0),
        limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Account::try_from).collect()
}
