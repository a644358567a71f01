//! The rules of matching as a table: one row per case.

use super::*;
use crate::text::email_key;

fn at(day: u32) -> DateTime<Utc> {
    format!("2026-01-{day:02}T00:00:00Z")
        .parse()
        .expect("a day")
}

/// A contact: id, day of creation (0 unknown), day of the last activity (0 none), addresses, the property, telephone.
fn contact(
    id: i64,
    created: u32,
    active: u32,
    emails: &str,
    property: &str,
    phone: &str,
) -> Contact {
    let list = |text: &str| text.split_whitespace().filter_map(email_key).collect();
    let day = |day| (day > 0).then(|| at(day));
    Contact {
        id: RecordId(id),
        emails: list(emails),
        property_emails: list(property),
        phones: (!phone.is_empty())
            .then(|| phone.to_owned())
            .into_iter()
            .collect(),
        created_at: day(created),
        active_at: day(active),
        merged: Vec::new(),
    }
}

/// The portal that all rows look into.
fn portal() -> Contacts {
    let mut contacts = Contacts::default();
    for contact in [
        contact(
            10,
            5,
            0,
            "ana@client.example ana@home.example",
            "",
            "+44 20 7946 0018",
        ),
        contact(
            11,
            3,
            0,
            "bo@client.example",
            "bo@work.example",
            "(020) 7946 0018",
        ),
        contact(
            12,
            9,
            8,
            "cy@client.example",
            "shared@work.example",
            "+12025550123",
        ),
        contact(
            13,
            7,
            0,
            "di@client.example",
            "shared@work.example",
            "202-555-0123",
        ),
        contact(14, 8, 2, "", "shared@work.example", "+1 202 555 0123"),
        contact(15, 0, 0, "ed@client.example", "late@work.example", ""),
        contact(16, 4, 0, "", "late@work.example", ""),
        contact(17, 6, 3, "", "even@work.example", ""),
        contact(18, 6, 3, "", "even@work.example", ""),
        contact(
            19,
            2,
            0,
            "fi@client.example",
            "ana@client.example",
            "5550199",
        ),
    ] {
        contacts.add(contact);
    }
    contacts.add(Contact {
        merged: vec![RecordId(7), RecordId(8)],
        ..contact(20, 1, 1, "gus@client.example", "", "")
    });
    contacts
}

struct Row {
    name: &'static str,
    email: &'static str,
    phone: &'static str,
    alias: &'static str,
    chosen: i64,
    rules: Rules,
    /// The contact and why, the identifiers tried, the candidates.
    expect: (Option<i64>, Option<Reason>, usize, &'static [i64]),
}

fn plain() -> Rules {
    Rules::default()
}

fn property(several: Several) -> Rules {
    Rules {
        email_property: Some("work_email".into()),
        several,
        ..Rules::default()
    }
}

fn phone(several: Several) -> Rules {
    Rules {
        phone: true,
        several,
        ..Rules::default()
    }
}

fn everything() -> Rules {
    Rules {
        phone: true,
        ..property(Several::Oldest)
    }
}

const ONLY: Option<Reason> = Some(Reason::Only);
const CHOSEN: Option<Reason> = Some(Reason::Chosen);

#[expect(
    clippy::unnecessary_wraps,
    reason = "stands beside ONLY and CHOSEN in the table"
)]
const fn rule(several: Several) -> Option<Reason> {
    Some(Reason::Rule(several))
}

#[test]
fn the_table_of_rules() {
    use Several::{MostRecentlyActive, Newest, Nobody, Oldest};
    macro_rules! rows {
        ($($name:literal: $email:literal, $phone:literal, $alias:literal, $chosen:literal, $rules:expr => $expect:expr;)*) => {
            [$(Row { name: $name, email: $email, phone: $phone, alias: $alias, chosen: $chosen, rules: $rules, expect: $expect }),*]
        };
    }
    let rows = rows![
        // The address.
        "a primary address": "ana@client.example", "", "", 0, plain() => (Some(10), ONLY, 1, &[10]);
        "an additional address": "ana@home.example", "", "", 0, plain() => (Some(10), ONLY, 1, &[10]);
        "capitals": "ANA@Client.Example", "", "", 0, plain() => (Some(10), ONLY, 1, &[10]);
        "spaces around it": "  ana@client.example\t", "", "", 0, plain() => (Some(10), ONLY, 1, &[10]);
        "nobody has it": "no@client.example", "", "", 0, plain() => (None, None, 1, &[]);
        "almost the same": "ana@client.example.org", "", "", 0, plain() => (None, None, 1, &[]);
        "a plus is part of it": "ana+x@client.example", "", "", 0, plain() => (None, None, 1, &[]);
        "nothing to look for": "", "", "", 0, plain() => (None, None, 0, &[]);
        "only spaces": "   ", "", "", 0, plain() => (None, None, 0, &[]);
        // An alias.
        "an alias leads on": "no@client.example", "", "ana@client.example", 0, plain() => (Some(10), ONLY, 2, &[10]);
        "the own address goes before the alias": "bo@client.example", "", "ana@client.example", 0, plain() => (Some(11), ONLY, 1, &[11]);
        "an alias that nobody has": "no@client.example", "", "nope@client.example", 0, plain() => (None, None, 2, &[]);
        "an alias of a gift by telephone": "", "+442079460018", "ana@client.example", 0, plain() => (Some(10), ONLY, 1, &[10]);
        "an alias goes before the number": "", "+12025550123", "ana@client.example", 0, phone(Oldest) => (Some(10), ONLY, 1, &[10]);
        // The property.
        "the property is not looked at by itself": "bo@work.example", "", "", 0, plain() => (None, None, 1, &[]);
        "the property": "bo@work.example", "", "", 0, property(Oldest) => (Some(11), ONLY, 2, &[11]);
        "the property in capitals": "BO@WORK.example", "", "", 0, property(Oldest) => (Some(11), ONLY, 2, &[11]);
        "an address goes before the property": "ana@client.example", "", "", 0, property(Oldest) => (Some(10), ONLY, 1, &[10]);
        "the property that nobody has": "no@work.example", "", "", 0, property(Oldest) => (None, None, 2, &[]);
        "the alias is not looked for in the property": "no@client.example", "", "bo@work.example", 0, property(Oldest) => (None, None, 3, &[]);
        // The number.
        "a number is not looked at by itself": "", "+442079460018", "", 0, plain() => (None, None, 0, &[]);
        "a number, and two ways to write it": "", "+442079460018", "", 0, phone(Oldest) => (Some(11), rule(Oldest), 1, &[11, 10]);
        "a number beside an address that is known": "ana@client.example", "+12025550123", "", 0, phone(Oldest) => (Some(10), ONLY, 1, &[10]);
        "a number beside an address that is not": "no@client.example", "+12025550123", "", 0, phone(Oldest) => (Some(13), rule(Oldest), 2, &[13, 14, 12]);
        "a number that nobody has": "", "+12025550199", "", 0, phone(Oldest) => (None, None, 1, &[]);
        "the same digits in another country": "", "+12079460018", "", 0, phone(Oldest) => (None, None, 1, &[]);
        "a short number is not the end of a long one": "", "+12025550199", "", 0, phone(Newest) => (None, None, 1, &[]);
        "the property goes before the number": "bo@work.example", "+12025550123", "", 0, everything() => (Some(11), ONLY, 2, &[11]);
        "everything in vain": "no@work.example", "+12025550199", "no@home.example", 0, everything() => (None, None, 4, &[]);
        "the last of everything": "no@work.example", "+12025550123", "no@home.example", 0, everything() => (Some(13), rule(Oldest), 4, &[13, 14, 12]);
        // Several.
        "several: the oldest": "shared@work.example", "", "", 0, property(Oldest) => (Some(13), rule(Oldest), 2, &[13, 14, 12]);
        "several: the newest": "shared@work.example", "", "", 0, property(Newest) => (Some(12), rule(Newest), 2, &[13, 14, 12]);
        "several: the most recently active": "shared@work.example", "", "", 0, property(MostRecentlyActive) => (Some(12), rule(MostRecentlyActive), 2, &[13, 14, 12]);
        "several: nobody": "shared@work.example", "", "", 0, property(Nobody) => (None, rule(Nobody), 2, &[13, 14, 12]);
        "the rule for several does not touch a single one": "ana@client.example", "", "", 0, property(Nobody) => (Some(10), ONLY, 1, &[10]);
        "one without a time of creation is the youngest": "late@work.example", "", "", 0, property(Oldest) => (Some(16), rule(Oldest), 2, &[16, 15]);
        "equal ages: the smaller number is older": "even@work.example", "", "", 0, property(Oldest) => (Some(17), rule(Oldest), 2, &[17, 18]);
        "equal ages: the larger number is newer": "even@work.example", "", "", 0, property(Newest) => (Some(18), rule(Newest), 2, &[17, 18]);
        "equal activity: the oldest": "even@work.example", "", "", 0, property(MostRecentlyActive) => (Some(17), rule(MostRecentlyActive), 2, &[17, 18]);
        "no activity at all: the oldest": "late@work.example", "", "", 0, property(MostRecentlyActive) => (Some(16), rule(MostRecentlyActive), 2, &[16, 15]);
        "any activity goes before none": "", "+12025550123", "", 0, phone(MostRecentlyActive) => (Some(12), rule(MostRecentlyActive), 1, &[13, 14, 12]);
        // A person's choice.
        "a choice among several": "shared@work.example", "", "", 14, property(Oldest) => (Some(14), CHOSEN, 2, &[13, 14, 12]);
        "a choice where the rule leaves it to people": "shared@work.example", "", "", 14, property(Nobody) => (Some(14), CHOSEN, 2, &[13, 14, 12]);
        "a choice where nobody has the address": "no@client.example", "", "", 11, plain() => (Some(11), CHOSEN, 1, &[]);
        "a choice against the address": "ana@client.example", "", "", 11, plain() => (Some(11), CHOSEN, 1, &[10]);
        "a chosen contact that was merged": "no@client.example", "", "", 7, plain() => (Some(20), CHOSEN, 1, &[]);
        "a chosen contact that is gone": "ana@client.example", "", "", 99, plain() => (Some(10), ONLY, 1, &[10]);
        "a chosen contact that is gone, and no other": "no@client.example", "", "", 99, plain() => (None, None, 1, &[]);
        "a choice for a gift without anything": "", "", "", 11, plain() => (Some(11), CHOSEN, 0, &[]);
    ];
    assert!(rows.len() >= 40, "{} rows", rows.len());
    let contacts = portal();
    for row in &rows {
        let recipient = Recipient {
            email: email_key(row.email),
            phone: phone::key(row.phone),
            alias: email_key(row.alias),
            chosen: (row.chosen > 0).then_some(RecordId(row.chosen)),
        };
        let found = find(&recipient, &contacts, &row.rules);
        let ids: Vec<i64> = found.candidates.iter().map(|one| one.id.0).collect();
        let got = (
            found.contact.map(|id| id.0),
            found.reason,
            found.tried.len(),
            &ids[..],
        );
        assert_eq!(got, row.expect, "{}", row.name);
    }
}

#[test]
fn a_contact_that_is_read_twice_counts_once() {
    let mut contacts = portal();
    contacts.add(contact(10, 5, 0, "ana@client.example", "", ""));
    let recipient = Recipient {
        email: email_key("ana@client.example"),
        ..Recipient::default()
    };
    let found = find(&recipient, &contacts, &Rules::default());
    assert_eq!(found.candidates.len(), 1);
}

#[test]
fn rules_of_an_older_version_read_as_the_defaults() {
    let rules: Rules = serde_json::from_str("{}").unwrap();
    assert_eq!(rules, Rules::default());
    let rules: Rules = serde_json::from_str(r#"{"several":"nobody","deals":"off"}"#).unwrap();
    assert_eq!((rules.several, rules.deals), (Several::Nobody, Deals::Off));
}
