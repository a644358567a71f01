//! The list of gifts: by any filter, a page at a time, and all of it as rows for a file.

use domain::portal::PortalStatus;
use domain::statistics::{Range, Total};
use domain::{Status, Transaction, TransactionId, search};
use serde_json::json;
use store::PortalScope;
pub use store::gifts::{Filter, Line, Link, Order, Place, Reached};

use crate::days::instants;
use crate::portals::PortalSummary;
use crate::session::Session;
use crate::{App, Error, statistics, status};

/// Gifts of a page.
pub const PAGE: i64 = 50;
/// How far gifts are counted where no roll-up knows their number: so many are read at once.
const COUNTED: i64 = 100;
/// Types to choose from.
const TYPES: i64 = 200;
/// Gifts that an export reads at a time.
const EXPORT_PAGE: i64 = 1_000;

/// What a person looks for: the filter in the words of a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Words, or a transaction's id.
    pub text: String,
    /// The days, in the portal's time zone.
    pub days: Range,
    /// The rest; its words and times are made from the above.
    pub filter: Filter,
    /// The order.
    pub order: Order,
}

/// How many gifts there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// So many.
    Exactly(i64),
    /// More than this.
    MoreThan(i64),
}

/// A page of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The portal.
    pub portal: PortalSummary,
    /// Where it stands.
    pub status: PortalStatus,
    /// The gifts.
    pub lines: Vec<Line>,
    /// Whether others come before them.
    pub has_before: bool,
    /// Whether others come after them.
    pub has_after: bool,
    /// How many there are in all; known on the first page.
    pub count: Option<Count>,
    /// The types to choose from.
    pub types: Vec<String>,
    /// The gift whose id the text is.
    pub exact: Option<TransactionId>,
}

/// The page of what is `wanted` that begins at `place`.
pub async fn list(
    app: &App,
    scope: PortalScope,
    wanted: &Wanted,
    place: &Place,
) -> Result<Page, Error> {
    let mut tx = app.db.begin(scope).await?;
    let portal = store::portals::find(&mut tx, scope)
        .await?
        .ok_or(Error::NotConnected)?;
    let counters = portal.counters;
    let status = status::read(&mut tx, scope, &portal).await?;
    let portal = PortalSummary::of(scope, &portal);
    let filter = filter(wanted, &portal);
    let id =
        Some(wanted.text.trim()).filter(|id| !id.is_empty() && !id.contains(char::is_whitespace));
    let exact = match id.map(|id| TransactionId(id.to_owned())) {
        Some(id) if store::gifts::exists(&mut tx, scope, &id).await? => Some(id),
        _ => None,
    };
    let mut page = Page {
        portal,
        status,
        lines: Vec::new(),
        has_before: false,
        has_after: false,
        count: None,
        types: Vec::new(),
        exact,
    };
    let is_wordless = !wanted.text.trim().is_empty() && filter.terms.is_empty();
    let mut counted = Some(Count::Exactly(0));
    if !is_wordless {
        let lookup = store::gifts::lookup(&mut tx, scope, &filter, wanted.order).await?;
        let counts = *place == Place::Start && counts_by_ledger(wanted, &filter);
        // One more than is shown tells whether there are others.
        let limit = if counts && is_of_one_index(&filter) {
            COUNTED
        } else {
            PAGE
        } + 1;
        let from = (wanted.order, place);
        page.lines = store::gifts::list(&mut tx, scope, &filter, &lookup, from, limit).await?;
        let found = count_of(page.lines.len());
        counted = if *place != Place::Start {
            None
        } else if found < limit {
            Some(Count::Exactly(found))
        } else if is_all_orphans(wanted, &filter) {
            Some(Count::Exactly(counters.orphans))
        } else if counts {
            Some(Count::MoreThan(limit - 1))
        } else {
            None
        };
        page.turn(place);
    }
    drop(tx);
    if counted.is_none() && *place == Place::Start {
        let zone = page.portal.time_zone;
        let totals = statistics::totals(app, scope, zone, &counters, wanted.days).await?;
        counted = Some(Count::Exactly(sum(&totals, &filter)));
    }
    page.count = counted;
    let types = app.types.or_read(scope, counters.version, (), async {
        let mut tx = app.db.begin(scope).await?;
        store::gifts::list_types(&mut tx, scope, TYPES).await
    });
    page.types = types.await?.to_vec();
    Ok(page)
}

impl Page {
    /// Of lines that may be one too many, those that are shown, and whether others come before and after them.
    fn turn(&mut self, place: &Place) {
        let shown = usize::try_from(PAGE).unwrap_or(usize::MAX);
        let has_more = self.lines.len() > shown;
        (self.has_before, self.has_after) = match place {
            Place::Start => (false, has_more),
            Place::After(_) => (true, has_more),
            Place::Before(_) => (has_more, true),
        };
        if has_more && matches!(place, Place::Before(_)) {
            self.lines.remove(0);
        }
        self.lines.truncate(shown);
    }
}

/// The filter with its words and times.
fn filter(wanted: &Wanted, portal: &PortalSummary) -> Filter {
    let (from, until) = instants(wanted.days, portal.time_zone);
    Filter {
        terms: search::terms(&wanted.text),
        from,
        until,
        ..wanted.filter.clone()
    }
}

/// Whether only the ledger knows how many there are.
fn counts_by_ledger(wanted: &Wanted, filter: &Filter) -> bool {
    let Filter {
        terms,
        sender,
        link,
        failed,
        least,
        most,
        // The roll-ups go by these.
        status: _,
        reached: _,
        gift_type: _,
        currency: _,
        from: _,
        until: _,
    } = filter;
    !terms.is_empty()
        || sender.is_some()
        || link.is_some()
        || *failed
        || least.is_some()
        || most.is_some()
        || wanted.order == Order::Lowest
}

/// Whether it asks for the orphans of all days and nothing else, whose number every page shows.
fn is_all_orphans(wanted: &Wanted, filter: &Filter) -> bool {
    let orphans = Filter {
        link: Some(Link::Orphan),
        ..Filter::default()
    };
    *filter == orphans && wanted.order != Order::Lowest
}

/// Whether it asks for one thing and days, which an index has in order; otherwise more than a page may be a long way.
fn is_of_one_index(filter: &Filter) -> bool {
    let Filter {
        terms,
        status,
        reached,
        gift_type,
        sender,
        link,
        failed,
        from: _,
        until: _,
        currency,
        least,
        most,
    } = filter;
    let others = [
        status.is_some(),
        reached.is_some(),
        gift_type.is_some(),
        sender.is_some(),
        link.is_some(),
        *failed,
        currency.is_some(),
        least.is_some() || most.is_some(),
    ];
    terms.len() + others.into_iter().filter(|is_set| *is_set).count() == 1
        && (least, most) == (&None, &None)
}

/// How many there are by the roll-ups.
fn sum(totals: &[Total], filter: &Filter) -> i64 {
    totals
        .iter()
        .filter(|total| filter.status.is_none_or(|status| total.status == status))
        .filter(|total| filter.gift_type.is_none() || total.gift_type == filter.gift_type)
        .filter(|total| filter.currency.is_none() || total.currency == filter.currency)
        .map(|total| match filter.reached {
            Some(_) if total.status == Status::Scheduled => 0,
            None | Some(Reached::Sent) => total.transactions,
            Some(Reached::Step(step)) => total.reached(step),
        })
        .sum()
}

/// A gift as a file has it: all of what HubSpot shows, and what it is linked to.
#[derive(Debug, Clone)]
pub struct Exported {
    /// The transaction.
    pub transaction: Transaction,
    /// What the list shows of it.
    pub line: Line,
}

/// Notes that somebody takes the list with them.
pub async fn begin_export(app: &App, session: &Session, wanted: &Wanted) -> Result<(), Error> {
    let scope = *session.scope();
    let Filter {
        status,
        gift_type,
        sender,
        link,
        failed,
        ..
    } = &wanted.filter;
    let status = status.map(Status::as_str);
    // Which filters, without the names and addresses that some of them hold.
    let detail = json!({
        "searched": !wanted.text.is_empty(),
        "from": wanted.days.from,
        "to": wanted.days.to,
        "status": status,
        "by_type": gift_type.is_some(),
        "by_sender": sender.is_some(),
        "by_link": link.is_some(),
        "failed": failed,
    });
    let mut tx = app.db.begin(scope).await?;
    store::audit::insert(
        &mut tx,
        scope,
        &session.actor(),
        "gifts.export",
        &detail,
        app.now(),
    )
    .await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// The next gifts of an export, after a gift when it is given; none at the end. Each step is a transaction of its own, so
/// that a slow reader holds nothing open.
pub async fn export(
    app: &App,
    scope: PortalScope,
    portal: &PortalSummary,
    wanted: &Wanted,
    after: Option<&TransactionId>,
) -> Result<Vec<Exported>, Error> {
    let filter = filter(wanted, portal);
    if !wanted.text.trim().is_empty() && filter.terms.is_empty() {
        return Ok(Vec::new());
    }
    let place = after.map_or(Place::Start, |id| Place::After(id.clone()));
    let mut tx = app.db.begin(scope).await?;
    let lookup = store::gifts::lookup(&mut tx, scope, &filter, wanted.order).await?;
    let from = (wanted.order, &place);
    let lines = store::gifts::list(&mut tx, scope, &filter, &lookup, from, EXPORT_PAGE).await?;
    let ids: Vec<String> = lines.iter().map(|line| line.id.0.clone()).collect();
    let mut known: std::collections::HashMap<TransactionId, Transaction> =
        store::transactions::find_all(&mut tx, scope, &ids)
            .await?
            .into_iter()
            .map(|row| (row.transaction.id.clone(), row.transaction))
            .collect();
    Ok(lines
        .into_iter()
        .filter_map(|line| {
            let transaction = known.remove(&line.id)?;
            Some(Exported { transaction, line })
        })
        .collect())
}

fn count_of(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
