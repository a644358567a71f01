//! Which rows wait to be linked, and what became of them.

use std::collections::BTreeSet;

use domain::association::{Decision, Links};
use domain::{RecordId, RunId, TransactionId};
use serde_json::Value;

use crate::{Conn, Error, PortalScope};

/// A row that waits to be linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The transaction.
    pub id: TransactionId,
    /// Its record in HubSpot.
    pub record_id: RecordId,
    /// The recipient's e-mail as it is compared.
    pub recipient_key: Option<String>,
    /// The links that this service has made.
    pub links: Links,
}

/// Up to `limit` rows that have a record and wait to be linked, those of one recipient together; none whose links this
/// run has been refused already.
pub async fn list_due(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
    limit: i64,
) -> Result<Vec<Due>, Error> {
    let rows = sqlx::query!(
        r#"SELECT transaction_id, record_id AS "record_id!", recipient_key, contact_id, company_id, deal_ids
         FROM transactions
         WHERE hub_id = $1 AND association_due AND record_id IS NOT NULL AND link_refused_by IS DISTINCT FROM $2
         ORDER BY recipient_key, transaction_id LIMIT $3"#,
        scope.hub_id().0,
        run_id.0,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Due {
            id: TransactionId(row.transaction_id),
            record_id: RecordId(row.record_id),
            recipient_key: row.recipient_key,
            links: Links {
                contact: row.contact_id.map(RecordId),
                company: row.company_id.map(RecordId),
                deals: row
                    .deal_ids
                    .into_iter()
                    .map(RecordId)
                    .collect::<BTreeSet<_>>(),
            },
        })
        .collect())
}

/// How many rows have a record and wait to be linked.
pub async fn count_due(conn: &mut Conn, scope: PortalScope) -> Result<i64, Error> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM transactions WHERE hub_id = $1 AND association_due AND record_id IS NOT NULL"#,
        scope.hub_id().0
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// Stores decisions: the links are those the decision names. The rows no longer wait, except those of which HubSpot
/// refused a link: the next run tries them again.
pub async fn save(
    conn: &mut Conn,
    scope: PortalScope,
    decisions: &[(TransactionId, Decision)],
) -> Result<(), Error> {
    let ids: Vec<String> = decisions.iter().map(|(id, _)| id.0.clone()).collect();
    let outcomes: Vec<String> = decisions
        .iter()
        .map(|(_, decision)| decision.outcome.as_str().to_owned())
        .collect();
    let traces: Vec<Value> = decisions
        .iter()
        .map(|(_, decision)| serde_json::to_value(decision).unwrap_or_default())
        .collect();
    sqlx::query!(
        "UPDATE transactions AS t SET association_outcome = d.outcome, decision = d.trace,
            association_due = jsonb_array_length(d.trace -> 'refusals') > 0,
            link_refused_by = CASE WHEN jsonb_array_length(d.trace -> 'refusals') > 0 THEN (d.trace ->> 'run_id')::uuid END,
            contact_id = (d.trace -> 'links' ->> 'contact')::bigint,
            company_id = (d.trace -> 'links' ->> 'company')::bigint,
            deal_ids = ARRAY(SELECT jsonb_array_elements_text(d.trace -> 'links' -> 'deals')::bigint)
         FROM UNNEST($2::text[], $3::text[], $4::jsonb[]) AS d (id, outcome, trace)
         WHERE t.hub_id = $1 AND t.transaction_id = d.id",
        scope.hub_id().0,
        &ids,
        &outcomes,
        &traces
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks every orphan that has an address to look for as waiting; returns how many.
pub async fn mark_orphans_due(conn: &mut Conn, scope: PortalScope) -> Result<i64, Error> {
    let result = sqlx::query!(
        "UPDATE transactions SET association_due = true
         WHERE hub_id = $1 AND contact_id IS NULL AND record_id IS NOT NULL AND recipient_key IS NOT NULL",
        scope.hub_id().0
    )
    .execute(conn)
    .await?;
    Ok(i64::try_from(result.rows_affected()).unwrap_or(i64::MAX))
}
