//! Which object types a portal's own type can be associated with.

use serde::Deserialize;
use serde_json::json;

use super::call::Call;
use super::errors::{Answer, Outcome, not_found, refuse};
use super::schemas::custom;
use super::scopes::Need;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Associate {
    from_object_type_id: String,
    to_object_type_id: String,
    #[serde(default)]
    name: Option<String>,
}

/// `POST …/schemas/{type}/associations`: 201.
pub(crate) fn associate(call: &mut Call<'_>) -> Outcome {
    call.reach(Need::WriteSchemas)?;
    custom(call)?;
    let input: Associate = call.json()?;
    let from = call.kind_named(&input.from_object_type_id)?;
    let to = call.kind_named(&input.to_object_type_id)?;
    if call.state.default_association(from, to).is_some() {
        return Err(refuse(
            409,
            "OBJECT_ALREADY_EXISTS",
            "These types are associated already.",
        ));
    }
    let name = input.name.unwrap_or_else(|| format!("{from}_to_{to}"));
    let (id, _) = call.state.define_association(from, to, None, &name);
    Ok(Answer::json(
        201,
        json!({
            "id": id.to_string(),
            "fromObjectTypeId": from.to_string(),
            "toObjectTypeId": to.to_string(),
            "name": name,
            "createdAt": call.now.to_rfc3339(),
            "updatedAt": call.now.to_rfc3339(),
        }),
    ))
}

/// `DELETE …/schemas/{type}/associations/{id}`: 204.
pub(crate) fn dissociate(call: &mut Call<'_>) -> Outcome {
    call.reach(Need::WriteSchemas)?;
    let kind = custom(call)?;
    let id = call.arg(1).to_owned();
    let touches = |k: &crate::crm::AssociationKind| k.from == kind || k.to == kind;
    let found = call
        .state
        .kinds
        .iter()
        .find(|k| touches(k) && k.id.to_string() == id);
    let Some(inverse) = found.map(|k| k.inverse.to_string()) else {
        return Err(not_found("The association does not exist"));
    };
    call.state
        .kinds
        .retain(|k| !(touches(k) && (k.id.to_string() == id || k.id.to_string() == inverse)));
    Ok(Answer::no_content())
}
