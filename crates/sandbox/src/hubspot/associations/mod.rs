//! Associations: reading, making and removing links between records (facts §5).

pub(crate) mod batch;
pub(crate) mod labels;
pub(crate) mod single;

use serde_json::{Value, json};

use super::call::Call;
use crate::crm::graph::{End, Link, TypeKey};
use crate::crm::{AssociationKind, CONTACT, Kind};
use crate::rules::ObjectIdForm;

/// Notes a pair that the call is about to change, for the webhooks; free when there are none.
fn touch(call: &mut Call<'_>, from: End, to: End) {
    if let Some(touched) = &mut call.touched
        && [from.0, to.0].contains(&CONTACT)
    {
        touched.note(call.state, from, to);
    }
}

/// An id as this sandbox writes `toObjectId`.
fn object_id(call: &Call<'_>, id: u64) -> Value {
    match call.rules.to_object_id {
        ObjectIdForm::Number => json!(id),
        ObjectIdForm::String => json!(id.to_string()),
    }
}

fn type_of<'a>(
    call: &'a Call<'_>,
    from: Kind,
    to: Kind,
    key: TypeKey,
) -> Option<&'a AssociationKind> {
    call.state
        .kinds
        .iter()
        .find(|kind| kind.from == from && kind.to == to && (kind.category, kind.id) == key)
}

/// One linked record with the types of the link.
fn row(call: &Call<'_>, from: Kind, to: Kind, id: u64, link: &Link) -> Value {
    let types: Vec<Value> = link
        .types
        .iter()
        .map(|key| {
            let label = type_of(call, from, to, *key).and_then(|kind| kind.label.as_deref());
            json!({"category": key.0, "typeId": key.1, "label": label})
        })
        .collect();
    json!({"toObjectId": object_id(call, id), "associationTypes": types})
}

/// The singular name that association errors use.
fn noun(call: &Call<'_>, kind: Kind) -> String {
    let name = call
        .state
        .definitions
        .get(&kind)
        .map(|d| d.qualified_name(call.state.hub_id));
    name.unwrap_or_default().to_lowercase()
}
