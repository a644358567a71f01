//! Merging two records, and deleting a contact for good.

use serde::Deserialize;
use serde_json::Value;

use super::batch_read::{Id, lookup};
use super::shape;
use crate::crm::CONTACT;
use crate::hubspot::call::Call;
use crate::hubspot::errors::{Answer, Outcome, invalid, not_found};
use crate::hubspot::scopes::Need;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Merge {
    primary_object_id: Value,
    object_id_to_merge: Value,
}

/// `POST …/{type}/merge`.
pub(crate) fn merge(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::Write)?;
    let input: Merge = call.json()?;
    let find = |id: Value| lookup(call, kind, None, &Id { id }.text());
    let (Some(primary), Some(loser)) = (
        find(input.primary_object_id),
        find(input.object_id_to_merge),
    ) else {
        return Err(not_found("One of the records to merge does not exist"));
    };
    if primary == loser {
        return Err(invalid("A record cannot be merged into itself"));
    }
    let new = call.rules.merge_makes_new_record;
    let survivor = call
        .state
        .merge(kind, primary, loser, new, call.now)
        .ok_or_else(|| invalid("The records cannot be merged"))?;
    let record = call
        .state
        .store(kind)
        .and_then(|store| store.find(survivor));
    match (call.state.definitions.get(&kind), record) {
        (Some(definition), Some(record)) => Ok(Answer::ok(shape::to_json(definition, record, &[]))
            .wrote(2, vec![survivor.to_string()], Vec::new())),
        _ => Err(not_found("The merged record is gone")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GdprDelete {
    object_id: String,
    #[serde(default)]
    id_property: Option<String>,
}

/// `POST …/contacts/gdpr-delete`: 204.
pub(crate) fn gdpr_delete(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::Write)?;
    if kind != CONTACT {
        return Err(invalid("Only contacts can be deleted for privacy"));
    }
    let input: GdprDelete = call.json()?;
    let property = input
        .id_property
        .as_deref()
        .filter(|name| *name != "hs_object_id");
    let Some(id) = lookup(call, kind, property, &input.object_id) else {
        return Err(not_found("The contact does not exist"));
    };
    call.state.purge(kind, id, call.now);
    Ok(Answer::no_content().wrote(1, vec![id.to_string()], Vec::new()))
}
