//! The boards, as numbers over all portals.

use chrono::{DateTime, Utc};
use domain::portal::PortalState;

use super::boards::state_from;
use crate::{Conn, Error};

/// All portals at a glance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    /// Portals by state; a state that none is in is missing.
    pub states: Vec<(PortalState, i64)>,
    /// Portals in step whose last good sync is too long ago.
    pub late: i64,
    /// Portals in which the last run of some kind ended badly while they are in work.
    pub failing: i64,
    /// Portals with refused rows.
    pub refused: i64,
    /// Refused rows of all of them.
    pub failed_rows: i64,
    /// Gifts whose record is not as it should be.
    pub dirty: i64,
    /// Records without a contact.
    pub orphans: i64,
    /// Runs that wait or work.
    pub open_runs: i64,
    /// Of these, those that rest with their portal.
    pub held_runs: i64,
    /// For how many seconds the run that is due longest waits to be taken up; `None` when none does.
    pub oldest_due_secs: Option<i64>,
    /// Portals with notices to deliver.
    pub notices: i64,
    /// For how many seconds the longest of them waits; `None` when none is due.
    pub oldest_notice_secs: Option<i64>,
}

/// Counts everything. A portal in step is late when its last good sync was before `late_before`.
pub async fn count(conn: &mut Conn, late_before: DateTime<Utc>) -> Result<Overview, Error> {
    let states = sqlx::query!(
        r#"SELECT state AS "state!", count(*) AS "portals!" FROM portal_board GROUP BY 1 ORDER BY 1"#
    )
    .fetch_all(&mut *conn)
    .await?;
    let troubles = sqlx::query!(
        r#"SELECT
            count(*) FILTER (WHERE p.state = 'active' AND coalesce(r.succeeded_at, p.installed_at) < $1) AS "late!",
            count(*) FILTER (WHERE r.dead AND p.state <> 'disconnected' OR r.failed AND p.state IN ('active', 'backfilling'))
                AS "failing!",
            count(*) FILTER (WHERE l.failed > 0) AS "refused!", coalesce(sum(l.failed), 0)::bigint AS "failed_rows!",
            coalesce(sum(l.dirty), 0)::bigint AS "dirty!", coalesce(sum(l.orphans), 0)::bigint AS "orphans!"
         FROM portal_board AS p LEFT JOIN ledger_board AS l USING (hub_id)
            LEFT JOIN (
                SELECT hub_id, max(succeeded_at) FILTER (WHERE kind IN ('sync', 'backfill')) AS succeeded_at,
                    bool_or(state = 'dead') AS dead, bool_or(state = 'failed') AS failed
                FROM run_board GROUP BY 1) AS r USING (hub_id)"#,
        late_before
    )
    .fetch_one(&mut *conn)
    .await?;
    let runs = sqlx::query!(
        r#"SELECT count(*) AS "open!", count(*) FILTER (WHERE held) AS "held!",
            extract(epoch FROM now() - min(due_at) FILTER (WHERE NOT held AND NOT busy AND due_at < now()))::bigint AS oldest_secs
         FROM run_queue"#
    )
    .fetch_one(&mut *conn)
    .await?;
    let notices = sqlx::query!(
        r#"SELECT count(*) AS "portals!",
            extract(epoch FROM now() - min(due_at) FILTER (WHERE due_at < now()))::bigint AS oldest_secs FROM notice_board"#
    )
    .fetch_one(conn)
    .await?;
    let states = states
        .into_iter()
        .map(|row| Ok((state_from(&row.state)?, row.portals)))
        .collect::<Result<_, Error>>()?;
    Ok(Overview {
        states,
        late: troubles.late,
        failing: troubles.failing,
        refused: troubles.refused,
        failed_rows: troubles.failed_rows,
        dirty: troubles.dirty,
        orphans: troubles.orphans,
        open_runs: runs.open,
        held_runs: runs.held,
        oldest_due_secs: runs.oldest_secs,
        notices: notices.portals,
        oldest_notice_secs: notices.oldest_secs,
    })
}
