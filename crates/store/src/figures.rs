//! Figures over all portals: numbers alone. Everything that is read here is small or has a place in an index, so that a
//! monitoring system may ask every few seconds.

use telemetry::Installation;

use crate::{Conn, Error};

/// Reads them, in no transaction of any portal.
pub async fn read(conn: &mut Conn) -> Result<Installation, Error> {
    let figures = sqlx::query_as!(
        Installation,
        r#"SELECT b.due AS "runs_due!", b.rung AS "runs_rung!", b.later AS "runs_later!", b.held AS "runs_held!",
            b.late AS "run_oldest_due_secs!", s.late AS "schedule_oldest_due_secs!",
            l.dirty AS "rows_dirty!", l.failed AS "rows_failed!", p.connecting AS "portals_connecting!", p.in_need AS "portals_in_need!",
            p.paused AS "portals_paused!", p.backfilling AS "portals_backfilling!", p.active AS "portals_active!",
            p.disconnected AS "portals_disconnected!",
            n.waiting AS "notices_waiting!", n.late AS "notices_oldest_due_secs!"
         FROM (SELECT
                count(*) FILTER (WHERE NOT held AND due_at <= now() AND rung_at IS NULL) AS due,
                count(*) FILTER (WHERE NOT held AND due_at <= now() AND rung_at IS NOT NULL) AS rung,
                count(*) FILTER (WHERE NOT held AND due_at > now()) AS later,
                count(*) FILTER (WHERE held) AS held,
                coalesce(greatest(0, extract(epoch FROM now() - min(due_at) FILTER (WHERE NOT held))), 0)::float8 AS late
            FROM run_queue) AS b,
            (SELECT coalesce(greatest(0, extract(epoch FROM now() - least(
                (SELECT min(next_sync_at) FROM sync_schedule WHERE next_sync_at IS NOT NULL),
                (SELECT min(next_check_at) FROM sync_schedule WHERE next_check_at IS NOT NULL),
                (SELECT min(next_sweep_at) FROM sync_schedule WHERE next_sweep_at IS NOT NULL),
                (SELECT min(next_reassociate_at) FROM sync_schedule WHERE next_reassociate_at IS NOT NULL)))), 0)::float8 AS late
            ) AS s,
            (SELECT
                count(*) FILTER (WHERE state = 'connecting') AS connecting,
                count(*) FILTER (WHERE state = 'needs_setup') AS in_need,
                count(*) FILTER (WHERE state = 'paused') AS paused,
                count(*) FILTER (WHERE state = 'backfilling') AS backfilling,
                count(*) FILTER (WHERE state = 'active') AS active,
                count(*) FILTER (WHERE state = 'disconnected') AS disconnected
            FROM portal_board) AS p,
            (SELECT coalesce(sum(dirty), 0)::bigint AS dirty, coalesce(sum(failed), 0)::bigint AS failed
            FROM ledger_board WHERE hub_id IN (SELECT hub_id FROM portal_board WHERE NOT disconnected)) AS l,
            (SELECT count(*) AS waiting, coalesce(greatest(0, extract(epoch FROM now() - min(due_at))), 0)::float8 AS late
            FROM notice_board) AS n"#
    )
    .fetch_one(conn)
    .await?;
    Ok(figures)
}
