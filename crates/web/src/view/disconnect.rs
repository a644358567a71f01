//! The way out: what will happen, in numbers, and a form that asks twice.

use app::disconnect::Parting;
use app::session::FormToken;
use askama::Template;
use domain::portal::{NeedCode, PortalState};

use super::format;
use super::sections::{Part, SectionLink, sections};
use super::shell::{Shell, Viewer};
use super::tabs::{Place, Tab, tabs};

/// `templates/disconnect/show.html`.
#[derive(Template)]
#[template(path = "disconnect/show.html")]
pub struct DisconnectPage {
    /// The frame.
    pub shell: Shell,
    /// The portal's path, `/portals/{hub_id}`.
    pub path: String,
    /// Hidden field of the form.
    pub csrf_token: FormToken,
    /// The portal's pages.
    pub tabs: Vec<Tab>,
    /// The settings' sections.
    pub sections: Vec<SectionLink>,
    /// The organization or the portal.
    pub name: String,
    /// Whether HubSpot has ended the connection already.
    pub is_lost: bool,
    /// What ends.
    pub ends: Vec<String>,
    /// What stays.
    pub stays: Vec<String>,
    /// What is to be typed: the portal's number.
    pub number: String,
    /// Or this.
    pub domain: Option<String>,
    /// What was typed.
    pub typed: String,
    /// What is wrong with it.
    pub error: Option<&'static str>,
}

impl DisconnectPage {
    /// The page of `parting` for `viewer`; `refused` is what was typed, and what is wrong with it.
    pub fn new(parting: &Parting, viewer: Viewer, refused: Option<(String, &'static str)>) -> Self {
        let Parting {
            kept_days,
            portal,
            status,
            sessions,
        } = parting;
        let path = format!("/portals/{}", portal.hub_id);
        let csrf_token = viewer.csrf_token.clone();
        let title = if refused.is_some() {
            "Error: Disconnect"
        } else {
            "Disconnect"
        };
        let (typed, error) =
            refused.map_or((String::new(), None), |(typed, error)| (typed, Some(error)));
        let is_lost = status.state == PortalState::Disconnected
            && status
                .needs
                .iter()
                .any(|need| need.code == NeedCode::AuthorizationLost);
        let mut ends = vec![
            "The sync stops. Gifts that are sent from then on do not become records.".to_owned(),
            "The app is removed from your HubSpot portal, and the tokens that let us in are destroyed."
                .to_owned(),
            format!(
                "Everybody is signed out: {}, yours included.",
                format::count(*sessions, "open session", "open sessions")
            ),
        ];
        if status.current_run.is_some() {
            ends.insert(1, "The run in work ends where it is.".to_owned());
        }
        let stays = vec![
            format!(
                "{} in HubSpot, with all their links to contacts, companies and deals ({} without a contact), and the Thnks object. Delete it in HubSpot if you want it gone.",
                format::count(status.synced, "record", "records"),
                format::number(status.orphans)
            ),
            format!(
                "For {}: what we know of {}, the people and the rules, so that everything goes on where it stopped when you install the app again. After that it is erased here, not in HubSpot.",
                format::count(*kept_days, "day", "days"),
                format::count(status.transactions, "gift", "gifts")
            ),
            "For the same time: your Thnks API key, encrypted. To make it worthless at once, replace it at Thnks.".to_owned(),
            "The audit: who did what and when, by numbers and without names.".to_owned(),
        ];
        Self {
            shell: Shell::new(title, Some(viewer)),
            csrf_token,
            tabs: tabs(&path, Place::Settings, status),
            sections: sections(&path, Part::Disconnect),
            name: super::portals::name(portal),
            is_lost,
            ends,
            stays,
            number: portal.hub_id.to_string(),
            domain: portal.hub_domain.clone(),
            typed,
            error,
            path,
        }
    }
}
