//! The hourly schedule: which portals are due, over all of them. Ids and times only.

use chrono::{DateTime, TimeDelta, Utc};
use domain::HubId;
use domain::run::RunKind;
use domain::schedule::{Place, begins, next_slot};

use crate::{Conn, Error, PortalScope, db, runs};

/// How long after a look at a portal's needs they are looked at again.
pub const CHECK_INTERVAL: TimeDelta = TimeDelta::minutes(1);
/// A portal is swept once in so many syncs: once a week when it syncs every hour. A sweep reads 500 gifts a call from Thnks
/// and writes only what had gone by unseen, so it is cheap, and what it finds should not exist.
const SYNCS_PER_SWEEP: i32 = 24 * 7;
/// A portal's night, in its own time zone: from one o'clock on, for four hours.
const NIGHT_BEGINS_SECS: f64 = 3_600.0;
const NIGHT_SECS: f64 = 4.0 * 3_600.0;

/// Plans the portal's next sync; `None` plans none.
pub async fn save_next_sync(
    conn: &mut Conn,
    scope: PortalScope,
    next_sync_at: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE sync_schedule SET next_sync_at = $2 WHERE hub_id = $1",
        scope.hub_id().0,
        next_sync_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The portal's place in the interval.
pub async fn find_place(conn: &mut Conn, scope: PortalScope) -> Result<Place, Error> {
    let place = sqlx::query_scalar!(
        "SELECT place FROM sync_schedule WHERE hub_id = $1",
        scope.hub_id().0
    )
    .fetch_one(conn)
    .await?;
    Ok(Place::new(place))
}

/// Plans the portal's syncs and sweeps from now on, unless they are planned.
pub async fn plan(
    conn: &mut Conn,
    scope: PortalScope,
    interval: TimeDelta,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let place = find_place(conn, scope).await?;
    let night = next_night(conn, scope, place, now).await?;
    sqlx::query!(
        "UPDATE sync_schedule SET next_sync_at = coalesce(next_sync_at, $2), next_sweep_at = coalesce(next_sweep_at, $3),
            next_reassociate_at = coalesce(next_reassociate_at, $4)
         WHERE hub_id = $1",
        scope.hub_id().0,
        next_slot(place, interval, now),
        next_slot(place, interval * SYNCS_PER_SWEEP, now),
        night
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The next moment of the portal's own night at its place: nobody waits for the looks that lie there.
async fn next_night(
    conn: &mut Conn,
    scope: PortalScope,
    place: Place,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, Error> {
    let at = sqlx::query_scalar!(
        r#"SELECT CASE WHEN tonight > $2 THEN tonight ELSE tonight + interval '1 day' END AS "at!"
         FROM portals, LATERAL (SELECT (date_trunc('day', $2::timestamptz AT TIME ZONE time_zone)
            + make_interval(secs => $3 + $4::float8 * $5)) AT TIME ZONE time_zone AS tonight) AS night
         WHERE hub_id = $1"#,
        scope.hub_id().0,
        now,
        NIGHT_BEGINS_SECS,
        place.value(),
        NIGHT_SECS
    )
    .fetch_one(conn)
    .await?;
    Ok(at)
}

/// Plans nothing any more, for a portal that rests.
pub async fn clear(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE sync_schedule SET next_sync_at = NULL, next_sweep_at = NULL, next_check_at = NULL,
            next_reassociate_at = NULL WHERE hub_id = $1",
        scope.hub_id().0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// When the next thing of any portal is due by the schedule; `None` when nothing is planned.
pub async fn find_next_due(conn: &mut Conn) -> Result<Option<DateTime<Utc>>, Error> {
    let at = sqlx::query_scalar!(
        "SELECT least(
            (SELECT min(next_sync_at) FROM sync_schedule WHERE next_sync_at IS NOT NULL),
            (SELECT min(next_check_at) FROM sync_schedule WHERE next_check_at IS NOT NULL),
            (SELECT min(next_sweep_at) FROM sync_schedule WHERE next_sweep_at IS NOT NULL),
            (SELECT min(next_reassociate_at) FROM sync_schedule WHERE next_reassociate_at IS NOT NULL))"
    )
    .fetch_one(conn)
    .await?;
    Ok(at)
}

/// A portal of which something is due.
struct Due {
    hub_id: i64,
    place: f64,
    next_sync_at: Option<DateTime<Utc>>,
    next_check_at: Option<DateTime<Utc>>,
    next_sweep_at: Option<DateTime<Utc>>,
    next_reassociate_at: Option<DateTime<Utc>>,
}

/// Inserts the runs of up to `limit` portals that are due and plans their next ones, in one transaction; returns how
/// many portals it looked at. Any number of processes may call it at once. Missed times collapse to one, and after an
/// outage the late ones are spread ([`domain::schedule::begins`]).
pub async fn insert_due_runs(
    conn: &mut Conn,
    interval: TimeDelta,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<usize, Error> {
    let due = sqlx::query_as!(
        Due,
        "SELECT hub_id, place, next_sync_at, next_check_at, next_sweep_at, next_reassociate_at FROM sync_schedule
         WHERE next_sync_at <= $1 OR next_check_at <= $1 OR next_sweep_at <= $1 OR next_reassociate_at <= $1
         ORDER BY least(next_sync_at, next_check_at, next_sweep_at, next_reassociate_at) LIMIT $2 FOR UPDATE SKIP LOCKED",
        now,
        limit
    )
    .fetch_all(&mut *conn)
    .await?;
    for due in &due {
        let scope = PortalScope::new(HubId(due.hub_id));
        db::enter(conn, scope).await?;
        // When a worker is committing, the next look comes within seconds.
        if runs::try_lock(conn, scope).await? {
            insert_runs(conn, scope, due, interval, now).await?;
        }
    }
    Ok(due.len())
}

async fn insert_runs(
    conn: &mut Conn,
    scope: PortalScope,
    due: &Due,
    interval: TimeDelta,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let place = Place::new(due.place);
    let is_due = |at: Option<DateTime<Utc>>| at.filter(|at| *at <= now);
    if is_due(due.next_check_at).is_some() {
        runs::request(conn, scope, RunKind::Check, "schedule", now).await?;
        sqlx::query!(
            "UPDATE sync_schedule SET next_check_at = $2 WHERE hub_id = $1",
            due.hub_id,
            now + CHECK_INTERVAL
        )
        .execute(&mut *conn)
        .await?;
    }
    let (sync, sweep) = (is_due(due.next_sync_at), is_due(due.next_sweep_at));
    let reassociation = is_due(due.next_reassociate_at);
    if sync.is_none() && sweep.is_none() && reassociation.is_none() {
        return Ok(());
    }
    // A backfill that is open brings in everything anyway; where a person must act first, the work is asked for then.
    let superfluous = sqlx::query_scalar!(
        r#"SELECT (p.needs <> '[]' OR EXISTS (SELECT FROM runs AS r WHERE r.hub_id = p.hub_id AND r.kind = 'backfill'
            AND r.state IN ('queued', 'running'))) AS "superfluous!" FROM portals AS p WHERE p.hub_id = $1"#,
        due.hub_id
    )
    .fetch_one(&mut *conn)
    .await?;
    if let Some(planned) = sync {
        let begins = begins(place, interval, planned, now);
        if begins > now {
            save_next_sync(conn, scope, Some(begins)).await?;
        } else {
            if !superfluous {
                insert_planned(conn, scope, RunKind::Sync, planned, now).await?;
            }
            save_next_sync(conn, scope, Some(next_slot(place, interval, now))).await?;
        }
    }
    if let Some(planned) = sweep {
        if !superfluous {
            insert_planned(conn, scope, RunKind::Sweep, planned, now).await?;
        }
        sqlx::query!(
            "UPDATE sync_schedule SET next_sweep_at = $2 WHERE hub_id = $1",
            due.hub_id,
            next_slot(place, interval * SYNCS_PER_SWEEP, now)
        )
        .execute(&mut *conn)
        .await?;
    }
    if let Some(planned) = reassociation {
        let has_orphans = sqlx::query_scalar!(
            r#"SELECT orphans > 0 AS "has_orphans!" FROM portal_totals WHERE hub_id = $1"#,
            due.hub_id
        )
        .fetch_one(&mut *conn)
        .await?;
        if !superfluous && has_orphans {
            insert_planned(conn, scope, RunKind::Reassociate, planned, now).await?;
        }
        let night = next_night(conn, scope, place, now).await?;
        sqlx::query!(
            "UPDATE sync_schedule SET next_reassociate_at = $2 WHERE hub_id = $1",
            due.hub_id,
            night
        )
        .execute(conn)
        .await?;
    }
    Ok(())
}

async fn insert_planned(
    conn: &mut Conn,
    scope: PortalScope,
    kind: RunKind,
    planned: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let wish = runs::Wish {
        kind,
        since: None,
        planned_for: Some(planned),
        requested_by: "schedule",
    };
    runs::request_wish(conn, scope, wish, now).await?;
    Ok(())
}
