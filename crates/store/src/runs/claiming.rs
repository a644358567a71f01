//! Claims: one page-writer per portal, by a lease with a fencing number. Every commit of a run begins with [`hold`], which
//! fails once another worker has taken the portal over.

use chrono::{DateTime, Utc};
use domain::RunId;
use domain::run::{RunKind, RunState, STARTS_WITHOUT_PROGRESS};
use serde_json::Value;
use telemetry::Origin;

use super::ending::{finish, release};
use crate::{Conn, Error, PortalScope};

/// How long a claim lasts without renewal, in seconds: several renewals long, and short enough that a killed worker's run
/// goes on within some 12 s. A call that takes longer is covered by renewals, or dropped where they fail (`app::engine::held`).
pub const LEASE_SECS: f64 = 10.0;

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
    /// For a kind that reads from a date on: that date.
    pub since: Option<DateTime<Utc>>,
    /// Which request asked for it.
    pub origin: Origin,
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
    /// The portal is paused; the board rings when it is resumed.
    Held,
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
    let held = sqlx::query_scalar!("SELECT held FROM run_queue WHERE run_id = $1", run_id.0)
        .fetch_optional(&mut *conn)
        .await?;
    if held == Some(true) {
        return Ok(Claim::Held);
    }
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
            "UPDATE run_queue AS q SET due_at = greatest(l.lease_until, now()), rung_at = NULL, busy = true FROM portal_leases AS l
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
         RETURNING kind, progress, counts, done, total, created_at, since, starts_without_progress, request_id, trace",
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
    let kind = super::kind_from(&row.kind)?;
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
        since: row.since,
        origin: Origin {
            request_id: row.request_id,
            trace: row.trace,
        },
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
