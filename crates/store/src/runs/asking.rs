//! Asking for runs, and the way from a ring to a run's rows.

use chrono::{DateTime, Utc};
use domain::run::RunKind;
use domain::{HubId, RunId};
use telemetry::Origin;
use uuid::Uuid;

use crate::{Conn, Error, PortalScope, db};

/// Locks the portal against workers' commits until the transaction ends. Every transaction that asks for runs or ends
/// them locks first of all here, as workers do, so that no two wait for each other in a ring.
pub async fn lock(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    sqlx::query!(
        "SELECT fence FROM portal_leases WHERE hub_id = $1 FOR UPDATE",
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    Ok(())
}

/// The same without waiting; `false` when somebody else has it.
pub async fn try_lock(conn: &mut Conn, scope: PortalScope) -> Result<bool, Error> {
    let locked = sqlx::query!(
        "SELECT fence FROM portal_leases WHERE hub_id = $1 FOR UPDATE SKIP LOCKED",
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    Ok(locked.is_some())
}

/// A run that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requested {
    /// The run that will do it.
    pub run_id: RunId,
    /// Whether it is a new one; otherwise one of the same kind was open already.
    pub is_new: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// What the run does.
    pub kind: RunKind,
    /// For a kind that reads from a date on: that date.
    pub since: Option<DateTime<Utc>>,
    /// When the schedule wanted it to begin, if the schedule asks.
    pub planned_for: Option<DateTime<Utc>>,
    /// Who asks: a user, `schedule`, `operator` and the like.
    pub requested_by: &'a str,
}

/// Asks for a run of a kind that needs to know nothing more; see [`request_wish`].
pub async fn request(
    conn: &mut Conn,
    scope: PortalScope,
    kind: RunKind,
    requested_by: &str,
    now: DateTime<Utc>,
) -> Result<Requested, Error> {
    let wish = Wish {
        kind,
        since: None,
        planned_for: None,
        requested_by,
    };
    request_wish(conn, scope, wish, now).await
}

/// Asks for a run, in a transaction that began with [`lock`]. While one of the same kind is open there is no second one;
/// when that one has begun, another follows it. A date of an open one that has not begun moves back to the earlier one.
/// While the portal is paused, the run waits for it. A new one keeps which request it came from.
pub async fn request_wish(
    conn: &mut Conn,
    scope: PortalScope,
    wish: Wish<'_>,
    now: DateTime<Utc>,
) -> Result<Requested, Error> {
    let (run_id, origin) = (RunId(Uuid::now_v7()), Origin::current());
    let inserted = sqlx::query!(
        "INSERT INTO runs (hub_id, run_id, kind, state, requested_by, created_at, since, planned_for, request_id, trace)
         VALUES ($1, $2, $3, 'queued', $4, $5, $6, $7, $8, $9)
         ON CONFLICT (hub_id, kind) WHERE state IN ('queued', 'running') DO NOTHING",
        scope.hub_id().0,
        run_id.0,
        wish.kind.as_str(),
        wish.requested_by,
        now,
        wish.since,
        wish.planned_for,
        origin.request_id,
        origin.trace
    )
    .execute(&mut *conn)
    .await?;
    if inserted.rows_affected() == 1 {
        sqlx::query!(
            "INSERT INTO run_queue (run_id, hub_id, priority, due_at, held)
             SELECT $1, hub_id, $3, now(), paused_at IS NOT NULL FROM portals WHERE hub_id = $2",
            run_id.0,
            scope.hub_id().0,
            wish.kind.priority()
        )
        .execute(&mut *conn)
        .await?;
        // The relay that plans takes up what it has planned in the same turn, and others would look for nothing. What it has no
        // room for they find within the second in which each looks anyway.
        if wish.planned_for.is_none() {
            db::ring(conn).await?;
        }
        return Ok(Requested {
            run_id,
            is_new: true,
        });
    }
    let open = sqlx::query_scalar!(
        "UPDATE runs SET wanted_again = wanted_again OR started_at IS NOT NULL,
            since = CASE WHEN started_at IS NULL THEN least(since, $3) ELSE since END,
            wanted_since = CASE WHEN started_at IS NULL THEN wanted_since ELSE least(wanted_since, $3) END
         WHERE hub_id = $1 AND kind = $2 AND state IN ('queued', 'running') RETURNING run_id",
        scope.hub_id().0,
        wish.kind.as_str(),
        wish.since
    )
    .fetch_optional(&mut *conn)
    .await?;
    match open {
        Some(run_id) => Ok(Requested {
            run_id: RunId(run_id),
            is_new: false,
        }),
        // The open one has ended between the two statements.
        None => Box::pin(request_wish(conn, scope, wish, now)).await,
    }
}

/// The portal of an open run: the way from a ring to the rows. `None` when the run has ended.
pub async fn find_scope(conn: &mut Conn, run_id: RunId) -> Result<Option<PortalScope>, Error> {
    let hub_id = sqlx::query_scalar!("SELECT hub_id FROM run_queue WHERE run_id = $1", run_id.0)
        .fetch_optional(conn)
        .await?;
    Ok(hub_id.map(|hub_id| PortalScope::new(HubId(hub_id))))
}
