//! Associations of one record.

use serde_json::{Value, json};

use super::batch::{TypeInput, link_default, no_definition, types, write_types};
use super::{noun, row, touch};
use crate::crm::Kind;
use crate::hubspot::call::Call;
use crate::hubspot::errors::{Answer, Outcome, invalid, not_found};
use crate::hubspot::scopes::Need;

fn pair(call: &Call<'_>) -> Result<(Kind, Kind), Answer> {
    let (from, to) = (call.kind(0)?, call.kind(2)?);
    call.reach(Need::Associations(from, to))?;
    Ok((from, to))
}

fn live(call: &Call<'_>, kind: Kind, index: usize) -> Result<u64, Answer> {
    let id = call.id(index)?;
    let found = call.state.store(kind).and_then(|store| store.find(id));
    found
        .map(|record| record.id)
        .ok_or_else(|| not_found(format!("{} {id} does not exist", noun(call, kind))))
}

/// `GET …/{type}/{id}/associations/{to}`: up to 500 a page.
pub(crate) fn list(call: &mut Call<'_>) -> Outcome {
    let (from, to) = pair(call)?;
    let id = live(call, from, 1)?;
    let limit = call.limit(500, 500)?;
    let after: u64 = call
        .query("after")
        .and_then(|after| after.parse().ok())
        .unwrap_or_default();
    let mut body = json!({"results": []});
    if let Some(links) = call.state.graph.of((from, id), to) {
        let page: Vec<_> = links.range(after + 1..).take(limit + 1).collect();
        let results: Vec<Value> = page
            .iter()
            .take(limit)
            .map(|(id, link)| row(call, from, to, **id, link))
            .collect();
        body["results"] = Value::Array(results);
        if page.len() > limit {
            body["paging"] = json!({"next": {"after": page[limit - 1].0.to_string()}});
        }
    }
    Ok(Answer::ok(body))
}

/// `PUT …/{type}/{id}/associations/default/{to}/{id}`.
pub(crate) fn put_default(call: &mut Call<'_>) -> Outcome {
    let (from, to) = pair(call)?;
    let (from_id, to_id) = (live(call, from, 1)?, live(call, to, 3)?);
    let Some(default) = call.state.default_association(from, to).cloned() else {
        return Err(no_definition(call, from, to));
    };
    link_default(call, &default, from_id, to_id);
    let row = |from: u64, to: u64, id: u32| {
        json!({
            "from": {"id": from.to_string()},
            "to": {"id": to.to_string()},
            "associationSpec": {"associationCategory": default.category, "associationTypeId": id},
        })
    };
    let stamp = call.now.to_rfc3339();
    Ok(Answer::ok(json!({
        "status": "COMPLETE",
        "results": [row(from_id, to_id, default.id), row(to_id, from_id, default.inverse)],
        "startedAt": stamp,
        "completedAt": stamp,
    }))
    .wrote(1, vec![format!("{from_id}>{to_id}")], Vec::new()))
}

/// `PUT …/{type}/{id}/associations/{to}/{id}` with a list of types: 201.
pub(crate) fn put(call: &mut Call<'_>) -> Outcome {
    let (from, to) = pair(call)?;
    let (from_id, to_id) = (live(call, from, 1)?, live(call, to, 3)?);
    let input: Vec<TypeInput> = call.json()?;
    let keys = types(call, from, to, &input)?;
    if keys.is_empty() {
        return Err(invalid("An association needs at least one type."));
    }
    write_types(call, (from, from_id), (to, to_id), &keys);
    Ok(Answer::json(
        201,
        json!({
            "fromObjectTypeId": from.to_string(),
            "fromObjectId": super::object_id(call, from_id),
            "toObjectTypeId": to.to_string(),
            "toObjectId": super::object_id(call, to_id),
            "labels": [],
        }),
    )
    .wrote(1, vec![format!("{from_id}>{to_id}")], Vec::new()))
}

/// `DELETE …/{type}/{id}/associations/{to}/{id}`: 204.
pub(crate) fn delete(call: &mut Call<'_>) -> Outcome {
    let (from, to) = pair(call)?;
    let (from_id, to_id) = (call.id(1)?, call.id(3)?);
    touch(call, (from, from_id), (to, to_id));
    call.state.unlink((from, from_id), (to, to_id));
    Ok(Answer::no_content())
}
