//! The list of what must be in place, and the card from which the sync is steered.

use app::preflight::{About, Found, Group, Item, Preflight, What};
use app::session::FormToken;
use askama::Template;
use chrono::{DateTime, Utc};
use domain::portal::{PortalState, PortalStatus};
use domain::scopes;

use super::facts::{Fact, FactValue};
use super::format::{self, Moment};
use super::health::Health;
use super::pill::Pill;
use super::runs::{self, Resync};
use super::sections::{Part, SectionLink, sections};
use super::shell::{Shell, Viewer};
use super::tabs::{Place, Tab, tabs};
use crate::assets;

/// `templates/preflight/show.html`.
#[derive(Template)]
#[template(path = "preflight/show.html")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "templates hold no logic: each is a condition of its own"
)]
pub struct PreflightPage {
    /// The frame.
    pub shell: Shell,
    /// The portal's path, `/portals/{hub_id}`.
    pub path: String,
    /// Hidden field of the forms.
    pub csrf_token: FormToken,
    /// Whether the buttons are there for this person.
    pub is_owner: bool,
    /// The portal's pages.
    pub tabs: Vec<Tab>,
    /// The settings' sections.
    pub sections: Vec<SectionLink>,
    /// What the list comes to, in one sentence.
    pub sentence: String,
    /// When it was last looked.
    pub looked_at: Option<Moment>,
    /// Whether looking makes sense in this state.
    pub can_check: bool,
    /// The list, what is to do first.
    pub groups: Vec<GroupView>,
    /// How the portal is, in one word.
    pub health: Pill,
    /// Facts about the sync.
    pub facts: Vec<Fact>,
    /// Whether a sync can be asked for.
    pub can_sync: bool,
    /// Whether the portal can be paused.
    pub can_pause: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// The form that reads again.
    pub resync: Resync,
    /// The time zone's name.
    pub zone: String,
}

/// Items that belong together.
#[derive(Debug, Clone)]
pub struct GroupView {
    /// What they are about; also what its anchor is called.
    pub name: &'static str,
    /// How many are in place.
    pub note: String,
    /// The items.
    pub items: Vec<ItemView>,
    /// Items that are folded away, under these words.
    pub folded: Option<(String, Vec<ItemView>)>,
}

/// An item, ready to print.
#[derive(Debug, Clone)]
pub struct ItemView {
    /// What it is.
    pub name: String,
    /// HubSpot's name for it.
    pub code: Option<String>,
    /// `good`, `bad`, `off` or `unseen`.
    pub tone: &'static str,
    /// The same as a word.
    pub word: &'static str,
    /// What exactly is wrong, or off.
    pub detail: Option<String>,
    /// What helps.
    pub remedy: Option<String>,
}

impl PreflightPage {
    /// The page of `preflight`, for `viewer`.
    pub fn new(preflight: &Preflight, viewer: Viewer, now: DateTime<Utc>) -> Self {
        let Preflight {
            portal,
            status,
            checked_at,
            groups,
        } = preflight;
        let path = format!("/portals/{}", portal.hub_id);
        let (csrf_token, is_owner) = (viewer.csrf_token.clone(), viewer.is_owner);
        let zone = portal.time_zone;
        let mut shell = Shell::new("Set-up", Some(viewer));
        shell.scripts = vec![assets::url("live.js")];
        // What is to do comes first.
        let mut views: Vec<GroupView> = groups.iter().map(GroupView::new).collect();
        views.sort_by_key(|group| !group.items.iter().any(|item| item.tone == "bad"));
        let works = matches!(status.state, PortalState::Active | PortalState::Backfilling);
        let is_idle = status.current_run.is_none();
        Self {
            shell,
            csrf_token,
            is_owner,
            tabs: tabs(&path, Place::Settings, status),
            sections: sections(&path, Part::SetUp),
            sentence: sentence(groups, status),
            looked_at: checked_at.map(|at| Moment::new(at, now, zone)),
            can_check: works || status.state == PortalState::NeedsSetup,
            groups: views,
            health: Health::of(status).pill,
            facts: facts(status, &path, now, zone),
            can_sync: works && is_idle,
            can_pause: works,
            paused: status.state == PortalState::Paused,
            resync: Resync {
                today: now.with_timezone(&zone).date_naive().to_string(),
                possible: works,
                ..Resync::default()
            },
            zone: zone.name().replace('_', " "),
            path,
        }
    }
}

fn sentence(groups: &[Group], status: &PortalStatus) -> String {
    let items = groups.iter().flat_map(|group| &group.items);
    let is_bad = |item: &&Item| matches!(item.found, Found::Bad { .. });
    let bad = items.clone().filter(is_bad).count();
    let unseen = items
        .filter(|item| item.found == Found::NotLookedAt)
        .count();
    if status.state == PortalState::Disconnected {
        "HubSpot no longer lets us in. What is in HubSpot stays there.".to_owned()
    } else if bad > 0 {
        let bad = i64::try_from(bad).unwrap_or(i64::MAX);
        let todo = format::count(bad, "thing is to do", "things are to do");
        match status.state {
            PortalState::NeedsSetup | PortalState::Connecting => {
                format!("{todo} before gifts can be synced.")
            }
            _ => format!("{todo}. Gifts are synced meanwhile."),
        }
    } else if unseen > 0 {
        "Nobody has looked yet whether everything is in place.".to_owned()
    } else {
        "Everything is in place.".to_owned()
    }
}

fn facts(status: &PortalStatus, path: &str, now: DateTime<Utc>, zone: chrono_tz::Tz) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(run) = &status.current_run {
        let href = format!("{path}/runs/{}", run.id);
        facts.push(Fact::link("In work", runs::kind(run.kind), href));
    }
    if let Some(run) = &status.last_run {
        let word = Pill::of_run(run.state, 0).word.to_lowercase();
        let words = format!("{} {word}", runs::kind(run.kind));
        facts.push(Fact::link(
            "Last run",
            words,
            format!("{path}/runs/{}", run.id),
        ));
        if let Some(at) = run.finished_at {
            facts.push(Fact::at("Finished", Moment::new(at, now, zone)));
        }
    }
    facts.push(match status.next_sync_at {
        Some(at) => Fact::at("Next sync", Moment::new(at, now, zone)),
        None => Fact::text("Next sync", "Not planned"),
    });
    facts
}

impl GroupView {
    fn new(group: &Group) -> Self {
        let good = group
            .items
            .iter()
            .filter(|item| item.found == Found::Good)
            .count();
        let items: Vec<ItemView> = group.items.iter().map(ItemView::new).collect();
        let (name, folds) = match group.about {
            About::Connections => ("Connections", false),
            About::Scopes => ("What HubSpot allows", false),
            About::Object => ("Custom object", false),
            About::Properties => ("Properties", true),
            About::Associations => ("Links", false),
        };
        let note = format!("{good} of {} in place", items.len());
        let (items, rest): (Vec<_>, Vec<_>) = items
            .into_iter()
            .partition(|item| !folds || item.tone == "bad");
        let tone = rest.first().map(|item| item.tone);
        let folded = tone.map(|tone| {
            let words = match (items.is_empty(), tone) {
                (true, "good") => format!("All {} as they should be", rest.len()),
                (false, "good") => format!("The other {}", rest.len()),
                _ => format!("{} not looked at", rest.len()),
            };
            (words, rest)
        });
        Self {
            name,
            note,
            items,
            folded,
        }
    }
}

impl ItemView {
    fn new(item: &Item) -> Self {
        let (name, code) = match &item.what {
            What::Thnks(Some(organization)) => (format!("Thnks: {organization}"), None),
            What::Thnks(None) => ("Thnks".to_owned(), None),
            What::HubSpot => ("HubSpot".to_owned(), None),
            What::Scope(name) => (scopes::purpose(name).to_owned(), Some((*name).to_owned())),
            What::Tier => (
                "A HubSpot subscription with custom objects".to_owned(),
                None,
            ),
            What::Object(id) => ("The Thnks object".to_owned(), id.clone()),
            What::Property(label, name) => ((*label).to_owned(), Some((*name).to_owned())),
            What::Association(to) => (format!("Gifts can be linked to {to}"), None),
        };
        let (tone, word) = match &item.found {
            Found::Good => ("good", "In place"),
            Found::Bad { .. } => ("bad", "To do"),
            Found::Off(_) => ("off", "Off"),
            Found::NotLookedAt => ("unseen", "Not looked at"),
        };
        let (detail, remedy) = match &item.found {
            Found::Bad { detail, remedy } => (Some(detail.clone()), Some(remedy.clone())),
            Found::Off(without) => (Some(format!("Without it {without}.")), None),
            Found::Good | Found::NotLookedAt => (None, None),
        };
        Self {
            name,
            code,
            tone,
            word,
            detail,
            remedy,
        }
    }
}
