//! Storing pages of Thnks, and the status events that come with them.

use chrono::{DateTime, Utc};
use domain::pace::Step;
use domain::status::Status;
use domain::{Transaction, search};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::{Conn, Error, PortalScope};

/// How much of a status that we do not know is kept in the events.
const UNKNOWN_STATUS_CHARS: usize = 100;

/// A checked transaction and the fingerprint of the record it wants.
pub struct LedgerRow<'a> {
    /// The transaction.
    pub transaction: &'a Transaction,
    /// Fingerprint of [`domain::record::values`].
    pub desired_hash: Vec<u8>,
    /// Its recipient's data was erased: it comes without them.
    pub is_erased: bool,
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
    let delivered = column!(bool, |t| Step::Delivered.is_reached(t));
    let opened = column!(bool, |t| Step::Opened.is_reached(t));
    let redeemed = column!(bool, |t| Step::Redeemed.is_reached(t));
    let delivered_after = column!(Option<i32>, |t| Step::Delivered.seconds_after_sent(t));
    let opened_after = column!(Option<i32>, |t| Step::Opened.seconds_after_sent(t));
    let redeemed_after = column!(Option<i32>, |t| Step::Redeemed.seconds_after_sent(t));
    let sender_keys = column!(Option<String>, |t| t.sender_key());
    // An array of arrays of different lengths is nothing that PostgreSQL knows; a word has no space.
    let words = column!(String, |t| search::words(t).join(" "));
    let recipient_keys = column!(Option<String>, |t| t.recipient_key());
    let phone_keys = column!(Option<String>, |t| t.recipient_phone_key());
    let finals = column!(bool, |t| t.is_final());
    let erased: Vec<bool> = rows.iter().map(|row| row.is_erased).collect();
    let desired_hashes: Vec<Vec<u8>> = rows.iter().map(|row| row.desired_hash.clone()).collect();

    let stored = sqlx::query!(
        r#"INSERT INTO transactions AS known (
            hub_id, transaction_id, gift_name, gift_type, amount, currency, message, tracking_url, delivery_type,
            sender_name, sender_email, recipient_name, recipient_email, recipient_phone, reported_status, history,
            created_at, updated_at, seen_at, status, counted_at, counted_on, redeemed, recipient_key, desired_hash, is_final,
            recipient_phone_key, erased_at, association_outcome, delivered, opened, delivered_after, opened_after,
            redeemed_after, sender_key, words)
        SELECT $1, id, gift_name, gift_type, amount, currency, message, tracking_url, delivery_type,
            sender_name, sender_email, recipient_name, recipient_email, recipient_phone, reported_status, history,
            created_at, updated_at, $2, status, counted_at,
            (counted_at AT TIME ZONE (SELECT time_zone FROM portals WHERE hub_id = $1))::date,
            redeemed, recipient_key, desired_hash, is_final, recipient_phone_key, CASE WHEN is_erased THEN $2::timestamptz END,
            CASE WHEN is_erased THEN 'erased' END, delivered, opened, delivered_after, opened_after, redeemed_after,
            sender_key, string_to_array(words, ' ')
        FROM UNNEST($3::text[], $4::text[], $5::text[], $6::numeric[], $7::text[], $8::text[], $9::text[], $10::text[],
            $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::jsonb[],
            $18::timestamptz[], $19::timestamptz[], $20::text[], $21::timestamptz[], $22::bool[], $23::text[], $24::bytea[],
            $25::bool[], $26::text[], $27::bool[], $28::bool[], $29::bool[], $30::int[], $31::int[], $32::int[],
            $33::text[], $34::text[])
            AS page (id, gift_name, gift_type, amount, currency, message, tracking_url, delivery_type,
                sender_name, sender_email, recipient_name, recipient_email, recipient_phone, reported_status, history,
                created_at, updated_at, status, counted_at, redeemed, recipient_key, desired_hash, is_final,
                recipient_phone_key, is_erased, delivered, opened, delivered_after, opened_after, redeemed_after,
                sender_key, words)
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
            recipient_phone_key = excluded.recipient_phone_key,
            delivered = excluded.delivered, opened = excluded.opened, delivered_after = excluded.delivered_after,
            opened_after = excluded.opened_after, redeemed_after = excluded.redeemed_after,
            sender_key = excluded.sender_key, words = excluded.words,
            erased_at = coalesce(known.erased_at, excluded.erased_at),
            association_due = known.association_due
                OR (known.recipient_key, known.recipient_phone_key) IS DISTINCT FROM (excluded.recipient_key, excluded.recipient_phone_key),
            link_version = known.link_version
                + ((known.recipient_key, known.recipient_phone_key) IS DISTINCT FROM (excluded.recipient_key, excluded.recipient_phone_key))::int,
            -- Somebody else got it. What was linked by us for the earlier recipient goes when the row is linked; a contact that a
            -- person linked stays in HubSpot, and is no longer noted.
            links_of_another = known.links_of_another OR known.hand IS DISTINCT FROM 'linked'
                AND coalesce(known.recipient_key, known.recipient_phone_key)
                    IS DISTINCT FROM coalesce(excluded.recipient_key, excluded.recipient_phone_key)
                AND (known.contact_id IS NOT NULL OR known.company_ids <> '{}' OR known.deal_ids <> '{}'),
            contact_id = CASE WHEN excluded.erased_at IS NOT NULL THEN NULL
                WHEN known.hand = 'linked' AND coalesce(known.recipient_key, known.recipient_phone_key)
                    IS DISTINCT FROM coalesce(excluded.recipient_key, excluded.recipient_phone_key) THEN NULL
                ELSE known.contact_id END,
            -- What those contacts ask for is not about somebody else; who gets an address beside the number is the same.
            former_contacts = CASE WHEN known.recipient_key IS DISTINCT FROM excluded.recipient_key
                    AND (known.recipient_key IS NOT NULL OR known.recipient_phone_key IS DISTINCT FROM excluded.recipient_phone_key)
                THEN '{}' ELSE known.former_contacts END,
            hand = CASE WHEN excluded.erased_at IS NOT NULL OR coalesce(known.recipient_key, known.recipient_phone_key)
                    IS DISTINCT FROM coalesce(excluded.recipient_key, excluded.recipient_phone_key) THEN NULL ELSE known.hand END,
            association_outcome = CASE WHEN excluded.erased_at IS NULL THEN known.association_outcome ELSE 'erased' END,
            decision = CASE WHEN excluded.erased_at IS NULL THEN known.decision END,
            link_refused_by = CASE WHEN excluded.erased_at IS NULL THEN known.link_refused_by END,
            -- What was refused is no longer wanted, and what is wanted is there.
            failure_reason = CASE WHEN excluded.desired_hash = known.applied_hash OR excluded.erased_at IS NOT NULL THEN NULL ELSE known.failure_reason END,
            failure_field = CASE WHEN excluded.desired_hash = known.applied_hash OR excluded.erased_at IS NOT NULL THEN NULL ELSE known.failure_field END,
            failure_code = CASE WHEN excluded.desired_hash = known.applied_hash OR excluded.erased_at IS NOT NULL THEN NULL ELSE known.failure_code END
        WHERE (excluded.updated_at, jsonb_array_length(excluded.history), excluded.desired_hash, excluded.history::text)
            > (known.updated_at, jsonb_array_length(known.history), known.desired_hash, known.history::text)
            -- Gifts of before numbers and words were kept.
            OR excluded.updated_at = known.updated_at AND excluded.desired_hash = known.desired_hash
                AND (known.recipient_phone_key IS NULL AND excluded.recipient_phone_key IS NOT NULL OR known.words <> excluded.words)
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
        &phone_keys as &[Option<String>],
        &erased,
        &delivered,
        &opened,
        &delivered_after as &[Option<i32>],
        &opened_after as &[Option<i32>],
        &redeemed_after as &[Option<i32>],
        &sender_keys as &[Option<String>],
        &words,
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
