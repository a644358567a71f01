//! The portals of a person, and how a portal is called.

use app::portals::PortalSummary;
use askama::Template;
use domain::HubId;

use super::shell::{Shell, Viewer};

/// `templates/portals/list.html`.
#[derive(Template)]
#[template(path = "portals/list.html")]
pub struct PortalsPage {
    /// The frame.
    pub shell: Shell,
    /// One line per portal.
    pub portals: Vec<PortalLine>,
}

/// A portal, as a line.
#[derive(Debug, Clone)]
pub struct PortalLine {
    /// Its name.
    pub name: String,
    /// Domain and number.
    pub detail: String,
    /// Its dashboard; for a portal this session is not for, the way to one that is.
    pub href: String,
    /// Whether this session is for it.
    pub open: bool,
    /// Whether Thnks is connected.
    pub connected: bool,
}

impl PortalsPage {
    /// The page of `portals`; the session is for `current`.
    pub fn new(portals: &[PortalSummary], current: HubId, viewer: Viewer) -> Self {
        Self {
            shell: Shell::new("Portals", Some(viewer)),
            portals: portals
                .iter()
                .map(|portal| PortalLine {
                    name: name(portal),
                    detail: detail(portal),
                    href: if portal.hub_id == current {
                        format!("/portals/{}", portal.hub_id)
                    } else {
                        "/login".to_owned()
                    },
                    open: portal.hub_id == current,
                    connected: portal.thnks_connected,
                })
                .collect(),
        }
    }
}

/// The organization, else the portal's domain, else its number.
pub fn name(portal: &PortalSummary) -> String {
    portal
        .organization
        .clone()
        .or_else(|| portal.hub_domain.clone())
        .unwrap_or_else(|| format!("Portal {}", portal.hub_id))
}

/// The portal's domain and number.
pub fn detail(portal: &PortalSummary) -> String {
    match &portal.hub_domain {
        Some(domain) => format!("{domain} · HubSpot portal {}", portal.hub_id),
        None => format!("HubSpot portal {}", portal.hub_id),
    }
}
