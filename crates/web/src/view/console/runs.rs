//! Runs of all portals that somebody should look at.

use app::console::{self, TraceUrl};
use askama::Template;
use chrono::{DateTime, Utc};
use domain::run::RunState;
use domain::{HubId, RunId};

use super::{Place, moment, tabs};
use crate::view::format::{self, Moment};
use crate::view::pill::Pill;
use crate::view::runs::kind;
use crate::view::shell::{Shell, Viewer};
use crate::view::tabs::Tab;

/// `templates/console/runs.html`.
#[derive(Template)]
#[template(path = "console/runs.html")]
pub struct RunsPage {
    /// The frame.
    pub shell: Shell,
    /// The console's pages.
    pub tabs: Vec<Tab>,
    /// Due, and nobody takes them up.
    pub stuck: Vec<RunRow>,
    /// The last of their kind, ended badly.
    pub bad: Vec<RunRow>,
}

/// A run of some portal, as a row.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// What it was to do.
    pub kind: &'static str,
    /// Its portal.
    pub portal: String,
    /// The portal's page here.
    pub href: String,
    /// How it stands or ended.
    pub outcome: Pill,
    /// What is known of why.
    pub why: String,
    /// Since when.
    pub at: Moment,
    /// Where its trace is shown.
    pub trace: Option<String>,
}

/// A portal by its domain, else by its number.
pub fn portal_name(hub_id: HubId, hub_domain: Option<&str>) -> String {
    hub_domain.map_or_else(|| format!("Portal {hub_id}"), str::to_owned)
}

pub(super) fn stuck(
    runs: &[console::StuckRun],
    trace: Option<&TraceUrl>,
    now: DateTime<Utc>,
) -> Vec<RunRow> {
    let row = |run: &console::StuckRun| {
        let overdue = format::duration(run.overdue);
        RunRow {
            kind: kind(run.kind),
            portal: portal_name(run.hub_id, run.hub_domain.as_deref()),
            href: page(run.hub_id),
            outcome: Pill {
                word: if run.state == RunState::Running {
                    "Let go"
                } else {
                    "Not taken up"
                },
                tone: "bad",
            },
            why: if run.state == RunState::Running {
                format!("Its worker’s lease ended {overdue} ago, and no other worker goes on.")
            } else {
                format!("It is due for {overdue}, and no worker takes it up.")
            },
            at: moment(run.created_at, now),
            trace: trace_of(trace, run.run_id),
        }
    };
    runs.iter().map(row).collect()
}

pub(super) fn bad(
    runs: &[console::BadRun],
    trace: Option<&TraceUrl>,
    now: DateTime<Utc>,
) -> Vec<RunRow> {
    let row = |run: &console::BadRun| RunRow {
        kind: kind(run.kind),
        portal: portal_name(run.hub_id, run.hub_domain.as_deref()),
        href: page(run.hub_id),
        outcome: Pill::of_run(run.state, 0),
        why: why(run.state, run.error.as_deref()),
        at: moment(run.finished_at, now),
        trace: trace_of(trace, run.run_id),
    };
    runs.iter().map(row).collect()
}

/// Why a run ended badly.
pub fn why(state: RunState, error: Option<&str>) -> String {
    match (state, error) {
        (_, Some(error)) => error.to_owned(),
        (RunState::Dead, None) => {
            "It was started three times and came no further: look at the worker’s log.".to_owned()
        }
        (_, None) => String::new(),
    }
}

fn page(hub_id: HubId) -> String {
    format!("/operator/portals/{hub_id}")
}

pub(super) fn trace_of(trace: Option<&TraceUrl>, run_id: RunId) -> Option<String> {
    trace.map(|trace| trace.of(run_id))
}

impl RunsPage {
    /// The page of these runs for `viewer`.
    pub fn new(
        runs: &console::Runs,
        trace: Option<&TraceUrl>,
        viewer: &Viewer,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            shell: Shell::of_console("Runs", Some(viewer.clone())),
            tabs: tabs(Place::Runs),
            stuck: stuck(&runs.stuck, trace, now),
            bad: bad(&runs.bad, trace, now),
        }
    }
}
