//! A portal's people and what did not get through, and the question why somebody wants to see them.

use app::console::{Fault, look};
use app::members::Role;
use app::portals::PortalSummary;
use app::session::FormToken;
use askama::Template;
use chrono::{DateTime, Utc};
use domain::failure::Stage;

use super::{Place, moment, of_reason, tabs};
use crate::view::format::Moment;
use crate::view::portals::{detail, name};
use crate::view::shell::{Shell, Viewer};
use crate::view::tabs::Tab;

/// `templates/console/ask.html`.
#[derive(Template)]
#[template(path = "console/ask.html")]
pub struct AskPage {
    /// The frame.
    pub shell: Shell,
    /// The console's pages.
    pub tabs: Vec<Tab>,
    /// Hidden field of the form.
    pub csrf_token: FormToken,
    /// The portal's page here.
    pub path: String,
    /// The organization or the portal.
    pub name: String,
    /// Domain and number.
    pub portal: String,
    /// The reason that was entered.
    pub reason: String,
    /// What is wrong with it.
    pub error: Option<&'static str>,
}

impl AskPage {
    /// The question for `viewer`; `refused` is what was entered, and what is wrong with it.
    pub fn new(portal: &PortalSummary, viewer: &Viewer, refused: Option<(String, Fault)>) -> Self {
        let title = if refused.is_some() {
            "Error: Look"
        } else {
            "Look"
        };
        let (reason, error) = refused.map_or((String::new(), None), |(reason, fault)| {
            (reason, Some(of_reason(fault)))
        });
        Self {
            shell: Shell::of_console(title, Some(viewer.clone())),
            tabs: tabs(Place::Portals),
            csrf_token: viewer.csrf_token.clone(),
            path: format!("/operator/portals/{}", portal.hub_id),
            name: name(portal),
            portal: detail(portal),
            reason,
            error,
        }
    }
}

/// `templates/console/look.html`.
#[derive(Template)]
#[template(path = "console/look.html")]
pub struct LookPage {
    /// The frame.
    pub shell: Shell,
    /// The console's pages.
    pub tabs: Vec<Tab>,
    /// Hidden field of the form.
    pub csrf_token: FormToken,
    /// The portal's page here.
    pub path: String,
    /// The organization or the portal.
    pub name: String,
    /// Until when.
    pub until: Moment,
    /// The portal's people.
    pub people: Vec<Person>,
    /// What did not get through.
    pub failures: Vec<FailedRow>,
}

/// A member.
#[derive(Debug, Clone)]
pub struct Person {
    /// The address, else the number at HubSpot.
    pub name: String,
    /// What they may do.
    pub role: &'static str,
    /// Since when they belong to the portal.
    pub since: Moment,
}

/// Something that did not get through.
#[derive(Debug, Clone)]
pub struct FailedRow {
    /// The gift, or what names the row.
    pub key: String,
    /// Where it was stopped.
    pub stage: &'static str,
    /// By which code, and about which field.
    pub code: String,
    /// HubSpot's words, or ours.
    pub reason: String,
    /// When it was tried last.
    pub at: Moment,
}

impl LookPage {
    /// The page of `look` for `viewer`.
    pub fn new(
        portal: &PortalSummary,
        look: &look::Look,
        viewer: &Viewer,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            shell: Shell::of_console("Look", Some(viewer.clone())),
            tabs: tabs(Place::Portals),
            csrf_token: viewer.csrf_token.clone(),
            path: format!("/operator/portals/{}", portal.hub_id),
            name: name(portal),
            until: moment(look.until, now),
            people: look
                .members
                .iter()
                .map(|member| Person {
                    name: member
                        .email
                        .clone()
                        .unwrap_or_else(|| format!("User {}", member.user_id)),
                    role: match member.role {
                        Role::Owner => "Owner",
                        Role::Member => "Member",
                    },
                    since: moment(member.joined_at, now),
                })
                .collect(),
            failures: look
                .failures
                .iter()
                .map(|failure| FailedRow {
                    key: failure
                        .transaction_id
                        .clone()
                        .unwrap_or_else(|| failure.key.clone()),
                    stage: match failure.stage {
                        Stage::Row => "Thnks’ row",
                        Stage::Record => "Record",
                        Stage::Link => "Link",
                    },
                    code: match &failure.field {
                        Some(field) => format!("{} · {field}", failure.code),
                        None => failure.code.clone(),
                    },
                    reason: failure.reason.clone(),
                    at: moment(failure.at, now),
                })
                .collect(),
        }
    }
}
