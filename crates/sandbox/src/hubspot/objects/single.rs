//! One record at a time, and the list of all.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::shape;
use crate::crm::writes::Changes;
use crate::crm::{CONTACT, Category, Kind, Record};
use crate::hubspot::call::Call;
use crate::hubspot::errors::{Answer, Outcome, invalid, invalid_values, not_found};
use crate::hubspot::scopes::Need;

/// The body of a create.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateInput {
    #[serde(default)]
    pub(crate) properties: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) associations: Option<Vec<NewAssociation>>,
    #[serde(default)]
    pub(crate) object_write_trace_id: Option<String>,
}

/// An association made together with a record.
#[derive(Deserialize)]
pub(crate) struct NewAssociation {
    to: NewEnd,
    types: Vec<NewType>,
}

#[derive(Deserialize)]
struct NewEnd {
    id: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewType {
    association_category: Category,
    association_type_id: u32,
}

/// `GET …/{type}`.
pub(crate) fn list(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::Read)?;
    let limit = call.limit(10, 100)?;
    let after: u64 = match call.query("after") {
        Some(text) => text
            .parse()
            .map_err(|_| invalid(format!("Invalid after: {text}")))?,
        None => 0,
    };
    let archived = call.query("archived") == Some("true");
    let wanted = call.list("properties");
    let Some(definition) = call.state.definitions.get(&kind) else {
        return Err(not_found("Object type not found"));
    };
    let mut rows: Vec<&Record> = call
        .state
        .store(kind)
        .into_iter()
        .flat_map(|store| store.records.range(after + 1..))
        .map(|(_, record)| record)
        .filter(|record| record.archived_at.is_some() == archived)
        .take(limit + 1)
        .collect();
    let more = rows.len() > limit;
    rows.truncate(limit);
    let results: Vec<Value> = rows
        .iter()
        .map(|record| {
            with_associations(
                call,
                kind,
                record.id,
                shape::to_json(definition, record, &wanted),
            )
        })
        .collect();
    let mut body = json!({"results": results});
    if let (true, Some(last)) = (more, rows.last()) {
        let after = last.id.to_string();
        body["paging"] = json!({"next": {"after": after, "link": format!("?after={after}")}});
    }
    Ok(Answer::ok(body))
}

fn with_associations(call: &Call<'_>, kind: Kind, id: u64, mut body: Value) -> Value {
    for name in call.list("associations") {
        let Ok(to) = call.kind_named(&name) else {
            continue;
        };
        if let Some(links) = call.state.graph.of((kind, id), to) {
            let results: Vec<Value> = links
                .keys()
                .map(|id| json!({"id": id.to_string(), "type": format!("{kind}_to_{to}")}))
                .collect();
            body["associations"][&name] = json!({"results": results});
        }
    }
    body
}

/// The record a path names, by id or by the unique property in `idProperty`.
fn find(call: &Call<'_>, kind: Kind) -> Result<u64, Answer> {
    let text = call.arg(1);
    let missing = || {
        not_found(format!(
            "Object not found. objectId are usually numeric: {text}"
        ))
    };
    let store = call.state.store(kind).ok_or_else(missing)?;
    match call.query("idProperty") {
        None | Some("hs_object_id") => store
            .find(text.parse().map_err(|_| missing())?)
            .map(|record| record.id)
            .ok_or_else(missing),
        Some(property) => {
            let definition = &call.state.definitions[&kind];
            if !definition
                .property(property)
                .is_some_and(|p| p.has_unique_value)
            {
                return Err(invalid(format!(
                    "Unable to look up by non-unique property {property}"
                )));
            }
            let key = unique_key(kind, property, text);
            store.owner(property, &key).ok_or_else(missing)
        }
    }
}

/// A unique value as the index has it: e-mails are compared in lower case.
pub(crate) fn unique_key(kind: Kind, property: &str, value: &str) -> String {
    if kind == CONTACT && property == "email" {
        value.trim().to_lowercase()
    } else {
        value.to_owned()
    }
}

/// `GET …/{type}/{id}`.
pub(crate) fn read(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::Read)?;
    let id = find(call, kind)?;
    answer(call, kind, id, 200, &call.list("properties"))
}

fn answer(call: &Call<'_>, kind: Kind, id: u64, status: u16, wanted: &[String]) -> Outcome {
    let definition = call.state.definitions.get(&kind);
    let record = call.state.store(kind).and_then(|store| store.find(id));
    match (definition, record) {
        (Some(definition), Some(record)) => {
            let body = shape::to_json(definition, record, wanted);
            let body = with_associations(call, kind, id, body);
            Ok(Answer::json(status, body))
        }
        _ => Err(not_found("Object not found.")),
    }
}

/// `POST …/{type}`.
pub(crate) fn create(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::Write)?;
    let input: CreateInput = call.json()?;
    let (id, changes) = create_one(call, kind, &input)?;
    let wanted: Vec<String> = changes.keys().cloned().collect();
    let answer = answer(call, kind, id, 201, &wanted)?;
    Ok(answer.wrote(1, vec![id.to_string()], Vec::new()))
}

/// Checks everything about a new record and makes it, with its associations.
pub(crate) fn create_one(
    call: &mut Call<'_>,
    kind: Kind,
    input: &CreateInput,
) -> Result<(u64, Changes), Answer> {
    let definition = &call.state.definitions[&kind];
    let changes = shape::changes(definition, &input.properties)
        .map_err(|problems| Answer::json(400, invalid_values(&problems)))?;
    if let Some(lacking) = shape::lacking(definition, &changes) {
        return Err(Answer::json(400, lacking));
    }
    let mut links = Vec::new();
    for association in input.associations.iter().flatten() {
        let to = match &association.to.id {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        for kind_of in &association.types {
            let key = (kind_of.association_category, kind_of.association_type_id);
            let found = call
                .state
                .kinds
                .iter()
                .find(|k| k.from == kind && (k.category, k.id) == key);
            let end = found.zip(to).map(|(found, id)| (found.to, id));
            let live =
                end.filter(|(to, id)| call.state.store(*to).is_some_and(|s| s.find(*id).is_some()));
            let Some(end) = live else {
                return Err(invalid(
                    "An association names a type or a record that does not exist",
                ));
            };
            links.push((end, key));
        }
    }
    let id = call
        .state
        .create(kind, &changes, call.now)
        .map_err(|conflict| Answer::json(409, shape::conflict(kind, &conflict)))?;
    for (to, key) in links {
        call.state.link((kind, id), to, key);
    }
    Ok((id, changes))
}

/// `PATCH …/{type}/{id}`; takes the id of a merged record too.
pub(crate) fn update(call: &mut Call<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Input {
        properties: BTreeMap<String, Value>,
    }
    let kind = call.kind_for(0, Need::Write)?;
    let id = find(call, kind)?;
    let input: Input = call.json()?;
    let changes = shape::changes(&call.state.definitions[&kind], &input.properties)
        .map_err(|problems| Answer::json(400, invalid_values(&problems)))?;
    call.state
        .update(kind, id, &changes, call.now)
        .map_err(|conflict| Answer::json(409, shape::conflict(kind, &conflict)))?;
    let wanted: Vec<String> = changes.keys().cloned().collect();
    Ok(answer(call, kind, id, 200, &wanted)?.wrote(1, vec![id.to_string()], Vec::new()))
}

/// `DELETE …/{type}/{id}`: to the recycle bin; 204 whether it was there or not.
pub(crate) fn archive(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::Write)?;
    let id = call.id(1)?;
    call.state.archive(kind, id, call.now);
    Ok(Answer::no_content().wrote(1, vec![id.to_string()], Vec::new()))
}
