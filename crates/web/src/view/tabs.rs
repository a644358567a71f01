//! The line of pages of a portal.

use domain::portal::PortalStatus;

use super::format;

/// A page of a portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The dashboard.
    Dashboard,
    /// All gifts, and one of them.
    Thnks,
    /// The reports.
    Reports,
    /// The history, and the pages below it.
    Runs,
    /// What did not get through.
    Failures,
    /// Records without a contact.
    Orphans,
    /// Who did what.
    Audit,
    /// Set-up, rules, people, messages, and the way out.
    Settings,
}

/// A page's tab.
#[derive(Debug, Clone)]
pub struct Tab {
    /// Its name.
    pub label: &'static str,
    /// Its address.
    pub href: String,
    /// Whether it is, or contains, the page that is shown.
    pub current: bool,
    /// A number behind the name, when there is one to tell.
    pub count: Option<String>,
}

/// The tabs of the portal at `path`, seen from `place`.
pub fn tabs(path: &str, place: Place, status: &PortalStatus) -> Vec<Tab> {
    let failed = (status.failed > 0).then(|| format::number(status.failed));
    let orphans = (status.orphans > 0).then(|| format::number(status.orphans));
    [
        ("Dashboard", "", Place::Dashboard, None),
        ("Thnks", "/thnks", Place::Thnks, None),
        ("Reports", "/reports", Place::Reports, None),
        ("Runs", "/runs", Place::Runs, None),
        ("Orphans", "/orphans", Place::Orphans, orphans),
        ("Failures", "/failures", Place::Failures, failed),
        ("Audit", "/audit", Place::Audit, None),
        ("Settings", "/settings", Place::Settings, None),
    ]
    .into_iter()
    .map(|(label, below, of, count)| Tab {
        label,
        href: format!("{path}{below}"),
        current: of == place,
        count,
    })
    .collect()
}
