//! Whom to tell what.

use chrono::{DateTime, Utc};
use domain::notice::NoticeKind;

use super::kind_from;
use crate::{Conn, Error, PortalScope, Sealed};

/// A portal's settings for notices.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Addresses, at most ten.
    pub emails: Vec<String>,
    /// What they, and the webhook, are told.
    pub kinds: Vec<NoticeKind>,
    /// Where signed calls go.
    pub webhook_url: Option<String>,
    /// What they are signed with.
    pub secret: Option<Sealed>,
    /// The secret before, and until when calls are signed with it as well.
    pub former_secret: Option<(Sealed, DateTime<Utc>)>,
}

/// The portal's settings; `None` while nobody has made any.
pub async fn find_settings(conn: &mut Conn, scope: PortalScope) -> Result<Option<Settings>, Error> {
    let row = sqlx::query!(
        "SELECT emails, kinds, webhook_url, webhook_secret, former_secret, former_until FROM notice_settings WHERE hub_id = $1",
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let kinds = row.kinds.iter().map(|kind| kind_from(kind));
        Ok(Settings {
            emails: row.emails,
            kinds: kinds.collect::<Result<_, Error>>()?,
            webhook_url: row.webhook_url,
            secret: row.webhook_secret.map(Sealed),
            former_secret: row.former_secret.map(Sealed).zip(row.former_until),
        })
    })
    .transpose()
}

/// Stores everything but the secrets.
pub async fn save_settings(
    conn: &mut Conn,
    scope: PortalScope,
    emails: &[String],
    kinds: &[NoticeKind],
    webhook_url: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let kinds: Vec<String> = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    sqlx::query!(
        "INSERT INTO notice_settings (hub_id, emails, kinds, webhook_url, changed_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (hub_id) DO UPDATE SET emails = excluded.emails, kinds = excluded.kinds,
            webhook_url = excluded.webhook_url, changed_at = excluded.changed_at",
        scope.hub_id().0,
        emails,
        &kinds,
        webhook_url,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores a new secret; the one before is kept until `former_until`.
pub async fn save_secret(
    conn: &mut Conn,
    scope: PortalScope,
    secret: &Sealed,
    former: Option<&Sealed>,
    former_until: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE notice_settings SET webhook_secret = $2, former_secret = $3,
            former_until = CASE WHEN $3::bytea IS NULL THEN NULL ELSE $4::timestamptz END WHERE hub_id = $1",
        scope.hub_id().0,
        secret.0,
        former.map(|former| &former.0[..]),
        former_until
    )
    .execute(conn)
    .await?;
    Ok(())
}
