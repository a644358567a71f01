//! What pages and the command line see of runs.

use chrono::{DateTime, Utc};
use domain::RunId;
use domain::run::{RunKind, RunState};
use serde_json::Value;
use uuid::Uuid;

use super::{kind_from, state_from};
use crate::{Conn, Error, PortalScope};

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
