//! The form that takes the Thnks API key.

use app::portals::PortalSummary;
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
    pub csrf_token: String,
    /// Whether this person may connect.
    pub is_owner: bool,
    /// The portal's name.
    pub name: String,
    /// Domain and number.
    pub portal: String,
    /// Whether a key is stored already.
    pub replaces: bool,
    /// What is wrong with the key that was sent.
    pub error: Option<&'static str>,
}

impl ConnectPage {
    /// The form for `portal`, with what was wrong the last time.
    pub fn new(portal: &PortalSummary, viewer: Viewer, error: Option<&'static str>) -> Self {
        let title = match error {
            Some(_) => "Error: Connect Thnks",
            None => "Connect Thnks",
        };
        Self {
            action: format!("/portals/{}/connect", portal.hub_id),
            csrf_token: viewer.csrf_token.clone(),
            is_owner: viewer.is_owner,
            name: super::portals::name(portal),
            portal: super::portals::detail(portal),
            replaces: portal.thnks_connected,
            error,
            shell: Shell::new(title, Some(viewer)),
        }
    }
}
