//! Which scopes a portal can grant, and which of them a call needs (facts §2).

use std::collections::BTreeSet;

use crate::crm::{COMPANY, CONTACT, DEAL, Kind};
use crate::rules::Rules;

/// Scopes that only accounts with an Enterprise edition have.
const ENTERPRISE: [&str; 4] = [
    "crm.objects.custom.read",
    "crm.objects.custom.write",
    "crm.schemas.custom.read",
    "crm.schemas.custom.write",
];

/// Whether a portal of that edition can grant the scope at all.
pub(crate) fn entitled(scope: &str, enterprise: bool, rules: &Rules) -> bool {
    (enterprise || !ENTERPRISE.contains(&scope))
        && (rules.schema_write_approved || scope != "crm.schemas.custom.write")
}

/// What a call does, as far as scopes go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need {
    /// Reads records of a type.
    Read(Kind),
    /// Writes records of a type.
    Write(Kind),
    /// Reads definitions, properties or groups of a type.
    ReadDefinition(Kind),
    /// Changes properties of a type.
    WriteDefinition(Kind),
    /// Reads the portal's own definitions.
    ReadSchemas,
    /// Creates, changes or deletes the portal's own definitions.
    WriteSchemas,
    /// Reads or changes associations of a pair.
    Associations(Kind, Kind),
    /// One named scope.
    Only(&'static str),
}

fn noun(kind: Kind) -> &'static str {
    match kind {
        CONTACT => "contacts",
        COMPANY => "companies",
        DEAL => "deals",
        _ => "custom",
    }
}

impl Need {
    /// The scopes of which one is enough.
    pub(crate) fn any_of(self, rules: &Rules) -> Vec<String> {
        let object = |kind, verb| format!("crm.objects.{}.{verb}", noun(kind));
        let schema = |kind, verb| format!("crm.schemas.{}.{verb}", noun(kind));
        match self {
            Self::Read(kind) => vec![object(kind, "read")],
            Self::Write(kind) => vec![object(kind, "write")],
            Self::ReadDefinition(kind) => vec![schema(kind, "read"), object(kind, "read")],
            Self::WriteDefinition(kind) => vec![schema(kind, "write")],
            Self::ReadSchemas => vec![
                "crm.schemas.custom.read".to_owned(),
                "crm.objects.custom.read".to_owned(),
            ],
            Self::WriteSchemas => vec!["crm.schemas.custom.write".to_owned()],
            Self::Associations(from, to) => {
                let mut all = vec![
                    object(from, "read"),
                    object(from, "write"),
                    object(to, "read"),
                    object(to, "write"),
                ];
                if rules.oauth_scope_reaches_associations {
                    all.push("oauth".to_owned());
                }
                all
            }
            Self::Only(scope) => vec![scope.to_owned()],
        }
    }

    /// `Err` with the scopes of which one is missing. A downgraded portal's Enterprise scopes count as missing.
    pub(crate) fn check(
        self,
        granted: &BTreeSet<String>,
        enterprise: bool,
        rules: &Rules,
    ) -> Result<(), Vec<String>> {
        let any_of = self.any_of(rules);
        let reached = any_of
            .iter()
            .any(|scope| granted.contains(scope) && entitled(scope, enterprise, rules));
        if reached { Ok(()) } else { Err(any_of) }
    }
}
