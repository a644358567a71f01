//! Who did what and when: append-only, the app's role can insert and read, not change.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{Conn, Error, PortalScope};

/// Adds a line. `actor` is `user:<id>`, `operator`, `schedule` or `hubspot`; `detail` holds ids and counts, never
/// secrets or personal data.
pub async fn insert(
    conn: &mut Conn,
    scope: PortalScope,
    actor: &str,
    action: &str,
    detail: &Value,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "INSERT INTO audit (hub_id, at, actor, action, detail) VALUES ($1, $2, $3, $4, $5)",
        scope.hub_id().0,
        now,
        actor,
        action,
        detail
    )
    .execute(conn)
    .await?;
    Ok(())
}
