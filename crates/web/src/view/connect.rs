//! The form that takes the Thnks API key.

use app::portals::PortalSummary;
use app::session::FormToken;
use askama::Template;

use super::shell::{Shell, Viewer};

/// `templates/connect/show.html`.
#[derive(Template)]
#[template(path = "connect/show.html")]
pub struct ConnectPage {
    /// The frame.
    pub shell: Shell,
    /// Where the form goes.
    pub action: String,
    /// Hidden field.
    pub csrf_token: FormToken,
    /// Whether this person may connect.
    pub is_owner: bool,
    /// The portal's name.
    pub name: String,
    /// Domain and number.
    pub portal: String,
    /// Whether a key is stored already.
    pub replaces: bool,
    /// The portal's number, which the form sends back when the person confirms it.
    pub number: String,
    /// Whether the person has confirmed it already.
    pub is_confirmed: bool,
    /// What is wrong with the key that was sent.
    pub key_error: Option<&'static str>,
    /// What is wrong with the portal.
    pub portal_error: Option<&'static str>,
}

/// What was sent the last time, without the key.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tried {
    /// Whether the portal was confirmed.
    pub is_confirmed: bool,
    /// What was wrong: with the key, or that the portal was not confirmed.
    pub error: Option<&'static str>,
}

impl ConnectPage {
    /// The form for `portal`, after what was tried.
    pub fn new(portal: &PortalSummary, viewer: Viewer, tried: &Tried) -> Self {
        let title = match tried.error {
            Some(_) => "Error: Connect Thnks",
            None => "Connect Thnks",
        };
        Self {
            number: portal.hub_id.to_string(),
            is_confirmed: tried.is_confirmed,
            key_error: tried.error.filter(|_| tried.is_confirmed),
            portal_error: tried.error.filter(|_| !tried.is_confirmed),
            action: format!("/portals/{}/connect", portal.hub_id),
            csrf_token: viewer.csrf_token.clone(),
            is_owner: viewer.is_owner,
            name: super::portals::name(portal),
            portal: super::portals::detail(portal),
            replaces: portal.thnks_connected,
            shell: Shell::new(title, Some(viewer)),
        }
    }
}
