//! One portal, without anything of a person, and what an operator can do to it.

use app::console::{Act, Fault, PortalView, TraceUrl};
use app::runs::Account;
use app::session::FormToken;
use askama::Template;
use chrono::{DateTime, Utc};
use domain::UserId;
use domain::portal::{Need, PortalState};
use domain::run::{RunKind, RunState};

use super::portals::budget;
use super::runs::{trace_of, why};
use super::{Place, ZONE, moment, of_reason, state, tabs};
use crate::view::facts::{Fact, FactValue};
use crate::view::format::{self, Moment};
use crate::view::pill::Pill;
use crate::view::portals::{detail, name};
use crate::view::runs::{asked_by, kind};
use crate::view::shell::{Shell, Viewer};
use crate::view::tabs::Tab;

/// Nobody's number: whoever asked for a run is told by kind alone.
const NOBODY: UserId = UserId(-1);
/// Codes of a run that are named.
const CODES: usize = 4;
/// Runs that can be asked for again, of those that ended badly lately.
const AGAIN: usize = 3;

/// `templates/console/portal.html`.
#[derive(Template)]
#[template(path = "console/portal.html")]
pub struct PortalPage {
    /// The frame.
    pub shell: Shell,
    /// The console's pages.
    pub tabs: Vec<Tab>,
    /// Hidden field of the forms.
    pub csrf_token: FormToken,
    /// This page.
    pub path: String,
    /// The organization or the portal.
    pub name: String,
    /// Domain and number.
    pub portal: String,
    /// Where it stands.
    pub state: Pill,
    /// What people must do.
    pub needs: Vec<Need>,
    /// Its work: what is due, what waits, what it has used.
    pub work: Vec<Fact>,
    /// Its connections and keys.
    pub ties: Vec<Fact>,
    /// Where its chains end.
    pub ends: [String; 2],
    /// Until when people and gifts can be seen.
    pub look_until: Option<Moment>,
    /// What can be done.
    pub acts: Vec<ActChoice>,
    /// What was entered for a reason.
    pub reason: String,
    /// What is wrong with the choice.
    pub act_error: Option<&'static str>,
    /// What is wrong with the reason.
    pub reason_error: Option<&'static str>,
    /// Its runs, the newest first.
    pub runs: Vec<RunLine>,
}

/// Why an act was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// None was chosen.
    NoAct,
    /// The portal is not in a state for it.
    NotPossible,
    /// The reason is none.
    Reason(Fault),
}

/// Something to do.
#[derive(Debug, Clone)]
pub struct ActChoice {
    /// As the form sends it.
    pub value: String,
    /// What it is.
    pub label: String,
    /// What it means.
    pub hint: &'static str,
    /// Whether it was chosen.
    pub chosen: bool,
}

/// A run, as a row.
#[derive(Debug, Clone)]
pub struct RunLine {
    /// What it did.
    pub kind: &'static str,
    /// Who asked for it, by kind.
    pub asked_by: &'static str,
    /// When it began, or was asked for while it waits.
    pub at: Moment,
    /// How long it took; a dash before it has ended.
    pub took: String,
    /// How it stands or ended.
    pub outcome: Pill,
    /// Why it ended badly.
    pub error: Option<String>,
    /// Codes of what did not get through, with how often.
    pub codes: Option<String>,
    /// Requests to HubSpot.
    pub calls: String,
    /// Its id, which logs and traces know it by.
    pub id: String,
    /// Where its trace is shown.
    pub trace: Option<String>,
}

impl PortalPage {
    /// The page of `view` for `viewer`; `refused` is the act and the reason that were entered, and why it was not done.
    pub fn new(
        view: &PortalView,
        trace: Option<&TraceUrl>,
        viewer: &Viewer,
        refused: Option<(String, String, Refused)>,
        now: DateTime<Utc>,
    ) -> Self {
        let title = if refused.is_some() {
            "Error: Portal"
        } else {
            "Portal"
        };
        let (chosen, reason, refused) = match refused {
            Some((act, reason, refused)) => (act, reason, Some(refused)),
            None => (String::new(), String::new(), None),
        };
        Self {
            shell: Shell::of_console(title, Some(viewer.clone())),
            tabs: tabs(Place::Portals),
            csrf_token: viewer.csrf_token.clone(),
            path: format!("/operator/portals/{}", view.summary.hub_id),
            name: name(&view.summary),
            portal: detail(&view.summary),
            state: state(view.status.state),
            needs: view.status.needs.clone(),
            work: work(view, now),
            ties: ties(view, now),
            ends: [&view.acts, &view.writes].map(|end| {
                end.as_ref()
                    .map_or_else(|| "none yet".to_owned(), ToString::to_string)
            }),
            look_until: view.look_until.map(|until| moment(until, now)),
            acts: acts(view, &chosen),
            reason,
            act_error: match refused {
                Some(Refused::NoAct) => Some("Choose what to do."),
                Some(Refused::NotPossible) => {
                    Some("The portal is not in a state for this now. Nothing was done.")
                }
                _ => None,
            },
            reason_error: match refused {
                Some(Refused::Reason(fault)) => Some(of_reason(fault)),
                _ => None,
            },
            runs: view
                .runs
                .iter()
                .map(|run| RunLine::new(run, trace, now))
                .collect(),
        }
    }
}

fn work(view: &PortalView, now: DateTime<Utc>) -> Vec<Fact> {
    let status = &view.status;
    let mut facts = Vec::new();
    let mut at = |name, moment_of: Option<DateTime<Utc>>| match moment_of {
        Some(of) => facts.push(Fact::at(name, moment(of, now))),
        None => facts.push(Fact::text(name, "–")),
    };
    at("Next sync", status.next_sync_at);
    at("Next sweep", view.facts.next_sweep_at);
    at("Read through", view.synced_through);
    at("Needs looked at", view.facts.needs_checked_at);
    facts.push(Fact::number("Gifts", status.transactions));
    facts.push(Fact::number(
        "To write",
        (status.transactions - status.synced).max(0),
    ));
    facts.push(Fact::number("Refused", status.failed));
    facts.push(Fact::number("Orphans", status.orphans));
    facts.push(Fact::text("Calls, last 10 seconds", budget(view.used)));
    facts.push(Fact::number("Calls, last 24 hours", view.calls_of_a_day));
    facts
}

fn ties(view: &PortalView, now: DateTime<Utc>) -> Vec<Fact> {
    let facts = &view.facts;
    let at = |name, of: Option<DateTime<Utc>>, missing: &str| match of {
        Some(of) => Fact::at(name, moment(of, now)),
        None => Fact::text(name, missing),
    };
    vec![
        Fact::at("Installed", moment(facts.installed_at, now)),
        at("Access token ends", facts.token_expires_at, "No grant"),
        at("Thnks key entered", facts.thnks_connected_at, "No key"),
        at("Own key made", facts.key_made_at, "None"),
        Fact::text("Time zone", view.summary.time_zone.name().replace('_', " ")),
        Fact::text(
            "People",
            format!(
                "{}, {}",
                format::count(facts.members, "person", "people"),
                format::count(facts.owners, "owner", "owners")
            ),
        ),
    ]
}

fn acts(view: &PortalView, chosen: &str) -> Vec<ActChoice> {
    let state = view.status.state;
    let is_at_work = matches!(state, PortalState::Active | PortalState::Backfilling);
    let mut acts: Vec<(Act, String, &'static str)> = Vec::new();
    if is_at_work {
        acts.push((
            Act::Sync,
            "Start a sync".to_owned(),
            "Before the history is in, the backfill goes on.",
        ));
    }
    match state {
        PortalState::Paused => acts.push((
            Act::Resume,
            "Resume the sync".to_owned(),
            "Open runs go on where they stood.",
        )),
        PortalState::Active | PortalState::Backfilling | PortalState::NeedsSetup => acts.push((
            Act::Pause,
            "Pause the sync".to_owned(),
            "Nothing is lost; its owners see that it is paused.",
        )),
        PortalState::Connecting | PortalState::Disconnected => {}
    }
    if let Some(run) = &view.status.current_run {
        acts.push((
            Act::Cancel(run.id),
            format!("Cancel the {} that is open", word(run.kind)),
            "What it has brought through stays; the next one goes on from there.",
        ));
    }
    let is_bad = |run: &&Account| matches!(run.state, RunState::Failed | RunState::Dead);
    let bad = view.runs.iter().filter(is_bad).take(AGAIN);
    if is_at_work {
        for run in bad {
            acts.push((
                Act::Again(run.id),
                format!(
                    "Try the {} of {} again",
                    word(run.kind),
                    run.created_at.with_timezone(&ZONE).format("%-d %b, %H:%M")
                ),
                "Another run of the same kind is asked for.",
            ));
        }
    }
    acts.into_iter()
        .map(|(act, label, hint)| {
            let value = act.to_string();
            ActChoice {
                chosen: value == chosen,
                value,
                label,
                hint,
            }
        })
        .collect()
}

fn word(of: RunKind) -> String {
    kind(of).to_lowercase()
}

/// A code that looks like one: what HubSpot writes in its place by mistake may be anything.
fn code(text: &str) -> &str {
    let is_code = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if text.len() <= 64 && text.bytes().all(is_code) {
        text
    } else {
        "another code"
    }
}

impl RunLine {
    fn new(run: &Account, trace: Option<&TraceUrl>, now: DateTime<Utc>) -> Self {
        let counts = &run.counts;
        let is_bad = matches!(run.state, RunState::Failed | RunState::Dead);
        let codes: Vec<String> = counts
            .failures
            .reasons()
            .into_iter()
            .take(CODES)
            .map(|one| format!("{} × {}", format::number(one.rows), code(&one.code)))
            .collect();
        Self {
            kind: kind(run.kind),
            asked_by: asked_by(&run.requested_by, NOBODY),
            at: moment(run.started_at.unwrap_or(run.created_at), now),
            took: run
                .duration()
                .map_or_else(|| "–".to_owned(), format::stopwatch),
            outcome: Pill::of_run(run.state, counts.failed()),
            error: is_bad.then(|| why(run.state, run.error.as_deref())),
            codes: (!codes.is_empty()).then(|| codes.join(", ")),
            calls: format::number(i64::try_from(counts.total_calls()).unwrap_or(i64::MAX)),
            id: run.id.to_string(),
            trace: trace_of(trace, run.id),
        }
    }
}
