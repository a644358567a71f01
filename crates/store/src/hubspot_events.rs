//! What HubSpot has told of contacts and nobody has looked into yet: ids only, over all portals, as the board of runs.

use domain::event::{Change, ContactEvent};
use domain::run::RunKind;
use domain::{HubId, RecordId};

use crate::{Conn, Error, PortalScope, db, runs};

/// An event that waits, and the number by which it is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// What happened.
    pub event: ContactEvent,
    /// Grows when the event comes again.
    pub seq: i64,
}

/// Stores events of portals that are known, and rings for whoever looks into them; returns how many were stored. One
/// statement, so that what is acknowledged is stored. An event that waits already takes its place anew.
pub async fn insert(conn: &mut Conn, events: &[ContactEvent]) -> Result<u64, Error> {
    // Each once, and in one order for all deliveries, so that two never wait for each other in a ring.
    let events: std::collections::BTreeSet<&ContactEvent> = events.iter().collect();
    let hubs: Vec<i64> = events.iter().map(|event| event.hub_id.0).collect();
    let changes: Vec<String> = events
        .iter()
        .map(|event| event.change.as_str().to_owned())
        .collect();
    let contacts: Vec<i64> = events.iter().map(|event| event.contact.0).collect();
    let records: Vec<i64> = events
        .iter()
        .map(|event| event.record.map_or(0, |record| record.0))
        .collect();
    let stored = sqlx::query_scalar!(
        r#"WITH stored AS (
            INSERT INTO hubspot_events AS known (hub_id, change, contact_id, record_id)
            SELECT hub_id, change, contact_id, record_id
            FROM UNNEST($1::bigint[], $2::text[], $3::bigint[], $4::bigint[]) AS told (hub_id, change, contact_id, record_id)
            -- Each portal has a row here, and this table has no row-level security.
            WHERE EXISTS (SELECT FROM sync_schedule AS s WHERE s.hub_id = told.hub_id)
            ORDER BY hub_id, change, contact_id, record_id
            ON CONFLICT (hub_id, change, contact_id, record_id) DO UPDATE SET
                seq = excluded.seq, received_at = excluded.received_at, asked = false
            RETURNING 1),
        rung AS (SELECT CASE WHEN EXISTS (SELECT FROM stored) THEN pg_notify($5, '') END)
        SELECT (SELECT count(*) FROM stored) AS "stored!" FROM rung"#,
        &hubs,
        &changes,
        &contacts,
        &records,
        db::CHANNEL
    )
    .fetch_one(conn)
    .await?;
    Ok(stored.unsigned_abs())
}

/// The number of the portal's latest event; `None` when none waits.
pub async fn find_latest(conn: &mut Conn, scope: PortalScope) -> Result<Option<i64>, Error> {
    let latest = sqlx::query_scalar!(
        "SELECT max(seq) FROM hubspot_events WHERE hub_id = $1 AND change <> 'forgotten'",
        scope.hub_id().0
    )
    .fetch_one(conn)
    .await?;
    Ok(latest)
}

/// Up to `limit` events of the portal in the order in which they came, none after the number `through`; erasures are left
/// to [`list_forgotten`].
pub async fn list(
    conn: &mut Conn,
    scope: PortalScope,
    through: i64,
    limit: i64,
) -> Result<Vec<Pending>, Error> {
    let rows = sqlx::query!(
        "SELECT change, contact_id, record_id, seq FROM hubspot_events WHERE hub_id = $1 AND change <> 'forgotten' AND seq <= $2
         ORDER BY seq LIMIT $3",
        scope.hub_id().0,
        through,
        limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let change = Change::from_stored(&row.change).ok_or(Error::Corrupt {
                table: "hubspot_events",
                column: "change",
            })?;
            Ok(Pending {
                event: ContactEvent {
                    hub_id: scope.hub_id(),
                    change,
                    contact: RecordId(row.contact_id),
                    record: (row.record_id != 0).then_some(RecordId(row.record_id)),
                },
                seq: row.seq,
            })
        })
        .collect()
}

/// Contacts that became part of `survivor`, of which nobody has taken note yet.
pub async fn list_merged_into(
    conn: &mut Conn,
    scope: PortalScope,
    survivor: RecordId,
) -> Result<Vec<RecordId>, Error> {
    let lost = sqlx::query_scalar!(
        "SELECT contact_id FROM hubspot_events WHERE hub_id = $1 AND change = 'merged' AND record_id = $2",
        scope.hub_id().0,
        survivor.0
    )
    .fetch_all(conn)
    .await?;
    Ok(lost.into_iter().map(RecordId).collect())
}

/// What waits, over all portals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Contacts that asked for erasure.
    pub erasures: bool,
    /// Other events that nobody has asked for a run for.
    pub events: bool,
}

/// Whether anything waits: mostly nothing does, and a relay looks many times a second.
pub async fn find_waiting(conn: &mut Conn) -> Result<Waiting, Error> {
    let waiting = sqlx::query_as!(
        Waiting,
        r#"SELECT EXISTS (SELECT FROM hubspot_events WHERE change = 'forgotten') AS "erasures!",
            EXISTS (SELECT FROM hubspot_events WHERE NOT asked AND change <> 'forgotten') AS "events!""#
    )
    .fetch_one(conn)
    .await?;
    Ok(waiting)
}

/// Contacts that asked for erasure, over all portals.
pub async fn list_forgotten(
    conn: &mut Conn,
    limit: i64,
) -> Result<Vec<(PortalScope, RecordId, i64)>, Error> {
    let rows = sqlx::query!(
        "SELECT hub_id, contact_id, seq FROM hubspot_events WHERE change = 'forgotten' ORDER BY seq LIMIT $1",
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let scope = PortalScope::new(HubId(row.hub_id));
            (scope, RecordId(row.contact_id), row.seq)
        })
        .collect())
}

/// Takes events away that were looked into; one that has come again meanwhile stays.
pub async fn delete(conn: &mut Conn, scope: PortalScope, seqs: &[i64]) -> Result<(), Error> {
    sqlx::query!(
        // In the order in which deliveries lock.
        "DELETE FROM hubspot_events WHERE hub_id = $1 AND seq = ANY(ARRAY(
            SELECT seq FROM hubspot_events WHERE hub_id = $1 AND seq = ANY($2)
            ORDER BY change, contact_id, record_id FOR UPDATE))",
        scope.hub_id().0,
        seqs
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Events of a portal that follow each other closer than this, in seconds, are looked into together: each look may cost a
/// call, whether it is about one contact or a hundred.
const GATHER_SECS: f64 = 1.0;

/// Up to `limit` portals of which there are new events. The first event of a portal is not kept waiting, a stream of them is
/// gathered.
pub async fn list_portals(
    conn: &mut Conn,
    limit: i64,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Vec<PortalScope>, Error> {
    let hubs = sqlx::query_scalar!(
        "SELECT hub_id FROM (SELECT DISTINCT hub_id FROM hubspot_events WHERE NOT asked AND change <> 'forgotten') AS told
         JOIN sync_schedule USING (hub_id)
         WHERE events_asked_at IS NULL OR events_asked_at < $3::timestamptz - make_interval(secs => $2)
         LIMIT $1",
        limit,
        GATHER_SECS,
        now
    )
    .fetch_all(conn)
    .await?;
    Ok(hubs
        .into_iter()
        .map(|hub_id| PortalScope::new(HubId(hub_id)))
        .collect())
}

/// Asks for a run that looks into the portal's new events, in a transaction of its own; `false` while a worker is
/// committing: the next look comes within moments. Any number of processes may call it at once. Where a person must act
/// first, the events wait for the work that follows; those of a portal that is disconnected are dropped.
pub async fn ask_for_run(
    conn: &mut Conn,
    scope: PortalScope,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<bool, Error> {
    if !runs::try_lock(conn, scope).await? {
        return Ok(false);
    }
    let hub_id = scope.hub_id().0;
    let state = sqlx::query!(
        r#"SELECT disconnected_at IS NOT NULL AS "is_gone!",
            needs = '[]' AND EXISTS (SELECT FROM thnks_connections AS t WHERE t.hub_id = p.hub_id) AS "can_work!"
         FROM portals AS p WHERE hub_id = $1"#,
        hub_id
    )
    .fetch_one(&mut *conn)
    .await?;
    if state.is_gone {
        sqlx::query!(
            "DELETE FROM hubspot_events WHERE hub_id = $1 AND change <> 'forgotten'",
            hub_id
        )
        .execute(&mut *conn)
        .await?;
        return Ok(true);
    }
    sqlx::query!(
        "UPDATE hubspot_events SET asked = true WHERE hub_id = $1 AND seq = ANY(ARRAY(
            SELECT seq FROM hubspot_events WHERE hub_id = $1 AND NOT asked AND change <> 'forgotten'
            ORDER BY change, contact_id, record_id FOR UPDATE SKIP LOCKED))",
        hub_id
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE sync_schedule SET events_asked_at = $2 WHERE hub_id = $1",
        hub_id,
        now
    )
    .execute(&mut *conn)
    .await?;
    if state.can_work {
        runs::request(conn, scope, RunKind::Link, "hubspot", now).await?;
    }
    Ok(true)
}
