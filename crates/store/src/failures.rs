//! What did not get through, grouped by its reason: records that HubSpot refused, links that it refused, and rows of Thnks
//! that cannot be a transaction. Each can be tried again or given up, one by one or all of a group.

use chrono::{DateTime, Utc};
use domain::failure::{Failure, Group, Selection, Stage};

use crate::{Conn, Error, PortalScope};

fn stage_from(stored: &str) -> Result<Stage, Error> {
    Stage::from_stored(stored).ok_or(Error::Corrupt {
        table: "failures",
        column: "stage",
    })
}

/// Up to `limit` groups, the largest first; what was given up is left out.
pub async fn list_groups(
    conn: &mut Conn,
    scope: PortalScope,
    limit: i64,
) -> Result<Vec<Group>, Error> {
    let rows = sqlx::query!(
        r#"SELECT stage AS "stage!", code AS "code!", field, count(*) AS "rows!",
            (array_agg(reason ORDER BY at DESC))[1] AS "reason!", min(at) AS "since!", max(at) AS "last_at!"
         FROM (
            SELECT 'record' AS stage, coalesce(failure_code, 'REFUSED') AS code, failure_field AS field,
                failure_reason AS reason, failed_at AS at
            FROM transactions
            WHERE hub_id = $1 AND failure_reason IS NOT NULL AND dismissed_hash IS DISTINCT FROM desired_hash
            UNION ALL
            SELECT 'link', 'LINK_REFUSED', NULL, decision -> 'refusals' ->> 0, (decision ->> 'decided_at')::timestamptz
            FROM transactions WHERE hub_id = $1 AND association_due AND link_refused_by IS NOT NULL
            UNION ALL
            SELECT 'row', 'MALFORMED', field, reason, last_seen_at FROM rejected_rows
            WHERE hub_id = $1 AND dismissed_at IS NULL
         ) AS failures
         GROUP BY stage, code, field ORDER BY count(*) DESC, stage, code, field LIMIT $2"#,
        scope.hub_id().0,
        limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Group {
                stage: stage_from(&row.stage)?,
                code: row.code,
                field: row.field,
                reason: row.reason,
                rows: row.rows,
                since: row.since,
                last_at: row.last_at,
            })
        })
        .collect()
}

/// Up to `limit` failures of a selection in the order of their places ([`Failure::place`]), those after the place `after` when
/// it is given; what was given up is left out.
pub async fn list(
    conn: &mut Conn,
    scope: PortalScope,
    selection: &Selection,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Failure>, Error> {
    let rows = sqlx::query!(
        r#"SELECT stage AS "stage!", key AS "key!", transaction_id, code AS "code!", field, reason AS "reason!", at AS "at!"
         FROM (
            SELECT 'record' AS stage, transaction_id AS key, transaction_id, coalesce(failure_code, 'REFUSED') AS code,
                failure_field AS field, failure_reason AS reason, failed_at AS at
            FROM transactions
            WHERE hub_id = $1 AND failure_reason IS NOT NULL AND dismissed_hash IS DISTINCT FROM desired_hash
            UNION ALL
            SELECT 'link', transaction_id, transaction_id, 'LINK_REFUSED', NULL, decision -> 'refusals' ->> 0,
                (decision ->> 'decided_at')::timestamptz
            FROM transactions WHERE hub_id = $1 AND association_due AND link_refused_by IS NOT NULL
            UNION ALL
            SELECT 'row', row_key, transaction_id, 'MALFORMED', field, reason, last_seen_at FROM rejected_rows
            WHERE hub_id = $1 AND dismissed_at IS NULL
         ) AS failures
         WHERE ($2::text IS NULL OR stage = $2) AND ($3::text IS NULL OR code = $3)
            AND ($4::text IS NULL OR coalesce(field, '') = $4) AND ($5::text IS NULL OR key = $5)
            AND ($6::text IS NULL OR stage || ':' || key > $6)
         ORDER BY stage || ':' || key LIMIT $7"#,
        scope.hub_id().0,
        selection.stage.map(Stage::as_str),
        selection.code,
        selection.field,
        selection.key,
        after,
        limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Failure {
                stage: stage_from(&row.stage)?,
                key: row.key,
                transaction_id: row.transaction_id,
                code: row.code,
                field: row.field,
                reason: row.reason,
                at: row.at,
            })
        })
        .collect()
}

/// Takes back that these were given up, and lets the next run try all of them; returns how many there are. The rows of Thnks
/// among them are read again one by one, as far as they have an id.
pub async fn retry(
    conn: &mut Conn,
    scope: PortalScope,
    selection: &Selection,
) -> Result<i64, Error> {
    let records = sqlx::query!(
        "UPDATE transactions SET dismissed_hash = NULL, refused_by = NULL
         WHERE hub_id = $1 AND failure_reason IS NOT NULL AND coalesce($2, 'record') = 'record'
            AND ($3::text IS NULL OR coalesce(failure_code, 'REFUSED') = $3)
            AND ($4::text IS NULL OR coalesce(failure_field, '') = $4) AND ($5::text IS NULL OR transaction_id = $5)",
        scope.hub_id().0,
        selection.stage.map(Stage::as_str),
        selection.code,
        selection.field,
        selection.key
    )
    .execute(&mut *conn)
    .await?;
    let links = sqlx::query!(
        "UPDATE transactions SET association_due = true, link_refused_by = NULL
         WHERE hub_id = $1 AND jsonb_array_length(decision -> 'refusals') > 0 AND coalesce($2, 'link') = 'link'
            AND coalesce($3, 'LINK_REFUSED') = 'LINK_REFUSED' AND coalesce($4, '') = ''
            AND ($5::text IS NULL OR transaction_id = $5)",
        scope.hub_id().0,
        selection.stage.map(Stage::as_str),
        selection.code,
        selection.field,
        selection.key
    )
    .execute(&mut *conn)
    .await?;
    let rows = sqlx::query!(
        "UPDATE rejected_rows SET dismissed_at = NULL, reread = transaction_id IS NOT NULL
         WHERE hub_id = $1 AND coalesce($2, 'row') = 'row' AND coalesce($3, 'MALFORMED') = 'MALFORMED'
            AND ($4::text IS NULL OR field = $4) AND ($5::text IS NULL OR row_key = $5)",
        scope.hub_id().0,
        selection.stage.map(Stage::as_str),
        selection.code,
        selection.field,
        selection.key
    )
    .execute(conn)
    .await?;
    let count = records.rows_affected() + links.rows_affected() + rows.rows_affected();
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Gives these up as they are now: they are no longer tried and no longer counted as failed until they change or somebody
/// asks for them again. Returns how many there are.
pub async fn dismiss(
    conn: &mut Conn,
    scope: PortalScope,
    selection: &Selection,
    now: DateTime<Utc>,
) -> Result<i64, Error> {
    let records = sqlx::query!(
        "UPDATE transactions SET dismissed_hash = desired_hash
         WHERE hub_id = $1 AND failure_reason IS NOT NULL AND dismissed_hash IS DISTINCT FROM desired_hash
            AND coalesce($2, 'record') = 'record' AND ($3::text IS NULL OR coalesce(failure_code, 'REFUSED') = $3)
            AND ($4::text IS NULL OR coalesce(failure_field, '') = $4) AND ($5::text IS NULL OR transaction_id = $5)",
        scope.hub_id().0,
        selection.stage.map(Stage::as_str),
        selection.code,
        selection.field,
        selection.key
    )
    .execute(&mut *conn)
    .await?;
    let links = sqlx::query!(
        "UPDATE transactions SET association_due = false, link_refused_by = NULL
         WHERE hub_id = $1 AND association_due AND link_refused_by IS NOT NULL AND coalesce($2, 'link') = 'link'
            AND coalesce($3, 'LINK_REFUSED') = 'LINK_REFUSED' AND coalesce($4, '') = ''
            AND ($5::text IS NULL OR transaction_id = $5)",
        scope.hub_id().0,
        selection.stage.map(Stage::as_str),
        selection.code,
        selection.field,
        selection.key
    )
    .execute(&mut *conn)
    .await?;
    let rows = sqlx::query!(
        "UPDATE rejected_rows SET dismissed_at = $6
         WHERE hub_id = $1 AND dismissed_at IS NULL AND coalesce($2, 'row') = 'row'
            AND coalesce($3, 'MALFORMED') = 'MALFORMED' AND ($4::text IS NULL OR field = $4)
            AND ($5::text IS NULL OR row_key = $5)",
        scope.hub_id().0,
        selection.stage.map(Stage::as_str),
        selection.code,
        selection.field,
        selection.key,
        now
    )
    .execute(conn)
    .await?;
    let count = records.rows_affected() + links.rows_affected() + rows.rows_affected();
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}
