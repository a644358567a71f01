//! The canary run: every secret and everything that tells of a person is a word that stands nowhere else. Real processes do
//! all that there is to do and say all that they can be made to say; then logs, figures, traces, answers, letters, Redis and every column of
//! the database are searched for those words, however they are written.
//!
//! A panic cannot be asked for from outside; `web/headers.rs` has one.

mod needles;
mod post;
mod premises;
mod story;
mod visitor;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use self::needles::{Canary, Hit, Kind, Needles};
use self::story::{Gathered, HERE, PEOPLE, SECRETS};
use self::visitor::Answer;

/// The columns in which a person may stand, and why. Each has to be found: what is not needed does not stay allowed.
const COLUMNS: &[(&str, &str)] = &[
    (
        "transactions.recipient_name",
        "the gift, as Thnks tells of it",
    ),
    ("transactions.recipient_email", "the gift"),
    ("transactions.recipient_phone", "the gift"),
    ("transactions.sender_name", "the gift"),
    ("transactions.sender_email", "the gift"),
    ("transactions.message", "the gift"),
    ("transactions.tracking_url", "the gift"),
    ("transactions.recipient_key", "finds the contact by address"),
    (
        "transactions.recipient_phone_key",
        "finds the contact by number",
    ),
    ("transactions.sender_key", "the report of senders"),
    ("transactions.words", "the search by words"),
    (
        "transactions.decision",
        "says by which address or number was looked",
    ),
    (
        "transactions.failure_reason",
        "HubSpot's words, for who is to mend it",
    ),
    (
        "runs.counts",
        "the account of a run quotes HubSpot's words of what it refused",
    ),
    ("gift_words.word", "the search by words"),
    (
        "rejected_rows.payload",
        "the row as Thnks sent it, to be read again",
    ),
    (
        "recipient_remedies.recipient",
        "whom somebody named another address of",
    ),
    ("recipient_remedies.alias", "the address that they named"),
    ("members.email", "who may come in"),
    ("sessions.email", "who is in"),
    ("notice_settings.emails", "whom to tell"),
    ("notice_settings.webhook_url", "where to tell it"),
    ("notice_deliveries.target", "where each notice went"),
];

/// The same of those who were erased: nowhere.
const ERASED: &str = "erased: ";

/// Where something was found that may not be there.
#[derive(Default)]
struct Leaks(BTreeSet<String>);

impl Leaks {
    fn add(&mut self, place: &str, hit: &Hit<'_>) {
        let Hit {
            canary,
            form,
            around,
        } = hit;
        let around = around.escape_debug();
        self.0
            .insert(format!("{place}: {} ({form})\n    …{around}…", canary.name));
    }
}

/// Why an answer may hold a secret; `None` where it may not.
fn secret_in_answer(answer: &Answer, hit: &Hit<'_>) -> Option<&'static str> {
    let path = answer.path.split('?').next().unwrap_or_default();
    let in_head = |start: &str| {
        answer
            .head
            .contains(&format!("{start}{}", hit.canary.word()))
    };
    match hit.canary.name.as_str() {
        "a session" if path == "/oauth/callback" && in_head("set-cookie: session=") => {
            Some("the browser gets its cookie")
        }
        "a browser's half of an install"
            if matches!(path, "/install" | "/login") && in_head("set-cookie: install=") =>
        {
            Some("the browser gets its cookie")
        }
        "a state" if matches!(path, "/install" | "/login") && !answer.holds(hit.canary.word()) => {
            Some("the way to HubSpot carries it")
        }
        "a CSRF token" if hit.canary.word() == answer.csrf && answer.is_page() => {
            Some("the session's own forms carry it")
        }
        "a webhook's secret"
            if answer.who == "owner"
                && path == format!("/portals/{HERE}/settings/notifications") =>
        {
            Some("the owner has to give it to the webhook")
        }
        _ => None,
    }
}

/// Whether an answer may tell of somebody of this portal.
fn may_tell(answer: &Answer, hub_id: i64, hit: &Hit<'_>) -> bool {
    let path = answer.path.split('?').next().unwrap_or_default();
    if hit.canary.name == "a webhook's address" {
        return answer.who == "owner" && path == format!("/portals/{HERE}/settings/notifications");
    }
    answer.hub_id == Some(hub_id)
        && (path == "/portals" || path.starts_with(&format!("/portals/{hub_id}")))
}

fn look_at_answers(needles: &Needles, gathered: &Gathered, leaks: &mut Leaks) {
    let mut allowed = BTreeSet::new();
    for (answer, erased) in &gathered.answers {
        let text = [answer.head.as_bytes(), b"\n", &answer.body].concat();
        for hit in needles.find(&text) {
            let is_fine = match hit.canary.kind {
                Kind::Secret => {
                    let why = secret_in_answer(answer, &hit);
                    allowed.extend(why.map(|why| (hit.canary.name.clone(), why)));
                    why.is_some()
                }
                Kind::Person(hub_id) => {
                    may_tell(answer, hub_id, &hit)
                        && !(*erased && hit.canary.name.starts_with(ERASED))
                }
            };
            if !is_fine {
                let Answer {
                    who,
                    method,
                    path,
                    status,
                    ..
                } = &**answer;
                leaks.add(&format!("{method} {path} to {who} ({status})"), &hit);
            }
        }
    }
    // Or the search has not seen what it should have.
    let names: BTreeSet<&str> = allowed.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "a CSRF token",
        "a browser's half of an install",
        "a session",
        "a state",
        "a webhook's secret",
    ];
    assert_eq!(names, BTreeSet::from(expected), "{allowed:?}");
}

fn look_at_columns(needles: &Needles, gathered: &Gathered, leaks: &mut Leaks) {
    let mut used = BTreeSet::new();
    let mut seen: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (dump, columns) in &gathered.dumps {
        for (column, values) in columns {
            for hit in needles.find(values.as_bytes()) {
                let known = COLUMNS.iter().find(|(name, _)| name == column);
                let is_erased = *dump != "before" && hit.canary.name.starts_with(ERASED);
                match known {
                    Some((name, _)) if hit.canary.kind != Kind::Secret && !is_erased => {
                        used.insert(*name);
                        seen.entry(dump)
                            .or_default()
                            .insert(hit.canary.name.clone());
                    }
                    _ => leaks.add(&format!("{column} {dump}"), &hit),
                }
            }
        }
    }
    let listed = COLUMNS.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        used, listed,
        "columns that are allowed and columns that are used"
    );
    // Everybody was there before, or nothing would be proven by their not being there afterwards.
    for (name, _, _, is_kept) in PEOPLE {
        assert_eq!(seen["before"].contains(*name), *is_kept, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn no_secret_and_nobody_is_where_they_have_no_business() {
    let gathered = story::tell().await;
    let mut canaries: Vec<Canary> = SECRETS
        .iter()
        .map(|(name, word)| Canary::new(name, Kind::Secret, word))
        .collect();
    canaries.extend(
        PEOPLE
            .iter()
            .map(|(name, word, hub_id, _)| Canary::new(name, Kind::Person(*hub_id), word)),
    );
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, word) in &gathered.secrets {
        *counts.entry(name).or_default() += 1;
        canaries.push(Canary::new(name, Kind::Secret, word));
    }
    for name in story::HANDED_OUT {
        assert!(counts.contains_key(name), "no secret was learnt: {name}");
    }
    let needles = Needles::new(canaries);
    let mut leaks = Leaks::default();

    for (name, said) in &gathered.logs {
        for hit in needles.find(said) {
            // The answer on an operator's terminal is no log: the account of a run names what HubSpot refused.
            let is_account = name.ends_with("run start, its answer");
            if !(is_account && hit.canary.name == "HubSpot's words of bob") {
                leaks.add(&format!("log of {name}"), &hit);
            }
        }
    }
    for (name, words) in &gathered.redis {
        assert!(
            String::from_utf8_lossy(words).contains(story::PLANTED),
            "{name}"
        );
        for hit in needles.find(words) {
            leaks.add(&format!("Redis, {name}"), &hit);
        }
    }
    // Letters and calls of webhooks carry counts, and go to whom they go.
    for letter in &gathered.letters {
        for hit in needles.find(letter.as_bytes()) {
            let addressed = [
                "a receiver of notices",
                "a receiver who is refused",
                "the mail server's password",
            ];
            if !addressed.contains(&hit.canary.name.as_str()) {
                leaks.add("a letter", &hit);
            }
        }
    }
    for call in &gathered.calls {
        for hit in needles.find(call.as_bytes()) {
            let is_own = matches!(
                hit.canary.name.as_str(),
                "a webhook's address" | "a signature of ours"
            );
            if !is_own {
                leaks.add("a call of a webhook", &hit);
            }
        }
    }
    look_at_answers(&needles, &gathered, &mut leaks);
    look_at_columns(&needles, &gathered, &mut leaks);

    let mut report = String::new();
    for leak in &leaks.0 {
        writeln!(report, "{leak}").unwrap();
    }
    assert!(report.is_empty(), "{} leaks:\n{report}", leaks.0.len());
}
