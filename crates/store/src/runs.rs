//! Runs, the portal's lease, and the board from which the dispatcher rings.
//!
//! While a run works, its place on the board is due when its lease ends: a worker that dies is rung for by itself.
//! Every commit of a run begins with [`hold`], which fails once another worker has taken the portal over.

use chrono::{DateTime, Utc};
use domain::portal::{CurrentRun, LastRun};
use domain::run::{RunKind, RunState, STARTS_WITHOUT_PROGRESS};
use domain::{HubId, RunId};
use serde_json::Value;
use uuid::Uuid;

use crate::{Conn, Error, PortalScope, db};

/// How long a claim lasts without renewal, in seconds: longer than any single call to HubSpot may take, short enough
/// that a killed worker's run goes on within 30 s.
pub const LEASE_SECS: f64 = 20.0;
/// A ring that nobody followed is repeated after this time, in seconds: Redis may have lost it.
const RING_AGAIN_SECS: f64 = 15.0;

/// A run that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requested {
    /// The run that will do it.
    pub run_id: RunId,
    /// Whether it is a new one; otherwise one of the same kind was open already.
    pub is_new: bool,
}

/// Asks for a run. While one of the same kind is open there is no second one; when that one has begun, another
/// follows it.
pub async fn request(
    conn: &mut Conn,
    scope: PortalScope,
    kind: RunKind,
    requested_by: &str,
    now: DateTime<Utc>,
) -> Result<Requested, Error> {
    let run_id = RunId(Uuid::now_v7());
    let inserted = sqlx::query!(
        "INSERT INTO runs (hub_id, run_id, kind, state, requested_by, created_at) VALUES ($1, $2, $3, 'queued', $4, $5)
         ON CONFLICT (hub_id, kind) WHERE state IN ('queued', 'running') DO NOTHING",
        scope.hub_id().0,
        run_id.0,
        kind.as_str(),
        requested_by,
        now
    )
    .execute(&mut *conn)
    .await?;
    if inserted.rows_affected() == 1 {
        sqlx::query!(
            "INSERT INTO run_queue (run_id, hub_id, priority, due_at) VALUES ($1, $2, $3, now())",
            run_id.0,
            scope.hub_id().0,
            kind.priority()
        )
        .execute(&mut *conn)
        .await?;
        db::ring(conn).await?;
        return Ok(Requested {
            run_id,
            is_new: true,
        });
    }
    let open = sqlx::query_scalar!(
        "UPDATE runs SET wanted_again = wanted_again OR started_at IS NOT NULL
         WHERE hub_id = $1 AND kind = $2 AND state IN ('queued', 'running') RETURNING run_id",
        scope.hub_id().0,
        kind.as_str()
    )
    .fetch_optional(&mut *conn)
    .await?;
    match open {
        Some(run_id) => Ok(Requested {
            run_id: RunId(run_id),
            is_new: false,
        }),
        // The open one has ended between the two statements.
        None => Box::pin(request(conn, scope, kind, requested_by, now)).await,
    }
}

/// The portal of an open run: the way from a ring to the rows. `None` when the run has ended.
pub async fn find_scope(conn: &mut Conn, run_id: RunId) -> Result<Option<PortalScope>, Error> {
    let hub_id = sqlx::query_scalar!("SELECT hub_id FROM run_queue WHERE run_id = $1", run_id.0)
        .fetch_optional(conn)
        .await?;
    Ok(hub_id.map(|hub_id| PortalScope::new(HubId(hub_id))))
}

/// A run that this worker has claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Its id.
    pub run_id: RunId,
    /// What it does.
    pub kind: RunKind,
    /// The number that every commit checks.
    pub fence: i64,
    /// Where it is.
    pub progress: Value,
    /// Its counts so far.
    pub counts: Value,
    /// Transactions done so far.
    pub done: i64,
    /// Out of how many, where known.
    pub total: Option<i64>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// It is ours.
    Claimed(Box<Claimed>),
    /// Another run works on this portal; the board rings again when that one stops.
    Busy,
    /// The run has ended.
    Gone,
    /// The run has just been given up: it started too often without progress.
    Dead,
}

/// Claims the run and its portal for [`LEASE_SECS`].
pub async fn claim(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
    now: DateTime<Utc>,
) -> Result<Claim, Error> {
    let hub_id = scope.hub_id().0;
    let fence = sqlx::query_scalar!(
        "UPDATE portal_leases SET fence = fence + 1, run_id = $2, lease_until = now() + make_interval(secs => $3)
         WHERE hub_id = $1 AND lease_until < now() RETURNING fence",
        hub_id,
        run_id.0,
        LEASE_SECS
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(fence) = fence else {
        sqlx::query!(
            "UPDATE run_queue AS q SET due_at = l.lease_until, rung_at = NULL, busy = true FROM portal_leases AS l
             WHERE q.run_id = $2 AND l.hub_id = $1 AND l.run_id IS DISTINCT FROM $2",
            hub_id,
            run_id.0
        )
        .execute(conn)
        .await?;
        return Ok(Claim::Busy);
    };
    let row = sqlx::query!(
        "UPDATE runs SET state = 'running', started_at = coalesce(started_at, $3),
            starts_without_progress = starts_without_progress + 1
         WHERE hub_id = $1 AND run_id = $2 AND state IN ('queued', 'running')
         RETURNING kind, progress, counts, done, total, created_at, starts_without_progress",
        hub_id,
        run_id.0,
        now
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else {
        release(conn, scope).await?;
        return Ok(Claim::Gone);
    };
    let kind = RunKind::from_stored(&row.kind).ok_or(Error::Corrupt {
        table: "runs",
        column: "kind",
    })?;
    if row.starts_without_progress > STARTS_WITHOUT_PROGRESS {
        let reason = format!("gave up after {STARTS_WITHOUT_PROGRESS} starts without progress");
        finish(conn, scope, run_id, RunState::Dead, Some(&reason), now).await?;
        return Ok(Claim::Dead);
    }
    sqlx::query!(
        "UPDATE run_queue SET due_at = now() + make_interval(secs => $2), rung_at = NULL, busy = false WHERE run_id = $1",
        run_id.0,
        LEASE_SECS
    )
    .execute(conn)
    .await?;
    Ok(Claim::Claimed(Box::new(Claimed {
        run_id,
        kind,
        fence,
        progress: row.progress,
        counts: row.counts,
        done: row.done,
        total: row.total,
        created_at: row.created_at,
    })))
}

/// Makes sure that the portal is still this run's until the transaction ends, and renews the lease.
pub async fn hold(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
    fence: i64,
) -> Result<(), Error> {
    let held = sqlx::query!(
        "UPDATE portal_leases SET lease_until = now() + make_interval(secs => $4)
         WHERE hub_id = $1 AND run_id = $2 AND fence = $3",
        scope.hub_id().0,
        run_id.0,
        fence,
        LEASE_SECS
    )
    .execute(&mut *conn)
    .await?;
    if held.rows_affected() == 0 {
        return Err(Error::Fenced);
    }
    sqlx::query!(
        "UPDATE run_queue SET due_at = now() + make_interval(secs => $2), rung_at = NULL, busy = false WHERE run_id = $1",
        run_id.0,
        LEASE_SECS
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What a run has come to.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Where it is.
    pub progress: &'a Value,
    /// Its counts so far.
    pub counts: &'a Value,
    /// Transactions done so far.
    pub done: i64,
    /// Out of how many, where known.
    pub total: Option<i64>,
}

/// Stores progress: its starts count anew.
pub async fn save_progress(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
    progress: Progress<'_>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE runs SET progress = $3, counts = $4, done = $5, total = $6, starts_without_progress = 0
         WHERE hub_id = $1 AND run_id = $2",
        scope.hub_id().0,
        run_id.0,
        progress.progress,
        progress.counts,
        progress.done,
        progress.total
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets go of the portal: the run goes on at `due_at` (now when `None`), and others of this portal may go before it.
/// Waiting for somebody else is no fault of the run's: `keep_starts` tells whether this start still counts.
pub async fn postpone(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
    due_at: Option<DateTime<Utc>>,
    keep_starts: bool,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE runs SET state = 'queued', starts_without_progress = CASE WHEN $3 THEN starts_without_progress ELSE 0 END
         WHERE hub_id = $1 AND run_id = $2",
        scope.hub_id().0,
        run_id.0,
        keep_starts
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE run_queue SET due_at = coalesce($2, now()), rung_at = NULL WHERE run_id = $1",
        run_id.0,
        due_at
    )
    .execute(&mut *conn)
    .await?;
    release(conn, scope).await
}

/// Ends a run. When it was asked for again meanwhile, another one of its kind follows.
pub async fn finish(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
    state: RunState,
    error: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let row = sqlx::query!(
        "UPDATE runs SET state = $3, error = $4, finished_at = $5 WHERE hub_id = $1 AND run_id = $2
         RETURNING kind, wanted_again, requested_by",
        scope.hub_id().0,
        run_id.0,
        state.as_str(),
        error,
        now
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM run_queue WHERE run_id = $1", run_id.0)
        .execute(&mut *conn)
        .await?;
    release(conn, scope).await?;
    if row.wanted_again && state == RunState::Succeeded {
        let kind = RunKind::from_stored(&row.kind).ok_or(Error::Corrupt {
            table: "runs",
            column: "kind",
        })?;
        request(conn, scope, kind, &row.requested_by, now).await?;
    }
    Ok(())
}

/// Gives the portal's lease back and rings for the portal's other runs.
async fn release(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    let hub_id = scope.hub_id().0;
    sqlx::query!(
        "UPDATE portal_leases SET lease_until = '-infinity', run_id = NULL WHERE hub_id = $1",
        hub_id
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE run_queue SET due_at = now(), rung_at = NULL, busy = false WHERE hub_id = $1 AND busy",
        hub_id
    )
    .execute(&mut *conn)
    .await?;
    db::ring(conn).await
}

/// Ends every open run of a portal, for a portal that is parked or disconnected.
pub async fn fail_open(
    conn: &mut Conn,
    scope: PortalScope,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE runs SET state = 'failed', error = $2, finished_at = $3 WHERE hub_id = $1 AND state IN ('queued', 'running')",
        scope.hub_id().0,
        reason,
        now
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM run_queue WHERE hub_id = $1", scope.hub_id().0)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "UPDATE portal_leases SET fence = fence + 1, lease_until = '-infinity', run_id = NULL WHERE hub_id = $1",
        scope.hub_id().0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Up to `limit` runs to ring for, of all portals: people's first, then by the time they have waited. They are noted
/// as rung and come again only if nobody follows.
pub async fn take_due(conn: &mut Conn, limit: i64) -> Result<Vec<RunId>, Error> {
    let ids = sqlx::query_scalar!(
        "UPDATE run_queue SET rung_at = now() WHERE run_id IN (
            SELECT run_id FROM run_queue
            WHERE due_at <= now() AND (rung_at IS NULL OR rung_at < now() - make_interval(secs => $2))
            ORDER BY priority, due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
         RETURNING run_id",
        limit,
        RING_AGAIN_SECS
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(RunId).collect())
}

/// How many seconds until the next run on the board is due, 0 when one is; `None` when the board is empty.
pub async fn next_due_secs(conn: &mut Conn) -> Result<Option<f64>, Error> {
    let secs = sqlx::query_scalar!(
        r#"SELECT greatest(0, extract(epoch FROM min(
            CASE WHEN rung_at IS NULL THEN due_at ELSE greatest(due_at, rung_at + make_interval(secs => $1)) END) - now()
         ))::float8 FROM run_queue"#,
        RING_AGAIN_SECS
    )
    .fetch_one(conn)
    .await?;
    Ok(secs)
}

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
            kind: RunKind::from_stored(&row.kind).ok_or(Error::Corrupt {
                table: "runs",
                column: "kind",
            })?,
            state: RunState::from_stored(&row.state).ok_or(Error::Corrupt {
                table: "runs",
                column: "state",
            })?,
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
            kind: RunKind::from_stored(&row.kind).ok_or(Error::Corrupt {
                table: "runs",
                column: "kind",
            })?,
            state: RunState::from_stored(&row.state).ok_or(Error::Corrupt {
                table: "runs",
                column: "state",
            })?,
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
            state: RunState::from_stored(&row.state).ok_or(Error::Corrupt {
                table: "runs",
                column: "state",
            })?,
            done: row.done,
            total: row.total,
            counts: row.counts,
            error: row.error,
        })
    })
    .transpose()
}
