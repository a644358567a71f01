//! The history of runs, and the form that asks for reading again.

use app::portals::PortalSummary;
use app::runs::Account;
use app::session::FormToken;
use askama::Template;
use chrono::{DateTime, Utc};
use domain::UserId;
use domain::portal::{PortalState, PortalStatus};
use domain::run::RunKind;

use super::cancel::Cancel;
use super::format::{self, Moment};
use super::pill::Pill;
use super::progress::{self, Progress};
use super::shell::{Shell, Viewer};
use super::tabs::{Place, Tab, tabs};
use crate::assets;

/// `templates/runs/list.html`.
#[derive(Template)]
#[template(path = "runs/list.html")]
pub struct RunsPage {
    /// The frame.
    pub shell: Shell,
    /// The portal's path, `/portals/{hub_id}`.
    pub path: String,
    /// Hidden field of the forms.
    pub csrf_token: FormToken,
    /// Whether the buttons work for this person.
    pub is_owner: bool,
    /// The portal's pages.
    pub tabs: Vec<Tab>,
    /// The organization or the portal.
    pub name: String,
    /// Shown while the sync is paused.
    pub paused: bool,
    /// The run in work and its page's address.
    pub current: Option<(Progress, String)>,
    /// Ends it, for an owner.
    pub cancel: Option<Cancel>,
    /// The runs, newest first.
    pub runs: Vec<RunLine>,
    /// Whether these are not the newest.
    pub is_older: bool,
    /// Where older ones are.
    pub older: Option<String>,
    /// The form.
    pub resync: Resync,
    /// The time zone's name.
    pub zone: String,
}

/// The form that asks for reading again from a day on.
#[derive(Debug, Clone, Default)]
pub struct Resync {
    /// What was sent last time.
    pub since: String,
    /// What is wrong with it.
    pub error: Option<&'static str>,
    /// The last day that may be chosen.
    pub today: String,
    /// Whether the portal is in a state for it.
    pub possible: bool,
}

/// A run, as a row.
#[derive(Debug, Clone)]
pub struct RunLine {
    /// Its page.
    pub href: String,
    /// What it did.
    pub kind: &'static str,
    /// Who asked for it.
    pub asked_by: &'static str,
    /// When it began, or was asked for while it waits.
    pub at: Moment,
    /// How long it took; a dash before it has ended.
    pub took: String,
    /// How it stands or ended.
    pub outcome: Pill,
    /// Records written.
    pub written: String,
    /// Links made.
    pub linked: String,
    /// What did not get through.
    pub failed: String,
    /// Whether that is anything.
    pub has_failed: bool,
    /// Requests to HubSpot.
    pub calls: String,
}

/// What the page is made of.
pub struct History<'a> {
    /// The portal.
    pub portal: &'a PortalSummary,
    /// Where it stands.
    pub status: &'a PortalStatus,
    /// One page of runs, newest first.
    pub runs: &'a [Account],
    /// Whether they are not the newest.
    pub is_older: bool,
    /// Who looks.
    pub user_id: UserId,
}

impl RunsPage {
    /// The page of `history` for `viewer`; `refused` is a day that cannot be, with the reason.
    pub fn new(
        history: &History<'_>,
        viewer: Viewer,
        refused: Option<(String, &'static str)>,
        now: DateTime<Utc>,
    ) -> Self {
        let History {
            portal,
            status,
            runs,
            is_older,
            user_id,
        } = *history;
        let zone = portal.time_zone;
        let path = format!("/portals/{}", portal.hub_id);
        let (csrf_token, is_owner) = (viewer.csrf_token.clone(), viewer.is_owner);
        let (since, error) =
            refused.map_or((String::new(), None), |(since, error)| (since, Some(error)));
        let title = if error.is_some() {
            "Error: Runs"
        } else {
            "Runs"
        };
        let mut shell = Shell::new(title, Some(viewer));
        let in_work = Progress::of(status, now);
        if error.is_none() {
            shell.scripts = vec![assets::url("live.js")];
            shell.reload_secs = in_work.is_some().then_some(progress::RELOAD_SECS);
        }
        let current = match (in_work, &status.current_run) {
            (Some(progress), Some(run)) if !is_older => {
                Some((progress, format!("{path}/runs/{}", run.id)))
            }
            _ => None,
        };
        let cancel = status
            .current_run
            .as_ref()
            .filter(|_| is_owner && current.is_some())
            .map(|run| Cancel::of(&path, run.id, run.kind));
        let is_full = i64::try_from(runs.len()).is_ok_and(|count| count >= app::runs::PAGE);
        let older = runs.last().filter(|_| is_full);
        Self {
            shell,
            csrf_token,
            is_owner,
            tabs: tabs(&path, Place::Runs, status),
            name: super::portals::name(portal),
            paused: status.state == PortalState::Paused,
            current,
            cancel,
            runs: runs
                .iter()
                .map(|run| RunLine::new(run, &path, user_id, now, zone))
                .collect(),
            is_older,
            older: older.map(|last| format!("{path}/runs?before={}", last.id)),
            resync: Resync {
                since,
                error,
                today: now.with_timezone(&zone).date_naive().to_string(),
                possible: matches!(status.state, PortalState::Active | PortalState::Backfilling),
            },
            zone: zone.name().replace('_', " "),
            path,
        }
    }
}

impl RunLine {
    fn new(
        run: &Account,
        path: &str,
        user_id: UserId,
        now: DateTime<Utc>,
        zone: chrono_tz::Tz,
    ) -> Self {
        let counts = &run.counts;
        let links = counts.contacts + counts.companies + counts.deals;
        Self {
            href: format!("{path}/runs/{}", run.id),
            kind: kind(run.kind),
            asked_by: asked_by(&run.requested_by, user_id),
            at: Moment::new(run.started_at.unwrap_or(run.created_at), now, zone),
            took: run
                .duration()
                .map_or_else(|| "–".to_owned(), format::stopwatch),
            outcome: Pill::of_run(run.state, counts.failed()),
            written: format::number(counts.written),
            linked: format::number(links),
            failed: format::number(counts.failed()),
            has_failed: counts.failed() > 0,
            calls: format::number(i64::try_from(counts.total_calls()).unwrap_or(i64::MAX)),
        }
    }
}

/// What a kind of run is called.
pub fn kind(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Backfill => "Backfill",
        RunKind::Sync => "Sync",
        RunKind::Resync => "Re-sync",
        RunKind::Sweep => "Sweep",
        RunKind::Reassociate => "Re-association",
        RunKind::Link => "Linking",
        RunKind::Check => "Check",
    }
}

/// Who asked for a run, as `user_id` reads it.
pub fn asked_by(requested_by: &str, user_id: UserId) -> &'static str {
    match requested_by {
        "schedule" => "On schedule",
        "operator" => "By the operator",
        "needs met" => "After set-up",
        "hubspot" => "HubSpot’s event",
        other => match other.strip_prefix("user:") {
            Some(id) if id.parse() == Ok(user_id) => "By you",
            Some(_) => "By an owner",
            None => "Automatic",
        },
    }
}
