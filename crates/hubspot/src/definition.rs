//! Our object as HubSpot takes it, and in what an account's object differs from it. Pure.

use domain::record::{self, Property, PropertyKind};
use serde_json::{Value, json};

use crate::schemas::{PropertyDefinition, PropertyOption, Schema};

/// The object types that ours is associated with: contacts, companies, deals (facts/hubspot.md §4.1).
const ASSOCIATED: [&str; 3] = ["0-1", "0-2", "0-3"];

/// Something in which an account's definition is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The property is not there.
    Missing(Property),
    /// Its type is another one; types cannot be changed.
    WrongType {
        /// Ours.
        property: Property,
        /// The account's type.
        found: String,
    },
    /// It is there and does not have to be unique; uniqueness cannot be added.
    NotUnique(Property),
    /// Some of our options are not there.
    MissingOptions {
        /// Ours.
        property: Property,
        /// The values that are not there.
        missing: Vec<&'static str>,
    },
    /// The object cannot be associated with this object type.
    NotAssociated {
        /// Object type id.
        to: &'static str,
    },
}

/// What removes a [`Difference`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// [`crate::Portal::create_properties`].
    CreateProperty,
    /// [`crate::Portal::add_options`].
    AddOptions,
    /// [`crate::Portal::allow_association`].
    AllowAssociation,
    /// Only a person in HubSpot's settings.
    ByHand,
}

impl Difference {
    /// What removes it. Every API call among these needs the scope to write schemas.
    pub fn repair(&self) -> Repair {
        match self {
            Self::Missing(_) => Repair::CreateProperty,
            Self::MissingOptions { .. } => Repair::AddOptions,
            Self::NotAssociated { .. } => Repair::AllowAssociation,
            Self::WrongType { .. } | Self::NotUnique(_) => Repair::ByHand,
        }
    }
}

/// HubSpot's type and field for a kind of property.
fn wire_type(kind: PropertyKind) -> (&'static str, &'static str) {
    match kind {
        PropertyKind::Text | PropertyKind::UniqueText => ("string", "text"),
        PropertyKind::LongText => ("string", "textarea"),
        PropertyKind::Money => ("number", "number"),
        PropertyKind::Moment => ("datetime", "date"),
        PropertyKind::Choice(_) => ("enumeration", "select"),
    }
}

/// Our options as HubSpot takes them, numbered from `first`.
pub(crate) fn wire_options(
    options: impl Iterator<Item = &'static (&'static str, &'static str)>,
    first: usize,
) -> Vec<PropertyOption> {
    options
        .zip(first..)
        .map(|((value, label), place)| PropertyOption {
            value: (*value).to_owned(),
            label: (*label).to_owned(),
            display_order: i64::try_from(place).unwrap_or(-1),
            hidden: false,
        })
        .collect()
}

/// A property as HubSpot takes it. A new object's group is HubSpot's to choose.
pub(crate) fn wire_property(property: &Property, group: Option<&str>) -> Value {
    let (kind, field) = wire_type(property.kind);
    let mut body = json!({
        "name": property.name,
        "label": property.label,
        "type": kind,
        "fieldType": field,
    });
    if let Some(group) = group {
        body["groupName"] = group.into();
    }
    match property.kind {
        PropertyKind::UniqueText => body["hasUniqueValue"] = true.into(),
        PropertyKind::Money => {
            body["numberDisplayHint"] = "currency".into();
            body["showCurrencySymbol"] = true.into();
        }
        PropertyKind::Choice(options) => {
            body["options"] = json!(wire_options(options.iter(), 0));
        }
        PropertyKind::Text | PropertyKind::LongText | PropertyKind::Moment => {}
    }
    body
}

/// The definition of our object, to be created.
pub(crate) fn definition() -> Value {
    let properties: Vec<_> = record::PROPERTIES
        .iter()
        .map(|property| wire_property(property, None))
        .collect();
    json!({
        "name": record::OBJECT_NAME,
        "description": record::OBJECT_DESCRIPTION,
        "labels": {"singular": record::OBJECT_LABEL, "plural": record::OBJECT_LABEL},
        "primaryDisplayProperty": record::PRIMARY_DISPLAY,
        "secondaryDisplayProperties": record::SECONDARY_DISPLAY,
        "searchableProperties": record::SEARCHABLE,
        "requiredProperties": [record::KEY_PROPERTY],
        "properties": properties,
        "associatedObjects": ASSOCIATED,
    })
}

/// In what `schema` is not our object. Labels, groups, fields, descriptions and further properties or options are the
/// account's own business.
pub fn differences(schema: &Schema) -> Vec<Difference> {
    let mut found: Vec<_> = record::PROPERTIES
        .iter()
        .filter_map(|wanted| {
            let held = schema
                .properties
                .iter()
                .find(|held| held.name == wanted.name && !held.archived);
            held.map_or(Some(Difference::Missing(*wanted)), |held| {
                property_difference(wanted, held)
            })
        })
        .collect();
    let missing = ASSOCIATED
        .into_iter()
        .filter(|to| schema.association_type(to).is_none());
    found.extend(missing.map(|to| Difference::NotAssociated { to }));
    found
}

fn property_difference(wanted: &Property, held: &PropertyDefinition) -> Option<Difference> {
    let property = *wanted;
    if held.kind != wire_type(wanted.kind).0 {
        let found = held.kind.clone();
        return Some(Difference::WrongType { property, found });
    }
    match wanted.kind {
        PropertyKind::UniqueText if !held.has_unique_value => Some(Difference::NotUnique(property)),
        PropertyKind::Choice(options) => {
            let missing: Vec<_> = options
                .iter()
                .map(|(value, _)| *value)
                .filter(|value| !held.options.iter().any(|option| option.value == *value))
                .collect();
            (!missing.is_empty()).then_some(Difference::MissingOptions { property, missing })
        }
        _ => None,
    }
}
