//! The ledger: what Thnks reported of each transaction, and whether HubSpot shows it.
//!
//! A row is dirty when `desired_hash` and `applied_hash` differ; nothing else decides what is written.

use chrono::{DateTime, Utc};
use domain::status::{Status, StatusEntry};
use domain::transaction::{DeliveryType, Person};
use domain::{RecordId, RunId, Transaction, TransactionId};
use rust_decimal::Decimal;
use serde_json::Value;
use sqlx::types::Json;

use crate::{Conn, Error, PortalScope};

/// How much of a status that we do not know is kept in the events.
const UNKNOWN_STATUS_CHARS: usize = 100;

/// A checked transaction and the fingerprint of the record it wants.
pub struct LedgerRow<'a> {
    /// The transaction.
    pub transaction: &'a Transaction,
    /// Fingerprint of [`domain::record::values`].
    pub desired_hash: Vec<u8>,
}

/// What storing a page did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// Rows that were not known.
    pub new: i64,
    /// Rows that were known and are newer now.
    pub changed: i64,
}

/// Stores the rows of a page that are newer than what is known, and appends their status events. Older and equal rows
/// change nothing, so any order of the same rows ends the same; of two rows of one instant the one with more history
/// is newer. The ids of `rows` must be distinct.
pub async fn upsert_batch(
    conn: &mut Conn,
    scope: PortalScope,
    rows: &[LedgerRow<'_>],
    now: DateTime<Utc>,
) -> Result<Stored, Error> {
    let mut rows: Vec<&LedgerRow<'_>> = rows.iter().collect();
    // One order for all writers, so that two never wait for each other in a ring.
    rows.sort_by(|a, b| a.transaction.id.cmp(&b.transaction.id));
    macro_rules! column {
        ($ty:ty, |$t:ident| $value:expr) => {
            rows.iter()
                .map(|row| {
                    let $t = row.transaction;
                    $value
                })
                .collect::<Vec<$ty>>()
        };
    }
    let ids = column!(String, |t| t.id.0.clone());
    let gift_names = column!(Option<String>, |t| t.gift_name.clone());
    let gift_types = column!(Option<String>, |t| t.gift_type.clone());
    let amounts = column!(Option<Decimal>, |t| t.amount);
    let currencies = column!(Option<String>, |t| t.currency.clone());
    let messages = column!(Option<String>, |t| t.message.clone());
    let tracking_urls = column!(Option<String>, |t| t.tracking_url.clone());
    let delivery_types = column!(Option<String>, |t| t
        .delivery_type
        .map(|kind| kind.as_str().to_owned()));
    let sender_names = column!(Option<String>, |t| t.sender.name.clone());
    let sender_emails = column!(Option<String>, |t| t.sender.email.clone());
    let recipient_names = column!(Option<String>, |t| t.recipient.name.clone());
    let recipient_emails = column!(Option<String>, |t| t.recipient.email.clone());
    let recipient_phones = column!(Option<String>, |t| t.recipient.phone.clone());
    let reported_statuses = column!(String, |t| t.reported_status.clone());
    let histories = column!(Value, |t| serde_json::to_value(&t.history)
        .unwrap_or_default());
    let created_ats = column!(DateTime<Utc>, |t| t.created_at);
    let updated_ats = column!(DateTime<Utc>, |t| t.updated_at);
    let statuses = column!(String, |t| t.status().as_str().to_owned());
    let counted_ats = column!(DateTime<Utc>, |t| t.counted_at());
    let redeemed = column!(bool, |t| t
        .history
        .iter()
        .any(|entry| entry.status() == Status::Redeemed)
        || t.status() == Status::Redeemed);
    let recipient_keys = column!(Option<String>, |t| t.recipient_key());
    let finals = column!(bool, |t| t.is_final());
    let desired_hashes: Vec<Vec<u8>> = rows.iter().map(|row| row.desired_hash.clone()).collect();

    let stored = sqlx::query!(
        r#"INSERT INTO transactions AS known (
            hub_id, transaction_id, gift_name, gift_type, amount, currency, message, tracking_url, delivery_type,
            sender_name, sender_email, recipient_name, recipient_email, recipient_phone, reported_status, history,
            created_at, updated_at, seen_at, status, counted_at, counted_on, redeemed, recipient_key, desired_hash, is_final)
        SELECT $1, id, gift_name, gift_type, amount, currency, message, tracking_url, delivery_type,
            sender_name, sender_email, recipient_name, recipient_email, recipient_phone, reported_status, history,
            created_at, updated_at, $2, status, counted_at,
            (counted_at AT TIME ZONE (SELECT time_zone FROM portals WHERE hub_id = $1))::date,
            redeemed, recipient_key, desired_hash, is_final
        FROM UNNEST($3::text[], $4::text[], $5::text[], $6::numeric[], $7::text[], $8::text[], $9::text[], $10::text[],
            $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::jsonb[],
            $18::timestamptz[], $19::timestamptz[], $20::text[], $21::timestamptz[], $22::bool[], $23::text[], $24::bytea[],
            $25::bool[])
            AS page (id, gift_name, gift_type, amount, currency, message, tracking_url, delivery_type,
                sender_name, sender_email, recipient_name, recipient_email, recipient_phone, reported_status, history,
                created_at, updated_at, status, counted_at, redeemed, recipient_key, desired_hash, is_final)
        ON CONFLICT (hub_id, transaction_id) DO UPDATE SET
            gift_name = excluded.gift_name, gift_type = excluded.gift_type, amount = excluded.amount,
            currency = excluded.currency, message = excluded.message, tracking_url = excluded.tracking_url,
            delivery_type = excluded.delivery_type, sender_name = excluded.sender_name,
            sender_email = excluded.sender_email, recipient_name = excluded.recipient_name,
            recipient_email = excluded.recipient_email, recipient_phone = excluded.recipient_phone,
            reported_status = excluded.reported_status, history = excluded.history,
            created_at = excluded.created_at, updated_at = excluded.updated_at, seen_at = excluded.seen_at,
            status = excluded.status, counted_at = excluded.counted_at, counted_on = excluded.counted_on,
            redeemed = excluded.redeemed, recipient_key = excluded.recipient_key,
            desired_hash = excluded.desired_hash, is_final = excluded.is_final,
            association_due = known.association_due OR known.recipient_key IS DISTINCT FROM excluded.recipient_key,
            -- Somebody else got it: the earlier contact stays linked in HubSpot, but is no longer the recipient.
            contact_id = CASE WHEN known.recipient_key IS DISTINCT FROM excluded.recipient_key THEN NULL ELSE known.contact_id END,
            -- What was refused is no longer wanted, and what is wanted is there.
            failure_reason = CASE WHEN excluded.desired_hash = known.applied_hash THEN NULL ELSE known.failure_reason END,
            failure_field = CASE WHEN excluded.desired_hash = known.applied_hash THEN NULL ELSE known.failure_field END,
            failure_code = CASE WHEN excluded.desired_hash = known.applied_hash THEN NULL ELSE known.failure_code END
        WHERE (excluded.updated_at, jsonb_array_length(excluded.history), excluded.desired_hash)
            > (known.updated_at, jsonb_array_length(known.history), known.desired_hash)
        RETURNING transaction_id, (xmax = 0) AS "is_new!""#,
        scope.hub_id().0,
        now,
        &ids,
        &gift_names as &[Option<String>],
        &gift_types as &[Option<String>],
        &amounts as &[Option<Decimal>],
        &currencies as &[Option<String>],
        &messages as &[Option<String>],
        &tracking_urls as &[Option<String>],
        &delivery_types as &[Option<String>],
        &sender_names as &[Option<String>],
        &sender_emails as &[Option<String>],
        &recipient_names as &[Option<String>],
        &recipient_emails as &[Option<String>],
        &recipient_phones as &[Option<String>],
        &reported_statuses,
        &histories,
        &created_ats,
        &updated_ats,
        &statuses,
        &counted_ats,
        &redeemed,
        &recipient_keys as &[Option<String>],
        &desired_hashes,
        &finals,
    )
    .fetch_all(&mut *conn)
    .await?;

    let newer: std::collections::HashSet<&str> = stored
        .iter()
        .map(|row| row.transaction_id.as_str())
        .collect();
    let events = rows
        .iter()
        .filter(|row| newer.contains(row.transaction.id.as_str()))
        .map(|row| row.transaction);
    insert_events(conn, scope, events, now).await?;
    let new = stored.iter().filter(|row| row.is_new).count();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    Ok(Stored {
        new: count(new),
        changed: count(stored.len() - new),
    })
}

/// Appends the status events that were not seen before.
async fn insert_events(
    conn: &mut Conn,
    scope: PortalScope,
    transactions: impl Iterator<Item = &Transaction>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let (mut ids, mut statuses, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for transaction in transactions {
        for entry in &transaction.history {
            ids.push(transaction.id.0.clone());
            statuses.push(match entry.status() {
                Status::Other => {
                    // The column is part of a key, whose entries have a size.
                    let spelling = entry.status.trim().to_lowercase();
                    spelling.chars().take(UNKNOWN_STATUS_CHARS).collect()
                }
                known => known.as_str().to_owned(),
            });
            times.push(entry.at);
        }
    }
    sqlx::query!(
        "INSERT INTO status_events (hub_id, transaction_id, status, happened_at, seen_at)
         SELECT $1, id, status, happened_at, $2
         FROM UNNEST($3::text[], $4::text[], $5::timestamptz[]) AS event (id, status, happened_at)
         ON CONFLICT DO NOTHING",
        scope.hub_id().0,
        now,
        &ids,
        &statuses,
        &times
    )
    .execute(conn)
    .await?;
    Ok(())
}

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
    let rows = sqlx::query!(
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
    Ok(rows
        .into_iter()
        .map(|row| Dirty {
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
        })
        .collect())
}

/// Forgets every record and link of a portal whose custom object is a new one: everything is to be written again.
pub async fn forget_records(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE transactions SET applied_hash = NULL, record_id = NULL, association_due = true,
            association_outcome = NULL, contact_id = NULL, company_id = NULL, deal_ids = '{}', decision = NULL
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
        "UPDATE transactions SET applied_hash = NULL, association_due = true, dismissed_hash = NULL
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
    let lost: Vec<i64> = lost.iter().map(|record| record.0).collect();
    let ids = sqlx::query_scalar!(
        "UPDATE transactions SET applied_hash = NULL, record_id = NULL, association_due = true, contact_id = NULL,
            company_id = NULL, deal_ids = '{}'
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

/// When the oldest gift on whose story is not over was last changed, looking back to `horizon`; `None` when all stories are
/// over.
pub async fn find_oldest_open(
    conn: &mut Conn,
    scope: PortalScope,
    horizon: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Error> {
    let oldest = sqlx::query_scalar!(
        "SELECT min(updated_at) FROM transactions WHERE hub_id = $1 AND NOT is_final AND updated_at >= $2",
        scope.hub_id().0,
        horizon
    )
    .fetch_one(conn)
    .await?;
    Ok(oldest)
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
    written: &[Written],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let ids: Vec<String> = written.iter().map(|row| row.id.0.clone()).collect();
    let hashes: Vec<Vec<u8>> = written.iter().map(|row| row.applied_hash.clone()).collect();
    let records: Vec<i64> = written.iter().map(|row| row.record_id.0).collect();
    sqlx::query!(
        "UPDATE transactions AS t SET applied_hash = w.applied_hash, record_id = w.record_id, written_at = $2,
            attempts = t.attempts + 1, refused_by = NULL, failure_code = NULL, failure_field = NULL, failure_reason = NULL,
            failed_at = NULL, dismissed_hash = NULL,
            association_due = t.association_due OR t.record_id IS DISTINCT FROM w.record_id,
            -- A new record, after somebody deleted the old one, has none of the old one's links.
            contact_id = CASE WHEN t.record_id IS DISTINCT FROM w.record_id THEN NULL ELSE t.contact_id END,
            company_id = CASE WHEN t.record_id IS DISTINCT FROM w.record_id THEN NULL ELSE t.company_id END,
            deal_ids = CASE WHEN t.record_id IS DISTINCT FROM w.record_id THEN '{}' ELSE t.deal_ids END
         FROM UNNEST($3::text[], $4::bytea[], $5::bigint[]) AS w (id, applied_hash, record_id)
         WHERE t.hub_id = $1 AND t.transaction_id = w.id",
        scope.hub_id().0,
        now,
        &ids,
        &hashes,
        &records
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
    let ids: Vec<String> = refused.iter().map(|row| row.id.0.clone()).collect();
    let codes: Vec<String> = refused.iter().map(|row| row.code.clone()).collect();
    let fields: Vec<Option<String>> = refused.iter().map(|row| row.field.clone()).collect();
    let reasons: Vec<String> = refused.iter().map(|row| row.reason.clone()).collect();
    sqlx::query!(
        "UPDATE transactions AS t SET failure_code = r.code, failure_field = r.field, failure_reason = r.reason,
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
