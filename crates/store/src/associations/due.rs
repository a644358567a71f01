//! Which rows wait to be linked, and what became of them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::association::{DealFacts, Decision, Keep, Links};
use domain::matching::Recipient;
use domain::{RecordId, RunId, TransactionId};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::{Conn, Error, PortalScope};

/// A row that waits to be linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The transaction.
    pub id: TransactionId,
    /// Its record in HubSpot.
    pub record_id: RecordId,
    /// What is known of the recipient.
    pub recipient: Recipient,
    /// The links that this service has made.
    pub links: Links,
    /// Whether these were made for this recipient.
    pub keep: Keep,
    /// Grows with everything that asks for the row to be looked at.
    pub version: i32,
}

/// A decision about a row, as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The transaction.
    pub id: TransactionId,
    /// Of the row that was decided about.
    pub version: i32,
    /// The contact that it was linked to, which is no more: should HubSpot tell that it asked to be forgotten, the gift was
    /// its.
    pub former: Option<RecordId>,
    /// The decision.
    pub decision: Decision,
}

/// Up to `limit` rows that have a record and wait to be linked, those of one recipient together; none whose links this
/// run has been refused already, none that a person has linked or unlinked, and none whose recipient was erased.
pub async fn list_due(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
    limit: i64,
) -> Result<Vec<Due>, Error> {
    let rows = sqlx::query!(
        r#"SELECT t.transaction_id, t.record_id AS "record_id!", t.recipient_key, t.recipient_phone_key, t.contact_id,
            t.company_ids, t.deal_ids, t.links_of_another, t.link_version, r.alias AS "alias?", r.contact_id AS "chosen?"
         FROM (SELECT * FROM transactions
            WHERE hub_id = $1 AND association_due AND record_id IS NOT NULL AND link_refused_by IS DISTINCT FROM $2
                AND hand IS NULL AND erased_at IS NULL
            ORDER BY recipient_key, transaction_id LIMIT $3) AS t
         LEFT JOIN recipient_remedies AS r
            ON r.hub_id = t.hub_id AND r.recipient = coalesce(t.recipient_key, t.recipient_phone_key)
         ORDER BY t.recipient_key, t.transaction_id"#,
        scope.hub_id().0,
        run_id.0,
        limit
    )
    .fetch_all(conn)
    .await?;
    let ids = |ids: Vec<i64>| ids.into_iter().map(RecordId).collect::<BTreeSet<_>>();
    Ok(rows
        .into_iter()
        .map(|row| Due {
            id: TransactionId(row.transaction_id),
            record_id: RecordId(row.record_id),
            recipient: Recipient {
                email: row.recipient_key,
                phone: row.recipient_phone_key,
                alias: row.alias,
                chosen: row.chosen.map(RecordId),
            },
            links: Links {
                contact: row.contact_id.map(RecordId),
                companies: ids(row.company_ids),
                deals: ids(row.deal_ids),
            },
            keep: if row.links_of_another {
                Keep::Wanted
            } else {
                Keep::All
            },
            version: row.link_version,
        })
        .collect())
}

/// Up to `limit` rows that this service has linked to a contact and no person has changed since, the latest gift first: what
/// a trial of other rules decides about again.
pub async fn list_linked(
    conn: &mut Conn,
    scope: PortalScope,
    limit: i64,
) -> Result<Vec<Due>, Error> {
    let rows = sqlx::query!(
        r#"SELECT t.transaction_id, t.record_id AS "record_id!", t.recipient_key, t.recipient_phone_key, t.contact_id,
            t.company_ids, t.deal_ids, t.link_version, r.alias AS "alias?", r.contact_id AS "chosen?"
         FROM (SELECT * FROM transactions
            WHERE hub_id = $1 AND contact_id IS NOT NULL AND record_id IS NOT NULL AND hand IS NULL AND erased_at IS NULL
            ORDER BY counted_at DESC LIMIT $2) AS t
         LEFT JOIN recipient_remedies AS r
            ON r.hub_id = t.hub_id AND r.recipient = coalesce(t.recipient_key, t.recipient_phone_key)"#,
        scope.hub_id().0,
        limit
    )
    .fetch_all(conn)
    .await?;
    let ids = |ids: Vec<i64>| ids.into_iter().map(RecordId).collect::<BTreeSet<_>>();
    Ok(rows
        .into_iter()
        .map(|row| Due {
            id: TransactionId(row.transaction_id),
            record_id: RecordId(row.record_id),
            recipient: Recipient {
                email: row.recipient_key,
                phone: row.recipient_phone_key,
                alias: row.alias,
                chosen: row.chosen.map(RecordId),
            },
            links: Links {
                contact: row.contact_id.map(RecordId),
                companies: ids(row.company_ids),
                deals: ids(row.deal_ids),
            },
            keep: Keep::All,
            version: row.link_version,
        })
        .collect())
}

/// How many rows have a record and wait to be linked.
pub async fn count_due(conn: &mut Conn, scope: PortalScope) -> Result<i64, Error> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM transactions
         WHERE hub_id = $1 AND association_due AND record_id IS NOT NULL AND hand IS NULL
            AND erased_at IS NULL"#,
        scope.hub_id().0
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// Stores decisions, and an attempt for each whose links are others than before: the links are those the decision names. The rows no longer wait, except those of which HubSpot
/// refused a link, and those that somebody wants looked at since: these are looked at again. What was erased meanwhile
/// stays erased.
pub async fn save(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
    decided: &[Decided],
) -> Result<(), Error> {
    let ids: Vec<String> = decided.iter().map(|one| one.id.0.clone()).collect();
    let versions: Vec<i32> = decided.iter().map(|one| one.version).collect();
    let outcomes: Vec<String> = decided
        .iter()
        .map(|one| one.decision.outcome.as_str().to_owned())
        .collect();
    let traces: Vec<Value> = decided
        .iter()
        .map(|one| serde_json::to_value(&one.decision).unwrap_or_default())
        .collect();
    let former: Vec<Option<i64>> = decided
        .iter()
        .map(|one| one.former.map(|contact| contact.0))
        .collect();
    sqlx::query!(
        "WITH attempts AS (
            INSERT INTO write_attempts (hub_id, transaction_id, at, run_id, what, outcome)
            SELECT t.hub_id, t.transaction_id, (d.trace ->> 'decided_at')::timestamptz, $2, 'links',
                CASE WHEN jsonb_array_length(d.trace -> 'refusals') > 0 THEN 'refused' ELSE 'written' END
            FROM UNNEST($3::text[], $5::jsonb[]) AS d (id, trace)
            JOIN transactions AS t ON t.hub_id = $1 AND t.transaction_id = d.id AND t.erased_at IS NULL
            WHERE jsonb_array_length(d.trace -> 'refusals') > 0
                OR t.contact_id IS DISTINCT FROM (d.trace -> 'links' ->> 'contact')::bigint
                OR t.company_ids <> ARRAY(SELECT jsonb_array_elements_text(d.trace -> 'links' -> 'companies')::bigint)
                OR t.deal_ids <> ARRAY(SELECT jsonb_array_elements_text(d.trace -> 'links' -> 'deals')::bigint))
         UPDATE transactions AS t SET association_outcome = d.outcome, decision = d.trace,
            association_due = jsonb_array_length(d.trace -> 'refusals') > 0 OR t.link_version <> d.version,
            link_refused_by = CASE WHEN jsonb_array_length(d.trace -> 'refusals') > 0 THEN $2::uuid END,
            contact_id = (d.trace -> 'links' ->> 'contact')::bigint,
            former_contacts = CASE WHEN d.former IS NULL THEN t.former_contacts
                ELSE array_append(array_remove(t.former_contacts, d.former), d.former) END,
            company_ids = ARRAY(SELECT jsonb_array_elements_text(d.trace -> 'links' -> 'companies')::bigint),
            deal_ids = ARRAY(SELECT jsonb_array_elements_text(d.trace -> 'links' -> 'deals')::bigint),
            links_of_another = t.links_of_another
                AND (jsonb_array_length(d.trace -> 'refusals') > 0 OR t.link_version <> d.version)
         FROM UNNEST($3::text[], $4::text[], $5::jsonb[], $6::int[], $7::bigint[])
            AS d (id, outcome, trace, version, former)
         WHERE t.hub_id = $1 AND t.transaction_id = d.id AND t.erased_at IS NULL",
        scope.hub_id().0,
        run_id.0,
        &ids,
        &outcomes,
        &traces,
        &versions,
        &former as &[Option<i64>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps deals as they are now, at the first time that a gift is linked to them.
pub async fn insert_deal_facts(
    conn: &mut Conn,
    scope: PortalScope,
    facts: &[(TransactionId, DealFacts)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    macro_rules! column {
        ($ty:ty, |$facts:ident| $value:expr) => {
            facts.iter().map(|(_, $facts)| $value).collect::<Vec<$ty>>()
        };
    }
    let ids: Vec<String> = facts.iter().map(|(id, _)| id.0.clone()).collect();
    let deals = column!(i64, |facts| facts.deal.0);
    let pipelines = column!(Option<String>, |facts| facts.pipeline.clone());
    let stages = column!(Option<String>, |facts| facts.stage.clone());
    let amounts = column!(Option<Decimal>, |facts| facts.amount);
    let currencies = column!(Option<String>, |facts| facts.currency.clone());
    sqlx::query!(
        "INSERT INTO deal_facts (hub_id, transaction_id, deal_id, pipeline, stage, amount, currency, linked_at)
         SELECT $1, id, deal, pipeline, stage, amount, currency, $2
         FROM UNNEST($3::text[], $4::bigint[], $5::text[], $6::text[], $7::numeric[], $8::text[])
            AS fact (id, deal, pipeline, stage, amount, currency)
         ON CONFLICT DO NOTHING",
        scope.hub_id().0,
        now,
        &ids,
        &deals,
        &pipelines as &[Option<String>],
        &stages as &[Option<String>],
        &amounts as &[Option<Decimal>],
        &currencies as &[Option<String>]
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks every orphan that has something to look for as waiting: an address, or, `by_phone`, a number. Those placed before
/// `since` by their time are left out when it is given, and those that a person unlinked always.
pub async fn mark_orphans_due(
    conn: &mut Conn,
    scope: PortalScope,
    by_phone: bool,
    since: Option<DateTime<Utc>>,
) -> Result<i64, Error> {
    let result = sqlx::query!(
        "UPDATE transactions SET association_due = true
         WHERE hub_id = $1 AND contact_id IS NULL AND record_id IS NOT NULL AND hand IS NULL AND NOT association_due
            AND (recipient_key IS NOT NULL OR $2 AND recipient_phone_key IS NOT NULL)
            AND ($3::timestamptz IS NULL OR counted_at >= $3)",
        scope.hub_id().0,
        by_phone,
        since
    )
    .execute(conn)
    .await?;
    Ok(i64::try_from(result.rows_affected()).unwrap_or(i64::MAX))
}

/// Marks the orphans of these recipients as waiting, by address or by number.
pub async fn mark_recipients_due(
    conn: &mut Conn,
    scope: PortalScope,
    keys: &[String],
) -> Result<i64, Error> {
    let result = sqlx::query!(
        "UPDATE transactions SET association_due = true, link_version = link_version + 1
         WHERE hub_id = $1 AND contact_id IS NULL AND record_id IS NOT NULL AND hand IS NULL
            AND (recipient_key = ANY($2) OR recipient_phone_key = ANY($2))",
        scope.hub_id().0,
        keys
    )
    .execute(conn)
    .await?;
    Ok(i64::try_from(result.rows_affected()).unwrap_or(i64::MAX))
}

/// Lets rows of a recipient wait, linked ones included, because a person wants it: what a person did in HubSpot before no
/// longer holds, and links that are no longer wanted go. Rows that are linked to `right` already are left alone.
pub async fn mark_due(
    conn: &mut Conn,
    scope: PortalScope,
    ids: &[String],
    right: Option<RecordId>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE transactions SET association_due = true, link_refused_by = NULL, link_version = link_version + 1,
            -- A contact that a person linked stays in HubSpot, and is no longer noted.
            links_of_another = links_of_another OR contact_id IS NOT NULL AND hand IS DISTINCT FROM 'linked',
            contact_id = CASE WHEN hand = 'linked' THEN NULL ELSE contact_id END, hand = NULL
         WHERE hub_id = $1 AND transaction_id = ANY($2) AND erased_at IS NULL AND (contact_id IS NULL OR contact_id <> $3)",
        scope.hub_id().0,
        ids,
        right.map_or(0, |right| right.0)
    )
    .execute(conn)
    .await?;
    Ok(())
}
