//! Batch read by id or by a unique property (facts §4.3).

use serde::Deserialize;
use serde_json::{Value, json};

use super::shape::{self, BATCH_LIMIT};
use super::single::unique_key;
use crate::crm::Kind;
use crate::hubspot::call::Call;
use crate::hubspot::errors::{Answer, Outcome, invalid};
use crate::hubspot::scopes::Need;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    #[serde(default)]
    id_property: Option<String>,
    inputs: Vec<Id>,
    #[serde(default)]
    properties: Vec<String>,
}

/// An input that only names a record.
#[derive(Deserialize)]
pub(crate) struct Id {
    pub(crate) id: Value,
}

impl Id {
    /// The id as text, whether it came as text or number.
    pub(crate) fn text(&self) -> String {
        match &self.id {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// Refuses a batch that is too large or empty.
pub(crate) fn check_size(inputs: usize, limit: usize) -> Result<(), Answer> {
    if inputs == 0 {
        return Err(invalid("The batch has no inputs."));
    }
    if inputs > limit {
        return Err(invalid(format!(
            "The maximum number of inputs supported in a batch request is {limit}, but {inputs} were given."
        )));
    }
    Ok(())
}

/// `POST …/batch/read`: 200, or 207 with the missing ids in one error. Additional e-mails find their contact, but the
/// row shows the primary one; an id that was merged away answers with the survivor.
pub(crate) fn read(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::Read)?;
    let input: Input = call.json()?;
    check_size(input.inputs.len(), BATCH_LIMIT)?;
    let property = input
        .id_property
        .as_deref()
        .filter(|name| *name != "hs_object_id");
    let definition = &call.state.definitions[&kind];
    if let Some(property) = property
        && !definition
            .property(property)
            .is_some_and(|p| p.has_unique_value)
    {
        return Err(invalid(format!(
            "Unable to read by non-unique property {property}"
        )));
    }
    let mut found: Vec<u64> = Vec::new();
    let mut missing: Vec<String> = Vec::new();
    for (index, input) in input.inputs.iter().enumerate() {
        let text = input.text();
        let id = lookup(call, kind, property, &text).filter(|_| index >= call.refuse_first);
        match id {
            // Two inputs may lead to the same record; it is answered once.
            Some(id) if found.contains(&id) => {}
            Some(id) => found.push(id),
            None => missing.push(text),
        }
    }
    // HubSpot does not keep the order of inputs.
    found.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
    let results: Vec<Value> = found
        .iter()
        .filter_map(|id| call.state.store(kind)?.find(*id))
        .map(|record| shape::to_json(definition, record, &input.properties))
        .collect();
    let stamp = call.now.to_rfc3339();
    let mut body = json!({
        "status": "COMPLETE",
        "results": results,
        "startedAt": stamp,
        "completedAt": stamp,
    });
    if missing.is_empty() {
        return Ok(Answer::ok(body).wrote(input.inputs.len(), Vec::new(), Vec::new()));
    }
    let name = definition.name.to_ascii_uppercase();
    body["numErrors"] = json!(1);
    body["errors"] = json!([{
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": format!("Could not get some {name} objects, they may be deleted or not exist. Check that ids are valid."),
        "context": {"ids": missing},
    }]);
    Ok(Answer::json(207, body).wrote(input.inputs.len(), Vec::new(), Vec::new()))
}

/// The live record of an id or unique value.
pub(crate) fn lookup(
    call: &Call<'_>,
    kind: Kind,
    property: Option<&str>,
    text: &str,
) -> Option<u64> {
    let store = call.state.store(kind)?;
    match property {
        None => store.find(text.parse().ok()?).map(|record| record.id),
        Some(property) => store.owner(property, &unique_key(kind, property, text)),
    }
}
