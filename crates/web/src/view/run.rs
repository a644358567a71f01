//! The whole account of one run.

use std::time::Duration;

use app::portals::PortalSummary;
use app::runs::{Account, Counts};
use app::session::FormToken;
use askama::Template;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use domain::UserId;
use domain::failure::{Selection, Stage, Tallied};
use domain::portal::PortalStatus;
use domain::run::{RunKind, RunState};

use super::cancel::Cancel;
use super::facts::{Fact, FactValue};
use super::format::{self, Moment};
use super::pill::Pill;
use super::progress::{self, Progress};
use super::reasons;
use super::runs::{asked_by, kind};
use super::shell::{Shell, Viewer};
use super::tabs::{Place, Tab, tabs};
use crate::assets;

/// `templates/runs/show.html`.
#[derive(Template)]
#[template(path = "runs/show.html")]
pub struct RunPage {
    /// The frame.
    pub shell: Shell,
    /// The portal's path, `/portals/{hub_id}`.
    pub path: String,
    /// Hidden field of the form.
    pub csrf_token: FormToken,
    /// The portal's pages.
    pub tabs: Vec<Tab>,
    /// What it does.
    pub title: &'static str,
    /// How it stands or ended.
    pub outcome: Pill,
    /// What that means, in one sentence.
    pub sentence: String,
    /// Why it ended badly, as it was recorded.
    pub error: Option<String>,
    /// How far it is, while it is the one in work.
    pub progress: Option<Progress>,
    /// Ends it while it is open, for an owner.
    pub cancel: Option<Cancel>,
    /// What it read, wrote and linked.
    pub parts: Vec<Part>,
    /// What did not get through, by reason.
    pub reasons: Vec<Reason>,
    /// Its times.
    pub times: Vec<Fact>,
    /// Its requests to HubSpot.
    pub calls: Vec<Call>,
    /// All of them.
    pub calls_total: String,
    /// The time zone's name.
    pub zone: String,
}

/// What a run did in one respect.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name; also what its anchor is called.
    pub name: &'static str,
    /// The number that matters.
    pub figure: String,
    /// What that counts.
    pub unit: &'static str,
    /// The rest.
    pub facts: Vec<Fact>,
}

/// Failures of one run and one reason.
#[derive(Debug, Clone)]
pub struct Reason {
    /// What happened.
    pub happened: &'static str,
    /// The field at fault.
    pub field: Option<String>,
    /// HubSpot's code, or ours.
    pub code: String,
    /// The words about it.
    pub words: String,
    /// How many, with their noun.
    pub rows: String,
    /// Some of them.
    pub examples: Vec<String>,
    /// Those that still do not get through.
    pub href: String,
}

/// Requests of one kind.
#[derive(Debug, Clone)]
pub struct Call {
    /// What they are for.
    pub name: &'static str,
    /// How they are named in the log.
    pub kind: String,
    /// How many.
    pub count: String,
}

impl RunPage {
    /// The page of `run` for `viewer`, who is `user_id`.
    pub fn new(
        portal: &PortalSummary,
        status: &PortalStatus,
        run: &Account,
        viewer: Viewer,
        user_id: UserId,
        now: DateTime<Utc>,
    ) -> Self {
        let zone = portal.time_zone;
        let path = format!("/portals/{}", portal.hub_id);
        let is_current = status
            .current_run
            .as_ref()
            .is_some_and(|current| current.id == run.id);
        let (csrf_token, is_owner) = (viewer.csrf_token.clone(), viewer.is_owner);
        let mut shell = Shell::new(kind(run.kind), Some(viewer));
        if run.state.is_open() {
            shell.scripts = vec![assets::url("live.js")];
            shell.reload_secs = Some(progress::RELOAD_SECS);
        }
        Self {
            shell,
            csrf_token,
            tabs: tabs(&path, Place::Runs, status),
            title: kind(run.kind),
            outcome: Pill::of_run(run.state, run.counts.failed()),
            sentence: sentence(run, zone),
            error: run.error.clone(),
            progress: is_current.then(|| Progress::of(status, now)).flatten(),
            cancel: (is_owner && run.state.is_open()).then(|| Cancel::of(&path, run.id, run.kind)),
            parts: parts(run),
            reasons: run
                .counts
                .failures
                .reasons()
                .into_iter()
                .map(|tallied| Reason::new(tallied, &path))
                .collect(),
            times: times(run, user_id, now, zone),
            calls: calls(&run.counts),
            calls_total: format::number(
                i64::try_from(run.counts.total_calls()).unwrap_or(i64::MAX),
            ),
            zone: zone.name().replace('_', " "),
            path,
        }
    }
}

/// What the run was to do, and what became of that.
fn sentence(run: &Account, zone: Tz) -> String {
    let task = match run.kind {
        RunKind::Backfill => "Brings in all gifts of the past.".to_owned(),
        RunKind::Sync => "Brings in what changed at Thnks since the sync before.".to_owned(),
        RunKind::Resync => match run.since {
            Some(since) if since > DateTime::UNIX_EPOCH => format!(
                "Reads everything that changed since {} again, and writes and links it anew.",
                format::day(since.with_timezone(&zone).date_naive())
            ),
            _ => "Reads everything again, and writes and links it anew.".to_owned(),
        },
        RunKind::Sweep => {
            "Reads the gifts again whose story is not over, in case a change went by unseen."
                .to_owned()
        }
        RunKind::Reassociate => "Looks for the contacts of gifts that have none.".to_owned(),
        RunKind::Link => {
            "Follows up on contacts that changed in HubSpot, or on what somebody asked for."
                .to_owned()
        }
        RunKind::Check => "Looks whether everything is in place.".to_owned(),
    };
    let end = match run.state {
        RunState::Failed => " It ended before it was done; the next sync goes on where it stopped.",
        RunState::Dead => {
            " It was started three times and got no further, so it was given up; the next sync begins anew."
        }
        RunState::Succeeded if run.counts.failed() > 0 => {
            " It came to its end, but not everything got through."
        }
        RunState::Cancelled => match run.kind {
            RunKind::Backfill | RunKind::Sync => {
                " It was cancelled; the next sync goes on where it stopped."
            }
            RunKind::Resync | RunKind::Sweep => {
                " It was cancelled. What it had read is brought through by the next sync; the rest is not read again."
            }
            RunKind::Reassociate | RunKind::Link => {
                " It was cancelled. What it had not come to is done by the next run."
            }
            RunKind::Check => " It was cancelled.",
        },
        RunState::Queued | RunState::Running | RunState::Succeeded => "",
    };
    format!("{task}{end}")
}

fn parts(run: &Account) -> Vec<Part> {
    let counts = &run.counts;
    let mut parts = Vec::new();
    if run.kind.reads() {
        parts.push(Part {
            name: "Read",
            figure: format::number(counts.read),
            unit: "from Thnks",
            facts: vec![
                Fact::number("New", counts.new),
                Fact::number("Changed", counts.changed),
                Fact::number("Unchanged", counts.unchanged),
                Fact::number("Malformed", counts.malformed),
            ],
        });
    }
    parts.push(Part {
        name: "Written",
        figure: format::number(counts.written),
        unit: "to HubSpot",
        facts: vec![
            Fact::number("Refused", counts.refused),
            Fact::number("Made again after deletion", counts.remade),
        ],
    });
    parts.push(Part {
        name: "Linked",
        figure: format::number(counts.contacts + counts.companies + counts.deals),
        unit: "links made",
        facts: vec![
            Fact::number("To contacts", counts.contacts),
            Fact::number("To companies", counts.companies),
            Fact::number("To deals", counts.deals),
            Fact::number("Gifts without a contact", counts.orphans),
            Fact::number("Gifts with a refused link", counts.unlinked),
        ],
    });
    parts
}

fn times(run: &Account, user_id: UserId, now: DateTime<Utc>, zone: Tz) -> Vec<Fact> {
    let moment = |at| Moment::new(at, now, zone);
    let secs = |secs: f64| {
        let waited = Duration::try_from_secs_f64(secs).unwrap_or_default();
        format::stopwatch(TimeDelta::from_std(waited).unwrap_or_default())
    };
    let mut facts = vec![
        Fact::text("Asked for", asked_by(&run.requested_by, user_id)),
        Fact::exactly("Asked for at", moment(run.created_at)),
    ];
    if let Some(at) = run.started_at {
        facts.push(Fact::exactly("Started", moment(at)));
    }
    if let Some(at) = run.finished_at {
        facts.push(Fact::exactly("Ended", moment(at)));
    }
    if let Some(duration) = run.duration() {
        facts.push(Fact::text("Took", format::stopwatch(duration)));
    }
    facts.push(Fact::text(
        "Waited because HubSpot asked",
        secs(run.counts.throttled_secs),
    ));
    facts.push(Fact::text(
        "Waited for the rate budget",
        secs(run.counts.queued_secs),
    ));
    facts
}

fn calls(counts: &Counts) -> Vec<Call> {
    let mut calls: Vec<_> = counts.calls.iter().collect();
    calls.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    calls
        .into_iter()
        .map(|(kind, count)| Call {
            name: purpose(kind),
            kind: kind.clone(),
            count: format::number(i64::try_from(*count).unwrap_or(i64::MAX)),
        })
        .collect()
}

/// What requests of a kind are for.
fn purpose(kind: &str) -> &'static str {
    match kind {
        "objects.upsert" => "Write records",
        "objects.read" => "Read records back",
        "contacts.read" => "Find contacts",
        "associations.read" => "Look up companies and deals",
        "associations.create" => "Make links",
        "associations.labels" => "Look up kinds of links",
        "deals.read" => "Read deals",
        "pipelines.list" => "Read pipelines",
        "account.details" => "Read the account",
        kind if kind.starts_with("oauth.") => "Keep the permission fresh",
        kind if kind.starts_with("schemas.") || kind.starts_with("properties.") => {
            "Look after the Thnks object"
        }
        _ => "Other",
    }
}

impl Reason {
    fn new(tallied: &Tallied, path: &str) -> Self {
        let selection = Selection {
            stage: Some(tallied.stage),
            code: Some(tallied.code.clone()),
            field: Some(tallied.field.clone().unwrap_or_default()),
            key: None,
        };
        let noun = match tallied.stage {
            Stage::Row => ("row", "rows"),
            Stage::Record | Stage::Link => ("gift", "gifts"),
        };
        Self {
            happened: reasons::happened(tallied.stage),
            field: tallied.field.clone(),
            code: tallied.code.clone(),
            words: tallied.reason.clone(),
            rows: format::count(tallied.rows, noun.0, noun.1),
            examples: tallied.examples.clone(),
            href: reasons::address(path, &selection, None),
        }
    }
}
