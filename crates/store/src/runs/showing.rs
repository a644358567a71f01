//! What pages and the command line see of runs.

use domain::RunId;
use domain::portal::{CurrentRun, LastRun};
use domain::run::RunState;
use serde_json::Value;

use super::{kind_from, state_from};
use crate::{Conn, Error, PortalScope};

/// The run in work, else the next that waits.
pub async fn find_current(
    conn: &mut Conn,
    scope: PortalScope,
) -> Result<Option<CurrentRun>, Error> {
    let row = sqlx::query!(
        "SELECT run_id, kind, state, done, total, started_at, progress -> 'phase' AS phase FROM runs
         WHERE hub_id = $1 AND state IN ('queued', 'running')
         ORDER BY state = 'running' DESC, started_at IS NULL, created_at LIMIT 1",
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(CurrentRun {
            id: RunId(row.run_id),
            kind: kind_from(&row.kind)?,
            state: state_from(&row.state)?,
            done: row.done,
            total: row.total,
            started_at: row.started_at,
            phase: row
                .phase
                .and_then(|phase| serde_json::from_value(phase).ok()),
        })
    })
    .transpose()
}

/// The run that ended last; looking at needs does not count as one.
pub async fn find_last(conn: &mut Conn, scope: PortalScope) -> Result<Option<LastRun>, Error> {
    let row = sqlx::query!(
        "SELECT run_id, kind, state, finished_at FROM runs
         WHERE hub_id = $1 AND finished_at IS NOT NULL AND kind <> 'check'
         ORDER BY finished_at DESC LIMIT 1",
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(LastRun {
            id: RunId(row.run_id),
            kind: kind_from(&row.kind)?,
            state: state_from(&row.state)?,
            finished_at: row.finished_at,
        })
    })
    .transpose()
}

/// A run as the command line shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Where it stands.
    pub state: RunState,
    /// Transactions done so far.
    pub done: i64,
    /// Out of how many, where known.
    pub total: Option<i64>,
    /// Its counts.
    pub counts: Value,
    /// Why it ended badly.
    pub error: Option<String>,
}

/// One run.
pub async fn find(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
) -> Result<Option<Account>, Error> {
    let row = sqlx::query!(
        "SELECT state, done, total, counts, error FROM runs WHERE hub_id = $1 AND run_id = $2",
        scope.hub_id().0,
        run_id.0
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Account {
            state: state_from(&row.state)?,
            done: row.done,
            total: row.total,
            counts: row.counts,
            error: row.error,
        })
    })
    .transpose()
}
