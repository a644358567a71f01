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

    fn is_by_time(self) -> bool {
        matches!(self, Self::Newest | Self::Oldest)
    }
}

/// How the words of a search are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// There are none.
    NoWords,
    /// By the term of this place, which is the beginning of these words only: the gifts of each stand in the order of time.
    Words(usize, Vec<String>),
    /// By the term of this place, which few gifts have.
    Rare(usize),
    /// Many gifts have each of them.
    Common,
}

/// A term is rare that no more rows than this have: as many are read and put in order within some milliseconds.
const RARE: i64 = 10_000;
/// The words of a term whose gifts are merged at most.
const FEW: i32 = 8;
/// Where all words are common, a page is most likely found among so many gifts of the other filters, of which no more are
/// read than it takes; otherwise all words are looked up.
const WINDOW: i64 = 40_000;

/// How the words of `filter` are looked up best for this order.
pub async fn lookup(
    conn: &mut Conn,
    scope: PortalScope,
    filter: &Filter,
    order: Order,
) -> Result<Lookup, Error> {
    if filter.terms.is_empty() {
        return Ok(Lookup::NoWords);
    }
    let most_words = most_words(filter, order);
    // Terms are compared by how many rows they have; one alone has nothing to be compared with.
    let compared = if filter.terms.len() == 1 { 0 } else { RARE + 1 };
    let mut best = None;
    for (at, term) in filter.terms.iter().enumerate() {
        // Of the words, one at a time, from one to the next; of the rows as many as it takes to compare.
        let row = sqlx::query!(
            r#"WITH RECURSIVE own (word, nth) AS (
                (SELECT word, 1 FROM gift_words WHERE hub_id = $1 AND word >= $2 AND word < $3 ORDER BY word LIMIT 1)
                UNION ALL
                SELECT (SELECT next.word FROM gift_words AS next
                    WHERE next.hub_id = $1 AND next.word > own.word AND next.word < $3 ORDER BY next.word LIMIT 1), nth + 1
                FROM own WHERE word IS NOT NULL AND nth <= $4
             ), words AS (SELECT array_agg(word) FILTER (WHERE word IS NOT NULL) AS words FROM own)
             SELECT words, (SELECT count(*) FROM (
                SELECT FROM gift_words WHERE hub_id = $1 AND word >= $2 AND word < $3
                LIMIT CASE WHEN cardinality(words) <= $4 THEN $5::bigint ELSE $6::bigint END) AS counted) AS "rows!"
             FROM words"#,
            scope.hub_id().0,
            term,
            after_all(term),
            most_words,
            compared,
            RARE + 1
        )
        .fetch_one(&mut *conn)
        .await?;
        let words = row.words.unwrap_or_default();
        let is_few = i32::try_from(words.len()).is_ok_and(|words| words <= most_words);
        let lookup = if is_few && !words.is_empty() {
            Lookup::Words(at, words)
        } else if row.rows <= RARE {
            Lookup::Rare(at)
        } else {
            continue;
        };
        if best.as_ref().is_none_or(|(_, fewest)| row.rows < *fewest) {
            best = Some((lookup, row.rows));
        }
    }
    Ok(best.map_or(Lookup::Common, |(lookup, _)| lookup))
}

/// With how many words a term may begin whose gifts are read in their own order.
fn most_words(filter: &Filter, order: Order) -> i32 {
    let only_term = Filter {
        terms: filter.terms.clone(),
        from: filter.from,
        until: filter.until,
        ..Filter::default()
    };
    if !order.is_by_time() || filter.is_ordered() {
        // They have another order, or the other filter has it as well and is the shorter way.
        0
    } else if filter.terms.len() == 1 && *filter == only_term {
        FEW
    } else {
        // Several can only be merged where nothing is left out of them.
        1
    }
}

/// Up to `limit` gifts of `filter` from `place` on, in this order.
pub async fn list(
    conn: &mut Conn,
    scope: PortalScope,
    filter: &Filter,
    lookup: &Lookup,
    (order, place): (Order, &Place),
    limit: i64,
) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    if *lookup == Lookup::Common && limit < WINDOW {
        lines = run(conn, scope, filter, Source::Window, (order, place), limit).await?;
    }
    // Fewer than a page may be all there are among the gifts that were looked at.
    if i64::try_from(lines.len()).is_ok_and(|found| found < limit) {
        let source = Source::of(lookup, filter);
        lines = run(conn, scope, filter, source, (order, place), limit).await?;
    }
    if matches!(place, Place::Before(_)) {
        lines.reverse();
    }
    Ok(lines)
}

impl Filter {
    /// Whether an index has its gifts in the order of time, words apart ([`push_ordered`]).
    fn is_ordered(&self) -> bool {
        let Self {
            status,
            gift_type,
            sender,
            link,
            failed,
            terms: _,
            reached: _,
            from: _,
            until: _,
            currency: _,
            least: _,
            most: _,
        } = self;
        status.is_some() || gift_type.is_some() || sender.is_some() || link.is_some() || *failed
    }
}

/// Where gifts are looked for.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// Among all, by the filters' own indexes.
    All,
    /// Among those that have one of these words, the only ones that begin with this term, in the order of time.
    Words(&'a [String], &'a [String]),
    /// Among those that have words beginning with all of these terms.
    Terms(&'a [String]),
    /// Among the first [`WINDOW`] in the order of the list.
    Window,
}

impl<'a> Source<'a> {
    /// Where all that match are found.
    fn of(lookup: &'a Lookup, filter: &'a Filter) -> Self {
        let terms = &filter.terms;
        let term = |at: usize| terms.get(at..=at).unwrap_or_default();
        match lookup {
            Lookup::NoWords => Self::All,
            Lookup::Words(at, words) => Self::Words(term(*at), words),
            Lookup::Rare(at) => Self::Terms(term(*at)),
            Lookup::Common => Self::Terms(terms),
        }
    }

    /// The terms that every gift from there has.
    fn terms(self) -> &'a [String] {
        match self {
            Self::All | Self::Window => &[],
            Self::Words(terms, _) | Self::Terms(terms) => terms,
        }
    }
}

async fn run(
    conn: &mut Conn,
    scope: PortalScope,
    filter: &Filter,
    source: Source<'_>,
    (order, place): (Order, &Place),
    limit: i64,
) -> Result<Vec<Line>, Error> {
    let (column, is_down) = order.by();
    // A page before a gift is read backwards and turned round.
    let reads_down = is_down != matches!(place, Place::Before(_));
    let direction = if reads_down { "DESC" } else { "ASC" };
    let ordered = |table: &str| {
        format!(" ORDER BY {table}.{column} {direction}, {table}.transaction_id {direction} ")
    };
    let place = |query: &mut QueryBuilder<Postgres>, table: &str| {
        push_place(query, scope, table, (order, place), reads_down);
    };
    let mut query = QueryBuilder::<Postgres>::new(COLUMNS);
    let by = match source {
        // The sender's index holds the amounts but not their order: gifts are chosen from it before any is read.
        Source::All if filter.sender.is_some() && !order.is_by_time() => {
            query.push("FROM (SELECT t.transaction_id, t.value_key FROM transactions AS t");
            push_conditions(&mut query, scope, filter, source);
            place(&mut query, "t");
            query.push(ordered("t")).push("LIMIT ").push_bind(limit);
            query.push(") AS found");
            push_join(&mut query);
            "found"
        }
        Source::All => {
            query.push("FROM transactions AS t");
            "t"
        }
        Source::Window => {
            query.push("FROM (SELECT * FROM transactions AS t WHERE t.hub_id = ");
            query.push_bind(scope.hub_id().0);
            place(&mut query, "t");
            push_times(&mut query, "t.", filter);
            push_ordered(&mut query, filter);
            query.push(ordered("t")).push("LIMIT ");
            query.push_bind(WINDOW).push(") AS t");
            "t"
        }
        Source::Words(_, [word]) => {
            query.push("FROM gift_words AS found");
            push_join(&mut query);
            query
                .push(" AND found.hub_id = ")
                .push_bind(scope.hub_id().0);
            query.push(" AND found.word = ").push_bind(word.to_owned());
            push_times(&mut query, "found.", filter);
            "found"
        }
        // The first of each word hold the first of all, for no other filter leaves one out.
        Source::Words(_, words) => {
            query.push("FROM (SELECT DISTINCT counted_at, transaction_id FROM (");
            for (nth, word) in words.iter().enumerate() {
                query.push(if nth == 0 { "(" } else { " UNION ALL (" });
                query.push(
                    "SELECT counted_at, transaction_id FROM gift_words AS found WHERE hub_id = ",
                );
                query.push_bind(scope.hub_id().0);
                query.push(" AND word = ").push_bind(word.to_owned());
                push_times(&mut query, "", filter);
                place(&mut query, "found");
                query.push(ordered("found"));
                query.push("LIMIT ").push_bind(limit).push(")");
            }
            query.push(") AS found) AS found");
            push_join(&mut query);
            "found"
        }
        Source::Terms(terms) => {
            query.push("FROM (");
            push_found(&mut query, scope, filter, terms);
            // In the order of the list already, no more transactions are read than it takes.
            let by = if order.is_by_time() {
                query.push(ordered("found"));
                "found"
            } else {
                "t"
            };
            query.push(") AS found");
            push_join(&mut query);
            by
        }
    };
    push_conditions(&mut query, scope, filter, source);
    place(&mut query, by);
    query.push(ordered(by)).push("LIMIT ").push_bind(limit);
    // Which index is right depends on the values: PostgreSQL plans anew for them as long as that pays.
    let rows = query.build().fetch_all(conn).await?;
    Ok(rows
        .iter()
        .map(line)
        .collect::<Result<Vec<_>, sqlx::Error>>()?)
}

/// ` AND` right after or before the gift where the page begins.
fn push_place(
    query: &mut QueryBuilder<Postgres>,
    scope: PortalScope,
    table: &str,
    (order, place): (Order, &Place),
    reads_down: bool,
) {
    if let Place::After(id) | Place::Before(id) = place {
        let (column, _) = order.by();
        let sign = if reads_down { "<" } else { ">" };
        query.push(format!(" AND ({table}.{column}, {table}.transaction_id) {sign} (SELECT {column}, transaction_id FROM transactions WHERE hub_id = "));
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

/// The gifts that have all these words: `counted_at` and `transaction_id` of each, once.
fn push_found(
    query: &mut QueryBuilder<Postgres>,
    scope: PortalScope,
    filter: &Filter,
    terms: &[String],
) {
    query.push("SELECT counted_at, transaction_id FROM (");
    for (at, term) in terms.iter().enumerate() {
        query.push(if at == 0 { "" } else { " INTERSECT " });
        // One gift has several words that begin alike.
        query.push("SELECT DISTINCT counted_at, transaction_id FROM gift_words WHERE hub_id = ");
        query.push_bind(scope.hub_id().0);
        push_word(query, term);
        push_times(query, "", filter);
    }
    query.push(") AS found");
}

/// ` JOIN …` of the transactions `t` with those that were `found`.
fn push_join(query: &mut QueryBuilder<Postgres>) {
    query.push(" JOIN transactions AS t ON t.transaction_id = found.transaction_id");
}

/// ` AND` a word that begins with `term`.
fn push_word(query: &mut QueryBuilder<Postgres>, term: &str) {
    query.push(" AND word >= ").push_bind(term.to_owned());
    query.push(" AND word < ").push_bind(after_all(term));
}

/// ` WHERE …` of the filter; the transactions are `t`.
fn push_conditions(
    query: &mut QueryBuilder<Postgres>,
    scope: PortalScope,
    filter: &Filter,
    source: Source<'_>,
) {
    let hub_id = scope.hub_id().0;
    let looked_up = source.terms();
    query.push(" WHERE t.hub_id = ").push_bind(hub_id);
    push_times(query, "t.", filter);
    for term in filter
        .terms
        .iter()
        .filter(|term| !looked_up.contains(*term))
    {
        query.push(" AND EXISTS (SELECT FROM unnest(t.words) AS own (word) WHERE ");
        query
            .push("own.word COLLATE \"C\" >= ")
            .push_bind(term.clone());
        query
            .push(" AND own.word COLLATE \"C\" < ")
            .push_bind(after_all(term))
            .push(")");
    }
    push_ordered(query, filter);
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

/// ` AND …` of the filters whose gifts an index has in the order of time.
fn push_ordered(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    if let Some(status) = filter.status {
        query.push(" AND t.status = ").push_bind(status.as_str());
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
