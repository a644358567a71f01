//! All portals at a glance.

use app::console::{Overview, TraceUrl};
use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};
use domain::portal::PortalState;

use super::runs::{RunRow, bad, stuck};
use super::{Place, state, tabs};
use crate::view::format;
use crate::view::pill::Pill;
use crate::view::shell::{Shell, Viewer};
use crate::view::tabs::Tab;

/// Runs of each kind on this page; all of them are on their own.
const RUNS: usize = 5;

/// `templates/console/overview.html`.
#[derive(Template)]
#[template(path = "console/overview.html")]
pub struct OverviewPage {
    /// The frame.
    pub shell: Shell,
    /// The console's pages.
    pub tabs: Vec<Tab>,
    /// What the portals are like, in one sentence.
    pub sentence: String,
    /// What the service stands on.
    pub parts: Vec<(&'static str, Pill)>,
    /// What may want looking at.
    pub figures: Vec<Figure>,
    /// How many portals are in each state.
    pub states: Vec<StateLine>,
    /// Some of the runs to look at.
    pub runs: Vec<RunRow>,
    /// Whether there are more.
    pub has_more: bool,
}

/// A number that may want looking at.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What it counts.
    pub name: &'static str,
    /// The number.
    pub value: String,
    /// What more there is to say.
    pub note: String,
    /// Whether it wants looking at.
    pub is_bad: bool,
    /// Where its portals or runs are.
    pub href: Option<&'static str>,
}

/// How many portals are in a state.
#[derive(Debug, Clone)]
pub struct StateLine {
    /// The state.
    pub pill: Pill,
    /// How many.
    pub portals: String,
    /// Which.
    pub href: String,
}

impl OverviewPage {
    /// The page of `overview` for `viewer`.
    pub fn new(
        overview: &Overview,
        trace: Option<&TraceUrl>,
        viewer: &Viewer,
        now: DateTime<Utc>,
    ) -> Self {
        let counts = &overview.counts;
        let portals: i64 = counts.states.iter().map(|(_, portals)| portals).sum();
        let in_state = |wanted| {
            let found = counts.states.iter().find(|(state, _)| *state == wanted);
            found.map_or(0, |(_, portals)| *portals)
        };
        let mut runs = stuck(&overview.runs.stuck, trace, now);
        runs.extend(bad(&overview.runs.bad, trace, now));
        let has_more = runs.len() > RUNS;
        runs.truncate(RUNS);
        Self {
            shell: Shell::of_console("Overview", Some(viewer.clone())),
            tabs: tabs(Place::Overview),
            sentence: format!(
                "{}, {} of them in step with Thnks.",
                format::count(portals, "portal", "portals"),
                format::number(in_state(PortalState::Active) - counts.late)
            ),
            parts: vec![
                ("Database", answers(true)),
                ("Redis", answers(overview.redis_answers)),
                (
                    "HubSpot",
                    if overview.hubspot_down {
                        pill("Down", "bad")
                    } else {
                        pill("Not known to be down", "good")
                    },
                ),
                ("Version", pill(overview.version, "idle")),
            ],
            figures: figures(overview),
            states: PortalState::ALL
                .into_iter()
                .map(|one| StateLine {
                    pill: state(one),
                    portals: format::number(in_state(one)),
                    href: format!("/operator/portals?state={}", one.as_str()),
                })
                .collect(),
            runs,
            has_more,
        }
    }
}

fn figures(overview: &Overview) -> Vec<Figure> {
    let counts = &overview.counts;
    let secs = |secs: Option<i64>| secs.map(TimeDelta::seconds);
    let (due, notice) = (
        secs(counts.oldest_due_secs),
        secs(counts.oldest_notice_secs),
    );
    let slow = |wait: Option<TimeDelta>| wait.is_some_and(|wait| wait > TimeDelta::minutes(2));
    let wait = |wait: Option<TimeDelta>| {
        wait.map_or_else(
            || "None of them waits.".to_owned(),
            |wait| format!("The longest waits for {}.", format::stopwatch(wait)),
        )
    };
    let failed_rows = format::count(counts.failed_rows, "row", "rows");
    vec![
        Figure {
            name: "Late portals",
            value: format::number(counts.late),
            note: "No good sync for two intervals.".to_owned(),
            is_bad: counts.late > 0,
            href: Some("/operator/portals?trouble=late"),
        },
        Figure {
            name: "Failing portals",
            value: format::number(counts.failing),
            note: "The last run of some kind ended badly.".to_owned(),
            is_bad: counts.failing > 0,
            href: Some("/operator/portals?trouble=failing"),
        },
        Figure {
            name: "Portals with refused rows",
            value: format::number(counts.refused),
            note: format!("{failed_rows} in all."),
            is_bad: false,
            href: Some("/operator/portals?trouble=refused"),
        },
        Figure {
            name: "Open runs",
            value: format::number(counts.open_runs),
            note: wait(due),
            is_bad: slow(due),
            href: Some("/operator/runs"),
        },
        Figure {
            name: "Resting runs",
            value: format::number(counts.held_runs),
            note: "Their portals are paused.".to_owned(),
            is_bad: false,
            href: Some("/operator/portals?state=paused"),
        },
        Figure {
            name: "Gifts to write",
            value: format::number(counts.dirty),
            note: "Refused ones included.".to_owned(),
            is_bad: false,
            href: None,
        },
        Figure {
            name: "Orphans",
            value: format::number(counts.orphans),
            note: "Records without a contact.".to_owned(),
            is_bad: false,
            href: None,
        },
        Figure {
            name: "Portals with notices to send",
            value: format::number(counts.notices),
            note: wait(notice),
            is_bad: slow(notice),
            href: None,
        },
    ]
}

fn answers(does: bool) -> Pill {
    if does {
        pill("Answers", "good")
    } else {
        pill("Does not answer", "bad")
    }
}

fn pill(word: &'static str, tone: &'static str) -> Pill {
    Pill { word, tone }
}
