//! Batch create, update and archive.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::batch_read::{Id, check_size, lookup};
use super::shape::{self, BATCH_LIMIT};
use super::single::{CreateInput, create_one};
use super::upsert::traced;
use crate::hubspot::call::Call;
use crate::hubspot::errors::{Answer, Outcome, batch, error_body, invalid, invalid_values};
use crate::hubspot::scopes::Need;

#[derive(Deserialize)]
struct Creates {
    inputs: Vec<CreateInput>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateInput {
    id: Value,
    #[serde(default)]
    id_property: Option<String>,
    properties: BTreeMap<String, Value>,
    #[serde(default)]
    object_write_trace_id: Option<String>,
}

#[derive(Deserialize)]
struct Updates {
    inputs: Vec<UpdateInput>,
}

#[derive(Deserialize)]
struct Ids {
    inputs: Vec<Id>,
}

fn distinct<'a>(traces: impl Iterator<Item = Option<&'a str>>) -> bool {
    let mut seen = BTreeSet::new();
    traces
        .into_iter()
        .all(|trace| trace.is_some_and(|trace| seen.insert(trace)))
}

/// `POST …/batch/create`: 201; all or nothing, unless every input has its own write-trace id.
pub(crate) fn create(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::Write)?;
    let input: Creates = call.json()?;
    check_size(input.inputs.len(), BATCH_LIMIT)?;
    let partial = distinct(
        input
            .inputs
            .iter()
            .map(|i| i.object_write_trace_id.as_deref()),
    );
    let (mut ids, mut errors) = (Vec::new(), Vec::new());
    for (index, one) in input.inputs.iter().enumerate() {
        let outcome = if index < call.refuse_first {
            Err(invalid("The record was refused (an injected fault)."))
        } else {
            create_one(call, kind, one)
        };
        match outcome {
            Ok((id, changes)) => ids.push((id, changes)),
            Err(refusal) if partial => {
                let error = refusal.body.unwrap_or_default();
                errors.push(traced(error, one.object_write_trace_id.as_deref()));
            }
            Err(refusal) => {
                // Nothing of a refused batch stays.
                for (id, _) in ids {
                    call.state.purge(kind, id, call.now);
                }
                return Err(refusal);
            }
        }
    }
    let definition = &call.state.definitions[&kind];
    let results = ids
        .iter()
        .rev()
        .filter_map(|(id, changes)| {
            let record = call.state.store(kind)?.find(*id)?;
            Some(shape::written(definition, record, changes))
        })
        .collect();
    let written = ids.iter().map(|(id, _)| id.to_string()).collect();
    Ok(batch(call.now, 201, results, errors).wrote(input.inputs.len(), written, Vec::new()))
}

/// `POST …/batch/update`: ids that were merged away are left out silently (facts §4.3), missing ones are errors.
pub(crate) fn update(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::Write)?;
    let input: Updates = call.json()?;
    check_size(input.inputs.len(), BATCH_LIMIT)?;
    let partial = distinct(
        input
            .inputs
            .iter()
            .map(|i| i.object_write_trace_id.as_deref()),
    );
    let (mut planned, mut errors) = (Vec::new(), Vec::new());
    for one in &input.inputs {
        let text = Id { id: one.id.clone() }.text();
        let property = one
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
                "Unable to perform update/upsert by non-unique property: {property}"
            )));
        }
        let merged = text.parse().is_ok_and(|id| {
            property.is_none() && call.state.store(kind).is_some_and(|s| s.was_merged(id))
        });
        if merged {
            continue;
        }
        let trace = one.object_write_trace_id.as_deref();
        let error = match (
            lookup(call, kind, property, &text),
            shape::changes(definition, &one.properties),
        ) {
            (Some(id), Ok(changes)) => match call.state.check_unique(kind, Some(id), &changes) {
                Ok(()) => {
                    planned.push((id, changes));
                    continue;
                }
                Err(found) => shape::conflict(kind, &found),
            },
            (_, Err(problems)) => invalid_values(&problems),
            (None, Ok(_)) => {
                let mut error =
                    error_body("OBJECT_NOT_FOUND", "Could not find an object to update.");
                error["context"] = json!({"ids": [text]});
                error
            }
        };
        if !partial {
            let status = match error["category"].as_str() {
                Some("OBJECT_NOT_FOUND") => 404,
                Some("CONFLICT") => 409,
                _ => 400,
            };
            return Err(Answer::json(status, error));
        }
        errors.push(traced(error, trace));
    }
    let mut results = Vec::new();
    let mut ids = Vec::new();
    for (id, changes) in planned.iter().rev() {
        if let Err(found) = call.state.update(kind, *id, changes, call.now) {
            errors.push(shape::conflict(kind, &found));
            continue;
        }
        ids.push(id.to_string());
        let definition = &call.state.definitions[&kind];
        if let Some(record) = call.state.store(kind).and_then(|store| store.find(*id)) {
            results.push(shape::written(definition, record, changes));
        }
    }
    Ok(batch(call.now, 200, results, errors).wrote(input.inputs.len(), ids, Vec::new()))
}

/// `POST …/batch/archive`: 204, whether the records were there or not.
pub(crate) fn archive(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::Write)?;
    let input: Ids = call.json()?;
    check_size(input.inputs.len(), BATCH_LIMIT)?;
    let ids: Vec<String> = input.inputs.iter().map(Id::text).collect();
    for id in ids.iter().filter_map(|id| id.parse().ok()) {
        call.state.archive(kind, id, call.now);
    }
    Ok(Answer::no_content().wrote(ids.len(), ids, Vec::new()))
}
