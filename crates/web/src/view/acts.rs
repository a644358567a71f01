//! What people and machines did, in words: every act that the trail knows, with the way to what it was about. An act that is
//! not known here is shown as it is written.

use app::audit::{Entry, People};
use domain::{TransactionId, UserId};
use serde_json::Value;

use super::{format, trace};

/// An act, as a page or a file says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Act {
    /// What was done: `Asked for a sync`.
    pub words: String,
    /// What more is known of it.
    pub more: Option<String>,
    /// What it was about: words and address.
    pub link: Option<(String, String)>,
}

/// Who did it, in words.
pub fn actor(stored: &str, people: &People) -> String {
    match stored {
        "operator" => "The operator".to_owned(),
        "schedule" => "The schedule".to_owned(),
        "hubspot" => "HubSpot".to_owned(),
        "worker" => "This service".to_owned(),
        other => match other.strip_prefix("user:").map(str::parse) {
            Some(Ok(id)) => person(UserId(id), people),
            _ => other.to_owned(),
        },
    }
}

/// A person by address; who has left, or has none that is known, by number.
fn person(id: UserId, people: &People) -> String {
    people
        .get(&id)
        .cloned()
        .unwrap_or_else(|| format!("User {id}"))
}

/// The name of a kind of acts, to choose it by.
pub fn kind(action: &str) -> &str {
    KINDS
        .iter()
        .find(|(known, _)| *known == action)
        .map_or(action, |(_, words)| words)
}

/// Every act that this service writes, and what it is called.
const KINDS: &[(&str, &str)] = &[
    ("act.refused", "Was refused what only owners may do"),
    ("audit.export", "Exported this trail"),
    ("failures.dismiss", "Dismissed failures"),
    ("failures.retry", "Retried failures"),
    ("gift.look", "Looked at a gift again"),
    ("gifts.export", "Exported gifts"),
    ("key.give_up", "Gave up secrets that could not be read"),
    ("key.rotate", "Changed the encryption key"),
    ("member.remove", "Removed a person"),
    ("member.role", "Changed a role"),
    ("notices.change", "Changed the notifications"),
    ("notices.secret", "Replaced the webhook’s secret"),
    ("notices.test", "Sent a test notification"),
    ("object.change", "Changed the Thnks object in HubSpot"),
    ("operator.look", "Looked at people and failures"),
    ("operator.look_end", "Ended the look at people and failures"),
    ("portal.authorization_lost", "Connection lost"),
    ("portal.disconnect", "Disconnected the portal"),
    ("portal.erase", "Erased what was known of the portal"),
    (
        "portal.erase_begin",
        "Began to erase what was known of the portal",
    ),
    ("portal.install", "Installed the app"),
    ("portal.needs", "Something is missing"),
    ("portal.pause", "Paused the sync"),
    ("portal.resume", "Resumed the sync"),
    ("recipient.alias", "Added an address of a recipient"),
    ("recipient.choose", "Chose a contact"),
    ("recipient.erase", "Erased a recipient"),
    ("reports.export", "Exported a report"),
    ("rules.change", "Changed the rules for linking"),
    ("run.cancel", "Cancelled a run"),
    ("run.request", "Asked for a run"),
    ("session.begin", "Signed in"),
    ("session.end", "Signed out"),
    ("session.end_all", "Signed out everywhere"),
    ("session.end_other", "Ended another session of their own"),
    ("thnks.connect", "Connected Thnks"),
];

impl Act {
    /// What `entry` tells, of the portal at `path`.
    pub fn of(entry: &Entry, people: &People, path: &str) -> Self {
        let detail = Detail(&entry.detail);
        let act = Self {
            words: kind(&entry.action).to_owned(),
            ..Self::default()
        };
        match entry.action.as_str() {
            "run.request" => Self {
                words: format!("Asked for {}", detail.run()),
                more: match detail.flag("is_new") {
                    Some(false) => Some("One was open already.".to_owned()),
                    _ => detail.since(),
                },
                link: detail.run_link(path),
            },
            "run.cancel" => Self {
                words: format!("Cancelled {}", detail.run()),
                more: detail.text("was").map(|was| {
                    if was == "running" {
                        "It was in work."
                    } else {
                        "It was waiting."
                    }
                    .to_owned()
                }),
                link: detail.run_link(path),
            },
            "failures.retry" | "failures.dismiss" => Self {
                words: format!(
                    "{} {}",
                    if entry.action == "failures.retry" {
                        "Retried"
                    } else {
                        "Dismissed"
                    },
                    format::count(detail.number("failures"), "failure", "failures")
                ),
                link: detail
                    .run_link(path)
                    .or_else(|| Some(("Failures".to_owned(), format!("{path}/failures")))),
                ..act
            },
            "recipient.alias" | "gift.look" => Self {
                link: detail.gift_link(path),
                ..act
            },
            "recipient.choose" => Self {
                words: match detail.number("contact") {
                    0 => "Took back the choice of a contact".to_owned(),
                    contact => format!("Chose contact {contact}"),
                },
                link: detail.gift_link(path),
                ..act
            },
            "recipient.erase" => Self {
                more: Some(format!(
                    "{} wiped.",
                    format::count(detail.number("transactions"), "gift", "gifts")
                )),
                ..act
            },
            "rules.change" => Self {
                more: detail.differences("rules"),
                link: Some(("Linking".to_owned(), format!("{path}/settings"))),
                ..act
            },
            "notices.change" | "notices.secret" | "notices.test" => Self {
                link: Some((
                    "Notifications".to_owned(),
                    format!("{path}/settings/notifications"),
                )),
                ..act
            },
            "member.role" | "member.remove" => Self {
                words: match (entry.action.as_str(), detail.text("role")) {
                    ("member.remove", _) => format!("Removed {}", detail.person(people)),
                    (_, Some("owner")) => format!("Made {} an owner", detail.person(people)),
                    _ => format!("Made {} a member", detail.person(people)),
                },
                link: Some(("People".to_owned(), format!("{path}/settings/members"))),
                ..act
            },
            "thnks.connect" => Self {
                more: (detail.flag("replaced") == Some(true))
                    .then(|| "In place of the key before.".to_owned()),
                ..act
            },
            "portal.install" if detail.text("via") == Some("marketplace") => Self {
                more: Some("From HubSpot’s marketplace; nobody was signed in here.".to_owned()),
                ..act
            },
            "portal.install" | "session.begin" => Self {
                more: detail.flag("owner").map(|is_owner| {
                    if is_owner {
                        "As an owner."
                    } else {
                        "As a member."
                    }
                    .to_owned()
                }),
                ..act
            },
            "portal.disconnect" => Self {
                more: (detail.flag("hubspot_told") == Some(false))
                    .then(|| "HubSpot may still list the app among those connected.".to_owned()),
                ..act
            },
            "operator.look" => Self {
                more: detail
                    .text("reason")
                    .map(|reason| format!("Because: {reason}")),
                ..act
            },
            "act.refused" => Self {
                more: detail
                    .text("route")
                    .and_then(|route| route.split_once("{hub_id}"))
                    .map(|(_, below)| format!("It was asked for at {below}.")),
                ..act
            },
            "object.change" => Self {
                more: detail.list("changes"),
                link: Some(("Set-up".to_owned(), format!("{path}/settings/setup"))),
                ..act
            },
            "portal.needs" => Self {
                more: detail.list("needs"),
                link: Some(("Set-up".to_owned(), format!("{path}/settings/setup"))),
                ..act
            },
            _ => act,
        }
    }

    /// The act in one line of words, for a file.
    pub fn line(&self) -> String {
        match &self.more {
            Some(more) => format!("{}. {more}", self.words),
            None => self.words.clone(),
        }
    }
}

/// What an act keeps of itself. What is missing, or of another shape than ours, is left out.
struct Detail<'a>(&'a Value);

impl Detail<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn number(&self, name: &str) -> i64 {
        self.0.get(name).and_then(Value::as_i64).unwrap_or_default()
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    fn list(&self, name: &str) -> Option<String> {
        let values = self.0.get(name)?.as_array()?.iter();
        let words: Vec<String> = values
            .filter_map(Value::as_str)
            .map(|code| code.replace('_', " "))
            .collect();
        (!words.is_empty()).then(|| format!("{}.", words.join(", ")))
    }

    /// What is set otherwise than it was: `phone: off → on`.
    fn differences(&self, name: &str) -> Option<String> {
        let (now, was) = (self.0.get(name)?.as_object()?, self.0.get("was")?);
        let words: Vec<String> = now
            .iter()
            .filter_map(|(name, now)| {
                let was = was.get(name).filter(|was| *was != now)?;
                let (name, was, now) = (name.replace('_', " "), setting(was), setting(now));
                Some(format!("{name}: {was} → {now}"))
            })
            .collect();
        (!words.is_empty()).then(|| format!("{}.", words.join(", ")))
    }

    /// The kind of run, with its article.
    fn run(&self) -> &'static str {
        match self.text("kind") {
            Some("backfill") => "a backfill",
            Some("sync") => "a sync",
            Some("resync") => "a re-sync",
            Some("sweep") => "a sweep",
            Some("reassociate") => "a re-association",
            Some("link") => "linking",
            Some("check") => "a check",
            _ => "a run",
        }
    }

    fn since(&self) -> Option<String> {
        // Everything since the beginning of time has no date worth telling.
        let day = self.text("since")?.get(..10)?;
        (day != "1970-01-01").then(|| format!("Since {day} (UTC)."))
    }

    fn run_link(&self, path: &str) -> Option<(String, String)> {
        let id: domain::RunId = self.text("run")?.parse().ok()?;
        Some(("The run".to_owned(), format!("{path}/runs/{id}")))
    }

    fn gift_link(&self, path: &str) -> Option<(String, String)> {
        let id = self.text("transaction")?;
        let address = trace::address(path, &TransactionId(id.to_owned()));
        Some((id.to_owned(), address))
    }

    fn person(&self, people: &People) -> String {
        person(UserId(self.number("member")), people)
    }
}

/// The value of a setting in words.
fn setting(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "any".to_owned(),
        Value::Array(values) => values.len().to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    fn act(action: &str, detail: Value) -> Act {
        let entry = Entry {
            seq: 1,
            at: DateTime::UNIX_EPOCH,
            actor: "operator".into(),
            action: action.into(),
            detail,
        };
        let people = People::from([(UserId(7), "ana@client.example".to_owned())]);
        Act::of(&entry, &people, "/portals/1")
    }

    #[test]
    fn an_act_leads_to_what_it_was_about() {
        let run = "01a20000-0000-7000-8000-000000000000";
        let asked = act(
            "run.request",
            json!({"kind": "resync", "run": run, "is_new": true, "since": "2026-11-01T00:00:00Z"}),
        );
        assert_eq!(asked.line(), "Asked for a re-sync. Since 2026-11-01 (UTC).");
        assert_eq!(asked.link.unwrap().1, format!("/portals/1/runs/{run}"));
        let chosen = act(
            "recipient.choose",
            json!({"transaction": "txn/1", "contact": 512}),
        );
        assert_eq!(chosen.words, "Chose contact 512");
        assert_eq!(chosen.link.unwrap().1, "/portals/1/thnks/txn%2F1");
        let role = act("member.role", json!({"member": 7, "role": "owner"}));
        assert_eq!(role.words, "Made ana@client.example an owner");
        let rules = act(
            "rules.change",
            json!({"rules": {"phone": true, "several": "most_recently_active", "deal_labels": [], "companies": "primary"},
                "was": {"phone": false, "several": "oldest", "deal_labels": [{"id": 1}], "companies": "primary"}}),
        );
        assert_eq!(
            rules.line(),
            "Changed the rules for linking. deal labels: 1 → any, phone: off → on, several: oldest → most_recently_active."
        );
        let without = act("rules.change", json!({"rules": {"phone": true}}));
        assert_eq!(without.more, None);
        let removed = act("member.remove", json!({"member": 9, "was": "owner"}));
        assert_eq!(removed.words, "Removed User 9");
        let came = act("portal.install", json!({"via": "marketplace"}));
        assert!(came.line().starts_with("Installed the app. From HubSpot’s"));
        let installed = act("portal.install", json!({"owner": true}));
        assert_eq!(installed.line(), "Installed the app. As an owner.");
    }

    #[test]
    fn what_is_not_known_is_shown_as_it_is_and_what_is_missing_is_left_out() {
        let unknown = act("moon.land", json!({"run": 1}));
        assert_eq!(unknown.line(), "moon.land");
        assert_eq!(unknown.link, None);
        for (action, _) in KINDS {
            for detail in [
                json!({}),
                json!(null),
                json!({"run": "x", "needs": 1, "transaction": []}),
            ] {
                assert_ne!(act(action, detail).words, "");
            }
        }
    }

    #[test]
    fn actors_are_people_and_machines() {
        let people = People::from([(UserId(7), "ana@client.example".to_owned())]);
        for (stored, words) in [
            ("user:7", "ana@client.example"),
            ("user:8", "User 8"),
            ("schedule", "The schedule"),
            ("needs met", "needs met"),
            ("user:x", "user:x"),
        ] {
            assert_eq!(actor(stored, &people), words);
        }
    }

    /// The texts in `source` that look like the name of an act.
    fn names(source: &str) -> impl Iterator<Item = &str> {
        source.split('"').skip(1).step_by(2).filter(|text| {
            text.split_once('.').is_some_and(|(of, what)| {
                let is_word = |word: &str| {
                    !word.is_empty()
                        && word
                            .bytes()
                            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                };
                is_word(of) && is_word(what)
            })
        })
    }

    fn files(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else {
                found.push(fs::read_to_string(&path).unwrap());
            }
        }
    }

    #[test]
    fn every_act_that_the_use_cases_write_has_words() {
        let mut sources = Vec::new();
        files(
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../app/src")),
            &mut sources,
        );
        let mut known = 0;
        for source in sources
            .iter()
            .filter(|source| source.contains("audit::insert("))
        {
            for name in names(source) {
                assert!(
                    KINDS.iter().any(|(kind, _)| *kind == name),
                    "{name} has no words"
                );
                known += 1;
            }
        }
        assert!(known >= 20, "only {known} acts were found");
    }
}
