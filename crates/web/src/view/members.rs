//! The people of a portal and what each may do, and the own sessions of the person who looks.

use app::members::{Member, Role};
use app::portals::PortalSummary;
use app::session::{FormToken, Open};
use askama::Template;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::UserId;
use domain::portal::PortalStatus;

use super::format::Moment;
use super::pill::Pill;
use super::sections::{Part, SectionLink, sections};
use super::shell::{Shell, Viewer};
use super::tabs::{Place, Tab, tabs};
use crate::assets;

/// `templates/members/list.html`.
#[derive(Template)]
#[template(path = "members/list.html")]
pub struct MembersPage {
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
    /// Why nothing was changed, when somebody has just tried.
    pub refused: Option<&'static str>,
    /// The people.
    pub rows: Vec<Row>,
    /// Where people sign in.
    pub login: String,
    /// The person's own sessions of this portal, this one first.
    pub sessions: Vec<SessionRow>,
}

/// A session, as a row.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// Names it.
    pub id: String,
    /// The browser in words.
    pub browser: String,
    /// Whether it is the one that looks.
    pub is_current: bool,
    /// Since when it is open.
    pub since: Moment,
    /// When it was last used.
    pub used: Moment,
    /// What is on its button.
    pub button: &'static str,
}

/// A person, as a row.
#[derive(Debug, Clone)]
pub struct Row {
    /// The address, or what stands for it.
    pub name: String,
    /// Whether it is the person who looks.
    pub is_self: bool,
    /// What they may do.
    pub role: Pill,
    /// Since when they belong to the portal.
    pub since: Moment,
    /// Where the form leads.
    pub action: String,
    /// The other role: its value and what is on its button.
    pub other: (&'static str, &'static str),
    /// Whether it is the only owner, who stays one.
    pub is_last: bool,
}

/// Who looks.
pub struct Looking {
    /// The person.
    pub user_id: UserId,
    /// Their own sessions of this portal.
    pub sessions: Vec<Open>,
    /// As the frame needs it.
    pub viewer: Viewer,
}

impl MembersPage {
    /// The page of `members`; `refused` says why nothing was changed, and `login` is where people sign in.
    pub fn new(
        portal: &PortalSummary,
        status: &PortalStatus,
        members: &[Member],
        looking: Looking,
        refused: Option<&'static str>,
        login: String,
        now: DateTime<Utc>,
    ) -> Self {
        let Looking {
            user_id,
            sessions,
            viewer,
        } = looking;
        let path = format!("/portals/{}", portal.hub_id);
        let (csrf_token, is_owner) = (viewer.csrf_token.clone(), viewer.is_owner);
        let title = if refused.is_some() {
            "Error: People"
        } else {
            "People"
        };
        let mut shell = Shell::new(title, Some(viewer));
        if refused.is_none() {
            shell.scripts = vec![assets::url("live.js")];
        }
        let owners = members
            .iter()
            .filter(|member| member.role == Role::Owner)
            .count();
        Self {
            shell,
            csrf_token,
            is_owner,
            tabs: tabs(&path, Place::Settings, status),
            sections: sections(&path, Part::People),
            refused,
            rows: members
                .iter()
                .map(|member| Row {
                    name: member
                        .email
                        .clone()
                        .unwrap_or_else(|| format!("User {}", member.user_id)),
                    is_self: member.user_id == user_id,
                    role: match member.role {
                        Role::Owner => Pill {
                            word: "Owner",
                            tone: "good",
                        },
                        Role::Member => Pill {
                            word: "Member",
                            tone: "idle",
                        },
                    },
                    since: Moment::new(member.joined_at, now, portal.time_zone),
                    action: format!("{path}/settings/members/{}", member.user_id),
                    other: match member.role {
                        Role::Owner => ("member", "Make a member"),
                        Role::Member => ("owner", "Make an owner"),
                    },
                    is_last: member.role == Role::Owner && owners == 1,
                })
                .collect(),
            login,
            sessions: sessions
                .into_iter()
                .map(|open| SessionRow::new(open, now, portal.time_zone))
                .collect(),
            path,
        }
    }
}

impl SessionRow {
    fn new(open: Open, now: DateTime<Utc>, zone: Tz) -> Self {
        // A use is noted once a minute; the one that looks is in use now.
        let used = if open.is_current {
            now
        } else {
            open.last_seen_at
        };
        Self {
            id: open.session_id.to_string(),
            browser: open.browser.unwrap_or_else(|| "A browser".to_owned()),
            is_current: open.is_current,
            since: Moment::new(open.created_at, now, zone),
            used: Moment::new(used, now, zone),
            button: if open.is_current { "Sign out" } else { "End" },
        }
    }
}
