//! What the reports count: from the roll-ups where these have it, else from what an index carries of each gift. The days of
//! a [`Range`] are those of sending, and gifts still scheduled are never counted.

use chrono::NaiveDate;
use domain::refunds::{self, EXPIRES_AFTER_HOURS, Refunds};
use domain::reports::{DealSize, LINES, Ranked, Span, Tally};
use domain::statistics::{Amounts, Month, Range};
use domain::{Status, money};
use rust_decimal::Decimal;

use crate::{Conn, Error, PortalScope};

/// How many lines are asked for: the rest comes as one more.
fn lines() -> i64 {
    i64::try_from(LINES).unwrap_or(i64::MAX)
}

/// Gifts of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeLine {
    /// The type; `None` of gifts without one, and of a rest.
    pub gift_type: Option<String>,
    /// All of them.
    pub all: Tally,
    /// Those sent before the boundary.
    pub matured: Tally,
}

/// Gifts of one sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderLine {
    /// As the latest gift names them.
    pub name: Option<String>,
    /// As the latest gift has it.
    pub email: Option<String>,
    /// Their gifts.
    pub tally: Tally,
    /// The amounts.
    pub value: Amounts,
}

/// Gifts whose deals stood in one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageLine {
    /// The pipeline's label, else its id.
    pub pipeline: Option<String>,
    /// The stage's label, else its id.
    pub stage: Option<String>,
    /// The gifts, one for each deal.
    pub tally: Tally,
}

/// Gifts of one currency that have deals of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DealSizeLine {
    /// The size of the deals.
    pub size: DealSize,
    /// The gifts' currency.
    pub currency: String,
    /// The gifts that have an amount, one for each deal.
    pub gifts: i64,
    /// The sum of their amounts.
    pub amount: Decimal,
}

/// Sent and redeemed of each month that has any, oldest first.
pub async fn list_months(
    conn: &mut Conn,
    scope: PortalScope,
    range: Range,
) -> Result<Vec<Month>, Error> {
    let months = sqlx::query_as!(
        Month,
        r#"SELECT date_trunc('month', day)::date AS "month!", sum(transactions)::bigint AS "sent!",
            sum(redeemed)::bigint AS "redeemed!"
         FROM daily_totals
         WHERE hub_id = $1 AND status <> 'scheduled'
            AND day >= coalesce($2, '-infinity'::date) AND day <= coalesce($3, 'infinity'::date)
         GROUP BY 1 HAVING sum(transactions) > 0 ORDER BY 1"#,
        scope.hub_id().0,
        range.from,
        range.to
    )
    .fetch_all(conn)
    .await?;
    Ok(months)
}

/// Sent and redeemed by type, the most sent first; matured are those sent on days before `boundary`.
pub async fn list_types(
    conn: &mut Conn,
    scope: PortalScope,
    range: Range,
    boundary: NaiveDate,
) -> Result<Ranked<TypeLine>, Error> {
    let rows = sqlx::query!(
        r#"WITH types AS (
            SELECT gift_type, sum(transactions) AS sent, sum(redeemed) AS redeemed,
                coalesce(sum(transactions) FILTER (WHERE day < $4), 0) AS matured,
                coalesce(sum(redeemed) FILTER (WHERE day < $4), 0) AS matured_redeemed
            FROM daily_totals
            WHERE hub_id = $1 AND status <> 'scheduled'
                AND day >= coalesce($2, '-infinity'::date) AND day <= coalesce($3, 'infinity'::date)
            GROUP BY gift_type HAVING sum(transactions) > 0
         ), ranked AS (
            SELECT *, least(row_number() OVER (ORDER BY sent DESC, gift_type NULLS LAST), $5::bigint + 1) AS place FROM types
         )
         SELECT place AS "place!", CASE WHEN place <= $5 THEN min(gift_type) END AS gift_type, count(*) AS "types!",
            sum(sent)::bigint AS "sent!", sum(redeemed)::bigint AS "redeemed!", sum(matured)::bigint AS "matured!",
            sum(matured_redeemed)::bigint AS "matured_redeemed!"
         FROM ranked GROUP BY place ORDER BY place"#,
        scope.hub_id().0,
        range.from,
        range.to,
        boundary,
        lines()
    )
    .fetch_all(conn)
    .await?;
    let rows = rows.into_iter().map(|row| {
        let line = TypeLine {
            gift_type: row.gift_type,
            all: Tally {
                sent: row.sent,
                redeemed: row.redeemed,
            },
            matured: Tally {
                sent: row.matured,
                redeemed: row.matured_redeemed,
            },
        };
        (row.place, row.types, line)
    });
    Ok(ranked(rows))
}

/// Sent, redeemed and value by sender, the most sent first.
pub async fn list_senders(
    conn: &mut Conn,
    scope: PortalScope,
    range: Range,
) -> Result<Ranked<SenderLine>, Error> {
    let rows = sqlx::query!(
        r#"WITH sums AS (
            SELECT sender_key, currency, count(*) AS sent, count(*) FILTER (WHERE redeemed) AS redeemed,
                count(amount) AS priced, sum(amount) AS amount
            FROM transactions
            WHERE hub_id = $1 AND status <> 'scheduled'
                AND counted_on >= coalesce($2, '-infinity'::date) AND counted_on <= coalesce($3, 'infinity'::date)
            GROUP BY sender_key, currency
         ), senders AS (
            SELECT sender_key, sum(sent) AS sent, sum(redeemed) AS redeemed FROM sums GROUP BY sender_key
         ), ranked AS (
            SELECT *, least(row_number() OVER (ORDER BY sent DESC, sender_key NULLS LAST), $4::bigint + 1) AS place FROM senders
         ), places AS (
            SELECT place, count(*) AS senders, CASE WHEN place <= $4 THEN min(sender_key) END AS sender_key,
                sum(sent)::bigint AS sent, sum(redeemed)::bigint AS redeemed
            FROM ranked GROUP BY place
         ), amounts AS (
            SELECT place, currency, sum(amount) AS amount
            FROM ranked JOIN sums ON coalesce(sums.sender_key, '') = coalesce(ranked.sender_key, '')
            WHERE currency IS NOT NULL AND priced > 0
            GROUP BY place, currency
         )
         SELECT place AS "place!", senders AS "senders!", places.sent AS "sent!", places.redeemed AS "redeemed!",
            latest.sender_name AS "name?", latest.sender_email AS "email?",
            ARRAY(SELECT currency FROM amounts WHERE amounts.place = places.place ORDER BY currency) AS "currencies!: Vec<String>",
            ARRAY(SELECT amount FROM amounts WHERE amounts.place = places.place ORDER BY currency) AS "amounts!: Vec<Decimal>"
         FROM places LEFT JOIN LATERAL (
            SELECT sender_name, sender_email FROM transactions
            WHERE hub_id = $1 AND sender_key = places.sender_key AND status <> 'scheduled'
            ORDER BY counted_at DESC, transaction_id DESC LIMIT 1) AS latest ON true
         ORDER BY place"#,
        scope.hub_id().0,
        range.from,
        range.to,
        lines()
    )
    .fetch_all(conn)
    .await?;
    let rows = rows.into_iter().map(|row| {
        let value = row.currencies.into_iter().zip(row.amounts);
        let line = SenderLine {
            name: row.name,
            email: row.email,
            tally: Tally {
                sent: row.sent,
                redeemed: row.redeemed,
            },
            value: value
                .map(|(currency, amount)| {
                    let text = money::total_text(amount, &currency);
                    (currency, text)
                })
                .collect(),
        };
        (row.place, row.senders, line)
    });
    Ok(ranked(rows))
}

/// Sent and redeemed by where the gifts' deals stood, the most sent first; a gift counts once for each deal.
pub async fn list_stages(
    conn: &mut Conn,
    scope: PortalScope,
    range: Range,
) -> Result<Ranked<StageLine>, Error> {
    let rows = sqlx::query!(
        r#"WITH stages AS (
            SELECT pipeline, stage, count(*) AS sent, count(*) FILTER (WHERE t.redeemed) AS redeemed
            FROM deal_facts JOIN transactions AS t USING (hub_id, transaction_id)
            WHERE hub_id = $1 AND t.status <> 'scheduled'
                AND t.counted_on >= coalesce($2, '-infinity'::date) AND t.counted_on <= coalesce($3, 'infinity'::date)
            GROUP BY pipeline, stage
         ), ranked AS (
            SELECT *, least(row_number() OVER (ORDER BY sent DESC, pipeline, stage), $4::bigint + 1) AS place FROM stages
         ), places AS (
            SELECT place, count(*) AS stages, CASE WHEN place <= $4 THEN min(pipeline) END AS pipeline,
                CASE WHEN place <= $4 THEN min(stage) END AS stage,
                sum(sent)::bigint AS sent, sum(redeemed)::bigint AS redeemed
            FROM ranked GROUP BY place
         )
         SELECT place AS "place!", stages AS "stages!", sent AS "sent!", redeemed AS "redeemed!",
            coalesce(label.pipeline_label, pipeline_only.pipeline_label, places.pipeline) AS pipeline,
            coalesce(label.stage_label, places.stage) AS stage
         FROM places
         LEFT JOIN pipeline_stages AS label
            ON label.hub_id = $1 AND label.pipeline = places.pipeline AND label.stage = places.stage
         LEFT JOIN LATERAL (
            SELECT pipeline_label FROM pipeline_stages AS one
            WHERE one.hub_id = $1 AND one.pipeline = places.pipeline ORDER BY read_at DESC LIMIT 1) AS pipeline_only ON true
         ORDER BY place"#,
        scope.hub_id().0,
        range.from,
        range.to,
        lines()
    )
    .fetch_all(conn)
    .await?;
    let rows = rows.into_iter().map(|row| {
        let line = StageLine {
            pipeline: row.pipeline,
            stage: row.stage,
            tally: Tally {
                sent: row.sent,
                redeemed: row.redeemed,
            },
        };
        (row.place, row.stages, line)
    });
    Ok(ranked(rows))
}

/// Gifts and their amounts by their currency and the size of their deals; a gift counts once for each deal.
pub async fn list_deal_sizes(
    conn: &mut Conn,
    scope: PortalScope,
    range: Range,
) -> Result<Vec<DealSizeLine>, Error> {
    let bounds = DealSize::BOUNDS.map(Decimal::from);
    let rows = sqlx::query!(
        r#"SELECT t.currency AS "currency!", width_bucket(f.amount, $4::numeric[]) AS reached, count(*) AS "gifts!",
            sum(t.amount) AS "amount!"
         FROM deal_facts AS f JOIN transactions AS t USING (hub_id, transaction_id)
         WHERE hub_id = $1 AND t.status <> 'scheduled' AND t.currency IS NOT NULL AND t.amount IS NOT NULL
            AND t.counted_on >= coalesce($2, '-infinity'::date) AND t.counted_on <= coalesce($3, 'infinity'::date)
         GROUP BY 1, 2 ORDER BY 1, 2 NULLS FIRST"#,
        scope.hub_id().0,
        range.from,
        range.to,
        &bounds as &[Decimal]
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| DealSizeLine {
            size: DealSize::from_stored(row.reached),
            currency: row.currency,
            gifts: row.gifts,
            amount: row.amount,
        })
        .collect())
}

/// How many gifts took how long to be opened, and to be redeemed, where Thnks tells it.
pub async fn find_spans(
    conn: &mut Conn,
    scope: PortalScope,
    range: Range,
) -> Result<[[i64; Span::COUNT]; 2], Error> {
    let rows = sqlx::query!(
        r#"SELECT is_redeemed AS "is_redeemed!", span AS "span!", sum(gifts)::bigint AS "gifts!" FROM (
            SELECT width_bucket(opened_after, $4::int[]) AS opened, width_bucket(redeemed_after, $4::int[]) AS redeemed,
                count(*) AS gifts
            FROM transactions
            WHERE hub_id = $1 AND status <> 'scheduled'
                AND counted_on >= coalesce($2, '-infinity'::date) AND counted_on <= coalesce($3, 'infinity'::date)
            GROUP BY 1, 2) AS pairs
         CROSS JOIN LATERAL (VALUES (false, opened), (true, redeemed)) AS step (is_redeemed, span)
         WHERE span IS NOT NULL GROUP BY 1, 2"#,
        scope.hub_id().0,
        range.from,
        range.to,
        &Span::BOUNDS_SECS as &[i32]
    )
    .fetch_all(conn)
    .await?;
    let mut spans = [[0; Span::COUNT]; 2];
    for row in rows {
        let span = usize::try_from(row.span).unwrap_or_default();
        if let Some(gifts) = spans[usize::from(row.is_redeemed)].get_mut(span) {
            *gifts += row.gifts;
        }
    }
    Ok(spans)
}

/// The refunds that are expected of gifts sent on the days of `range`, by day, in the portal's `time_zone`.
pub async fn list_refunds(
    conn: &mut Conn,
    scope: PortalScope,
    range: Range,
    time_zone: &str,
) -> Result<Vec<Refunds>, Error> {
    let hours = i32::try_from(EXPIRES_AFTER_HOURS).unwrap_or(i32::MAX);
    let rows = sqlx::query!(
        r#"SELECT status AS "status!", (expires_at AT TIME ZONE $4)::date AS "expires_on!", currency, count(*) AS "gifts!",
            CASE WHEN currency IS NULL THEN 0 ELSE coalesce(sum(amount), 0) END AS "amount!"
         FROM (
            SELECT status, currency, amount,
                CASE WHEN status = 'expired'
                    THEN coalesce((
                        SELECT min((entry ->> 'at')::timestamptz) FROM jsonb_array_elements(history) AS entry
                        WHERE lower(trim(entry ->> 'status')) = 'expired' AND entry ->> 'at' ~ '^[0-9]{4}-' AND entry ->> 'at' !~ '^0000'), updated_at)
                    ELSE counted_at + make_interval(hours => $5) END AS expires_at
            FROM transactions
            WHERE hub_id = $1 AND NOT is_final AND NOT opened AND status <> 'scheduled'
                AND counted_on >= coalesce($2, '-infinity'::date) AND counted_on <= coalesce($3, 'infinity'::date)
         ) AS open
         GROUP BY 1, 2, 3"#,
        scope.hub_id().0,
        range.from,
        range.to,
        time_zone,
        hours
    )
    .fetch_all(conn)
    .await?;
    let mut by_day = std::collections::BTreeMap::new();
    for row in rows {
        let Some(certainty) = refunds::certainty(Status::from_source(&row.status), false) else {
            continue;
        };
        let on = refunds::refunded_on(row.expires_on);
        let (gifts, amount): &mut (i64, Decimal) =
            by_day.entry((on, certainty, row.currency)).or_default();
        *gifts += row.gifts;
        *amount += row.amount;
    }
    Ok(by_day
        .into_iter()
        .map(|((on, certainty, currency), (gifts, amount))| Refunds {
            on,
            certainty,
            currency,
            gifts,
            amount,
        })
        .collect())
}

/// The lines in their places; the one behind the last place is the rest.
fn ranked<L>(rows: impl Iterator<Item = (i64, i64, L)>) -> Ranked<L> {
    let mut ranked = Ranked::default();
    for (place, members, line) in rows {
        if place <= lines() {
            ranked.lines.push(line);
        } else {
            ranked.others = members;
            ranked.rest = Some(line);
        }
    }
    ranked
}
