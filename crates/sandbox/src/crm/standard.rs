//! HubSpot's own object types, as far as this product looks at them, and the properties that every type has.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};

use super::definition::{Choice, Definition, Property};
use super::{COMPANY, CONTACT, DEAL, Kind};

type Properties = Arc<BTreeMap<String, Property>>;

static CONTACTS: LazyLock<Properties> = LazyLock::new(|| {
    let mut all = system("contactinformation");
    for (name, label, kind) in [
        ("email", "Email", "string"),
        ("firstname", "First Name", "string"),
        ("lastname", "Last Name", "string"),
        ("phone", "Phone Number", "string"),
        ("mobilephone", "Mobile Phone Number", "string"),
        ("company", "Company Name", "string"),
        ("jobtitle", "Job Title", "string"),
        (
            "hs_additional_emails",
            "Additional email addresses",
            "enumeration",
        ),
    ] {
        add(&mut all, plain(name, label, kind, "contactinformation"));
    }
    for (name, label, kind) in [
        (
            "associatedcompanyid",
            "Primary Associated Company ID",
            "number",
        ),
        ("hs_merged_object_ids", "Merged record IDs", "enumeration"),
        (
            "hs_searchable_calculated_phone_number",
            "Calculated Phone Number without country code",
            "string",
        ),
        (
            "hs_searchable_calculated_mobile_number",
            "Calculated Mobile Number without country code",
            "string",
        ),
        ("notes_last_updated", "Last Activity Date", "datetime"),
        ("createdate", "Create Date", "datetime"),
        ("lastmodifieddate", "Last Modified Date", "datetime"),
    ] {
        add(&mut all, computed(name, label, kind, "contactinformation"));
    }
    if let Some(email) = all.get_mut("email") {
        email.has_unique_value = true;
    }
    Arc::new(all)
});

static COMPANIES: LazyLock<Properties> = LazyLock::new(|| {
    let mut all = system("companyinformation");
    for (name, label, kind) in [
        ("name", "Company name", "string"),
        ("domain", "Company Domain Name", "string"),
        ("industry", "Industry", "string"),
        ("phone", "Phone Number", "string"),
        ("city", "City", "string"),
        ("country", "Country/Region", "string"),
        ("annualrevenue", "Annual Revenue", "number"),
    ] {
        add(&mut all, plain(name, label, kind, "companyinformation"));
    }
    add(
        &mut all,
        computed(
            "createdate",
            "Create Date",
            "datetime",
            "companyinformation",
        ),
    );
    Arc::new(all)
});

static DEALS: LazyLock<Properties> = LazyLock::new(|| {
    let mut all = system("dealinformation");
    for (name, label, kind) in [
        ("dealname", "Deal Name", "string"),
        ("dealstage", "Deal Stage", "string"),
        ("pipeline", "Pipeline", "string"),
        ("amount", "Amount", "number"),
        ("closedate", "Close Date", "datetime"),
        ("deal_currency_code", "Currency", "string"),
        ("hubspot_owner_id", "Deal Owner", "string"),
    ] {
        add(&mut all, plain(name, label, kind, "dealinformation"));
    }
    for (name, label, kind) in [
        ("hs_is_closed", "Is Deal Closed?", "bool"),
        ("hs_is_closed_won", "Is Closed Won", "bool"),
        ("createdate", "Create Date", "datetime"),
    ] {
        add(&mut all, computed(name, label, kind, "dealinformation"));
    }
    Arc::new(all)
});

fn add(all: &mut BTreeMap<String, Property>, property: Property) {
    all.insert(property.name.clone(), property);
}

fn plain(name: &str, label: &str, kind: &str, group: &str) -> Property {
    let field = match kind {
        "number" => "number",
        "datetime" => "date",
        "enumeration" => "checkbox",
        "bool" => "booleancheckbox",
        _ => "text",
    };
    Property {
        name: name.into(),
        label: label.into(),
        value_type: kind.into(),
        field_type: field.into(),
        group_name: group.into(),
        hubspot_defined: true,
        options: if kind == "bool" {
            ["true", "false"].map(choice).into()
        } else {
            Vec::new()
        },
        ..Property::default()
    }
}

fn choice(value: &str) -> Choice {
    Choice {
        label: value.into(),
        value: value.into(),
        ..Choice::default()
    }
}

fn computed(name: &str, label: &str, kind: &str, group: &str) -> Property {
    Property {
        read_only: true,
        calculated: true,
        ..plain(name, label, kind, group)
    }
}

/// The properties that HubSpot adds to every object type.
pub(crate) fn system(group: &str) -> BTreeMap<String, Property> {
    let mut all = BTreeMap::new();
    for (name, label, kind) in [
        ("hs_object_id", "Record ID", "number"),
        ("hs_createdate", "Object create date/time", "datetime"),
        (
            "hs_lastmodifieddate",
            "Object last modified date/time",
            "datetime",
        ),
    ] {
        add(&mut all, computed(name, label, kind, group));
    }
    add(
        &mut all,
        plain("hubspot_owner_id", "Owner", "string", group),
    );
    all
}

fn definition(
    kind: Kind,
    [name, plural, display, group, group_label]: [&str; 5],
    properties: &Properties,
    now: DateTime<Utc>,
) -> Definition {
    Definition {
        kind,
        name: name.into(),
        description: None,
        singular: name.into(),
        plural: plural.into(),
        primary_display: Some(display.into()),
        secondary_display: Vec::new(),
        searchable: Vec::new(),
        required: Vec::new(),
        properties: Arc::clone(properties),
        groups: BTreeMap::from([(group.into(), group_label.into())]),
        archived: false,
        created_at: now,
        updated_at: now,
    }
}

/// Contacts, companies and deals.
pub(crate) fn definitions(now: DateTime<Utc>) -> [Definition; 3] {
    [
        definition(
            CONTACT,
            [
                "Contact",
                "Contacts",
                "email",
                "contactinformation",
                "Contact information",
            ],
            &CONTACTS,
            now,
        ),
        definition(
            COMPANY,
            [
                "Company",
                "Companies",
                "name",
                "companyinformation",
                "Company information",
            ],
            &COMPANIES,
            now,
        ),
        definition(
            DEAL,
            [
                "Deal",
                "Deals",
                "dealname",
                "dealinformation",
                "Deal information",
            ],
            &DEALS,
            now,
        ),
    ]
}
