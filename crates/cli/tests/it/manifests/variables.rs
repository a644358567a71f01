//! The variables of the environment: what the code reads, `.env.example` tells.

use std::collections::BTreeSet;

use super::root;

/// Nobody but the process that needs them may have these; the rest may stand where everybody reads it.
pub const SECRETS: [&str; 8] = [
    "DATABASE_URL",
    "MIGRATION_DATABASE_URL",
    "REDIS_URL",
    "HUBSPOT_CLIENT_SECRET",
    "HUBSPOT_PREVIOUS_CLIENT_SECRET",
    "ENCRYPTION_KEYS",
    "SMTP_URL",
    "OPERATORS",
];
/// The owner's, for `migrate` alone.
pub const OWNERS: &str = "MIGRATION_DATABASE_URL";

/// Every variable that the service reads: they stand as texts of their own in the two files that read them.
pub fn known() -> BTreeSet<String> {
    let sources = [
        include_str!("../../../src/config.rs"),
        include_str!("../../../src/logging.rs"),
    ];
    let code = sources.map(|source| source.split("#[cfg(test)]").next().unwrap_or_default());
    let is_name = |text: &&str| text.len() > 4 && text.chars().all(is_of_a_name);
    let quoted = code
        .iter()
        .flat_map(|code| code.split('"').skip(1).step_by(2));
    quoted.filter(is_name).map(str::to_owned).collect()
}

/// Every variable that `.env.example` tells of, given or commented out.
pub fn told() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join(".env.example")).unwrap();
    let names = text.lines().filter_map(|line| line.split_once('='));
    // What stands right before the sign: one line shows how its variable is made.
    let names = names.filter_map(|(before, _)| before.rsplit(|one| !is_of_a_name(one)).next());
    let names = names.filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn is_of_a_name(one: char) -> bool {
    one.is_ascii_uppercase() || one.is_ascii_digit() || one == '_'
}

#[test]
fn every_variable_that_is_read_is_told_of() {
    let known = known();
    for name in [
        "DATABASE_URL",
        "LOG_FORMAT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "HUBSPOT_RATE_PER_10S",
    ] {
        assert!(known.contains(name), "{name} is not found: {known:?}");
    }
    for name in SECRETS {
        assert!(known.contains(name), "{name} is not read any more");
    }
    let told = told();
    let untold: Vec<&String> = known.difference(&told).collect();
    assert!(
        untold.is_empty(),
        ".env.example does not tell of {untold:?}"
    );
}
