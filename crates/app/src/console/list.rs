//! The list of portals: a page at a time, each with what it has used of its budget.

use domain::HubId;
use hubspot::Used;
pub use store::console::{Filter, Line, Trouble};

use super::late_before;
use crate::{App, Error};

/// Portals of a page.
const PAGE: i64 = 50;

/// A page of the list.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// The portals, by number, with what each has used; `None` where it cannot be told now.
    pub lines: Vec<(Line, Option<Used>)>,
    /// After which portal the next page begins, if there is one.
    pub next: Option<HubId>,
}

/// A page of the portals of a filter, those after `after` when it is given.
pub async fn list(app: &App, filter: &Filter, after: Option<HubId>) -> Result<Listed, Error> {
    let mut conn = app.db.unscoped().await?;
    let mut lines =
        store::console::list(&mut conn, filter, after, late_before(app), PAGE + 1).await?;
    drop(conn);
    let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let has_more = lines.len() > page;
    lines.truncate(page);
    let next = lines.last().filter(|_| has_more).map(|line| line.hub_id);
    let hubs: Vec<HubId> = lines.iter().map(|line| line.hub_id).collect();
    let used = app.hubspot.used(&hubs).await;
    let used_at = |at: usize| used.as_ref().and_then(|used| used.get(at)).copied();
    Ok(Listed {
        lines: lines
            .into_iter()
            .enumerate()
            .map(|(at, line)| (line, used_at(at)))
            .collect(),
        next,
    })
}
