//! The HubSpot scopes the product asks for, what each is for, and what is off without it.

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
        without: "senders are not matched with HubSpot owners, which nothing does yet",
    },
];

/// What a scope that is asked for is for, in one sentence without its full stop; `""` for any other.
pub fn purpose(scope: &str) -> &'static str {
    match scope {
        "oauth" => "Signs you in with HubSpot; there is no password",
        "crm.objects.contacts.read" => "Finds the contact that a gift went to, by e-mail address",
        "crm.objects.contacts.write" => {
            "Links gifts to that contact; its own fields stay as they are"
        }
        "crm.objects.custom.read" => "Reads back the gift records",
        "crm.objects.custom.write" => "Writes one record per gift and keeps it up to date",
        "crm.schemas.custom.read" => "Looks whether the Thnks object is as it should be",
        SCHEMA_WRITE => "Creates the Thnks object and its properties for you",
        COMPANIES_READ => "Links gifts to the contact’s primary company",
        DEALS_READ => "Links gifts to the contact’s open deals",
        OWNERS_READ => "Is kept for matching senders with HubSpot owners; nothing reads owners yet",
        _ => "",
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_says_what_it_is_for_and_no_other_does() {
        for scope in REQUIRED.into_iter().chain(OPTIONAL.map(|scope| scope.name)) {
            assert_ne!(purpose(scope), "", "{scope}");
        }
        assert_eq!(purpose("crm.objects.deals.write"), "");
    }
}
