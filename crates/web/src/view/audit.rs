//! The trail of acts, page by page and as a table to take along.

use app::audit::{Entry, People, Trail};
use app::portals::PortalSummary;
use askama::Template;
use chrono::{DateTime, SecondsFormat, Utc};
use domain::portal::PortalStatus;
use url::form_urlencoded;

use super::acts::{self, Act};
use super::format::Moment;
use super::shell::{Shell, Viewer};
use super::tabs::{Place, Tab, tabs};
use crate::assets;
use crate::csv::{Cell, Table};

/// What is asked for, as the address and the form write it; empty for everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// By whom: `user:7`, `schedule` and the like.
    pub who: String,
    /// What: `run.request` and the like.
    pub action: String,
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
}

/// `templates/audit/list.html`.
#[derive(Template)]
#[template(path = "audit/list.html")]
pub struct AuditPage {
    /// The frame.
    pub shell: Shell,
    /// The portal's path, `/portals/{hub_id}`.
    pub path: String,
    /// The portal's pages.
    pub tabs: Vec<Tab>,
    /// Who can be asked for.
    pub who: Vec<Choice>,
    /// What can be asked for.
    pub actions: Vec<Choice>,
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// Whether anything is left out by the form.
    pub is_narrowed: bool,
    /// The acts.
    pub rows: Vec<Row>,
    /// Where older ones are.
    pub older: Option<String>,
    /// Where they begin, when these are not the newest.
    pub first: Option<String>,
    /// The same as a file.
    pub csv: String,
    /// The time zone's name.
    pub zone: String,
}

/// Something to choose.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The value in the form.
    pub value: String,
    /// What people read.
    pub label: String,
    /// Whether it is chosen.
    pub chosen: bool,
}

/// An act, as a row.
#[derive(Debug, Clone)]
pub struct Row {
    /// When.
    pub at: Moment,
    /// Who.
    pub who: String,
    /// What.
    pub act: Act,
}

impl Asked {
    fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// The address below `place` that asks for the same, from `before` on when it is given.
    pub fn address(&self, place: &str, before: Option<i64>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let fields = [
            ("who", &self.who),
            ("action", &self.action),
            ("from", &self.from),
            ("to", &self.to),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        if let Some(before) = before {
            query.append_pair("before", &before.to_string());
        }
        match query.finish() {
            query if query.is_empty() => place.to_owned(),
            query => format!("{place}?{query}"),
        }
    }
}

impl AuditPage {
    /// The page of `trail`, which is what was `asked` for; `is_first` when none come before.
    pub fn new(
        portal: &PortalSummary,
        status: &PortalStatus,
        trail: &Trail,
        asked: &Asked,
        is_first: bool,
        viewer: Viewer,
        now: DateTime<Utc>,
    ) -> Self {
        let path = format!("/portals/{}", portal.hub_id);
        let mut shell = Shell::new("Audit", Some(viewer));
        shell.scripts = vec![assets::url("live.js")];
        let place = format!("{path}/audit");
        let last = trail.entries.last().filter(|_| trail.has_more);
        let zone = portal.time_zone;
        Self {
            shell,
            tabs: tabs(&path, Place::Audit, status),
            who: choices(&trail.actors, &asked.who, |one| {
                acts::actor(one, &trail.people)
            }),
            actions: choices(&trail.actions, &asked.action, |one| {
                acts::kind(one).to_owned()
            }),
            from: asked.from.clone(),
            to: asked.to.clone(),
            is_narrowed: !asked.is_everything(),
            rows: trail
                .entries
                .iter()
                .map(|entry| Row {
                    at: Moment::new(entry.at, now, zone),
                    who: acts::actor(&entry.actor, &trail.people),
                    act: Act::of(entry, &trail.people, &path),
                })
                .collect(),
            older: last.map(|last| asked.address(&place, Some(last.seq))),
            first: (!is_first).then(|| asked.address(&place, None)),
            csv: asked.address(&format!("{place}.csv"), None),
            zone: zone.name().replace('_', " "),
            path,
        }
    }
}

/// What there is to choose from, by name; what is asked for is shown also where nothing of it is there.
fn choices(all: &[String], asked: &str, name: impl Fn(&str) -> String) -> Vec<Choice> {
    let unknown = (!asked.is_empty() && !all.iter().any(|one| one == asked)).then_some(asked);
    let mut choices: Vec<Choice> = all
        .iter()
        .map(String::as_str)
        .chain(unknown)
        .map(|one| Choice {
            value: one.to_owned(),
            label: name(one),
            chosen: one == asked,
        })
        .collect();
    choices.sort_by(|a, b| a.label.cmp(&b.label));
    choices
}

/// The head of the file.
pub fn table() -> Table {
    Table::new(&["Time (UTC)", "Who", "What", "Action", "Actor", "Detail"])
}

/// Adds acts to the file: in words, and as they are kept.
pub fn add_rows(table: &mut Table, entries: &[Entry], people: &People, path: &str) {
    for entry in entries {
        let who = acts::actor(&entry.actor, people);
        let what = Act::of(entry, people, path).line();
        let detail = entry.detail.to_string();
        table.push(&[
            Cell::plain(entry.at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            Cell::Text(&who),
            Cell::Text(&what),
            Cell::Text(&entry.action),
            Cell::Text(&entry.actor),
            Cell::Text(&detail),
        ]);
    }
}
