//! What is to be written to HubSpot, and what became of it.

use chrono::{DateTime, Utc};
use domain::status::StatusEntry;
use domain::transaction::{DeliveryType, Person};
use domain::{RecordId, RunId, Transaction, TransactionId};
use rust_decimal::Decimal;
use sqlx::types::Json;

use crate::{Conn, Error, PortalScope};

/// A dirty row: what HubSpot should show, and the fingerprint of it.
#[derive(Debug, Clone)]
pub struct Dirty {
    /// The transaction.
    pub transaction: Transaction,
    /// Fingerprint to note as applied once HubSpot has it.
    pub desired_hash: Vec<u8>,
    /// With which code HubSpot refused it the last time, if it did.
    pub failure_code: Option<String>,
}

/// Up to `limit` dirty rows that `run_id` has not been refused yet and that nobody has given up.
pub async fn list_dirty(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
    limit: i64,
) -> Result<Vec<Dirty>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT transaction_id, gift_name, gift_type, amount, currency, message, tracking_url, delivery_type,
            sender_name, sender_email, recipient_name, recipient_email, recipient_phone, reported_status,
            history AS "history: Json<Vec<StatusEntry>>", created_at, updated_at, desired_hash, failure_code
         FROM transactions
         WHERE hub_id = $1 AND applied_hash IS DISTINCT FROM desired_hash AND refused_by IS DISTINCT FROM $2
            AND dismissed_hash IS DISTINCT FROM desired_hash
         ORDER BY transaction_id LIMIT $3"#,
        scope.hub_id().0,
        run_id.0,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Dirty::from).collect())
}

/// The rows with these ids, whether dirty or not.
pub async fn find_all(
    conn: &mut Conn,
    scope: PortalScope,
    ids: &[String],
) -> Result<Vec<Dirty>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT transaction_id, gift_name, gift_type, amount, currency, message, tracking_url, delivery_type,
            sender_name, sender_email, recipient_name, recipient_email, recipient_phone, reported_status,
            history AS "history: Json<Vec<StatusEntry>>", created_at, updated_at, desired_hash, failure_code
         FROM transactions WHERE hub_id = $1 AND transaction_id = ANY($2)"#,
        scope.hub_id().0,
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Dirty::from).collect())
}

/// A row of the ledger, as the queries above read it.
pub(crate) struct Row {
    pub(crate) transaction_id: String,
    pub(crate) gift_name: Option<String>,
    pub(crate) gift_type: Option<String>,
    pub(crate) amount: Option<Decimal>,
    pub(crate) currency: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) tracking_url: Option<String>,
    pub(crate) delivery_type: Option<String>,
    pub(crate) sender_name: Option<String>,
    pub(crate) sender_email: Option<String>,
    pub(crate) recipient_name: Option<String>,
    pub(crate) recipient_email: Option<String>,
    pub(crate) recipient_phone: Option<String>,
    pub(crate) reported_status: String,
    pub(crate) history: Json<Vec<StatusEntry>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) desired_hash: Vec<u8>,
    pub(crate) failure_code: Option<String>,
}

impl From<Row> for Dirty {
    fn from(row: Row) -> Self {
        Self {
            transaction: Transaction {
                id: TransactionId(row.transaction_id),
                gift_name: row.gift_name,
                gift_type: row.gift_type,
                amount: row.amount,
                currency: row.currency,
                message: row.message,
                tracking_url: row.tracking_url,
                delivery_type: row
                    .delivery_type
                    .as_deref()
                    .and_then(DeliveryType::from_source),
                sender: Person {
                    name: row.sender_name,
                    email: row.sender_email,
                    phone: None,
                },
                recipient: Person {
                    name: row.recipient_name,
                    email: row.recipient_email,
                    phone: row.recipient_phone,
                },
                reported_status: row.reported_status,
                history: row.history.0,
                created_at: row.created_at,
                updated_at: row.updated_at,
            },
            desired_hash: row.desired_hash,
            failure_code: row.failure_code,
        }
    }
}

/// Forgets every record and link of a portal whose custom object is a new one: everything is to be written again.
pub async fn forget_records(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE transactions SET applied_hash = NULL, record_id = NULL, association_due = true,
            former_contacts = CASE WHEN contact_id IS NULL THEN former_contacts
                ELSE array_append(array_remove(former_contacts, contact_id), contact_id) END,
            association_outcome = NULL, contact_id = NULL, company_ids = '{}', deal_ids = '{}', decision = NULL,
            link_refused_by = NULL, links_of_another = false, hand = NULL
         WHERE hub_id = $1 AND record_id IS NOT NULL",
        scope.hub_id().0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes every row dirty whose record is there: something about the records has changed that no hash knows.
pub async fn mark_all_dirty(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE transactions SET applied_hash = NULL WHERE hub_id = $1 AND applied_hash IS NOT NULL",
        scope.hub_id().0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes these rows dirty and lets them wait for their links, whatever was written before.
pub async fn mark_dirty(conn: &mut Conn, scope: PortalScope, ids: &[String]) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE transactions SET applied_hash = NULL, dismissed_hash = NULL,
            association_due = association_due OR hand IS NULL AND erased_at IS NULL
         WHERE hub_id = $1 AND transaction_id = ANY($2)",
        scope.hub_id().0,
        ids
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets records that are gone at HubSpot: the rows are to be written again. Rows that were written after `since` are
/// left alone: what is gone so soon is not made again and again. Returns the ids of those that are forgotten.
pub async fn forget_lost(
    conn: &mut Conn,
    scope: PortalScope,
    lost: &[RecordId],
    since: DateTime<Utc>,
) -> Result<Vec<TransactionId>, Error> {
    if lost.is_empty() {
        return Ok(Vec::new());
    }
    let lost: Vec<i64> = lost.iter().map(|record| record.0).collect();
    let ids = sqlx::query_scalar!(
        "UPDATE transactions SET applied_hash = NULL, record_id = NULL, association_due = true,
            former_contacts = CASE WHEN contact_id IS NULL THEN former_contacts
                ELSE array_append(array_remove(former_contacts, contact_id), contact_id) END,
            contact_id = NULL, company_ids = '{}', deal_ids = '{}', links_of_another = false, hand = NULLIF(hand, 'linked')
         WHERE hub_id = $1 AND record_id = ANY($2) AND association_due AND (written_at IS NULL OR written_at < $3)
         RETURNING transaction_id",
        scope.hub_id().0,
        &lost,
        since
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(TransactionId).collect())
}

/// How many rows are dirty, those that somebody has given up left out.
pub async fn count_dirty(conn: &mut Conn, scope: PortalScope) -> Result<i64, Error> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM transactions
         WHERE hub_id = $1 AND applied_hash IS DISTINCT FROM desired_hash AND dismissed_hash IS DISTINCT FROM desired_hash"#,
        scope.hub_id().0
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// A record that HubSpot has written.
pub struct Written {
    /// The transaction.
    pub id: TransactionId,
    /// Fingerprint of what was sent; if the ledger wants something else meanwhile the row stays dirty.
    pub applied_hash: Vec<u8>,
    /// Its record.
    pub record_id: RecordId,
}

/// Notes written records and clears earlier failures.
pub async fn save_written(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
    written: &[Written],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let ids: Vec<String> = written.iter().map(|row| row.id.0.clone()).collect();
    let hashes: Vec<Vec<u8>> = written.iter().map(|row| row.applied_hash.clone()).collect();
    let records: Vec<i64> = written.iter().map(|row| row.record_id.0).collect();
    sqlx::query!(
        "WITH attempts AS (
            INSERT INTO write_attempts (hub_id, transaction_id, at, run_id, what, outcome)
            SELECT $1, id, $2, $6, 'record', 'written' FROM UNNEST($3::text[]) AS attempt (id))
         UPDATE transactions AS t SET applied_hash = w.applied_hash, record_id = w.record_id, written_at = $2,
            attempts = t.attempts + 1, refused_by = NULL, failure_code = NULL, failure_field = NULL, failure_reason = NULL,
            failed_at = NULL, dismissed_hash = NULL,
            association_due = t.association_due OR t.record_id IS DISTINCT FROM w.record_id,
            -- A new record, after somebody deleted the old one, has none of the old one's links.
            former_contacts = CASE WHEN t.contact_id IS NULL OR t.record_id IS NOT DISTINCT FROM w.record_id THEN t.former_contacts
                ELSE array_append(array_remove(t.former_contacts, t.contact_id), t.contact_id) END,
            contact_id = CASE WHEN t.record_id IS DISTINCT FROM w.record_id THEN NULL ELSE t.contact_id END,
            company_ids = CASE WHEN t.record_id IS DISTINCT FROM w.record_id THEN '{}' ELSE t.company_ids END,
            deal_ids = CASE WHEN t.record_id IS DISTINCT FROM w.record_id THEN '{}' ELSE t.deal_ids END,
            links_of_another = t.links_of_another AND t.record_id IS NOT DISTINCT FROM w.record_id,
            hand = CASE WHEN t.record_id IS DISTINCT FROM w.record_id THEN NULLIF(t.hand, 'linked') ELSE t.hand END
         FROM UNNEST($3::text[], $4::bytea[], $5::bigint[]) AS w (id, applied_hash, record_id)
         WHERE t.hub_id = $1 AND t.transaction_id = w.id",
        scope.hub_id().0,
        now,
        &ids,
        &hashes,
        &records,
        run_id.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A row that HubSpot refused.
pub struct Refused {
    /// The transaction.
    pub id: TransactionId,
    /// HubSpot's code, by which failures are grouped.
    pub code: String,
    /// The property at fault, when HubSpot names it.
    pub field: Option<String>,
    /// HubSpot's words.
    pub reason: String,
}

/// Notes refused rows: they stay due, with the reason, for the next run.
pub async fn save_refused(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: RunId,
    refused: &[Refused],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    // Nearly always: and a statement without rows still has the totals and the chain looked at.
    if refused.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = refused.iter().map(|row| row.id.0.clone()).collect();
    let codes: Vec<String> = refused.iter().map(|row| row.code.clone()).collect();
    let fields: Vec<Option<String>> = refused.iter().map(|row| row.field.clone()).collect();
    let reasons: Vec<String> = refused.iter().map(|row| row.reason.clone()).collect();
    sqlx::query!(
        "WITH attempts AS (
            INSERT INTO write_attempts (hub_id, transaction_id, at, run_id, what, outcome, code, field)
            SELECT $1, id, $3, $2, 'record', 'refused', code, field
            FROM UNNEST($4::text[], $5::text[], $6::text[]) AS attempt (id, code, field))
         UPDATE transactions AS t SET failure_code = r.code, failure_field = r.field, failure_reason = r.reason,
            failed_at = $3, attempts = t.attempts + 1, refused_by = $2
         FROM UNNEST($4::text[], $5::text[], $6::text[], $7::text[]) AS r (id, code, field, reason)
         WHERE t.hub_id = $1 AND t.transaction_id = r.id",
        scope.hub_id().0,
        run_id.0,
        now,
        &ids,
        &codes,
        &fields as &[Option<String>],
        &reasons
    )
    .execute(conn)
    .await?;
    Ok(())
}
