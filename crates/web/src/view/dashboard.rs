//! The dashboard, and the set-up page that stands in its place while something is missing.

use app::dashboard::Dashboard;
use app::session::FormToken;
use askama::Template;
use chrono::{DateTime, Utc};
use domain::portal::{Need, PortalState, PortalStatus};
use domain::run::RunKind;
use domain::scopes::OptionalScope;
use domain::statistics::Range;

use super::asked::Asked;
use super::chart::Chart;
use super::facts::{Fact, FactValue};
use super::format::{self, Moment};
use super::funnel::{self, StepLine};
use super::health::Health;
use super::pill::Pill;
use super::progress::{self, Progress};
use super::range::Ranges;
use super::runs::kind;
use super::shell::{Shell, Viewer};
use super::stats::{self, ActivityLine, Figure, Stat, TypeLine};
use super::tabs::{Place, Tab, tabs};
use crate::assets;

/// How many lines of recent activity stand open; the rest is one click away.
const ACTIVITY_SHOWN: usize = 8;

/// `templates/dashboard/show.html`.
#[derive(Template)]
#[template(path = "dashboard/show.html")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each switches one independent part of the page"
)]
pub struct DashboardPage {
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
    /// The portal in small: domain and number.
    pub portal: String,
    /// How the connection is.
    pub health: Health,
    /// What a person must do first.
    pub needs: Vec<NeedLine>,
    /// Shown while the connection is gone.
    pub disconnected: bool,
    /// Shown while the sync is paused.
    pub paused: bool,
    /// The backfill, large, while it is what everybody waits for.
    pub progress: Option<Progress>,
    /// Any other run in work, small, in the sync card.
    pub run: Option<Progress>,
    /// Whether numbers are shown at all.
    pub has_numbers: bool,
    /// The days shown, and the choice of others.
    pub ranges: Ranges,
    /// The numbers on top.
    pub stats: Vec<Stat>,
    /// The last months.
    pub chart: Option<Chart>,
    /// What stands in the chart's place while there is none.
    pub chart_empty: (&'static str, &'static str),
    /// How far gifts got.
    pub funnel: Vec<StepLine>,
    /// The most frequent types.
    pub types: Vec<TypeLine>,
    /// Recent activity, the lines that stand open.
    pub activity: Vec<ActivityLine>,
    /// The lines behind the click.
    pub activity_more: Vec<ActivityLine>,
    /// The sync card's lines.
    pub facts: Vec<Fact>,
    /// Whether "Sync now" makes sense.
    pub can_sync: bool,
    /// Whether "Pause" makes sense.
    pub can_pause: bool,
    /// Records without a contact, grouped.
    pub orphans: String,
    /// What they are, or that there are none.
    pub orphans_text: &'static str,
    /// Whether there are any.
    pub has_orphans: bool,
    /// Whether "Re-associate orphans" makes sense.
    pub can_reassociate: bool,
    /// What is off for want of a scope.
    pub optional_missing: Vec<OptionalScope>,
    /// The time zone's name.
    pub zone: String,
}

/// A need, as a line.
#[derive(Debug, Clone)]
pub struct NeedLine {
    /// What is missing.
    pub detail: String,
    /// What to do.
    pub remedy: String,
    /// Where that is done, when it is done here: address and label.
    pub action: Option<(String, &'static str)>,
}

impl DashboardPage {
    /// The page of `dashboard` for `viewer`, showing the days of `range`.
    pub fn new(dashboard: &Dashboard, viewer: Viewer, range: Range, now: DateTime<Utc>) -> Self {
        let Dashboard {
            portal,
            status,
            overview,
            optional_missing,
        } = dashboard;
        let (statistics, months) = (&overview.statistics, &overview.months);
        let zone = portal.time_zone;
        let path = format!("/portals/{}", portal.hub_id);
        let today = now.with_timezone(&zone).date_naive();
        let in_work = Progress::of(status, now);
        let is_backfill = status.state == PortalState::Backfilling
            || matches!(&status.current_run, Some(run) if run.kind == RunKind::Backfill);
        let reload_secs = in_work.is_some().then_some(progress::RELOAD_SECS);
        let (progress, run) = if is_backfill {
            (in_work, None)
        } else {
            (None, in_work)
        };
        let days = Asked::of_days(range);
        let before = overview.before.as_ref().map(|before| stats::Before {
            statistics: before,
            words: stats::days_before(range, today),
        });
        let idle = status.current_run.is_none() && status.state == PortalState::Active;
        let mut activity = stats::activity(&statistics.recent_activity, &path, now, zone);
        let activity_more = activity.split_off(activity.len().min(ACTIVITY_SHOWN));
        let (csrf_token, is_owner) = (viewer.csrf_token.clone(), viewer.is_owner);
        let mut shell = Shell::new("Dashboard", Some(viewer));
        shell.scripts = vec![
            assets::url("uplot.min.js"),
            assets::url("chart.js"),
            assets::url("live.js"),
        ];
        shell.reload_secs = reload_secs;
        Self {
            shell,
            csrf_token,
            is_owner,
            tabs: tabs(&path, Place::Dashboard, status),
            name: super::portals::name(portal),
            portal: super::portals::detail(portal),
            health: Health::of(status),
            needs: need_lines(&status.needs, &path),
            disconnected: status.state == PortalState::Disconnected,
            paused: status.state == PortalState::Paused,
            has_numbers: status.transactions > 0 || status.needs.is_empty(),
            ranges: Ranges::new(&path, range, today),
            stats: stats::stats(&overview.statistics, before.as_ref(), &path, &days),
            chart: Chart::of(months, &path),
            chart_empty: if is_backfill {
                ("Your history is on its way", "Months fill as gifts arrive.")
            } else {
                (
                    "Nothing sent in these months",
                    "The first gift your people send shows here within the hour.",
                )
            },
            funnel: funnel::steps(&overview.funnel, &path, &days),
            types: stats::types(statistics, &path, &days),
            activity,
            activity_more,
            facts: facts(status, &path, now, zone),
            // After a backfill that somebody cancelled, a sync is what goes on with it.
            can_sync: is_owner
                && status.current_run.is_none()
                && matches!(status.state, PortalState::Active | PortalState::Backfilling),
            can_pause: is_owner
                && matches!(status.state, PortalState::Active | PortalState::Backfilling),
            orphans: format::number(status.orphans),
            orphans_text: orphans_text(status),
            has_orphans: status.orphans > 0,
            can_reassociate: idle && is_owner && status.orphans > 0,
            optional_missing: optional_missing.clone(),
            zone: zone.name().replace('_', " "),
            progress,
            run,
            path,
        }
    }
}

fn orphans_text(status: &PortalStatus) -> &'static str {
    match (status.orphans, status.transactions) {
        (0, 0) => "Records without a contact in HubSpot will be counted here.",
        (0, _) if status.state == PortalState::Backfilling => {
            "Records without a contact are counted once the history is in."
        }
        (0, _) => "Every record is linked to a contact.",
        _ => {
            "Records whose recipient is no contact in HubSpot yet. Add the contact in HubSpot, then let us look again."
        }
    }
}

fn need_lines(needs: &[Need], path: &str) -> Vec<NeedLine> {
    use domain::portal::NeedCode;
    needs
        .iter()
        .map(|need| NeedLine {
            detail: need.detail.clone(),
            remedy: need.remedy.clone(),
            action: match need.code {
                NeedCode::ThnksKeyMissing | NeedCode::ThnksKeyRefused => {
                    Some((format!("{path}/connect"), "Enter the Thnks API key"))
                }
                NeedCode::ScopeMissing | NeedCode::AuthorizationLost => {
                    Some(("/install".to_owned(), "Connect HubSpot again"))
                }
                _ => None,
            },
        })
        .collect()
}

fn facts(status: &PortalStatus, path: &str, now: DateTime<Utc>, zone: chrono_tz::Tz) -> Vec<Fact> {
    let at = |name, at| Fact::at(name, Moment::new(at, now, zone));
    let mut facts = Vec::new();
    match &status.last_run {
        Some(run) => {
            let outcome = Pill::of_run(run.state, 0).word.to_lowercase();
            let words = format!("{} {outcome}", kind(run.kind));
            facts.push(Fact::link(
                "Last run",
                words,
                format!("{path}/runs/{}", run.id),
            ));
            if let Some(finished_at) = run.finished_at {
                facts.push(at("Finished", finished_at));
            }
        }
        None => facts.push(Fact::text("Last run", "None yet")),
    }
    match status.next_sync_at {
        Some(next) if next > now => facts.push(at("Next sync", next)),
        Some(_) => facts.push(Fact::text("Next sync", "Due now")),
        None if status.state == PortalState::Paused => {
            facts.push(Fact::text("Next sync", "After the pause"));
        }
        None => facts.push(Fact::text("Next sync", "Not planned")),
    }
    facts.push(Fact::text(
        "In HubSpot",
        format!(
            "{} of {}",
            format::number(status.synced),
            format::number(status.transactions)
        ),
    ));
    let failed = format::number(status.failed);
    facts.push(match status.failed {
        0 => Fact::text("Failed", failed),
        _ => Fact::link("Failed", failed, format!("{path}/failures")),
    });
    facts
}
