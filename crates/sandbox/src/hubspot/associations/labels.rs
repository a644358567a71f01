//! The association types between two object types.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::hubspot::call::Call;
use crate::hubspot::errors::{Answer, Outcome, invalid};
use crate::hubspot::scopes::Need;

/// `GET …/{from}/{to}/labels`.
pub(crate) fn list(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (call.kind(0)?, call.kind(1)?);
    call.reach(Need::Associations(from, to))?;
    let results: Vec<Value> = call
        .state
        .kinds
        .iter()
        .filter(|kind| kind.from == from && kind.to == to)
        .map(|kind| json!({"category": kind.category, "typeId": kind.id, "label": kind.label}))
        .collect();
    Ok(Answer::ok(json!({"results": results})))
}

#[derive(Deserialize)]
struct NewLabel {
    name: String,
    label: String,
}

/// `POST …/{from}/{to}/labels`: defines a label in both directions.
pub(crate) fn create(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (call.kind(0)?, call.kind(1)?);
    call.reach(Need::Associations(from, to))?;
    let input: NewLabel = call.json()?;
    if call.state.default_association(from, to).is_none() {
        return Err(invalid("These object types cannot be associated"));
    }
    let (there, back) = call
        .state
        .define_association(from, to, Some(&input.label), &input.name);
    let row = |id: u32| json!({"category": "USER_DEFINED", "typeId": id, "label": input.label});
    Ok(Answer::ok(json!({"results": [row(there), row(back)]})))
}
