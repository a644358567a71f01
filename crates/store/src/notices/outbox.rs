//! What there is to say and to whom: inserted with the fact that causes it, listed for the page.

use chrono::{DateTime, TimeDelta, Utc};
use domain::notice::{Channel, Notice, NoticeKind};
use serde_json::json;
use uuid::Uuid;

use super::{channel_from, kind_from};
use crate::{Conn, Error, PortalScope, db};

/// How long notices are kept: they hold addresses, and nobody asks after three months whether a mail went out.
const KEPT: TimeDelta = TimeDelta::days(90);

/// A receiver of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The way.
    pub channel: Channel,
    /// The address; of a webhook its host.
    pub name: String,
}

/// Inserts a notice for `targets`, due at once, and rings. Old ones go.
pub async fn insert(
    conn: &mut Conn,
    scope: PortalScope,
    notice: &Notice,
    targets: &[Target],
    now: DateTime<Utc>,
) -> Result<Uuid, Error> {
    let (hub_id, notice_id) = (scope.hub_id().0, Uuid::now_v7());
    sqlx::query!(
        "DELETE FROM notices WHERE hub_id = $1 AND created_at < $2",
        hub_id,
        now - KEPT
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO notices (hub_id, notice_id, kind, detail, created_at) VALUES ($1, $2, $3, $4, $5)",
        hub_id,
        notice_id,
        notice.kind().as_str(),
        json!(notice),
        now
    )
    .execute(&mut *conn)
    .await?;
    let channels: Vec<String> = targets
        .iter()
        .map(|target| target.channel.as_str().to_owned())
        .collect();
    let names: Vec<String> = targets.iter().map(|target| target.name.clone()).collect();
    sqlx::query!(
        "INSERT INTO notice_deliveries (hub_id, notice_id, channel, target, due_at)
         SELECT $1, $2, channel, target, $5 FROM UNNEST($3::text[], $4::text[]) AS receiver (channel, target)",
        hub_id,
        notice_id,
        &channels,
        &names,
        now
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO notice_board AS board (hub_id, due_at) VALUES ($1, $2)
         ON CONFLICT (hub_id) DO UPDATE SET due_at = least(board.due_at, excluded.due_at)",
        hub_id,
        now
    )
    .execute(&mut *conn)
    .await?;
    db::ring(conn).await?;
    Ok(notice_id)
}

/// Whether somebody has asked for a test after `time`.
pub async fn was_tested_after(
    conn: &mut Conn,
    scope: PortalScope,
    time: DateTime<Utc>,
) -> Result<bool, Error> {
    let was_tested = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM notices WHERE hub_id = $1 AND kind = 'test' AND created_at > $2) AS "was_tested!""#,
        scope.hub_id().0,
        time
    )
    .fetch_one(conn)
    .await?;
    Ok(was_tested)
}

/// Where a delivery stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryState {
    /// An attempt is due then.
    Pending(DateTime<Utc>),
    /// It arrived then.
    Delivered(DateTime<Utc>),
    /// It was given up then.
    Failed(DateTime<Utc>),
}

/// One delivery, as the page lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What the notice is about.
    pub kind: NoticeKind,
    /// When there was something to say.
    pub created_at: DateTime<Utc>,
    /// The way.
    pub channel: Channel,
    /// The address; of a webhook its host.
    pub target: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: i32,
    /// How the last attempt failed.
    pub last_error: Option<String>,
}

/// The latest `limit` deliveries, the newest notice first.
pub async fn list_latest(
    conn: &mut Conn,
    scope: PortalScope,
    limit: i64,
) -> Result<Vec<Delivery>, Error> {
    let rows = sqlx::query!(
        "SELECT n.kind, n.created_at, d.channel, d.target, d.state, d.attempts, d.due_at, d.last_error, d.ended_at
         FROM notices AS n JOIN notice_deliveries AS d USING (hub_id, notice_id)
         WHERE hub_id = $1 ORDER BY n.created_at DESC, n.notice_id DESC, d.channel, d.target LIMIT $2",
        scope.hub_id().0,
        limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let ended_at = row.ended_at.unwrap_or(row.due_at);
            Ok(Delivery {
                kind: kind_from(&row.kind)?,
                created_at: row.created_at,
                channel: channel_from(&row.channel)?,
                target: row.target,
                state: match row.state.as_str() {
                    "delivered" => DeliveryState::Delivered(ended_at),
                    "failed" => DeliveryState::Failed(ended_at),
                    _ => DeliveryState::Pending(row.due_at),
                },
                attempts: row.attempts,
                last_error: row.last_error,
            })
        })
        .collect()
}
