//! Batches of associations: read (1,000), default (1,000), create (2,000), archive.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{noun, row, touch, type_of};
use crate::crm::graph::{Category, TypeKey};
use crate::crm::{AssociationKind, Kind};
use crate::hubspot::call::Call;
use crate::hubspot::errors::{Answer, Outcome, batch, correlation_id, invalid};
use crate::hubspot::objects::batch_read::{Id, check_size};
use crate::hubspot::scopes::Need;

/// Inputs of a batch read and, as far as known, of a default batch (facts §5).
const READ_LIMIT: usize = 1_000;
/// Inputs of a batch create.
const CREATE_LIMIT: usize = 2_000;

#[derive(Deserialize)]
struct Batch<T> {
    inputs: Vec<T>,
}

#[derive(Deserialize)]
struct ReadInput {
    id: Value,
    #[serde(default)]
    after: Option<String>,
}

fn pair(call: &Call<'_>) -> Result<(Kind, Kind), Answer> {
    let (from, to) = (call.kind(0)?, call.kind(1)?);
    call.reach(Need::Associations(from, to))?;
    Ok((from, to))
}

/// `POST …/batch/read`: a record without associations is an error of its own, not an empty row.
pub(crate) fn read(call: &mut Call<'_>) -> Outcome {
    let (from, to) = pair(call)?;
    let asked: Batch<ReadInput> = call.json()?;
    check_size(asked.inputs.len(), READ_LIMIT)?;
    let (mut results, mut errors) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for input in &asked.inputs {
        let text = Id {
            id: input.id.clone(),
        }
        .text();
        let Ok(number) = text.parse::<u64>() else {
            return Err(invalid(format!("Invalid object id {text}")));
        };
        if !seen.insert(number) {
            continue;
        }
        let id = call
            .state
            .store(from)
            .map_or(number, |store| store.resolve(number));
        let after: u64 = input
            .after
            .as_deref()
            .and_then(|a| a.parse().ok())
            .unwrap_or_default();
        let Some(links) = call.state.graph.of((from, id), to) else {
            errors.push(none_found(call, from, to, &text));
            continue;
        };
        let page = call.rules.association_page;
        let rows: Vec<Value> = links
            .range(after + 1..)
            .take(page)
            .map(|(id, link)| {
                if call.legacy {
                    json!({"id": id.to_string(), "type": format!("{}_to_{}", noun(call, from), noun(call, to))})
                } else {
                    row(call, from, to, *id, link)
                }
            })
            .collect();
        let last = links
            .range(after + 1..)
            .take(page)
            .last()
            .map(|(id, _)| *id);
        let mut result = json!({"from": {"id": text}, "to": rows});
        if let Some(last) = last.filter(|last| links.range(last + 1..).next().is_some()) {
            result["paging"] = json!({"next": {"after": last.to_string(), "link": "?"}});
        }
        results.push(result);
    }
    let inputs = asked.inputs.len();
    Ok(batch(call.now, 200, results, errors).wrote(inputs, Vec::new(), Vec::new()))
}

fn none_found(call: &Call<'_>, from: Kind, to: Kind, id: &str) -> Value {
    let (from, to) = (noun(call, from), noun(call, to));
    json!({
        "status": "error",
        "id": correlation_id(),
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": format!("No {to} is associated with {from} {id}."),
        "context": {"fromObjectId": [id], "fromObjectType": [from], "toObjectType": [to]},
    })
}

#[derive(Deserialize)]
struct Pair {
    from: Id,
    to: Id,
}

/// The ids of a pair when both records are there, or the error of this input.
fn ends(call: &Call<'_>, from: Kind, to: Kind, pair: (&Id, &Id)) -> Result<(u64, u64), Value> {
    let find = |kind: Kind, id: &Id| {
        let text = id.text();
        let found = text
            .parse()
            .ok()
            .and_then(|id| call.state.store(kind)?.find(id));
        found.map(|record| record.id).ok_or_else(|| {
            json!({
                "status": "error",
                "id": correlation_id(),
                "category": "OBJECT_NOT_FOUND",
                "message": format!("{} {text} does not exist", noun(call, kind)),
                "context": {"fromObjectId": [pair.0.text()], "toObjectId": [pair.1.text()], "objectId": [text]},
            })
        })
    };
    Ok((find(from, pair.0)?, find(to, pair.1)?))
}

/// `POST …/batch/associate/default`: links by the unlabelled type, whatever its number; again is harmless.
pub(crate) fn associate_default(call: &mut Call<'_>) -> Outcome {
    let (from, to) = pair(call)?;
    let asked: Batch<Pair> = call.json()?;
    check_size(asked.inputs.len(), READ_LIMIT)?;
    let Some(default) = call.state.default_association(from, to).cloned() else {
        return Err(no_definition(call, from, to));
    };
    let (mut results, mut errors, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for (index, input) in asked.inputs.iter().enumerate() {
        match ends(call, from, to, (&input.from, &input.to)) {
            Ok((from_id, to_id)) if index >= call.refuse_first => {
                link_default(call, &default, from_id, to_id);
                ids.push(format!("{from_id}>{to_id}"));
                results.push(json!({
                    "from": {"id": from_id.to_string()},
                    "to": {"id": to_id.to_string()},
                    "associationSpec": {
                        "associationCategory": default.category,
                        "associationTypeId": default.id,
                    },
                }));
            }
            Ok(_) => errors.push(json!({
                "status": "error", "id": correlation_id(), "category": "VALIDATION_ERROR",
                "message": "The association was refused (an injected fault).",
                "context": {"fromObjectId": [input.from.text()], "toObjectId": [input.to.text()]},
            })),
            Err(error) => errors.push(error),
        }
    }
    Ok(batch(call.now, 200, results, errors).wrote(asked.inputs.len(), ids, Vec::new()))
}

pub(super) fn link_default(call: &mut Call<'_>, kind: &AssociationKind, from: u64, to: u64) {
    let key = (kind.category, kind.id);
    touch(call, (kind.from, from), (kind.to, to));
    call.state.link((kind.from, from), (kind.to, to), key);
}

pub(super) fn no_definition(call: &Call<'_>, from: Kind, to: Kind) -> Answer {
    invalid(format!(
        "{} objects cannot be associated with {} objects",
        noun(call, from),
        noun(call, to)
    ))
}

/// The type that a write names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TypeInput {
    association_category: Category,
    association_type_id: u32,
}

#[derive(Deserialize)]
struct Create {
    from: Id,
    to: Id,
    #[serde(default)]
    types: Vec<TypeInput>,
    /// The v3 API names the type by its name.
    #[serde(default, rename = "type")]
    name: Option<String>,
}

/// The types of an input, each checked against the portal's definitions.
pub(super) fn types(
    call: &Call<'_>,
    from: Kind,
    to: Kind,
    types: &[TypeInput],
) -> Result<Vec<TypeKey>, Answer> {
    if types.is_empty() {
        return Err(invalid("An association needs at least one type."));
    }
    types
        .iter()
        .map(|input| {
            let key = (input.association_category, input.association_type_id);
            let known = type_of(call, from, to, key).is_some();
            known.then_some(key).ok_or_else(|| {
                invalid(format!(
                    "{} {} is not a valid association type between {} and {}",
                    json!(key.0),
                    key.1,
                    noun(call, from),
                    noun(call, to)
                ))
            })
        })
        .collect()
}

/// `POST …/batch/create`: 201, or 207 when a record is not there; an invalid type refuses the whole batch.
pub(crate) fn create(call: &mut Call<'_>) -> Outcome {
    let (from, to) = pair(call)?;
    let asked: Batch<Create> = call.json()?;
    check_size(asked.inputs.len(), CREATE_LIMIT)?;
    let mut planned = Vec::new();
    for input in &asked.inputs {
        let keys = match &input.name {
            Some(name) if call.legacy => {
                let wanted = name.to_lowercase();
                let found = call.state.kinds.iter().find(|kind| {
                    kind.from == from
                        && kind.to == to
                        && (kind.name == wanted || kind.id.to_string() == wanted)
                });
                let found = found.or(call.state.default_association(from, to));
                vec![
                    found
                        .map(|f| (f.category, f.id))
                        .ok_or_else(|| no_definition(call, from, to))?,
                ]
            }
            _ => types(call, from, to, &input.types)?,
        };
        planned.push((input, keys));
    }
    let (mut results, mut errors, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for (index, (input, keys)) in planned.into_iter().enumerate() {
        match ends(call, from, to, (&input.from, &input.to)) {
            Ok((from_id, to_id)) if index >= call.refuse_first => {
                write_types(call, (from, from_id), (to, to_id), &keys);
                ids.push(format!("{from_id}>{to_id}"));
                let link = call.state.graph.link((from, from_id), (to, to_id));
                let labels: Vec<&str> = link
                    .into_iter()
                    .flat_map(|link| &link.types)
                    .filter_map(|key| type_of(call, from, to, *key)?.label.as_deref())
                    .collect();
                results.push(if call.legacy {
                    json!({"from": {"id": from_id.to_string()}, "to": {"id": to_id.to_string()}, "type": input.name})
                } else {
                    json!({
                        "fromObjectTypeId": from.to_string(),
                        "fromObjectId": super::object_id(call, from_id),
                        "toObjectTypeId": to.to_string(),
                        "toObjectId": super::object_id(call, to_id),
                        "labels": labels,
                    })
                });
            }
            Ok(_) => errors.push(json!({
                "status": "error", "id": correlation_id(), "category": "VALIDATION_ERROR",
                "message": "The association was refused (an injected fault).",
                "context": {"fromObjectId": [input.from.text()], "toObjectId": [input.to.text()]},
            })),
            Err(error) => errors.push(error),
        }
    }
    Ok(batch(call.now, 201, results, errors).wrote(asked.inputs.len(), ids, Vec::new()))
}

/// Setting labelled types replaces the labels that the pair had (facts §5).
pub(super) fn write_types(
    call: &mut Call<'_>,
    from: crate::crm::graph::End,
    to: crate::crm::graph::End,
    keys: &[TypeKey],
) {
    touch(call, from, to);
    let labelled = |call: &Call<'_>, key: TypeKey| {
        type_of(call, from.0, to.0, key).is_some_and(|k| k.label.is_some())
    };
    if keys.iter().any(|key| labelled(call, *key)) {
        let before = call
            .state
            .graph
            .link(from, to)
            .map(|link| link.types.clone());
        for old in before
            .into_iter()
            .flatten()
            .filter(|old| !keys.contains(old))
        {
            if let Some(kind) = type_of(call, from.0, to.0, old)
                .filter(|k| k.label.is_some())
                .cloned()
            {
                call.state.graph.remove_type(from, to, old);
                call.state
                    .graph
                    .remove_type(to, from, (kind.category, kind.inverse));
            }
        }
    }
    for key in keys {
        call.state.link(from, to, *key);
    }
}

#[derive(Deserialize)]
struct Archive {
    from: Id,
    to: OneOrMany,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<Id>),
    /// The v3 API's way.
    One(Id),
}

/// The number in an id, or the refusal of the whole batch.
fn number(id: &Id) -> Result<u64, Answer> {
    let text = id.text();
    text.parse()
        .map_err(|_| invalid(format!("Invalid object id {text}")))
}

/// `POST …/batch/archive`: 204; a pair that is not linked is harmless, and the id of a merged record leads to its
/// survivor.
pub(crate) fn archive(call: &mut Call<'_>) -> Outcome {
    let (from, to) = pair(call)?;
    let asked: Batch<Archive> = call.json()?;
    check_size(asked.inputs.len(), CREATE_LIMIT)?;
    let mut pairs = Vec::new();
    for input in &asked.inputs {
        let many = match &input.to {
            OneOrMany::Many(many) => many.as_slice(),
            OneOrMany::One(one) if call.legacy => std::slice::from_ref(one),
            OneOrMany::One(_) => return Err(invalid("Invalid input JSON: to must be a list")),
        };
        for target in many {
            pairs.push((number(&input.from)?, number(target)?));
        }
    }
    let mut ids = Vec::new();
    for (from_id, to_id) in pairs {
        let resolve = |kind, id| call.state.store(kind).map_or(id, |store| store.resolve(id));
        let (from_id, to_id) = (resolve(from, from_id), resolve(to, to_id));
        touch(call, (from, from_id), (to, to_id));
        call.state.unlink((from, from_id), (to, to_id));
        ids.push(format!("{from_id}>{to_id}"));
    }
    Ok(Answer::no_content().wrote(asked.inputs.len(), ids, Vec::new()))
}

/// `POST …/batch/labels/archive`: 204; removing the unlabelled type removes the link.
pub(crate) fn archive_labels(call: &mut Call<'_>) -> Outcome {
    let (from, to) = pair(call)?;
    let asked: Batch<Create> = call.json()?;
    check_size(asked.inputs.len(), CREATE_LIMIT)?;
    for input in &asked.inputs {
        let keys = types(call, from, to, &input.types)?;
        let (Ok(a), Ok(b)) = (input.from.text().parse(), input.to.text().parse()) else {
            continue;
        };
        touch(call, (from, a), (to, b));
        for key in keys {
            let Some(kind) = type_of(call, from, to, key).cloned() else {
                continue;
            };
            if kind.label.is_none() {
                call.state.unlink((from, a), (to, b));
            } else {
                call.state.graph.remove_type((from, a), (to, b), key);
                call.state
                    .graph
                    .remove_type((to, b), (from, a), (kind.category, kind.inverse));
            }
        }
    }
    Ok(Answer::no_content().wrote(asked.inputs.len(), Vec::new(), Vec::new()))
}
