//! What does not get through now: by reason, and row by row.

use app::portals::PortalSummary;
use app::session::FormToken;
use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::failure::{Failure, Group, Selection, Stage};
use domain::portal::{PortalState, PortalStatus};

use super::format::{self, Moment};
use super::reasons;
use super::shell::{Shell, Viewer};
use super::tabs::{Place, Tab, tabs};
use crate::assets;

/// Hidden fields of a form: names and values.
pub type Fields = Vec<(&'static str, String)>;

/// `templates/failures/list.html`.
#[derive(Template)]
#[template(path = "failures/list.html")]
pub struct FailuresPage {
    /// The frame.
    pub shell: Shell,
    /// The portal's path, `/portals/{hub_id}`.
    pub path: String,
    /// Hidden field of the forms.
    pub csrf_token: FormToken,
    /// Whether the buttons are there for this person.
    pub is_owner: bool,
    /// Whether trying again makes sense in this state.
    pub can_retry: bool,
    /// The portal's pages.
    pub tabs: Vec<Tab>,
    /// What the page shows, in one sentence.
    pub sentence: String,
    /// The reasons, the most frequent first.
    pub groups: Vec<GroupCard>,
}

/// Failures of one reason.
#[derive(Debug, Clone)]
pub struct GroupCard {
    /// What happened.
    pub happened: &'static str,
    /// The field at fault.
    pub field: Option<String>,
    /// HubSpot's code, or ours.
    pub code: String,
    /// The words about the latest of them.
    pub reason: String,
    /// How many, grouped.
    pub rows: String,
    /// Their noun.
    pub noun: &'static str,
    /// What helps.
    pub remedy: &'static str,
    /// When the one that has waited longest was tried.
    pub since: Moment,
    /// When the latest was tried.
    pub last_at: Moment,
    /// Its rows.
    pub href: String,
    /// Its name in forms.
    pub fields: Fields,
}

/// `templates/failures/rows.html`.
#[derive(Template)]
#[template(path = "failures/rows.html")]
pub struct FailureRowsPage {
    /// The frame.
    pub shell: Shell,
    /// The portal's path, `/portals/{hub_id}`.
    pub path: String,
    /// Hidden field of the forms.
    pub csrf_token: FormToken,
    /// Whether the buttons are there for this person.
    pub is_owner: bool,
    /// Whether trying again makes sense in this state.
    pub can_retry: bool,
    /// The portal's pages.
    pub tabs: Vec<Tab>,
    /// What happened to them.
    pub happened: &'static str,
    /// The field at fault.
    pub field: Option<String>,
    /// HubSpot's code, or ours, when one is asked for.
    pub code: Option<String>,
    /// What helps.
    pub remedy: Option<&'static str>,
    /// The rows.
    pub rows: Vec<RowLine>,
    /// Where more of them are.
    pub more: Option<String>,
    /// Where they begin, when these are not the first.
    pub first: Option<String>,
    /// All of them, in forms.
    pub fields: Fields,
}

/// One failure, as a row.
#[derive(Debug, Clone)]
pub struct RowLine {
    /// The transaction's id, or what stands for it.
    pub name: String,
    /// Whether that is an id.
    pub is_id: bool,
    /// The words about it.
    pub reason: String,
    /// When it was tried last.
    pub at: Moment,
    /// Its name in forms.
    pub fields: Fields,
}

fn can_retry(status: &PortalStatus) -> bool {
    matches!(
        status.state,
        PortalState::Active | PortalState::Backfilling | PortalState::Paused
    )
}

fn noun(stage: Stage, rows: i64) -> &'static str {
    match (stage, rows) {
        (Stage::Row, 1) => "row",
        (Stage::Row, _) => "rows",
        (_, 1) => "gift",
        (_, _) => "gifts",
    }
}

impl FailuresPage {
    /// The page of `groups` for `viewer`.
    pub fn new(
        portal: &PortalSummary,
        status: &PortalStatus,
        groups: &[Group],
        viewer: Viewer,
        now: DateTime<Utc>,
    ) -> Self {
        let path = format!("/portals/{}", portal.hub_id);
        let (csrf_token, is_owner) = (viewer.csrf_token.clone(), viewer.is_owner);
        let mut shell = Shell::new("Failures", Some(viewer));
        shell.scripts = vec![assets::url("live.js")];
        let rows = groups.iter().map(|group| group.rows).sum();
        let sentence = if groups.is_empty() {
            format!(
                "What does not get through for {}.",
                super::portals::name(portal)
            )
        } else {
            format!(
                "{} not get through, for {}.",
                format::count(rows, "thing does", "things do"),
                format::count(
                    i64::try_from(groups.len()).unwrap_or(i64::MAX),
                    "reason",
                    "reasons"
                )
            )
        };
        Self {
            shell,
            csrf_token,
            is_owner,
            can_retry: can_retry(status),
            tabs: tabs(&path, Place::Failures, status),
            sentence,
            groups: groups
                .iter()
                .map(|group| GroupCard::new(group, &path, now, portal.time_zone))
                .collect(),
            path,
        }
    }
}

impl GroupCard {
    fn new(group: &Group, path: &str, now: DateTime<Utc>, zone: Tz) -> Self {
        let selection = group.selection();
        Self {
            happened: reasons::happened(group.stage),
            field: group.field.clone(),
            code: group.code.clone(),
            reason: group.reason.clone(),
            rows: format::number(group.rows),
            noun: noun(group.stage, group.rows),
            remedy: reasons::remedy(group.stage),
            since: Moment::new(group.since, now, zone),
            last_at: Moment::new(group.last_at, now, zone),
            href: reasons::address(path, &selection, None),
            fields: reasons::fields(&selection),
        }
    }
}

impl FailureRowsPage {
    /// The page of `rows`, which are some of `selection`, for `viewer`; `is_first` when none come before them.
    pub fn new(
        portal: &PortalSummary,
        status: &PortalStatus,
        selection: &Selection,
        rows: &[Failure],
        is_first: bool,
        viewer: Viewer,
        now: DateTime<Utc>,
    ) -> Self {
        let path = format!("/portals/{}", portal.hub_id);
        let (csrf_token, is_owner) = (viewer.csrf_token.clone(), viewer.is_owner);
        let mut shell = Shell::new("Failures of one reason", Some(viewer));
        shell.scripts = vec![assets::url("live.js")];
        let is_full = i64::try_from(rows.len()).is_ok_and(|count| count >= app::failures::PAGE);
        let last = rows.last().filter(|_| is_full);
        Self {
            shell,
            csrf_token,
            is_owner,
            can_retry: can_retry(status),
            tabs: tabs(&path, Place::Failures, status),
            happened: selection
                .stage
                .map_or("What does not get through", reasons::happened),
            field: selection.field.clone().filter(|field| !field.is_empty()),
            code: selection.code.clone(),
            remedy: selection.stage.map(reasons::remedy),
            rows: rows
                .iter()
                .map(|failure| RowLine::new(failure, now, portal.time_zone))
                .collect(),
            more: last.map(|last| reasons::address(&path, selection, Some(&last.place()))),
            first: (!is_first).then(|| reasons::address(&path, selection, None)),
            fields: reasons::fields(selection),
            path,
        }
    }
}

impl RowLine {
    fn new(failure: &Failure, now: DateTime<Utc>, zone: Tz) -> Self {
        let one = Selection {
            stage: Some(failure.stage),
            code: Some(failure.code.clone()),
            field: Some(failure.field.clone().unwrap_or_default()),
            key: Some(failure.key.clone()),
        };
        Self {
            name: failure
                .transaction_id
                .clone()
                .unwrap_or_else(|| "No transaction id".to_owned()),
            is_id: failure.transaction_id.is_some(),
            reason: failure.reason.clone(),
            at: Moment::new(failure.at, now, zone),
            fields: reasons::fields(&one),
        }
    }
}
