//! The boards, as lists: portals, runs that nobody takes up, and runs that ended badly.

use chrono::{DateTime, Utc};
use domain::portal::PortalState;
use domain::run::{RunKind, RunState};
use domain::{HubId, RunId};

use crate::{Conn, Error, PortalScope, runs};

/// A portal, as a line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number.
    pub hub_id: HubId,
    /// Its web domain.
    pub hub_domain: Option<String>,
    /// Where it stands.
    pub state: PortalState,
    /// When it was installed.
    pub installed_at: DateTime<Utc>,
    /// When what was known of it was erased.
    pub erased_at: Option<DateTime<Utc>>,
    /// When a sync, or the first backfill, last ended well.
    pub succeeded_at: Option<DateTime<Utc>>,
    /// When its next sync is due.
    pub next_sync_at: Option<DateTime<Utc>>,
    /// Gifts whose record is not as it should be, refused ones included.
    pub dirty: i64,
    /// Refused rows.
    pub failed: i64,
    /// Records without a contact.
    pub orphans: i64,
    /// Whether its last sync that ended is too long ago.
    pub is_late: bool,
    /// Whether the last run of some kind ended badly while the portal is in work.
    pub is_failing: bool,
}

/// What is wrong with a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Its last sync that ended well is too long ago.
    Late,
    /// The last run of some kind ended badly.
    Failing,
    /// It has refused rows.
    Refused,
}

/// Which portals; what is `None` may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// In this state.
    pub state: Option<PortalState>,
    /// With this trouble.
    pub trouble: Option<Trouble>,
    /// The portal's number, or a part of its domain.
    pub words: Option<String>,
}

/// Up to `limit` portals of a filter, by number; those after `after` when it is given. One that is in step is late when its last
/// good sync was before `late_before`.
pub async fn list(
    conn: &mut Conn,
    filter: &Filter,
    after: Option<HubId>,
    late_before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Line>, Error> {
    let is = |trouble| filter.trouble == Some(trouble);
    let words = filter.words.as_deref().map(str::to_lowercase);
    let rows = sqlx::query!(
        r#"SELECT p.hub_id, p.hub_domain, p.state AS "state!", p.installed_at, p.erased_at, s.next_sync_at AS "next_sync_at?",
            r.succeeded_at, coalesce(l.dirty, 0) AS "dirty!", coalesce(l.failed, 0) AS "failed!",
            coalesce(l.orphans, 0) AS "orphans!", w.is_late AS "is_late!", w.is_failing AS "is_failing!"
         FROM portal_board AS p LEFT JOIN ledger_board AS l USING (hub_id) LEFT JOIN sync_schedule AS s USING (hub_id)
            LEFT JOIN LATERAL (
                SELECT max(succeeded_at) FILTER (WHERE kind IN ('sync', 'backfill')) AS succeeded_at,
                    bool_or(state = 'dead') AS dead, bool_or(state = 'failed') AS failed
                FROM run_board WHERE hub_id = p.hub_id) AS r ON true
            CROSS JOIN LATERAL (
                SELECT p.state = 'active' AND coalesce(r.succeeded_at, p.installed_at) < $4 AS is_late,
                    coalesce(r.dead AND p.state <> 'disconnected' OR r.failed AND p.state IN ('active', 'backfilling'), false)
                        AS is_failing) AS w
         WHERE p.hub_id > coalesce($1::bigint, -1) AND ($2::text IS NULL OR p.state = $2)
            AND ($3::text IS NULL OR p.hub_id::text = $3 OR strpos(lower(p.hub_domain), $3) > 0)
            AND (NOT $5::bool OR w.is_late) AND (NOT $6::bool OR w.is_failing) AND (NOT $7::bool OR l.failed > 0)
         ORDER BY p.hub_id LIMIT $8"#,
        after.map(|hub_id| hub_id.0),
        filter.state.map(PortalState::as_str),
        words,
        late_before,
        is(Trouble::Late),
        is(Trouble::Failing),
        is(Trouble::Refused),
        limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Line {
                hub_id: HubId(row.hub_id),
                hub_domain: row.hub_domain,
                state: state_from(&row.state)?,
                installed_at: row.installed_at,
                erased_at: row.erased_at,
                succeeded_at: row.succeeded_at,
                next_sync_at: row.next_sync_at,
                dirty: row.dirty,
                failed: row.failed,
                orphans: row.orphans,
                is_late: row.is_late,
                is_failing: row.is_failing,
            })
        })
        .collect()
}

/// The way to the rows of a portal that was ever installed.
pub async fn find(conn: &mut Conn, hub_id: HubId) -> Result<Option<PortalScope>, Error> {
    let known = sqlx::query_scalar!(
        "SELECT hub_id FROM portal_board WHERE hub_id = $1",
        hub_id.0
    )
    .fetch_optional(conn)
    .await?;
    Ok(known.map(|hub_id| PortalScope::new(HubId(hub_id))))
}

/// A run that is due and that nobody takes up, or whose worker has let its lease end.
#[derive(Debug, Clone, PartialEq)]
pub struct StuckRun {
    /// Its portal's rows.
    pub scope: PortalScope,
    /// The portal's web domain.
    pub hub_domain: Option<String>,
    /// The run.
    pub run_id: RunId,
    /// Since when it is due, by the database's clock.
    pub due_at: DateTime<Utc>,
    /// For how long, in seconds.
    pub overdue_secs: f64,
}

/// Up to `limit` runs that are due for more than `secs` seconds, the longest first. Those of portals that rest, and those that wait for another run of
/// their portal, are left out.
pub async fn list_stuck(conn: &mut Conn, secs: f64, limit: i64) -> Result<Vec<StuckRun>, Error> {
    let rows = sqlx::query!(
        r#"SELECT q.hub_id, p.hub_domain AS "hub_domain?", q.run_id, q.due_at,
            extract(epoch FROM now() - q.due_at)::float8 AS "overdue_secs!"
         FROM run_queue AS q LEFT JOIN portal_board AS p USING (hub_id)
         WHERE q.due_at < now() - make_interval(secs => $1) AND NOT q.held AND NOT q.busy
         ORDER BY q.due_at LIMIT $2"#,
        secs,
        limit
    )
    .fetch_all(conn)
    .await?;
    let stuck = rows.into_iter().map(|row| StuckRun {
        scope: PortalScope::new(HubId(row.hub_id)),
        hub_domain: row.hub_domain,
        run_id: RunId(row.run_id),
        due_at: row.due_at,
        overdue_secs: row.overdue_secs,
    });
    Ok(stuck.collect())
}

/// The last run of its kind and portal, which ended badly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRun {
    /// The portal.
    pub hub_id: HubId,
    /// Its web domain.
    pub hub_domain: Option<String>,
    /// The run.
    pub run_id: RunId,
    /// What it was to do.
    pub kind: RunKind,
    /// Failed or dead.
    pub state: RunState,
    /// Why, in words of ours.
    pub error: Option<String>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
}

/// Up to `limit` of them, the latest first: what failed where the portal is in work, and what gave up wherever it is connected. That a
/// disconnected portal's runs ended is no news.
pub async fn list_bad(conn: &mut Conn, limit: i64) -> Result<Vec<BadRun>, Error> {
    let rows = sqlx::query!(
        "SELECT b.hub_id, p.hub_domain, b.run_id, b.kind, b.state, b.error, b.finished_at
         FROM run_board AS b JOIN portal_board AS p USING (hub_id)
         WHERE b.state IN ('failed', 'dead') AND (p.state IN ('active', 'backfilling') OR b.state = 'dead' AND p.state <> 'disconnected')
         ORDER BY b.finished_at DESC LIMIT $1",
        limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(BadRun {
                hub_id: HubId(row.hub_id),
                hub_domain: row.hub_domain,
                run_id: RunId(row.run_id),
                kind: runs::kind_from(&row.kind)?,
                state: runs::state_from(&row.state)?,
                error: row.error,
                finished_at: row.finished_at,
            })
        })
        .collect()
}

pub(super) fn state_from(stored: &str) -> Result<PortalState, Error> {
    PortalState::from_stored(stored).ok_or(Error::Corrupt {
        table: "portal_board",
        column: "state",
    })
}
