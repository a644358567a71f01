//! The list of all portals.

use app::console::{Filter, Line, Listed, Trouble, Used};
use askama::Template;
use chrono::{DateTime, Utc};
use domain::HubId;
use domain::portal::PortalState;
use url::form_urlencoded;

use super::runs::portal_name;
use super::{Place, moment, state, tabs};
use crate::view::audit::Choice;
use crate::view::format::{self, Moment};
use crate::view::pill::Pill;
use crate::view::shell::{Shell, Viewer};
use crate::view::tabs::Tab;

/// `templates/console/portals.html`.
#[derive(Template)]
#[template(path = "console/portals.html")]
pub struct PortalsPage {
    /// The frame.
    pub shell: Shell,
    /// The console's pages.
    pub tabs: Vec<Tab>,
    /// What is searched for.
    pub q: String,
    /// States to choose from.
    pub states: Vec<Choice>,
    /// Troubles to choose from.
    pub troubles: Vec<Choice>,
    /// Whether anything is asked for.
    pub is_narrowed: bool,
    /// One page of portals.
    pub rows: Vec<Row>,
    /// Whether what has been used of budgets could be told.
    pub knows_budgets: bool,
    /// The page from the beginning.
    pub first: Option<String>,
    /// The next page.
    pub next: Option<String>,
}

/// A portal, as a row.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its page here.
    pub href: String,
    /// Its domain, else its number.
    pub name: String,
    /// Its number.
    pub hub_id: HubId,
    /// Where it stands.
    pub state: Pill,
    /// What is wrong with it.
    pub trouble: Option<&'static str>,
    /// Its last good sync.
    pub succeeded: Option<Moment>,
    /// Whether that is too long ago.
    pub is_late: bool,
    /// Gifts to write.
    pub dirty: String,
    /// Refused rows.
    pub failed: String,
    /// Whether there are any.
    pub has_failed: bool,
    /// Records without a contact.
    pub orphans: String,
    /// What it has used of its budget.
    pub budget: String,
}

/// The word of a trouble in addresses.
pub fn word(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Late => "late",
        Trouble::Failing => "failing",
        Trouble::Refused => "refused",
    }
}

fn label(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Late => "Late",
        Trouble::Failing => "Failing runs",
        Trouble::Refused => "Refused rows",
    }
}

/// How much of a budget is used, in a few words.
pub fn budget(used: Option<Used>) -> String {
    match used {
        None => "–".to_owned(),
        Some(used) if !used.blocked.is_zero() => format!("Held {} s", used.blocked.as_secs() + 1),
        Some(used) => {
            let share = u64::from(used.calls) * 100 / u64::from(used.limit.max(1));
            format!("{share} %, {} of {}", used.calls, used.limit)
        }
    }
}

impl PortalsPage {
    /// The page of `listed`, which is what the filter asked for; `is_first` when none come before.
    pub fn new(
        listed: &Listed,
        filter: &Filter,
        is_first: bool,
        viewer: &Viewer,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            shell: Shell::of_console("Portals", Some(viewer.clone())),
            tabs: tabs(Place::Portals),
            q: filter.words.clone().unwrap_or_default(),
            states: PortalState::ALL
                .into_iter()
                .map(|one| Choice {
                    value: one.as_str().to_owned(),
                    label: state(one).word.to_owned(),
                    chosen: filter.state == Some(one),
                })
                .collect(),
            troubles: [Trouble::Late, Trouble::Failing, Trouble::Refused]
                .into_iter()
                .map(|one| Choice {
                    value: word(one).to_owned(),
                    label: label(one).to_owned(),
                    chosen: filter.trouble == Some(one),
                })
                .collect(),
            is_narrowed: *filter != Filter::default(),
            rows: listed
                .lines
                .iter()
                .map(|(line, used)| Row::new(line, *used, now))
                .collect(),
            knows_budgets: listed.lines.iter().all(|(_, used)| used.is_some()),
            first: (!is_first).then(|| address(filter, None)),
            next: listed.next.map(|next| address(filter, Some(next))),
        }
    }
}

impl Row {
    fn new(line: &Line, used: Option<Used>, now: DateTime<Utc>) -> Self {
        Self {
            href: format!("/operator/portals/{}", line.hub_id),
            name: portal_name(line.hub_id, line.hub_domain.as_deref()),
            hub_id: line.hub_id,
            state: state(line.state),
            trouble: match (line.erased_at, line.is_failing) {
                (Some(_), _) => Some("Erased"),
                (None, true) => Some("A run ended badly"),
                (None, false) => None,
            },
            succeeded: line.succeeded_at.map(|at| moment(at, now)),
            is_late: line.is_late,
            dirty: format::number(line.dirty),
            failed: format::number(line.failed),
            has_failed: line.failed > 0,
            orphans: format::number(line.orphans),
            budget: budget(used),
        }
    }
}

/// The address that asks for the same, after a portal when it is given.
fn address(filter: &Filter, after: Option<HubId>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(words) = &filter.words {
        query.append_pair("q", words);
    }
    if let Some(state) = filter.state {
        query.append_pair("state", state.as_str());
    }
    if let Some(trouble) = filter.trouble {
        query.append_pair("trouble", word(trouble));
    }
    if let Some(after) = after {
        query.append_pair("after", &after.to_string());
    }
    match query.finish() {
        query if query.is_empty() => "/operator/portals".to_owned(),
        query => format!("/operator/portals?{query}"),
    }
}
