//! Batch upsert by a unique property (facts §4.2): all or nothing, unless every input has its own write-trace id
//! (and the rules allow it).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::batch_read::check_size;
use super::shape::{self, BATCH_LIMIT};
use super::single::unique_key;
use crate::crm::values::Invalid;
use crate::crm::writes::Changes;
use crate::crm::{CONTACT, Kind};
use crate::hubspot::call::Call;
use crate::hubspot::errors::{Answer, Outcome, error_body, invalid, invalid_values};
use crate::hubspot::scopes::Need;
use crate::rules::UpsertRecycled;

#[derive(Deserialize)]
struct Batch {
    inputs: Vec<Input>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id: String,
    #[serde(default)]
    id_property: Option<String>,
    properties: BTreeMap<String, Value>,
    #[serde(default)]
    object_write_trace_id: Option<String>,
}

/// `POST …/batch/upsert`.
pub(crate) fn upsert(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::Write)?;
    let batch: Batch = call.json()?;
    check_size(batch.inputs.len(), BATCH_LIMIT)?;
    let property = id_property(call, kind, &batch.inputs)?;
    refuse_duplicates(kind, &property, &batch.inputs)?;
    let traces: BTreeSet<&str> = batch
        .inputs
        .iter()
        .filter_map(|input| input.object_write_trace_id.as_deref())
        .collect();
    let partial_allowed = call.rules.upsert_partial && traces.len() == batch.inputs.len();

    let mut planned = Vec::new();
    let mut refused: Vec<(usize, Value)> = Vec::new();
    for (index, input) in batch.inputs.iter().enumerate() {
        match plan(call, kind, &property, input, index) {
            Ok(plan) => planned.push((index, plan)),
            Err(error) => refused.push((index, *error)),
        }
    }
    if !partial_allowed && !refused.is_empty() {
        let (_, error) = refused.swap_remove(0);
        let status = if error["category"] == "CONFLICT" {
            409
        } else {
            400
        };
        return Err(Answer::json(status, error).wrote(batch.inputs.len(), vec![], vec![]));
    }

    let mut results = Vec::new();
    let mut ids = Vec::new();
    let mut written_traces = Vec::new();
    for (index, plan) in planned {
        let input = &batch.inputs[index];
        match write(call, kind, &plan) {
            Ok((id, new)) => {
                ids.push(input.id.clone());
                written_traces.extend(input.object_write_trace_id.clone());
                let definition = &call.state.definitions[&kind];
                let record = call.state.store(kind).and_then(|store| store.find(id));
                if let Some(record) = record {
                    let mut body = shape::written(definition, record, &plan.changes);
                    body["new"] = json!(new);
                    if let Some(trace) = &input.object_write_trace_id {
                        body["objectWriteTraceId"] = json!(trace);
                    }
                    results.push(body);
                }
            }
            Err(error) => refused.push((index, *error)),
        }
    }
    // Results do not come in the order of inputs (facts §4.2).
    results.sort_by_cached_key(|row| {
        row["id"]
            .as_str()
            .map(|id| id.chars().rev().collect::<String>())
    });
    let errors: Vec<Value> = refused
        .into_iter()
        .map(|(index, error)| traced(error, batch.inputs[index].object_write_trace_id.as_deref()))
        .collect();
    let stamp = call.now.to_rfc3339();
    let mut body = json!({
        "status": "COMPLETE",
        "results": results,
        "startedAt": stamp,
        "completedAt": stamp,
    });
    let status = if errors.is_empty() { 200 } else { 207 };
    if status == 207 {
        body["numErrors"] = json!(errors.len());
        body["errors"] = Value::Array(errors);
    }
    Ok(Answer::json(status, body).wrote(batch.inputs.len(), ids, written_traces))
}

/// An error of one input, naming it by its trace id.
pub(crate) fn traced(mut error: Value, trace: Option<&str>) -> Value {
    if let Some(trace) = trace {
        error["context"]["objectWriteTraceId"] = json!([trace]);
    }
    error["id"] = json!(error["correlationId"]);
    error
}

/// The one property that all inputs are found by; it must be unique.
fn id_property(call: &Call<'_>, kind: Kind, inputs: &[Input]) -> Result<String, Answer> {
    let named: BTreeSet<Option<&str>> = inputs.iter().map(|i| i.id_property.as_deref()).collect();
    let (Some(Some(property)), 1) = (named.first(), named.len()) else {
        return Err(invalid(
            "Every input of an upsert must carry the same idProperty.",
        ));
    };
    let definition = &call.state.definitions[&kind];
    if !definition
        .property(property)
        .is_some_and(|p| p.has_unique_value)
    {
        return Err(invalid(format!(
            "Unable to perform update/upsert by non-unique property: {property}"
        )));
    }
    let partial = inputs.iter().any(|i| i.object_write_trace_id.is_some());
    if kind == CONTACT && *property == "email" && partial {
        return Err(invalid(
            "Partial upserts are not supported when using email as the idProperty for contacts.",
        ));
    }
    Ok((*property).to_owned())
}

fn refuse_duplicates(kind: Kind, property: &str, inputs: &[Input]) -> Result<(), Answer> {
    let mut seen = BTreeSet::new();
    let doubled: BTreeSet<&str> = inputs
        .iter()
        .filter(|input| !seen.insert(unique_key(kind, property, &input.id)))
        .map(|input| input.id.as_str())
        .collect();
    if doubled.is_empty() {
        return Ok(());
    }
    let message = format!(
        "Duplicate IDs found in batch input: {doubled:?}. IDs must be unique within a batch."
    );
    let mut body = error_body("VALIDATION_ERROR", &message);
    body["context"] = json!({"ids": doubled});
    Err(Answer::json(400, body))
}

/// What an input will do, decided before anything is written.
struct Plan {
    existing: Option<u64>,
    changes: Changes,
}

fn plan(
    call: &Call<'_>,
    kind: Kind,
    property: &str,
    input: &Input,
    index: usize,
) -> Result<Plan, Box<Value>> {
    if index < call.refuse_first {
        return Err(Box::new(error_body(
            "VALIDATION_ERROR",
            "The record was refused (an injected fault).",
        )));
    }
    if call.rules.upsert_refuses.contains(&input.id) {
        return Err(Box::new(invalid_values(&[Invalid {
            name: "recipient_email".to_owned(),
            code: "INVALID_EMAIL",
            message: "the address is invalid".to_owned(),
        }])));
    }
    let definition = &call.state.definitions[&kind];
    let mut properties = input.properties.clone();
    properties
        .entry(property.to_owned())
        .or_insert_with(|| json!(input.id));
    let changes = shape::changes(definition, &properties)
        .map_err(|problems| Box::new(invalid_values(&problems)))?;
    let key = unique_key(kind, property, &input.id);
    if key.is_empty() {
        return Err(Box::new(error_body(
            "VALIDATION_ERROR",
            "An input has an empty id.",
        )));
    }
    let store = call.state.store(kind);
    let mut existing = store.and_then(|store| store.owner(property, &key));
    if existing.is_none()
        && let Some(recycled) = store.and_then(|store| store.recycled(property, &key))
    {
        match call.rules.upsert_recycled {
            UpsertRecycled::CreateNew => {}
            UpsertRecycled::Restore => existing = Some(recycled),
            UpsertRecycled::Refuse => {
                return Err(Box::new(error_body(
                    "VALIDATION_ERROR",
                    &format!("The record {recycled} with this value is deleted."),
                )));
            }
        }
    }
    if existing.is_none()
        && let Some(lacking) = shape::lacking(definition, &changes)
    {
        return Err(Box::new(lacking));
    }
    call.state
        .check_unique(kind, existing, &changes)
        .map_err(|found| Box::new(shape::conflict(kind, &found)))?;
    Ok(Plan { existing, changes })
}

fn write(call: &mut Call<'_>, kind: Kind, plan: &Plan) -> Result<(u64, bool), Box<Value>> {
    let outcome = match plan.existing {
        Some(id) => {
            if call
                .state
                .store(kind)
                .is_some_and(|store| store.find(id).is_none())
            {
                call.state.restore(kind, id);
            }
            call.state
                .update(kind, id, &plan.changes, call.now)
                .map(|()| (id, false))
        }
        None => call
            .state
            .create(kind, &plan.changes, call.now)
            .map(|id| (id, true)),
    };
    outcome.map_err(|found| Box::new(shape::conflict(kind, &found)))
}
