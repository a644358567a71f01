//! `docker-compose.yml`: what it gives the processes is what they read, and it asks and ends them as they are.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::variables::{OWNERS, known, told};
use super::{assert_is_found, changed, list, names, parse, root, stop_bound, text};

/// The services that run images of others.
const OTHERS: [&str; 2] = ["postgres", "redis"];

fn file() -> String {
    std::fs::read_to_string(root().join("docker-compose.yml")).unwrap()
}

/// What is wrong, each in a sentence.
fn faults(file: &str) -> Vec<String> {
    let parsed = parse("docker-compose.yml", file);
    let services = parsed[0]["services"].as_object().unwrap();
    let mut faults = Vec::new();
    for variable in interpolated(file).difference(&told()) {
        faults.push(format!(
            "{variable} is taken from .env, and .env.example does not tell of it"
        ));
    }
    for (name, service) in services {
        let mut fault = |words: String| faults.push(format!("{name}: {words}"));
        for other in names(service, "/depends_on") {
            let condition = text(service, &format!("/depends_on/{other}/condition"));
            let Some(waited_for) = services.get(&other) else {
                fault(format!("it waits for {other}, which is not there"));
                continue;
            };
            if condition == "service_healthy" && waited_for.get("healthcheck").is_none() {
                fault(format!(
                    "it waits until {other} is healthy, which nobody looks at"
                ));
            }
        }
        if OTHERS.contains(&name.as_str()) {
            continue;
        }
        let given = names(service, "/environment");
        let known = known();
        for variable in given.difference(&known) {
            fault(format!("nothing reads the variable {variable}"));
        }
        let is_migration = list(service, "/command") == ["migrate"];
        for variable in known.difference(&given).filter(|known| *known != OWNERS) {
            fault(format!("it does not get the variable {variable}"));
        }
        if given.contains(OWNERS) != is_migration {
            fault(format!("{OWNERS} is for the migration, and for it alone"));
        }
        let part = match list(service, "/command").first().and_then(Value::as_str) {
            Some("serve") => "serve",
            Some("work") => "work",
            _ => continue,
        };
        if list(service, "/healthcheck/test") != ["CMD", "thnks-hubspot", "healthcheck", part] {
            fault(format!(
                "its health is not asked with `thnks-hubspot healthcheck {part}`"
            ));
        }
        // Ten seconds are compose's own.
        let grace = text(service, "/stop_grace_period");
        let grace = humantime::parse_duration(grace).unwrap_or(Duration::from_secs(10));
        if grace <= Duration::from_secs(stop_bound()) {
            fault(format!(
                "it is killed after {grace:?}, and may take {} s to end: set stop_grace_period higher",
                stop_bound()
            ));
        }
    }
    faults
}

/// The variables that compose takes from `.env`.
fn interpolated(file: &str) -> BTreeSet<String> {
    let found = file
        .split("${")
        .skip(1)
        .filter_map(|rest| rest.split([':', '}']).next());
    found.map(str::to_owned).collect()
}

#[test]
fn compose_gives_its_services_what_the_code_reads() {
    let faults = faults(&file());
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_does_not_fit_in_compose_is_named() {
    for (from, to, words) in [
        (
            "    SYNC_INTERVAL:",
            "    SYNC_EVERY:",
            "web: nothing reads the variable SYNC_EVERY",
        ),
        (
            "    RETENTION_DAYS: ${RETENTION_DAYS:-30}\n",
            "",
            "worker: it does not get the variable RETENTION_DAYS",
        ),
        (
            "${SMTP_URL:-}",
            "${MAIL_URL:-}",
            "MAIL_URL is taken from .env, and .env.example does not tell of it",
        ),
        (
            "    SMTP_URL:",
            "    MIGRATION_DATABASE_URL: x\n    SMTP_URL:",
            "web: MIGRATION_DATABASE_URL is for the migration",
        ),
        (
            "\"healthcheck\", \"work\"]",
            "\"healthcheck\", \"serve\"]",
            "worker: its health is not asked",
        ),
        (
            "    stop_grace_period: 30s\n    ports:",
            "    ports:",
            "web: it is killed after 10s, and may take 19 s",
        ),
        (
            "      redis: { condition: service_healthy }",
            "      valkey: { condition: service_healthy }",
            "web: it waits for valkey",
        ),
    ] {
        assert_is_found(to, &faults(&changed(&file(), from, to)), words);
    }
}
