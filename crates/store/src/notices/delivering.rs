//! The way out. The board says which portals have something due; within a portal each attempt is leased: its row is moved
//! on before anything is sent, so that two workers do not send it, and a worker that dies leaves it due.

use chrono::{DateTime, Utc};
use domain::HubId;
use domain::notice::{Channel, Notice};
use sqlx::types::Json;
use uuid::Uuid;

use super::channel_from;
use crate::{Conn, Error, PortalScope};

/// Up to `limit` portals with something due; they are not given again before `until`.
pub async fn take_due(
    conn: &mut Conn,
    limit: i64,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Vec<PortalScope>, Error> {
    let hubs = sqlx::query_scalar!(
        "UPDATE notice_board SET due_at = $3 WHERE hub_id = ANY(ARRAY(
            SELECT hub_id FROM notice_board WHERE due_at <= $2 ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED))
         RETURNING hub_id",
        limit,
        now,
        until
    )
    .fetch_all(conn)
    .await?;
    Ok(hubs
        .into_iter()
        .map(|hub_id| PortalScope::new(HubId(hub_id)))
        .collect())
}

/// An attempt that is ours to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// The notice.
    pub notice_id: Uuid,
    /// What it says.
    pub notice: Notice,
    /// When there was something to say.
    pub created_at: DateTime<Utc>,
    /// The way.
    pub channel: Channel,
    /// The address; of a webhook its host.
    pub target: String,
    /// Which attempt this is, counted from 1.
    pub attempt: u32,
}

/// Leases the portal's next attempt until `until`; `None` when none is due.
pub async fn lease(
    conn: &mut Conn,
    scope: PortalScope,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Option<Leased>, Error> {
    let row = sqlx::query!(
        // Materialized: a plan that looks for the due one again for each notice would find the next one each time.
        r#"WITH due AS MATERIALIZED (SELECT notice_id, channel, target FROM notice_deliveries
            WHERE hub_id = $1 AND state = 'pending' AND due_at <= $2 ORDER BY due_at, notice_id LIMIT 1 FOR UPDATE SKIP LOCKED)
         UPDATE notice_deliveries AS d SET due_at = $3, attempts = d.attempts + 1 FROM due, notices AS n
         WHERE d.hub_id = $1 AND d.notice_id = due.notice_id AND d.channel = due.channel AND d.target = due.target
            AND n.hub_id = $1 AND n.notice_id = due.notice_id
         RETURNING d.notice_id, d.channel, d.target, d.attempts, n.detail AS "detail: Json<Notice>", n.created_at"#,
        scope.hub_id().0,
        now,
        until
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Leased {
            notice_id: row.notice_id,
            notice: row.detail.0,
            created_at: row.created_at,
            channel: channel_from(&row.channel)?,
            target: row.target,
            attempt: row.attempts.unsigned_abs(),
        })
    })
    .transpose()
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It arrived.
    Delivered,
    /// It did not, for a reason in a few words; the next attempt is due then, `None` gives it up.
    Failed(&'a str, Option<DateTime<Utc>>),
}

/// Notes how an attempt ended, and when the portal has something due next. An attempt whose lease has run out and that
/// somebody else repeats says only that it arrived.
pub async fn save_outcome(
    conn: &mut Conn,
    scope: PortalScope,
    leased: &Leased,
    outcome: Outcome<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let hub_id = scope.hub_id().0;
    let (state, reason, due_at) = match outcome {
        Outcome::Delivered => ("delivered", None, None),
        Outcome::Failed(reason, None) => ("failed", Some(reason), None),
        Outcome::Failed(reason, again_at) => ("pending", Some(reason), again_at),
    };
    sqlx::query!(
        "UPDATE notice_deliveries SET state = $5, last_error = $6, due_at = coalesce($7, due_at),
            ended_at = CASE WHEN $5 = 'pending' THEN NULL ELSE $8::timestamptz END
         WHERE hub_id = $1 AND notice_id = $2 AND channel = $3 AND target = $4 AND state = 'pending'
            AND (attempts = $9 OR $5 = 'delivered')",
        hub_id,
        leased.notice_id,
        leased.channel.as_str(),
        leased.target,
        state,
        reason,
        due_at,
        now,
        i32::try_from(leased.attempt).unwrap_or(i32::MAX)
    )
    .execute(&mut *conn)
    .await?;
    plan(conn, scope).await
}

/// Notes on the board when the portal has something due next.
pub async fn plan(conn: &mut Conn, scope: PortalScope) -> Result<(), Error> {
    let hub_id = scope.hub_id().0;
    // Locked first: a notice that is being inserted either is seen by what follows, or comes after it.
    sqlx::query!(
        "SELECT hub_id FROM notice_board WHERE hub_id = $1 FOR UPDATE",
        hub_id
    )
    .fetch_optional(&mut *conn)
    .await?;
    sqlx::query!(
        "WITH next AS (SELECT min(due_at) AS due_at FROM notice_deliveries WHERE hub_id = $1 AND state = 'pending'),
            done AS (DELETE FROM notice_board USING next WHERE hub_id = $1 AND next.due_at IS NULL)
         UPDATE notice_board SET due_at = next.due_at FROM next WHERE hub_id = $1 AND next.due_at IS NOT NULL",
        hub_id
    )
    .execute(conn)
    .await?;
    Ok(())
}
