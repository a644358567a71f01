//! Properties and their groups: list, read, create, change, archive.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use super::errors::{Answer, Outcome, correlation_id, error_body, invalid, not_found, refuse};
use super::objects::batch_read::check_size;
use super::scopes::Need;
use crate::crm::{Kind, Property};
use crate::rules::Rules;

/// Custom properties per object (facts §3).
const PROPERTY_LIMIT: usize = 1_000;

const FIELDS: [(&str, &[&str]); 7] = [
    (
        "string",
        &["text", "textarea", "html", "phonenumber", "file"],
    ),
    ("number", &["number"]),
    ("date", &["date"]),
    ("datetime", &["date"]),
    (
        "enumeration",
        &["select", "radio", "checkbox", "booleancheckbox"],
    ),
    ("bool", &["booleancheckbox"]),
    ("phone_number", &["phonenumber"]),
];

/// Why a property cannot be made, or `None`.
pub(crate) fn defect(property: &Property) -> Option<String> {
    let name = &property.name;
    let sound = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !sound {
        return Some(format!(
            "Property name \"{name}\" must be lower case letters, digits and underscores and begin with a letter."
        ));
    }
    if name.starts_with("hs_") {
        return Some(format!(
            "Property name \"{name}\" uses the reserved prefix hs_."
        ));
    }
    if property.label.is_empty() {
        return Some(format!("Property \"{name}\" has no label."));
    }
    let Some((_, fields)) = FIELDS.iter().find(|(kind, _)| *kind == property.value_type) else {
        return Some(format!(
            "Property \"{name}\" has the unknown type \"{}\".",
            property.value_type
        ));
    };
    if !fields.contains(&property.field_type.as_str()) {
        return Some(format!(
            "Field type \"{}\" is not allowed for type \"{}\" (property \"{name}\").",
            property.field_type, property.value_type
        ));
    }
    let values: BTreeSet<&str> = property.options.iter().map(|o| o.value.as_str()).collect();
    if values.len() != property.options.len() {
        return Some(format!(
            "Property \"{name}\" has two options with the same value."
        ));
    }
    if property.value_type != "enumeration"
        && property.value_type != "bool"
        && !property.options.is_empty()
    {
        return Some(format!("Property \"{name}\" cannot have options."));
    }
    if property.has_unique_value && !matches!(property.value_type.as_str(), "string" | "number") {
        return Some(format!("Property \"{name}\" cannot be unique."));
    }
    None
}

/// The limits of one object type, with `more` added.
pub(crate) fn over_limit<'a>(
    present: impl Iterator<Item = &'a Property>,
    more: &[&Property],
    rules: &Rules,
) -> Option<String> {
    let own: Vec<&Property> = present
        .filter(|p| !p.archived && !p.hubspot_defined)
        .collect();
    let unique = own
        .iter()
        .chain(more)
        .filter(|p| p.has_unique_value)
        .count();
    if unique > rules.unique_property_limit && more.iter().any(|p| p.has_unique_value) {
        return Some(format!(
            "An object may have at most {} unique properties.",
            rules.unique_property_limit
        ));
    }
    (own.len() + more.len() > PROPERTY_LIMIT)
        .then(|| format!("An object may have at most {PROPERTY_LIMIT} custom properties."))
}

/// `GET …/{type}`.
pub(crate) fn list(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::ReadDefinition)?;
    let archived = call.query("archived") == Some("true");
    let properties = call.state.definitions[&kind].properties.values();
    let results: Vec<Value> = properties
        .filter(|p| p.archived == archived)
        .map(Property::to_json)
        .collect();
    Ok(Answer::ok(json!({"results": results})))
}

fn missing(name: &str) -> Answer {
    not_found(format!("Property \"{name}\" does not exist"))
}

/// `GET …/{type}/{name}`.
pub(crate) fn read(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::ReadDefinition)?;
    let found = call.state.definitions[&kind].property(call.arg(1));
    found
        .map(|property| Answer::ok(property.to_json()))
        .ok_or_else(|| missing(call.arg(1)))
}

/// `POST …/{type}`: 201.
pub(crate) fn create(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::WriteDefinition)?;
    let property: Property = call.json()?;
    let body = create_one(call, kind, property)?;
    Ok(Answer::json(201, body))
}

fn create_one(call: &mut Call<'_>, kind: Kind, mut property: Property) -> Result<Value, Answer> {
    let rules = call.rules;
    property.hubspot_defined = false;
    property.archived = false;
    property.calculated = false;
    if let Some(defect) = defect(&property) {
        return Err(invalid(defect));
    }
    let Some(definition) = call.state.definitions.get_mut(&kind) else {
        return Err(not_found("Object type not found"));
    };
    if !definition.groups.contains_key(&property.group_name) {
        return Err(invalid(format!(
            "The property group \"{}\" does not exist.",
            property.group_name
        )));
    }
    let name = property.name.clone();
    match definition.properties.get(&name) {
        Some(found) if !found.archived => {
            let message = format!("A property named '{name}' already exists.");
            let mut body = error_body("OBJECT_ALREADY_EXISTS", &message);
            body["subCategory"] = json!("Properties.PROPERTY_WITH_NAME_EXISTS");
            return Err(Answer::json(409, body));
        }
        // Creating an archived name restores it (facts §3).
        Some(_) => {
            let restored = definition.properties_mut().get_mut(&name);
            if let Some(found) = restored {
                found.archived = false;
                return Ok(found.to_json());
            }
        }
        None => {}
    }
    if let Some(over) = over_limit(definition.properties.values(), &[&property], rules) {
        return Err(refuse(400, "VALIDATION_ERROR", over));
    }
    let body = property.to_json();
    let unique = property.has_unique_value;
    definition.properties_mut().insert(name, property);
    if unique {
        call.state.index_all(kind);
    }
    Ok(body)
}

#[derive(Deserialize)]
struct Batch<T> {
    inputs: Vec<T>,
}

/// `POST …/{type}/batch/create`: 201 or 207.
pub(crate) fn batch_create(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::WriteDefinition)?;
    let batch: Batch<Property> = call.json()?;
    check_size(batch.inputs.len(), 100)?;
    let (mut results, mut errors) = (Vec::new(), Vec::new());
    for property in batch.inputs {
        let name = property.name.clone();
        match create_one(call, kind, property) {
            Ok(body) => results.push(body),
            Err(refusal) => {
                let mut error = refusal.body.unwrap_or_default();
                error["id"] = json!(correlation_id());
                error["context"]["name"] = json!([name]);
                errors.push(error);
            }
        }
    }
    let stamp = call.now.to_rfc3339();
    let mut body = json!({
        "status": "COMPLETE", "results": results, "startedAt": stamp, "completedAt": stamp,
    });
    if errors.is_empty() {
        return Ok(Answer::json(201, body));
    }
    body["numErrors"] = json!(errors.len());
    body["errors"] = Value::Array(errors);
    Ok(Answer::json(207, body))
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

/// `POST …/{type}/batch/read`.
pub(crate) fn batch_read(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::ReadDefinition)?;
    let batch: Batch<Name> = call.json()?;
    check_size(batch.inputs.len(), 100)?;
    let definition = &call.state.definitions[&kind];
    let results: Vec<Value> = batch
        .inputs
        .iter()
        .filter_map(|input| definition.property(&input.name))
        .map(Property::to_json)
        .collect();
    let stamp = call.now.to_rfc3339();
    Ok(Answer::ok(json!({
        "status": "COMPLETE", "results": results, "startedAt": stamp, "completedAt": stamp,
    })))
}

/// `PATCH …/{type}/{name}`: replaces the fields that are named; `options` as a whole. Name and uniqueness are fixed.
pub(crate) fn update(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::WriteDefinition)?;
    let changes: serde_json::Map<String, Value> = call.json()?;
    let name = call.arg(1).to_owned();
    let current = call.state.definitions[&kind].property(&name).cloned();
    let current = current.ok_or_else(|| missing(&name))?;
    if current.hubspot_defined {
        return Err(invalid(format!(
            "Property \"{name}\" is defined by HubSpot."
        )));
    }
    let mut merged = serde_json::to_value(&current).unwrap_or_default();
    for (field, value) in changes {
        if field == "hasUniqueValue" && value != json!(current.has_unique_value) {
            return Err(invalid("hasUniqueValue cannot be changed."));
        }
        if field == "name" && value != json!(name) {
            return Err(invalid("The name of a property cannot be changed."));
        }
        merged[field] = value;
    }
    let property: Property = serde_json::from_value(merged).map_err(|e| invalid(e.to_string()))?;
    if let Some(defect) = defect(&property) {
        return Err(invalid(defect));
    }
    let body = property.to_json();
    if let Some(definition) = call.state.definitions.get_mut(&kind) {
        definition.properties_mut().insert(name, property);
    }
    Ok(Answer::ok(body))
}

/// `DELETE …/{type}/{name}`: 204.
pub(crate) fn archive(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::WriteDefinition)?;
    let name = call.arg(1).to_owned();
    let own = call.state.definitions[&kind]
        .property(&name)
        .map(|p| !p.hubspot_defined);
    match own {
        None => Err(missing(&name)),
        Some(false) => Err(invalid(format!(
            "Property \"{name}\" is defined by HubSpot."
        ))),
        Some(true) => {
            let definition = call.state.definitions.get_mut(&kind);
            if let Some(found) = definition.and_then(|d| d.properties_mut().get_mut(&name)) {
                found.archived = true;
            }
            Ok(Answer::no_content())
        }
    }
}

/// `GET …/{type}/groups`.
pub(crate) fn groups(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::ReadDefinition)?;
    let results: Vec<Value> = call.state.definitions[&kind]
        .groups
        .iter()
        .map(|(name, label)| json!({"name": name, "label": label, "displayOrder": 0, "archived": false}))
        .collect();
    Ok(Answer::ok(json!({"results": results})))
}

/// `POST …/{type}/groups`: 201.
pub(crate) fn create_group(call: &mut Call<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Group {
        name: String,
        label: String,
    }
    let kind = call.kind_for(0, Need::WriteDefinition)?;
    let group: Group = call.json()?;
    let body =
        json!({"name": group.name, "label": group.label, "displayOrder": 0, "archived": false});
    if let Some(definition) = call.state.definitions.get_mut(&kind) {
        if definition.groups.contains_key(&group.name) {
            return Err(refuse(
                409,
                "OBJECT_ALREADY_EXISTS",
                "A group with this name exists.",
            ));
        }
        definition.groups.insert(group.name, group.label);
    }
    Ok(Answer::json(201, body))
}
