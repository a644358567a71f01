//! The sections of the settings, as a line of links below the tabs.

/// A section of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// How gifts are linked.
    Linking,
    /// What must be in place, and the sync.
    SetUp,
    /// Who may do what.
    People,
    /// Messages about the portal.
    Notifications,
    /// The way out.
    Disconnect,
}

/// A section's link.
#[derive(Debug, Clone)]
pub struct SectionLink {
    /// Its name.
    pub label: &'static str,
    /// Its address.
    pub href: String,
    /// Whether it is the one that is shown.
    pub current: bool,
    /// Whether it is for owners alone.
    pub for_owners: bool,
}

/// The sections of the portal at `path`, seen from `part`.
pub fn sections(path: &str, part: Part) -> Vec<SectionLink> {
    [
        ("Linking", "/settings", Part::Linking),
        ("Set-up", "/settings/setup", Part::SetUp),
        ("People", "/settings/members", Part::People),
        (
            "Notifications",
            "/settings/notifications",
            Part::Notifications,
        ),
        ("Disconnect", "/disconnect", Part::Disconnect),
    ]
    .into_iter()
    .map(|(label, below, of)| SectionLink {
        label,
        href: format!("{path}{below}"),
        current: of == part,
        for_owners: of == Part::Disconnect,
    })
    .collect()
}
