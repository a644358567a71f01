//! A page of the list at a time. A page begins beside a gift, not after a number of them, so the last page costs what the
//! first does. The statements are put together at run time, which the checked macros cannot do: a test runs every filter in
//! every order.

use domain::{RecordId, Status, TransactionId};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use sqlx::postgres::PgRow;
use sqlx::{Postgres, QueryBuilder, Row};

use super::{Filter, Line, Link, Order, Place, Reached};
use crate::{Conn, Error, PortalScope};

const COLUMNS: &str = "SELECT t.transaction_id, left(t.gift_name, 200) AS gift_name, t.type_key, t.amount, t.currency,
    left(t.sender_name, 200) AS sender_name, left(t.recipient_name, 200) AS recipient_name,
    coalesce(t.recipient_email, t.recipient_phone) AS recipient, t.status, t.counted_at, t.record_id, t.contact_id,
    t.association_outcome IS NOT NULL AS is_looked_at, t.failure_reason IS NOT NULL AS is_failed,
    t.erased_at IS NOT NULL AS is_erased ";

impl Order {
    /// The column it goes by, and whether it goes down.
    fn by(self) -> (&'static str, bool) {
        match self {
            Self::Newest => ("counted_at", true),
            Self::Oldest => ("counted_at", false),
            Self::Highest => ("value_key", true),
            Self::Lowest => ("value_key", false),
        }
    }
}

/// How the words of a search are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// There are none.
    NoWords,
    /// By the word of this place, which few gifts have.
    Rare(usize),
    /// Many gifts have each of them.
    Common,
}

/// A word is rare that no more rows than this have.
const RARE: i64 = 2_000;
/// Where all words are common, a page is most likely found among so many gifts, of which no more are read than it takes;
/// otherwise all words are looked up.
const WINDOW: i64 = 40_000;

/// How the words of `filter` are looked up best.
pub async fn lookup(conn: &mut Conn, scope: PortalScope, filter: &Filter) -> Result<Lookup, Error> {
    if filter.terms.is_empty() {
        return Ok(Lookup::NoWords);
    }
    let mut rarest = None;
    for (at, term) in filter.terms.iter().enumerate() {
        let rows = sqlx::query_scalar!(
            r#"SELECT count(*) AS "rows!" FROM (
                SELECT FROM gift_words WHERE hub_id = $1 AND word >= $2 AND word < $3 LIMIT $4) AS counted"#,
            scope.hub_id().0,
            term,
            after_all(term),
            RARE + 1
        )
        .fetch_one(&mut *conn)
        .await?;
        if rows <= RARE && rarest.is_none_or(|(_, fewest)| rows < fewest) {
            rarest = Some((at, rows));
        }
    }
    Ok(rarest.map_or(Lookup::Common, |(at, _)| Lookup::Rare(at)))
}

/// Up to `limit` gifts of `filter` from `place` on, in this order.
pub async fn list(
    conn: &mut Conn,
    scope: PortalScope,
    filter: &Filter,
    lookup: Lookup,
    (order, place): (Order, &Place),
    limit: i64,
) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    if lookup == Lookup::Common && limit < WINDOW {
        lines = run(conn, scope, filter, Source::Window, (order, place), limit).await?;
    }
    // Fewer than a page may be all there are among the gifts that were looked at.
    if i64::try_from(lines.len()).is_ok_and(|found| found < limit) {
        let source = match lookup {
            Lookup::NoWords => Source::All,
            Lookup::Rare(at) => Source::Word(at),
            Lookup::Common => Source::Words,
        };
        lines = run(conn, scope, filter, source, (order, place), limit).await?;
    }
    if matches!(place, Place::Before(_)) {
        lines.reverse();
    }
    Ok(lines)
}

/// Where gifts are looked for.
#[derive(Clone, Copy)]
enum Source {
    /// Among all, by the filters' own indexes.
    All,
    /// Among those that have the word of this place.
    Word(usize),
    /// Among those that have all words.
    Words,
    /// Among the first [`WINDOW`] in the order of the list.
    Window,
}

async fn run(
    conn: &mut Conn,
    scope: PortalScope,
    filter: &Filter,
    source: Source,
    (order, place): (Order, &Place),
    limit: i64,
) -> Result<Vec<Line>, Error> {
    let (column, is_down) = order.by();
    // A page before a gift is read backwards and turned round.
    let reads_down = is_down != matches!(place, Place::Before(_));
    let direction = if reads_down { "DESC" } else { "ASC" };
    let ordered = format!(" ORDER BY t.{column} {direction}, t.transaction_id {direction} LIMIT ");
    let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
    if matches!(source, Source::Window) {
        query.push("FROM (SELECT * FROM transactions AS t WHERE t.hub_id = ");
        query.push_bind(scope.hub_id().0);
        push_place(&mut query, scope, (order, place), reads_down);
        push_times(&mut query, "t.", filter);
        query.push(&ordered).push_bind(WINDOW).push(") AS t");
    } else {
        query.push("FROM transactions AS t");
    }
    push_conditions(&mut query, scope, filter, source);
    push_place(&mut query, scope, (order, place), reads_down);
    query.push(&ordered).push_bind(limit);
    // Which index is right depends on the values, so each statement is planned for its own.
    let rows = query.build().persistent(false).fetch_all(conn).await?;
    Ok(rows
        .iter()
        .map(line)
        .collect::<Result<Vec<_>, sqlx::Error>>()?)
}

/// How many gifts of `filter` there are, counted up to `limit`; `None` where common words would make that long.
pub async fn count(
    conn: &mut Conn,
    scope: PortalScope,
    filter: &Filter,
    lookup: Lookup,
    limit: i64,
) -> Result<Option<i64>, Error> {
    let source = match lookup {
        Lookup::NoWords => Source::All,
        Lookup::Rare(at) => Source::Word(at),
        Lookup::Common => return Ok(None),
    };
    let mut query =
        QueryBuilder::<Postgres>::new("SELECT count(*) FROM (SELECT FROM transactions AS t");
    push_conditions(&mut query, scope, filter, source);
    query.push(" LIMIT ").push_bind(limit).push(") AS counted");
    let row = query.build().persistent(false).fetch_one(conn).await?;
    Ok(Some(row.try_get(0)?))
}

/// ` AND` right after or before the gift where the page begins.
fn push_place(
    query: &mut QueryBuilder<Postgres>,
    scope: PortalScope,
    (order, place): (Order, &Place),
    reads_down: bool,
) {
    if let Place::After(id) | Place::Before(id) = place {
        let (column, _) = order.by();
        let sign = if reads_down { "<" } else { ">" };
        query.push(format!(" AND (t.{column}, t.transaction_id) {sign} (SELECT {column}, transaction_id FROM transactions WHERE hub_id = "));
        query.push_bind(scope.hub_id().0);
        query
            .push(" AND transaction_id = ")
            .push_bind(id.as_str().to_owned())
            .push(")");
    }
    if order == Order::Lowest {
        query.push(" AND t.value_key >= 0");
    }
}

/// What follows every word that begins with `term`.
fn after_all(term: &str) -> String {
    format!("{term}{}", char::MAX)
}

/// ` WHERE …` of the filter; the transactions are `t`.
fn push_conditions(
    query: &mut QueryBuilder<Postgres>,
    scope: PortalScope,
    filter: &Filter,
    source: Source,
) {
    let hub_id = scope.hub_id().0;
    let range = |query: &mut QueryBuilder<Postgres>, term: &str| {
        query.push("word >= ").push_bind(term.to_owned());
        query.push(" AND word < ").push_bind(after_all(term));
    };
    let looked_up: Vec<&String> = match source {
        Source::All | Source::Window => Vec::new(),
        Source::Word(at) => filter.terms.get(at).into_iter().collect(),
        Source::Words => filter.terms.iter().collect(),
    };
    if !looked_up.is_empty() {
        query.push(" JOIN (");
        for (at, term) in looked_up.iter().enumerate() {
            query.push(if at == 0 { "" } else { " INTERSECT " });
            // One gift has several words that begin alike.
            query.push("SELECT DISTINCT transaction_id FROM gift_words WHERE hub_id = ");
            query.push_bind(hub_id).push(" AND ");
            range(query, term);
            push_times(query, "", filter);
        }
        query.push(") AS found ON t.transaction_id = found.transaction_id");
    }
    query.push(" WHERE t.hub_id = ").push_bind(hub_id);
    push_times(query, "t.", filter);
    for term in filter.terms.iter().filter(|term| !looked_up.contains(term)) {
        query.push(" AND EXISTS (SELECT FROM unnest(t.words) AS own (word) WHERE ");
        query
            .push("own.word COLLATE \"C\" >= ")
            .push_bind(term.clone());
        query
            .push(" AND own.word COLLATE \"C\" < ")
            .push_bind(after_all(term))
            .push(")");
    }
    if let Some(status) = filter.status {
        query.push(" AND t.status = ").push_bind(status.as_str());
    }
    match filter.reached {
        Some(Reached::Sent) => {
            query.push(" AND t.status <> 'scheduled'");
        }
        Some(Reached::Step(step)) => {
            query.push(format!(
                " AND t.{} AND t.status <> 'scheduled'",
                step.as_str()
            ));
        }
        None => {}
    }
    if let Some(gift_type) = &filter.gift_type {
        query
            .push(" AND t.type_key = ")
            .push_bind(gift_type.clone());
    }
    if let Some(sender) = &filter.sender {
        query.push(" AND t.sender_key = ").push_bind(sender.clone());
    }
    match filter.link {
        Some(Link::Linked) => query.push(" AND t.contact_id IS NOT NULL"),
        Some(Link::Orphan) => query.push(
            " AND t.contact_id IS NULL AND t.record_id IS NOT NULL AND t.association_outcome IS NOT NULL",
        ),
        None => query,
    };
    if filter.failed {
        query.push(
            " AND t.failure_reason IS NOT NULL AND t.dismissed_hash IS DISTINCT FROM t.desired_hash",
        );
    }
    if let Some(currency) = &filter.currency {
        query.push(" AND t.currency = ").push_bind(currency.clone());
    }
    if let Some(least) = filter.least {
        query
            .push(" AND t.value_key >= ")
            .push_bind(value_key(least).max(0));
    }
    if let Some(most) = filter.most {
        query.push(" AND t.value_key BETWEEN 0 AND ");
        query.push_bind(value_key(most));
    }
}

fn push_times(query: &mut QueryBuilder<Postgres>, table: &str, filter: &Filter) {
    if let Some(from) = filter.from {
        query
            .push(format!(" AND {table}counted_at >= "))
            .push_bind(from);
    }
    if let Some(until) = filter.until {
        query
            .push(format!(" AND {table}counted_at < "))
            .push_bind(until);
    }
}

/// An amount as the column `value_key` writes it.
fn value_key(amount: Decimal) -> i64 {
    amount
        .checked_mul(Decimal::from(10_000))
        .and_then(|ten_thousandths| ten_thousandths.round().to_i64())
        .unwrap_or(i64::MAX)
}

fn line(row: &PgRow) -> Result<Line, sqlx::Error> {
    let status: &str = row.try_get("status")?;
    let record: Option<i64> = row.try_get("record_id")?;
    let contact: Option<i64> = row.try_get("contact_id")?;
    Ok(Line {
        id: TransactionId(row.try_get("transaction_id")?),
        gift_name: row.try_get("gift_name")?,
        gift_type: row.try_get("type_key")?,
        amount: row.try_get("amount")?,
        currency: row.try_get("currency")?,
        sender_name: row.try_get("sender_name")?,
        recipient_name: row.try_get("recipient_name")?,
        recipient: row.try_get("recipient")?,
        status: Status::from_source(status),
        counted_at: row.try_get("counted_at")?,
        record: record.map(RecordId),
        contact: contact.map(RecordId),
        is_looked_at: row.try_get("is_looked_at")?,
        is_failed: row.try_get("is_failed")?,
        is_erased: row.try_get("is_erased")?,
    })
}
