//! What people added about recipients: another address, or the contact that is meant.

use chrono::{DateTime, Utc};
use domain::RecordId;

use crate::{Conn, Error, PortalScope};

/// Adds another address of a recipient, or takes it away.
pub async fn save_alias(
    conn: &mut Conn,
    scope: PortalScope,
    recipient: &str,
    alias: Option<&str>,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO recipient_remedies (hub_id, recipient, alias, made_by, made_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (hub_id, recipient) DO UPDATE SET alias = excluded.alias, made_by = excluded.made_by, made_at = excluded.made_at",
        scope.hub_id().0,
        recipient,
        alias,
        actor,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Says which contact is meant, or no longer says it.
pub async fn save_choice(
    conn: &mut Conn,
    scope: PortalScope,
    recipient: &str,
    contact: Option<RecordId>,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO recipient_remedies (hub_id, recipient, contact_id, made_by, made_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (hub_id, recipient) DO UPDATE SET contact_id = excluded.contact_id, made_by = excluded.made_by,
            made_at = excluded.made_at",
        scope.hub_id().0,
        recipient,
        contact.map(|contact| contact.0),
        actor,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The recipients of whom one of `emails` is another address.
pub async fn list_recipients_by_alias(
    conn: &mut Conn,
    scope: PortalScope,
    emails: &[String],
) -> Result<Vec<String>, Error> {
    let recipients = sqlx::query_scalar!(
        "SELECT recipient FROM recipient_remedies WHERE hub_id = $1 AND alias = ANY($2)",
        scope.hub_id().0,
        emails
    )
    .fetch_all(conn)
    .await?;
    Ok(recipients)
}

/// The ids of all gifts of a recipient.
pub async fn list_gifts(
    conn: &mut Conn,
    scope: PortalScope,
    recipient: &str,
) -> Result<Vec<String>, Error> {
    let ids = sqlx::query_scalar!(
        "SELECT transaction_id FROM transactions
         WHERE hub_id = $1 AND coalesce(recipient_key, recipient_phone_key) = $2 ORDER BY transaction_id",
        scope.hub_id().0,
        recipient
    )
    .fetch_all(conn)
    .await?;
    Ok(ids)
}
