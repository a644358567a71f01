//! Erasing recipients: finding everything that is about a person, wiping it, and the tombstones that keep it wiped.

use chrono::{DateTime, Utc};
use domain::association::Decision;
use domain::{RecordId, TransactionId};
use futures::TryStreamExt;
use serde_json::Value;

use crate::transactions::{Dirty, find_all};
use crate::{Conn, Error, PortalScope};

/// Whether what is known of the portal is still kept: nobody has begun to erase it since it was disconnected. `None` when there
/// is no such portal.
pub async fn is_kept(conn: &mut Conn, scope: PortalScope) -> Result<Option<bool>, Error> {
    let is_kept = sqlx::query_scalar!(
        r#"SELECT erasing_at IS NULL AND erased_at IS NULL AS "is_kept!" FROM portals WHERE hub_id = $1"#,
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    Ok(is_kept)
}

/// The key of the portal's tombstones, sealed; `None` before the first erasure.
pub async fn find_key(conn: &mut Conn, scope: PortalScope) -> Result<Option<Vec<u8>>, Error> {
    let key = sqlx::query_scalar!(
        "SELECT erasure_key FROM portals WHERE hub_id = $1",
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    Ok(key.flatten())
}

/// Stores the key of the portal's tombstones, sealed.
pub async fn save_key(conn: &mut Conn, scope: PortalScope, sealed: &[u8]) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE portals SET erasure_key = $2 WHERE hub_id = $1",
        scope.hub_id().0,
        sealed
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Those of `hashes` that have a tombstone.
pub async fn list_erased(
    conn: &mut Conn,
    scope: PortalScope,
    hashes: &[Vec<u8>],
) -> Result<Vec<Vec<u8>>, Error> {
    let found = sqlx::query_scalar!(
        "SELECT identifier_hash FROM erased_recipients WHERE hub_id = $1 AND identifier_hash = ANY($2)",
        scope.hub_id().0,
        hashes
    )
    .fetch_all(conn)
    .await?;
    Ok(found)
}

/// Those of `ids` whose recipient was erased.
pub async fn list_erased_rows(
    conn: &mut Conn,
    scope: PortalScope,
    ids: &[String],
) -> Result<Vec<TransactionId>, Error> {
    let found = sqlx::query_scalar!(
        "SELECT transaction_id FROM transactions WHERE hub_id = $1 AND transaction_id = ANY($2) AND erased_at IS NOT NULL",
        scope.hub_id().0,
        ids
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(TransactionId).collect())
}

/// Adds tombstones.
pub async fn insert_tombstones(
    conn: &mut Conn,
    scope: PortalScope,
    hashes: &[Vec<u8>],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO erased_recipients (hub_id, identifier_hash, erased_at)
         SELECT $1, hash, $3 FROM UNNEST($2::bytea[]) AS tombstone (hash) ON CONFLICT DO NOTHING",
        scope.hub_id().0,
        hashes,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The identifiers of everybody to whom a gift went that is, or was, linked to one of `contacts`, or whose only candidate it
/// is: addresses, and numbers of those without one.
pub async fn list_identifiers(
    conn: &mut Conn,
    scope: PortalScope,
    contacts: &[RecordId],
) -> Result<Vec<String>, Error> {
    let contacts = numbers(contacts);
    let found = sqlx::query!(
        r#"WITH own AS (
            SELECT coalesce(recipient_key, recipient_phone_key) AS name FROM transactions
            WHERE hub_id = $1 AND contact_id = ANY($2)
            UNION
            SELECT coalesce(recipient_key, recipient_phone_key) FROM transactions
            WHERE hub_id = $1 AND former_contacts <> '{}' AND former_contacts && $2
            UNION
            SELECT coalesce(recipient_key, recipient_phone_key) FROM transactions
            WHERE hub_id = $1 AND contact_id IS NULL AND record_id IS NOT NULL
                AND jsonb_array_length(decision -> 'candidates') = 1
                AND (decision -> 'candidates' -> 0 ->> 'id')::bigint = ANY($2))
        SELECT name AS "name!" FROM own WHERE name IS NOT NULL
        UNION SELECT alias FROM recipient_remedies JOIN own ON recipient = name WHERE hub_id = $1 AND alias IS NOT NULL
        UNION SELECT recipient FROM recipient_remedies WHERE hub_id = $1 AND contact_id = ANY($2)"#,
        scope.hub_id().0,
        &contacts
    )
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(|row| row.name).collect())
}

/// Those of all identifiers that the ledger knows, of everybody, for which `is_wanted` says so.
pub async fn find_identifiers(
    conn: &mut Conn,
    scope: PortalScope,
    mut is_wanted: impl FnMut(&str) -> bool + Send,
) -> Result<Vec<String>, Error> {
    let mut all = sqlx::query_scalar!(
        r#"SELECT recipient_key AS "name!" FROM transactions WHERE hub_id = $1 AND recipient_key IS NOT NULL
        UNION SELECT recipient_phone_key FROM transactions WHERE hub_id = $1 AND recipient_phone_key IS NOT NULL
        UNION SELECT recipient FROM recipient_remedies WHERE hub_id = $1
        UNION SELECT alias FROM recipient_remedies WHERE hub_id = $1 AND alias IS NOT NULL"#,
        scope.hub_id().0
    )
    .fetch(conn);
    let mut found = Vec::new();
    while let Some(name) = all.try_next().await? {
        if is_wanted(&name) {
            found.push(name);
        }
    }
    Ok(found)
}

/// Rows of Thnks that could not become transactions.
pub async fn list_rejected(conn: &mut Conn, scope: PortalScope) -> Result<Vec<Value>, Error> {
    let payloads = sqlx::query_scalar!(
        "SELECT payload FROM rejected_rows WHERE hub_id = $1",
        scope.hub_id().0
    )
    .fetch_all(conn)
    .await?;
    Ok(payloads)
}

/// All rows that are about a person: linked to a contact now or before, or sent to one of the identifiers. A number counts
/// only for gifts without an address: colleagues may share it.
pub async fn list_rows(
    conn: &mut Conn,
    scope: PortalScope,
    contacts: &[RecordId],
    identifiers: &[String],
) -> Result<Vec<Dirty>, Error> {
    let ids = sqlx::query_scalar!(
        r#"SELECT transaction_id AS "id!" FROM transactions WHERE hub_id = $1 AND contact_id = ANY($2)
        UNION
        SELECT transaction_id FROM transactions WHERE hub_id = $1 AND former_contacts <> '{}' AND former_contacts && $2
        UNION
        SELECT transaction_id FROM transactions WHERE hub_id = $1 AND coalesce(recipient_key, recipient_phone_key) = ANY($3)"#,
        scope.hub_id().0,
        &numbers(contacts),
        identifiers
    )
    .fetch_all(&mut *conn)
    .await?;
    find_all(conn, scope, &ids).await
}

fn numbers(contacts: &[RecordId]) -> Vec<i64> {
    contacts.iter().map(|contact| contact.0).collect()
}

/// A row without its recipient.
pub struct Wiped {
    /// The transaction.
    pub id: TransactionId,
    /// Fingerprint of the record it wants now.
    pub desired_hash: Vec<u8>,
    /// What its trace says from now on.
    pub decision: Decision,
    /// Under which words it is still found.
    pub words: Vec<String>,
}

/// Wipes rows, what HubSpot said of them included, and lets them be written anew. Their links stay noted, the contact
/// excepted, which is gone.
pub async fn wipe_rows(
    conn: &mut Conn,
    scope: PortalScope,
    rows: &[Wiped],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let ids: Vec<String> = rows.iter().map(|row| row.id.0.clone()).collect();
    let hashes: Vec<Vec<u8>> = rows.iter().map(|row| row.desired_hash.clone()).collect();
    let traces: Vec<Value> = rows
        .iter()
        .map(|row| serde_json::to_value(&row.decision).unwrap_or_default())
        .collect();
    let words: Vec<String> = rows.iter().map(|row| row.words.join(" ")).collect();
    sqlx::query!(
        "UPDATE transactions AS t SET recipient_name = NULL, recipient_email = NULL, recipient_phone = NULL, message = NULL,
            tracking_url = NULL, recipient_key = NULL, recipient_phone_key = NULL, desired_hash = w.hash, erased_at = $2,
            failure_code = NULL, failure_field = NULL, failure_reason = NULL, failed_at = NULL, dismissed_hash = NULL,
            refused_by = NULL, contact_id = NULL, hand = NULL, association_due = false, link_refused_by = NULL,
            links_of_another = false,
            association_outcome = CASE WHEN t.record_id IS NULL THEN NULL ELSE 'erased' END, decision = w.trace,
            words = string_to_array(w.words, ' ')
         FROM UNNEST($3::text[], $4::bytea[], $5::jsonb[], $6::text[]) AS w (id, hash, trace, words)
         WHERE t.hub_id = $1 AND t.transaction_id = w.id",
        scope.hub_id().0,
        now,
        &ids,
        &hashes,
        &traces,
        &words
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Wipes rows of Thnks that could not become a transaction and hold one of `words` (in lower case); returns how many.
pub async fn wipe_rejected(
    conn: &mut Conn,
    scope: PortalScope,
    words: &[String],
) -> Result<u64, Error> {
    let wiped = sqlx::query!(
        "UPDATE rejected_rows SET payload = '{}', reason = 'the row was erased'
         WHERE hub_id = $1 AND EXISTS (SELECT FROM UNNEST($2::text[]) AS word WHERE strpos(lower(payload::text || reason), word) > 0)",
        scope.hub_id().0,
        words
    )
    .execute(conn)
    .await?;
    Ok(wiped.rows_affected())
}

/// Accounts of runs that hold one of `words` (in lower case): id, counts, error.
pub async fn list_runs_with(
    conn: &mut Conn,
    scope: PortalScope,
    words: &[String],
) -> Result<Vec<(domain::RunId, Value, Option<String>)>, Error> {
    let rows = sqlx::query!(
        "SELECT run_id, counts, error FROM runs
         WHERE hub_id = $1 AND EXISTS (SELECT FROM UNNEST($2::text[]) AS word
            WHERE strpos(lower(counts::text || coalesce(error, '')), word) > 0)",
        scope.hub_id().0,
        words
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (domain::RunId(row.run_id), row.counts, row.error))
        .collect())
}

/// Replaces the account of a run.
pub async fn save_run(
    conn: &mut Conn,
    scope: PortalScope,
    run_id: domain::RunId,
    counts: &Value,
    error: Option<&str>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE runs SET counts = $3, error = $4 WHERE hub_id = $1 AND run_id = $2",
        scope.hub_id().0,
        run_id.0,
        counts,
        error
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes away what people added about a person.
pub async fn delete_remedies(
    conn: &mut Conn,
    scope: PortalScope,
    contacts: &[RecordId],
    identifiers: &[String],
) -> Result<(), Error> {
    sqlx::query!(
        "DELETE FROM recipient_remedies WHERE hub_id = $1 AND (contact_id = ANY($2) OR recipient = ANY($3) OR alias = ANY($3))",
        scope.hub_id().0,
        &numbers(contacts),
        identifiers
    )
    .execute(conn)
    .await?;
    Ok(())
}
