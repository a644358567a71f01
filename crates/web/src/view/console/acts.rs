//! What operators have done, and who was not let in.

use app::console::{OperatorAct, Trail};
use askama::Template;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Place, moment, tabs};
use crate::view::format::Moment;
use crate::view::shell::{Shell, Viewer};
use crate::view::tabs::Tab;

/// `templates/console/acts.html`.
#[derive(Template)]
#[template(path = "console/acts.html")]
pub struct ActsPage {
    /// The frame.
    pub shell: Shell,
    /// The console's pages.
    pub tabs: Vec<Tab>,
    /// One page of acts, the newest first.
    pub rows: Vec<Row>,
    /// The page from the newest.
    pub first: Option<&'static str>,
    /// The next page.
    pub next: Option<String>,
}

/// An act, as a row.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was done.
    pub what: String,
    /// Whether it was refused.
    pub is_refused: bool,
    /// Who: a name of the list, or the command line, which knows none.
    pub who: String,
    /// The portal that it concerns: its page here, and its number.
    pub portal: Option<(String, i64)>,
    /// Why, where that is asked.
    pub reason: String,
    /// When.
    pub at: Moment,
}

impl ActsPage {
    /// The page of `trail`; `is_first` when no newer acts come before.
    pub fn new(trail: &Trail, is_first: bool, viewer: &Viewer, now: DateTime<Utc>) -> Self {
        Self {
            shell: Shell::of_console("Operators", Some(viewer.clone())),
            tabs: tabs(Place::Acts),
            rows: trail.acts.iter().map(|act| Row::new(act, now)).collect(),
            first: (!is_first).then_some("/operator/acts"),
            next: trail
                .next
                .map(|next| format!("/operator/acts?before={next}")),
        }
    }
}

impl Row {
    fn new(act: &OperatorAct, now: DateTime<Utc>) -> Self {
        let detail = |name: &str| act.detail.get(name).and_then(Value::as_str);
        let portal = act.detail.get("portal").and_then(Value::as_i64);
        Self {
            what: words(&act.action),
            is_refused: act.action == "console sign-in-refused",
            who: detail("operator").unwrap_or("Command line").to_owned(),
            portal: portal.map(|hub| (format!("/operator/portals/{hub}"), hub)),
            reason: detail("reason").unwrap_or_default().to_owned(),
            at: moment(act.at, now),
        }
    }
}

/// An act in words; a command that has none stands for itself.
fn words(action: &str) -> String {
    let words = match action {
        "console sign-in" => "Signed in",
        "console sign-in-refused" => "Sign-in refused",
        "console sign-out" => "Signed out",
        "console look" => "Looked at people and refused rows",
        "console look-end" => "Stopped looking",
        "console sync" => "Started a sync",
        "console pause" => "Paused the sync",
        "console resume" => "Resumed the sync",
        "console cancel" => "Cancelled a run",
        "console again" => "Tried a run again",
        "org add" => "Added an organization",
        "org revoke-link" => "Took a setup link back",
        "keys rotate" => "Moved to another key",
        "keys give-up" => "Gave a portal's secrets up",
        "run start" => "Started a run",
        "erase" => "Erased a person again",
        "disconnect" => "Disconnected a portal",
        "disconnect --all" => "Disconnected everybody",
        other => other,
    };
    words.to_owned()
}
