//! How records look in answers, and how inputs become checked changes.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

use crate::crm::values::{self, Invalid};
use crate::crm::writes::{Changes, Conflict};
use crate::crm::{COMPANY, CONTACT, DEAL, Definition, Kind, Record};
use crate::hubspot::errors::error_body;

/// HubSpot's limit of inputs per batch of records (facts §4.1).
pub(crate) const BATCH_LIMIT: usize = 100;

/// Properties that an answer shows when none were asked for.
pub(crate) fn default_properties(kind: Kind) -> &'static [&'static str] {
    match kind {
        CONTACT => &[
            "createdate",
            "email",
            "firstname",
            "hs_object_id",
            "lastmodifieddate",
            "lastname",
        ],
        COMPANY => &[
            "createdate",
            "domain",
            "hs_lastmodifieddate",
            "hs_object_id",
            "name",
        ],
        DEAL => &[
            "amount",
            "closedate",
            "createdate",
            "dealname",
            "dealstage",
            "hs_lastmodifieddate",
            "hs_object_id",
            "pipeline",
        ],
        _ => &["hs_createdate", "hs_lastmodifieddate", "hs_object_id"],
    }
}

/// A record with the properties asked for; one that it does not have is `null`, one that does not exist is left out.
pub(crate) fn to_json(definition: &Definition, record: &Record, wanted: &[String]) -> Value {
    let mut properties = Map::new();
    let known = |name: &str| definition.property(name).is_some();
    let value = |name: &str| record.value(name).map_or(Value::Null, Value::from);
    for name in default_properties(definition.kind) {
        properties.insert((*name).to_owned(), value(name));
    }
    for name in wanted.iter().filter(|name| known(name)) {
        properties.insert(name.clone(), value(name));
    }
    frame(record, &Value::Object(properties))
}

/// A record with the properties that a write named, as upsert and create answer.
pub(crate) fn written(definition: &Definition, record: &Record, changes: &Changes) -> Value {
    let wanted: Vec<String> = changes.keys().cloned().collect();
    to_json(definition, record, &wanted)
}

fn frame(record: &Record, properties: &Value) -> Value {
    let at = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut body = json!({
        "id": record.id.to_string(),
        "properties": properties,
        "createdAt": at(record.created_at),
        "updatedAt": at(record.updated_at),
        "archived": record.archived_at.is_some(),
    });
    if let Some(archived) = record.archived_at {
        body["archivedAt"] = json!(at(archived));
    }
    body
}

/// Checks all values of an input.
pub(crate) fn changes(
    definition: &Definition,
    properties: &BTreeMap<String, Value>,
) -> Result<Changes, Vec<Invalid>> {
    let mut changes = Changes::new();
    let mut problems = Vec::new();
    for (name, value) in properties {
        match values::check(definition, name, value) {
            Ok(value) => {
                changes.insert(name.clone(), value);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        Ok(changes)
    } else {
        Err(problems)
    }
}

/// Required properties that a new record would lack.
pub(crate) fn lacking(definition: &Definition, changes: &Changes) -> Option<Value> {
    let missing: Vec<&String> = definition
        .required
        .iter()
        .filter(|name| changes.get(*name).is_none_or(String::is_empty))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let message = format!(
        "Error creating {}. Some required properties were not set.",
        definition.name.to_ascii_uppercase()
    );
    let mut body = error_body("VALIDATION_ERROR", &message);
    body["context"] = json!({"properties": missing});
    body["errors"] = json!([{
        "message": message,
        "code": "MISSING_REQUIRED_PROPERTY",
        "context": {"properties": missing},
    }]);
    Some(body)
}

/// A unique value that another record has.
pub(crate) fn conflict(kind: Kind, conflict: &Conflict) -> Value {
    let message = if kind == CONTACT {
        format!("Contact already exists. Existing ID: {}", conflict.existing)
    } else {
        format!(
            "A record with the value \"{}\" of the unique property \"{}\" already exists. Existing ID: {}",
            conflict.value, conflict.property, conflict.existing
        )
    };
    let mut body = error_body("CONFLICT", &message);
    body["context"] = json!({"existingId": [conflict.existing.to_string()]});
    body
}
