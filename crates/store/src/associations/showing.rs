//! What pages see of links: one transaction with its trace, and the orphans.

use chrono::{DateTime, Utc};
use domain::association::{Decision, Outcome};
use domain::matching::Recipient;
use domain::status::StatusEntry;
use domain::{RecordId, Transaction, TransactionId};
use rust_decimal::Decimal;
use serde_json::Value;
use sqlx::types::Json;

use crate::transactions::{Dirty, Row};
use crate::{Conn, Error, PortalScope};

/// One transaction with what is known of its links.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The transaction.
    pub id: TransactionId,
    /// Name of the gift.
    pub gift_name: Option<String>,
    /// Its price in units of `currency`.
    pub amount: Option<Decimal>,
    /// ISO 4217 code.
    pub currency: Option<String>,
    /// Who gave.
    pub sender_name: Option<String>,
    /// Who got.
    pub recipient_name: Option<String>,
    /// What is known of the recipient.
    pub recipient: Recipient,
    /// Its status.
    pub status: String,
    /// By which time it is placed.
    pub counted_at: DateTime<Utc>,
    /// Its record in HubSpot.
    pub record: Option<RecordId>,
    /// Why HubSpot refused the record, when it did.
    pub failure: Option<String>,
    /// Its contact.
    pub contact: Option<RecordId>,
    /// Its companies.
    pub companies: Vec<RecordId>,
    /// Its deals.
    pub deals: Vec<RecordId>,
    /// Whether it waits to be linked.
    pub is_due: bool,
    /// When the recipient's data was erased.
    pub erased_at: Option<DateTime<Utc>>,
    /// The last decision.
    pub decision: Option<Decision>,
}

/// The orphans that a re-association looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lookable {
    /// Rows.
    pub rows: i64,
    /// Their different recipients.
    pub recipients: i64,
}

/// An orphan as a page lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct Orphan {
    /// The transaction.
    pub id: TransactionId,
    /// Name of the gift.
    pub gift_name: Option<String>,
    /// Who got it.
    pub recipient_name: Option<String>,
    /// The address, without one the number.
    pub recipient: Option<String>,
    /// By which time it is placed.
    pub counted_at: DateTime<Utc>,
    /// Why it has no contact.
    pub outcome: Outcome,
}

/// Up to `limit` orphans, the latest gift first; those of one outcome when it is given, and those after a gift in that
/// order when it is given.
pub async fn list_orphans(
    conn: &mut Conn,
    scope: PortalScope,
    outcome: Option<Outcome>,
    after: Option<&TransactionId>,
    limit: i64,
) -> Result<Vec<Orphan>, Error> {
    let rows = sqlx::query!(
        r#"SELECT transaction_id, gift_name, recipient_name, coalesce(recipient_email, recipient_phone) AS recipient, counted_at,
            association_outcome AS "outcome!"
         FROM transactions
         WHERE hub_id = $1 AND contact_id IS NULL AND record_id IS NOT NULL AND association_outcome IS NOT NULL
            AND ($2::text IS NULL OR association_outcome = $2)
            AND ($3::text IS NULL OR (counted_at, transaction_id) <
                (SELECT counted_at, transaction_id FROM transactions WHERE hub_id = $1 AND transaction_id = $3))
         ORDER BY counted_at DESC, transaction_id DESC LIMIT $4"#,
        scope.hub_id().0,
        outcome.map(Outcome::as_str),
        after.map(TransactionId::as_str),
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(Orphan {
                id: TransactionId(row.transaction_id),
                gift_name: row.gift_name,
                recipient_name: row.recipient_name,
                recipient: row.recipient,
                counted_at: row.counted_at,
                outcome: Outcome::from_stored(&row.outcome)?,
            })
        })
        .collect())
}

/// One transaction: what is known of its links, and what Thnks tells of it.
pub async fn find_trace(
    conn: &mut Conn,
    scope: PortalScope,
    id: &TransactionId,
) -> Result<Option<(Trace, Transaction)>, Error> {
    let row = sqlx::query!(
        r#"SELECT t.transaction_id, t.gift_name, t.gift_type, t.amount, t.currency, t.message, t.tracking_url, t.delivery_type,
            t.sender_name, t.sender_email, t.recipient_name, t.recipient_email, t.recipient_phone, t.reported_status,
            t.history AS "history: Json<Vec<StatusEntry>>", t.created_at, t.updated_at, t.desired_hash, t.failure_code,
            t.recipient_key, t.recipient_phone_key, t.status, t.counted_at, t.record_id, t.failure_reason, t.contact_id,
            t.company_ids, t.deal_ids, t.association_due, t.erased_at, t.decision, r.alias AS "alias?", r.contact_id AS "chosen?"
         FROM transactions AS t LEFT JOIN recipient_remedies AS r
            ON r.hub_id = t.hub_id AND r.recipient = coalesce(t.recipient_key, t.recipient_phone_key)
         WHERE t.hub_id = $1 AND t.transaction_id = $2"#,
        scope.hub_id().0,
        id.as_str()
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let trace = Trace {
        id: TransactionId(row.transaction_id.clone()),
        gift_name: row.gift_name.clone(),
        amount: row.amount,
        currency: row.currency.clone(),
        sender_name: row.sender_name.clone(),
        recipient_name: row.recipient_name.clone(),
        recipient: Recipient {
            email: row.recipient_key,
            phone: row.recipient_phone_key,
            alias: row.alias,
            chosen: row.chosen.map(RecordId),
        },
        status: row.status,
        counted_at: row.counted_at,
        record: row.record_id.map(RecordId),
        failure: row.failure_reason,
        contact: row.contact_id.map(RecordId),
        companies: row.company_ids.into_iter().map(RecordId).collect(),
        deals: row.deal_ids.into_iter().map(RecordId).collect(),
        is_due: row.association_due,
        erased_at: row.erased_at,
        // One of a shape that is no longer known shows as none.
        decision: row.decision.and_then(decision_from),
    };
    let told = Row {
        transaction_id: row.transaction_id,
        gift_name: row.gift_name,
        gift_type: row.gift_type,
        amount: row.amount,
        currency: row.currency,
        message: row.message,
        tracking_url: row.tracking_url,
        delivery_type: row.delivery_type,
        sender_name: row.sender_name,
        sender_email: row.sender_email,
        recipient_name: row.recipient_name,
        recipient_email: row.recipient_email,
        recipient_phone: row.recipient_phone,
        reported_status: row.reported_status,
        history: row.history,
        created_at: row.created_at,
        updated_at: row.updated_at,
        desired_hash: row.desired_hash,
        failure_code: row.failure_code,
    };
    Ok(Some((trace, Dirty::from(told).transaction)))
}

fn decision_from(stored: Value) -> Option<Decision> {
    serde_json::from_value(stored).ok()
}

/// Whether any orphan has something to look for: an address, or, `by_phone`, a number.
pub async fn has_orphans(
    conn: &mut Conn,
    scope: PortalScope,
    by_phone: bool,
) -> Result<bool, Error> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM transactions
            WHERE hub_id = $1 AND contact_id IS NULL AND record_id IS NOT NULL AND hand IS NULL
                AND (recipient_key IS NOT NULL OR $2 AND recipient_phone_key IS NOT NULL)) AS "found!""#,
        scope.hub_id().0,
        by_phone
    )
    .fetch_one(conn)
    .await?;
    Ok(found)
}

/// The telephone numbers of orphans.
pub async fn list_orphan_phones(conn: &mut Conn, scope: PortalScope) -> Result<Vec<String>, Error> {
    let phones = sqlx::query_scalar!(
        r#"SELECT DISTINCT recipient_phone_key AS "phone!" FROM transactions
         WHERE hub_id = $1 AND contact_id IS NULL AND record_id IS NOT NULL AND recipient_phone_key IS NOT NULL"#,
        scope.hub_id().0
    )
    .fetch_all(conn)
    .await?;
    Ok(phones)
}

/// How many orphans there are, by why, the most first; those that were not looked at yet are left out.
pub async fn count_orphans(
    conn: &mut Conn,
    scope: PortalScope,
) -> Result<Vec<(Outcome, i64)>, Error> {
    let rows = sqlx::query!(
        r#"SELECT association_outcome AS "outcome!", count(*) AS "rows!" FROM transactions
         WHERE hub_id = $1 AND contact_id IS NULL AND record_id IS NOT NULL AND association_outcome IS NOT NULL
         GROUP BY 1 ORDER BY 2 DESC, 1"#,
        scope.hub_id().0
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((Outcome::from_stored(&row.outcome)?, row.rows)))
        .collect())
}

/// How many orphans a re-association looks at: those with an address, or, `by_phone`, a number, which no person has
/// unlinked.
pub async fn count_lookable(
    conn: &mut Conn,
    scope: PortalScope,
    by_phone: bool,
) -> Result<Lookable, Error> {
    let lookable = sqlx::query_as!(
        Lookable,
        r#"SELECT count(*) AS "rows!", count(DISTINCT coalesce(recipient_key, recipient_phone_key)) AS "recipients!"
         FROM transactions
         WHERE hub_id = $1 AND contact_id IS NULL AND record_id IS NOT NULL AND hand IS NULL
            AND (recipient_key IS NOT NULL OR $2 AND recipient_phone_key IS NOT NULL)"#,
        scope.hub_id().0,
        by_phone
    )
    .fetch_one(conn)
    .await?;
    Ok(lookable)
}

/// Up to `limit` different recipients of orphans, each with the number of its gifts, those with the most first.
pub async fn list_orphan_recipients(
    conn: &mut Conn,
    scope: PortalScope,
    by_phone: bool,
    limit: i64,
) -> Result<Vec<(Recipient, i64)>, Error> {
    let rows = sqlx::query!(
        r#"SELECT t.recipient_key, t.recipient_phone_key, count(*) AS "rows!", r.alias AS "alias?", r.contact_id AS "chosen?"
         FROM transactions AS t LEFT JOIN recipient_remedies AS r
            ON r.hub_id = t.hub_id AND r.recipient = coalesce(t.recipient_key, t.recipient_phone_key)
         WHERE t.hub_id = $1 AND t.contact_id IS NULL AND t.record_id IS NOT NULL AND t.hand IS NULL
            AND (t.recipient_key IS NOT NULL OR $2 AND t.recipient_phone_key IS NOT NULL)
         GROUP BY t.recipient_key, t.recipient_phone_key, r.alias, r.contact_id
         ORDER BY 3 DESC, 1, 2 LIMIT $3"#,
        scope.hub_id().0,
        by_phone,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let recipient = Recipient {
                email: row.recipient_key,
                phone: row.recipient_phone_key,
                alias: row.alias,
                chosen: row.chosen.map(RecordId),
            };
            (recipient, row.rows)
        })
        .collect())
}
