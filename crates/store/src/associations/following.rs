//! What HubSpot or a person changed about links that were made: contacts merged, deleted, linked or unlinked by hand.

use domain::association::{Decision, Outcome};
use domain::{RecordId, TransactionId};
use serde_json::Value;

use crate::{Conn, Error, PortalScope};

/// A linked row, or one that has a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The transaction.
    pub id: TransactionId,
    /// Its record.
    pub record: RecordId,
    /// The contact that it is noted to be linked to.
    pub contact: Option<RecordId>,
}

/// A row as the queries below read it.
#[expect(clippy::struct_field_names, reason = "columns have their names")]
struct Row {
    transaction_id: String,
    record_id: i64,
    contact_id: Option<i64>,
}

impl From<Row> for Followed {
    fn from(row: Row) -> Self {
        Self {
            id: TransactionId(row.transaction_id),
            record: RecordId(row.record_id),
            contact: row.contact_id.map(RecordId),
        }
    }
}

/// Those of `contacts` that any row is linked to.
pub async fn list_linked_contacts(
    conn: &mut Conn,
    scope: PortalScope,
    contacts: &[RecordId],
) -> Result<Vec<RecordId>, Error> {
    let contacts: Vec<i64> = contacts.iter().map(|contact| contact.0).collect();
    let linked = sqlx::query_scalar!(
        r#"SELECT DISTINCT contact_id AS "contact_id!" FROM transactions WHERE hub_id = $1 AND contact_id = ANY($2)"#,
        scope.hub_id().0,
        &contacts
    )
    .fetch_all(conn)
    .await?;
    Ok(linked.into_iter().map(RecordId).collect())
}

/// The rows that are linked to one of `contacts`.
pub async fn list_by_contact(
    conn: &mut Conn,
    scope: PortalScope,
    contacts: &[RecordId],
) -> Result<Vec<Followed>, Error> {
    let contacts: Vec<i64> = contacts.iter().map(|contact| contact.0).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT transaction_id, record_id AS "record_id!", contact_id FROM transactions
         WHERE hub_id = $1 AND contact_id = ANY($2) AND record_id IS NOT NULL"#,
        scope.hub_id().0,
        &contacts
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Followed::from).collect())
}

/// The rows whose record is one of `records`; ids that are no record of ours are left out, and so are rows that wait to be
/// linked: what was told of these may be the echo of a stride that was not stored.
pub async fn list_by_record(
    conn: &mut Conn,
    scope: PortalScope,
    records: &[RecordId],
) -> Result<Vec<Followed>, Error> {
    let records: Vec<i64> = records.iter().map(|record| record.0).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT transaction_id, record_id AS "record_id!", contact_id FROM transactions
         WHERE hub_id = $1 AND record_id = ANY($2) AND erased_at IS NULL AND NOT association_due"#,
        scope.hub_id().0,
        &records
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Followed::from).collect())
}

/// Moves every row, and every choice that a person made, from a contact to the one that it is part of now.
pub async fn move_contact(
    conn: &mut Conn,
    scope: PortalScope,
    lost: RecordId,
    survivor: RecordId,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE transactions SET contact_id = $3,
            former_contacts = array_append(array_remove(former_contacts, $2), $2),
            decision = jsonb_set(decision, '{links,contact}', to_jsonb($3::bigint))
         WHERE hub_id = $1 AND contact_id = $2",
        scope.hub_id().0,
        lost.0,
        survivor.0
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE recipient_remedies SET contact_id = $3 WHERE hub_id = $1 AND contact_id = $2",
        scope.hub_id().0,
        lost.0,
        survivor.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that a contact became part of another one that cannot be followed to: should that one ask to be forgotten, it is about
/// the same person's gifts.
pub async fn note_survivor(
    conn: &mut Conn,
    scope: PortalScope,
    lost: RecordId,
    survivor: RecordId,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE transactions SET former_contacts = array_append(array_remove(former_contacts, $3::bigint), $3)
         WHERE hub_id = $1 AND former_contacts <> '{}' AND former_contacts && ARRAY[$2::bigint]",
        scope.hub_id().0,
        lost.0,
        survivor.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets contacts that are gone, with whose links HubSpot has done the same: the rows are orphans, and looked at again.
pub async fn drop_contacts(
    conn: &mut Conn,
    scope: PortalScope,
    contacts: &[RecordId],
) -> Result<(), Error> {
    let contacts: Vec<i64> = contacts.iter().map(|contact| contact.0).collect();
    sqlx::query!(
        "UPDATE transactions SET former_contacts = array_append(array_remove(former_contacts, contact_id), contact_id),
            contact_id = NULL, association_due = true, hand = NULL, link_refused_by = NULL,
            link_version = link_version + 1
         WHERE hub_id = $1 AND contact_id = ANY($2)",
        scope.hub_id().0,
        &contacts
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets the contacts of rows whose link is gone and could not be made again: they are looked at anew.
pub async fn drop_links(conn: &mut Conn, scope: PortalScope, ids: &[String]) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE transactions SET former_contacts = array_append(array_remove(former_contacts, contact_id), contact_id),
            contact_id = NULL, association_due = true, link_version = link_version + 1
         WHERE hub_id = $1 AND transaction_id = ANY($2) AND contact_id IS NOT NULL",
        scope.hub_id().0,
        ids
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes what a person did: the contact of each row as it is linked in HubSpot now, or that there is none. Such rows are
/// left alone until a person wants it otherwise.
pub async fn save_hand(
    conn: &mut Conn,
    scope: PortalScope,
    rows: &[(TransactionId, Decision)],
) -> Result<(), Error> {
    let ids: Vec<String> = rows.iter().map(|(id, _)| id.0.clone()).collect();
    let traces: Vec<Value> = rows
        .iter()
        .map(|(_, decision)| serde_json::to_value(decision).unwrap_or_default())
        .collect();
    let hands: Vec<String> = rows
        .iter()
        .map(|(_, decision)| match decision.outcome {
            Outcome::UnlinkedByHand => "unlinked".to_owned(),
            _ => "linked".to_owned(),
        })
        .collect();
    sqlx::query!(
        "UPDATE transactions AS t SET hand = h.hand, decision = h.trace, association_outcome = h.trace ->> 'outcome',
            association_due = false, links_of_another = false, link_refused_by = NULL,
            -- Unlinked, the gift is still the contact's by its address; linked to another, it never was the first one's.
            former_contacts = CASE WHEN t.contact_id IS NULL OR h.hand = 'linked' THEN t.former_contacts
                ELSE array_append(array_remove(t.former_contacts, t.contact_id), t.contact_id) END,
            contact_id = (h.trace -> 'links' ->> 'contact')::bigint
         FROM UNNEST($2::text[], $3::text[], $4::jsonb[]) AS h (id, hand, trace)
         WHERE t.hub_id = $1 AND t.transaction_id = h.id AND t.erased_at IS NULL",
        scope.hub_id().0,
        &ids,
        &hands,
        &traces
    )
    .execute(conn)
    .await?;
    Ok(())
}
