//! The texts of the listing that follow from code: scopes, shared data, and how the object is made by hand.

use std::fmt::Write as _;

use domain::record::{self, PROPERTIES, Property, PropertyKind};
use domain::scopes;
use domain::status::Status;
use hubspot::{CONTACT_PROPERTIES, DEAL_PROPERTIES};

use super::AGAIN;

/// The texts, each with the word that it is made.
pub(super) fn files() -> Vec<(&'static str, String)> {
    let made = |title: &str, body: String| {
        format!("# {title}\n<!-- Made from code; after a change: {AGAIN} -->\n\n{body}")
    };
    vec![
        ("listing/scopes.md", made("Scopes", scopes_table())),
        ("listing/shared-data.md", made("Shared data", shared_data())),
        (
            "listing/object-by-hand.md",
            made("The Thnks object, made by hand", object_by_hand()),
        ),
    ]
}

/// The rows of a table below its heads.
fn table<const N: usize>(heads: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut text = format!("| {} |\n|{}\n", heads.join(" | "), "---|".repeat(N));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

fn code(text: impl std::fmt::Display) -> String {
    format!("`{text}`")
}

fn scopes_table() -> String {
    let required = scopes::REQUIRED.map(|name| (name, None));
    let optional = scopes::OPTIONAL.map(|scope| (scope.name, Some(scope.without)));
    let rows = required.into_iter().chain(optional);
    table(
        ["Scope", "Asked for", "What for", "Without it"],
        rows.map(|(name, without)| {
            let (asked, without) = match without {
                None => ("always", "the app cannot be installed"),
                Some(without) => ("optional", without),
            };
            let purpose = scopes::purpose(name);
            [code(name), asked.into(), purpose.into(), without.into()]
        }),
    )
}

fn shared_data() -> String {
    let mut text = String::from(
        "Nothing of HubSpot is sent to Thnks. A property that Thnks has no value for is emptied. Links: a gift's record is associated with its\n\
         contact, with that contact's primary company, and with its open deals; no contact, company or deal is created or changed.\n\n\
         ## From Thnks to HubSpot\n",
    );
    text += &table(
        ["Thnks", "Direction", "HubSpot object", "Property", "Label"],
        PROPERTIES.map(|property| {
            [
                source(&property),
                "Thnks → HubSpot".into(),
                record::OBJECT_LABEL.into(),
                code(property.name),
                property.label.into(),
            ]
        }),
    );
    text += "\n## Read from HubSpot\n";
    let list = |names: &[&str]| names.iter().map(code).collect::<Vec<_>>().join(", ");
    text += &table(
        ["HubSpot object", "Properties", "What for", "Kept here"],
        [
            [
                "Contact".into(),
                format!(
                    "{}, and one for addresses where an owner names it",
                    list(&CONTACT_PROPERTIES)
                ),
                "finding whose gift it is".into(),
                "the record's id".into(),
            ],
            [
                "Company".into(),
                "none".into(),
                "which one is the contact's primary one".into(),
                "the record's id".into(),
            ],
            [
                "Deal".into(),
                list(DEAL_PROPERTIES),
                "which deals are open; reports".into(),
                "the record's id, pipeline, stage, amount and currency when it was linked".into(),
            ],
        ],
    );
    text
}

/// Where a property's value comes from at Thnks.
fn source(property: &Property) -> String {
    let of_status = Status::ALL
        .into_iter()
        .find(|status| property.name == format!("{}_date", status.as_str()));
    match (property.name, of_status) {
        (_, Some(status)) => format!("when the gift was first {}", status.label().to_lowercase()),
        ("transaction_id", _) => "the gift's id".into(),
        ("gift_amount", _) => "the gift's amount".into(),
        ("status", _) => "where the gift stands".into(),
        ("source_status", _) => "the same, in Thnks' own word".into(),
        ("delivery_type", _) => "by e-mail or text message".into(),
        ("message", _) => "the sender's message".into(),
        ("tracking_url", _) => "the gift's page at Thnks".into(),
        (name, _) => match name.split_once('_') {
            Some((whose @ ("gift" | "sender" | "recipient"), what)) => {
                format!("the {whose}'s {what}")
            }
            _ => panic!("say where {name} comes from"),
        },
    }
}

fn object_by_hand() -> String {
    let mut text = String::from(
        "Needed where HubSpot has not let the app create the object: the page after installing then says that the object is missing. It takes a\n\
         super admin of a portal with an Enterprise edition about a quarter of an hour. Names are internal names, exactly as written.\n\n\
         **Not tried in HubSpot's own pages**: if they give the object or a property another internal name than the one you typed, the app says what\n\
         is missing; a super admin can then make it with HubSpot's API.\n\n",
    );
    let display = |names: &[&str]| {
        names
            .iter()
            .map(|name| label(name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let _ = write!(
        text,
        "1. Settings → Objects → Custom objects → Create custom object: singular and plural label **{label}**, internal name `{name}`,\n   \
         primary display property **{primary}** with the internal name `{primary_name}`.\n\
         2. Add the properties below. `{key}` must have *Require unique values*; this cannot be added later.\n\
         3. Secondary display properties: {secondary}. Searchable: {searchable}.\n\
         4. Settings → Objects → {label} → Associations: allow contacts, companies and deals.\n\
         5. In the app choose **Check again**: it says what is still different.\n\n",
        label = record::OBJECT_LABEL,
        name = record::OBJECT_NAME,
        primary = label(record::PRIMARY_DISPLAY),
        primary_name = record::PRIMARY_DISPLAY,
        key = record::KEY_PROPERTY,
        secondary = display(&record::SECONDARY_DISPLAY),
        searchable = display(&record::SEARCHABLE),
    );
    text += &table(
        ["Label", "Internal name", "Field type", "More"],
        PROPERTIES.map(|property| {
            let (field, more) = field(property.kind);
            [
                property.label.into(),
                code(property.name),
                field.into(),
                more,
            ]
        }),
    );
    text
}

fn label(name: &str) -> &'static str {
    let found = PROPERTIES.iter().find(|property| property.name == name);
    found.map(|property| property.label).unwrap()
}

/// HubSpot's name of the field for a person, and what else to set.
fn field(kind: PropertyKind) -> (&'static str, String) {
    match kind {
        PropertyKind::Text => ("Single-line text", String::new()),
        PropertyKind::UniqueText => ("Single-line text", "require unique values".into()),
        PropertyKind::LongText => ("Multi-line text", String::new()),
        PropertyKind::Money => ("Number", "format: currency".into()),
        PropertyKind::Moment => ("Date and time picker", String::new()),
        PropertyKind::Choice(options) => {
            let options = options
                .iter()
                .map(|(value, label)| format!("{label} (`{value}`)"));
            let options = options.collect::<Vec<_>>().join(", ");
            (
                "Dropdown select",
                format!("options, with their internal values: {options}"),
            )
        }
    }
}
