//! Letting go of a portal: for a while, for good, or for everybody.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::RunId;
use domain::run::{RunKind, RunState};
use serde_json::Value;

use super::asking::{Wish, request_wish};
use crate::{Conn, Error, PortalScope, db};

/// Lets go of the portal: the run goes on after `wait` by the database's clock, and others of this portal may go before it.
/// Waiting for somebody else is no fault of the run's: `keep_starts` tells whether this start still counts.
pub async fn postpone(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
    wait: TimeDelta,
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
        "UPDATE run_queue SET due_at = now() + make_interval(secs => $2), rung_at = NULL WHERE run_id = $1",
        run_id.0,
        wait.as_seconds_f64()
    )
    .execute(&mut *conn)
    .await?;
    release(conn, scope).await?;
    // It may be due at once, or sooner than the relays would look.
    db::ring(conn).await
}

/// Puts a run back that was cut off in the middle of a call, through no fault of its own: the start does not count against
/// it. Its portal can be claimed again after `wait`, when nothing that it sent is under way any more.
pub async fn let_go(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
    wait: Duration,
) -> Result<(), Error> {
    let hub_id = scope.hub_id().0;
    sqlx::query!(
        "UPDATE runs SET state = 'queued', starts_without_progress = greatest(starts_without_progress - 1, 0)
         WHERE hub_id = $1 AND run_id = $2",
        hub_id,
        run_id.0
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE portal_leases SET lease_until = now() + make_interval(secs => $2) WHERE hub_id = $1",
        hub_id,
        wait.as_secs_f64()
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE run_queue SET due_at = now() + make_interval(secs => $2), rung_at = NULL WHERE run_id = $1",
        run_id.0,
        wait.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a run. When it was asked for again meanwhile, another one of its kind follows, however this one ended; only where a
/// person must act first, what follows is asked for once that has happened.
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
         RETURNING kind, wanted_again, wanted_since, requested_by",
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
    let kind = super::kind_from(&row.kind)?;
    if matches!(kind, RunKind::Check | RunKind::Link) {
        // A parked portal is looked at each minute, and events come at any time: of what did nothing only the latest is worth
        // keeping.
        sqlx::query!(
            "DELETE FROM runs WHERE hub_id = $1 AND kind IN ('check', 'link') AND done = 0 AND finished_at < $2 AND run_id <> $3",
            scope.hub_id().0,
            now - TimeDelta::hours(1),
            run_id.0
        )
        .execute(&mut *conn)
        .await?;
    }
    if row.wanted_again && (state == RunState::Succeeded || is_ready(conn, scope).await?) {
        let wish = Wish {
            kind,
            since: row.wanted_since,
            planned_for: None,
            requested_by: &row.requested_by,
        };
        request_wish(conn, scope, wish, now).await?;
    }
    Ok(())
}

/// Whether nothing stands in the way of the portal's runs.
async fn is_ready(conn: &mut Conn, scope: PortalScope) -> Result<bool, Error> {
    let ready = sqlx::query_scalar!(
        r#"SELECT disconnected_at IS NULL AND needs = '[]' AS "ready!" FROM portals WHERE hub_id = $1"#,
        scope.hub_id().0
    )
    .fetch_one(conn)
    .await?;
    Ok(ready)
}

/// Takes the portal's open runs out of work until [`resume`], where they stand. Call it before anything else of the
/// transaction, like [`fail_open`]; a worker's next commit finds that the fence has moved on.
pub async fn pause(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    let hub_id = scope.hub_id().0;
    take_away(conn, scope).await?;
    sqlx::query!(
        "UPDATE run_queue SET held = true, busy = false WHERE hub_id = $1",
        hub_id
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE runs SET state = 'queued', starts_without_progress = 0 WHERE hub_id = $1 AND state = 'running'",
        hub_id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets the portal's open runs go on; `false` when there are none.
pub async fn resume(conn: &mut Conn, scope: PortalScope) -> Result<bool, Error> {
    let resumed = sqlx::query!(
        "UPDATE run_queue SET held = false, due_at = now(), rung_at = NULL WHERE hub_id = $1",
        scope.hub_id().0
    )
    .execute(&mut *conn)
    .await?;
    db::ring(conn).await?;
    Ok(resumed.rows_affected() > 0)
}

/// Gives the portal's lease back, and rings if other runs of the portal have waited for it.
pub(super) async fn release(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    let hub_id = scope.hub_id().0;
    sqlx::query!(
        "UPDATE portal_leases SET lease_until = '-infinity', run_id = NULL WHERE hub_id = $1",
        hub_id
    )
    .execute(&mut *conn)
    .await?;
    let waited = sqlx::query!(
        "UPDATE run_queue SET due_at = now(), rung_at = NULL, busy = false WHERE hub_id = $1 AND busy",
        hub_id
    )
    .execute(&mut *conn)
    .await?;
    if waited.rows_affected() > 0 {
        db::ring(conn).await?;
    }
    Ok(())
}

/// Ends every open run of a portal, for a portal that is disconnected. Call it before anything else of the transaction:
/// it locks in the order in which workers do (lease, board, runs, then the rest), so that neither waits for the other in
/// a ring. A worker's next commit finds that the fence has moved on.
pub async fn fail_open(
    conn: &mut Conn,
    scope: PortalScope,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let hub_id = scope.hub_id().0;
    take_away(conn, scope).await?;
    sqlx::query!("DELETE FROM run_queue WHERE hub_id = $1", hub_id)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "UPDATE runs SET state = 'failed', error = $2, finished_at = $3 WHERE hub_id = $1 AND state IN ('queued', 'running')",
        hub_id,
        reason,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A run as it was when a person ended it.
#[derive(Debug, Clone, PartialEq)]
pub struct Cancelled {
    /// What it did.
    pub kind: RunKind,
    /// Whether it waited or worked.
    pub was: RunState,
    /// Where it was.
    pub progress: Value,
}

/// Ends an open run because a person wants it, in a transaction that began with a lock; `None` when it is not open. What was
/// asked for again meanwhile is dropped with it. A worker's next commit finds that the fence has moved on; the portal's other
/// runs are rung for.
pub async fn cancel(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
    now: DateTime<Utc>,
) -> Result<Option<Cancelled>, Error> {
    let hub_id = scope.hub_id().0;
    let open = sqlx::query!(
        r#"SELECT r.kind, r.state, r.progress, l.run_id IS NOT NULL AS "is_held!" FROM runs AS r
         LEFT JOIN portal_leases AS l ON l.hub_id = r.hub_id AND l.run_id = r.run_id
         WHERE r.hub_id = $1 AND r.run_id = $2 AND r.state IN ('queued', 'running')"#,
        hub_id,
        run_id.0
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(open) = open else { return Ok(None) };
    if open.is_held {
        take_away(conn, scope).await?;
        sqlx::query!(
            "UPDATE run_queue SET due_at = now(), rung_at = NULL, busy = false WHERE hub_id = $1 AND busy",
            hub_id
        )
        .execute(&mut *conn)
        .await?;
    }
    sqlx::query!(
        "DELETE FROM run_queue WHERE hub_id = $1 AND run_id = $2",
        hub_id,
        run_id.0
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE runs SET state = 'cancelled', wanted_again = false, wanted_since = NULL, finished_at = $3
         WHERE hub_id = $1 AND run_id = $2",
        hub_id,
        run_id.0,
        now
    )
    .execute(&mut *conn)
    .await?;
    db::ring(conn).await?;
    Ok(Some(Cancelled {
        kind: super::kind_from(&open.kind)?,
        was: super::state_from(&open.state)?,
        progress: open.progress,
    }))
}

/// Lets the run that works on the portal begin anew where it last committed, in a transaction that began with a lock: what
/// it holds in memory is lost. That is no fault of the run's: its start does not count.
pub async fn interrupt(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE runs SET starts_without_progress = 0 WHERE hub_id = $1 AND state = 'running'",
        scope.hub_id().0
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE run_queue AS q SET due_at = now(), rung_at = NULL, busy = false FROM portal_leases AS l
         WHERE l.hub_id = $1 AND q.hub_id = $1 AND (q.run_id = l.run_id OR q.busy)",
        scope.hub_id().0
    )
    .execute(&mut *conn)
    .await?;
    take_away(conn, scope).await?;
    db::ring(conn).await
}

/// Takes the portal from whoever works on it: the next commit under the fence before fails.
async fn take_away(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE portal_leases SET fence = fence + 1, lease_until = '-infinity', run_id = NULL WHERE hub_id = $1",
        scope.hub_id().0
    )
    .execute(conn)
    .await?;
    Ok(())
}
