//! The dashboard's reads: small roll-ups that the ledger's own transaction keeps exact.

use chrono::{DateTime, NaiveDate, Utc};
use domain::TransactionId;
use domain::pace::Step;
use domain::statistics::{Activity, Month, RECENT_ACTIVITY, Range, Total};
use domain::status::Status;

use crate::{Conn, Error, PortalScope};

/// The portal's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Rows in the ledger.
    pub transactions: i64,
    /// Those whose record is as it should be.
    pub synced: i64,
    /// Those that HubSpot refused.
    pub failed: i64,
    /// Rows of Thnks that cannot be a transaction.
    pub rejected: i64,
    /// Records without a contact.
    pub orphans: i64,
    /// Grows with every change of the ledger: what was read of it holds until then.
    pub version: i64,
}

/// The portal's counters.
pub async fn find_counters(conn: &mut Conn, scope: PortalScope) -> Result<Counters, Error> {
    let counters = sqlx::query_as!(
        Counters,
        "SELECT transactions, synced, failed, rejected, orphans, version FROM portal_totals WHERE hub_id = $1",
        scope.hub_id().0
    )
    .fetch_optional(conn)
    .await?;
    Ok(counters.unwrap_or_default())
}

/// How many refused rows of Thnks are newer forms of transactions that the ledger has: they are counted there.
pub async fn count_rejected_known(conn: &mut Conn, scope: PortalScope) -> Result<i64, Error> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM rejected_rows JOIN transactions USING (hub_id, transaction_id)
         WHERE hub_id = $1 AND dismissed_at IS NULL"#,
        scope.hub_id().0
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// Totals of the days in `range`, by status, type and currency.
pub async fn list_totals(
    conn: &mut Conn,
    scope: PortalScope,
    range: Range,
) -> Result<Vec<Total>, Error> {
    let rows = sqlx::query!(
        r#"SELECT status, gift_type, currency, sum(transactions)::bigint AS "transactions!",
            sum(delivered)::bigint AS "delivered!", sum(opened)::bigint AS "opened!", sum(redeemed)::bigint AS "redeemed!",
            sum(priced)::bigint AS "priced!", sum(amount) AS "amount!"
         FROM daily_totals
         WHERE hub_id = $1 AND day >= coalesce($2, '-infinity'::date) AND day <= coalesce($3, 'infinity'::date)
         GROUP BY status, gift_type, currency HAVING sum(transactions) > 0"#,
        scope.hub_id().0,
        range.from,
        range.to
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Total {
            status: Status::from_source(&row.status),
            gift_type: row.gift_type,
            currency: row.currency,
            transactions: row.transactions,
            delivered: row.delivered,
            opened: row.opened,
            redeemed: row.redeemed,
            priced: row.priced,
            amount: row.amount,
        })
        .collect())
}

/// How many were sent on the days of `range` before `boundary`, and how many of them reached `redeemed`.
pub async fn find_sent_before(
    conn: &mut Conn,
    scope: PortalScope,
    range: Range,
    boundary: NaiveDate,
) -> Result<(i64, i64), Error> {
    let row = sqlx::query!(
        r#"SELECT coalesce(sum(transactions), 0)::bigint AS "sent!", coalesce(sum(redeemed), 0)::bigint AS "redeemed!"
         FROM daily_totals
         WHERE hub_id = $1 AND status <> 'scheduled' AND day < $4
            AND day >= coalesce($2, '-infinity'::date) AND day <= coalesce($3, 'infinity'::date)"#,
        scope.hub_id().0,
        range.from,
        range.to,
        boundary
    )
    .fetch_one(conn)
    .await?;
    Ok((row.sent, row.redeemed))
}

/// The same for one day, which `range` contains, up to the moment `until` that falls in it: this one reads the ledger.
pub async fn find_sent_until(
    conn: &mut Conn,
    scope: PortalScope,
    day: NaiveDate,
    until: DateTime<Utc>,
) -> Result<(i64, i64), Error> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "sent!", count(*) FILTER (WHERE redeemed) AS "redeemed!" FROM transactions
         WHERE hub_id = $1 AND status <> 'scheduled' AND counted_on = $2 AND counted_at <= $3
            -- No day is longer; the index is by time.
            AND counted_at > $3 - interval '50 hours'"#,
        scope.hub_id().0,
        day,
        until
    )
    .fetch_one(conn)
    .await?;
    Ok((row.sent, row.redeemed))
}

/// How many gifts sent on the days of `range` took how long to each step: step, bucket ([`domain::pace`]), gifts; in the
/// order of the buckets.
pub async fn list_paces(
    conn: &mut Conn,
    scope: PortalScope,
    range: Range,
) -> Result<Vec<(Step, i16, i64)>, Error> {
    let rows = sqlx::query!(
        r#"SELECT step, bucket, sum(transactions)::bigint AS "transactions!" FROM daily_paces
         WHERE hub_id = $1 AND day >= coalesce($2, '-infinity'::date) AND day <= coalesce($3, 'infinity'::date)
         GROUP BY step, bucket HAVING sum(transactions) > 0 ORDER BY bucket"#,
        scope.hub_id().0,
        range.from,
        range.to
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((Step::from_stored(&row.step)?, row.bucket, row.transactions)))
        .collect())
}

/// Sent and redeemed of each month from `from` on that has any.
pub async fn list_months(
    conn: &mut Conn,
    scope: PortalScope,
    from: NaiveDate,
) -> Result<Vec<Month>, Error> {
    let months = sqlx::query_as!(
        Month,
        r#"SELECT date_trunc('month', day)::date AS "month!", sum(transactions)::bigint AS "sent!",
            sum(redeemed)::bigint AS "redeemed!"
         FROM daily_totals WHERE hub_id = $1 AND day >= $2 AND status <> 'scheduled'
         GROUP BY 1 HAVING sum(transactions) > 0 ORDER BY 1"#,
        scope.hub_id().0,
        from
    )
    .fetch_all(conn)
    .await?;
    Ok(months)
}

/// The latest status events that are `sent` or `redeemed`, at `from` or later and before `until`. An event that Thnks has taken back, so
/// that the history of today lacks it, is kept in the table and not shown.
pub async fn list_activity(
    conn: &mut Conn,
    scope: PortalScope,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
) -> Result<Vec<Activity>, Error> {
    let rows = sqlx::query!(
        r#"SELECT e.transaction_id, t.gift_name, e.status, e.happened_at,
            coalesce(t.recipient_name, t.recipient_email) AS recipient
         FROM status_events AS e JOIN transactions AS t USING (hub_id, transaction_id)
         WHERE e.hub_id = $1 AND e.status IN ('sent', 'redeemed')
            AND EXISTS (SELECT FROM jsonb_array_elements(t.history) AS entry
                WHERE lower(trim(entry ->> 'status')) = e.status
                    AND abs(extract(epoch FROM (entry ->> 'at')::timestamptz - e.happened_at)) < 0.001)
            AND e.happened_at >= coalesce($2::timestamptz, '-infinity') AND e.happened_at < coalesce($3::timestamptz, 'infinity')
         ORDER BY e.happened_at DESC, e.transaction_id, e.status LIMIT $4"#,
        scope.hub_id().0,
        from,
        until,
        RECENT_ACTIVITY
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Activity {
            transaction_id: TransactionId(row.transaction_id),
            gift_name: row.gift_name,
            status: Status::from_source(&row.status),
            at: row.happened_at,
            recipient: row.recipient,
        })
        .collect())
}
