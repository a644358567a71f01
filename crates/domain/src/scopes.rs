//! The HubSpot scopes the product asks for, and what is off without each.

/// Without one of these the product does not work.
pub const REQUIRED: [&str; 6] = [
    "oauth",
    "crm.objects.contacts.read",
    "crm.objects.contacts.write",
    "crm.objects.custom.read",
    "crm.objects.custom.write",
    "crm.schemas.custom.read",
];

/// Lets us create and repair the custom object.
pub const SCHEMA_WRITE: &str = "crm.schemas.custom.write";
/// Lets us read deals.
pub const DEALS_READ: &str = "crm.objects.deals.read";
/// Lets us read companies.
pub const COMPANIES_READ: &str = "crm.objects.companies.read";
/// Lets us read owners.
pub const OWNERS_READ: &str = "crm.objects.owners.read";

/// A scope that is asked for and can be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionalScope {
    /// HubSpot's name.
    pub name: &'static str,
    /// What is off without it.
    pub without: &'static str,
}

/// Asked for at install, each explained.
pub const OPTIONAL: [OptionalScope; 4] = [
    OptionalScope {
        name: COMPANIES_READ,
        without: "gifts are not linked to companies",
    },
    OptionalScope {
        name: DEALS_READ,
        without: "gifts are not linked to deals",
    },
    OptionalScope {
        name: SCHEMA_WRITE,
        without: "you create the Thnks object by hand from our guide, and we adopt it",
    },
    OptionalScope {
        name: OWNERS_READ,
        without: "senders are not matched with HubSpot owners",
    },
];

/// The required scopes that `granted` lacks.
pub fn missing(granted: &[String]) -> Vec<&'static str> {
    REQUIRED
        .into_iter()
        .filter(|wanted| !has(granted, wanted))
        .collect()
}

/// Whether `granted` has `scope`.
pub fn has(granted: &[String], scope: &str) -> bool {
    granted.iter().any(|held| held == scope)
}
