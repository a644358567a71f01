//! Deal pipelines and owners.

use serde_json::{Value, json};

use super::call::Call;
use super::errors::{Answer, Outcome, invalid, not_found};
use super::scopes::Need;
use crate::crm::DEAL;
use crate::crm::portal::Pipeline;

fn to_json(pipeline: &Pipeline, order: usize, created: &str) -> Value {
    let stages: Vec<Value> = pipeline
        .stages
        .iter()
        .enumerate()
        .map(|(order, stage)| {
            json!({
                "id": stage.id,
                "label": stage.label,
                "displayOrder": order,
                // Strings, both of them.
                "metadata": {"isClosed": stage.closed.to_string(), "probability": stage.probability},
                "createdAt": created,
                "updatedAt": created,
                "archived": false,
            })
        })
        .collect();
    json!({
        "id": pipeline.id,
        "label": pipeline.label,
        "displayOrder": order,
        "stages": stages,
        "createdAt": created,
        "updatedAt": created,
        "archived": false,
    })
}

fn deals_only(call: &Call<'_>) -> Result<(), Answer> {
    let kind = call.kind(0)?;
    if kind != DEAL {
        return Err(invalid(format!(
            "Object type {kind} does not support pipelines"
        )));
    }
    call.reach(Need::Read(DEAL))
}

/// `GET /crm/pipelines/{v}/deals`.
pub(crate) fn list(call: &mut Call<'_>) -> Outcome {
    deals_only(call)?;
    let created = call.state.created_at.to_rfc3339();
    let all = call.state.pipelines.iter().enumerate();
    let results: Vec<Value> = all.map(|(order, p)| to_json(p, order, &created)).collect();
    Ok(Answer::ok(json!({"results": results})))
}

/// `GET /crm/pipelines/{v}/deals/{id}`.
pub(crate) fn read(call: &mut Call<'_>) -> Outcome {
    deals_only(call)?;
    let created = call.state.created_at.to_rfc3339();
    let mut all = call.state.pipelines.iter().enumerate();
    match all.find(|(_, p)| p.id == call.arg(1)) {
        Some((order, pipeline)) => Ok(Answer::ok(to_json(pipeline, order, &created))),
        None => Err(not_found(format!(
            "Pipeline {} does not exist",
            call.arg(1)
        ))),
    }
}

/// `GET /crm/owners/{v}`.
pub(crate) fn owners(call: &mut Call<'_>) -> Outcome {
    call.reach(Need::Only("crm.objects.owners.read"))?;
    let wanted = call.query("email");
    let created = call.state.created_at.to_rfc3339();
    let results: Vec<Value> = call
        .state
        .users
        .iter()
        .filter(|user| wanted.is_none_or(|email| user.email.eq_ignore_ascii_case(email)))
        .map(|user| {
            let (first, last) = user.name.split_once(' ').unwrap_or((&user.name, ""));
            json!({
                "id": (user.id + 7_000_000).to_string(),
                "email": user.email,
                "type": "PERSON",
                "firstName": first,
                "lastName": last,
                "userId": user.id,
                "userIdIncludingInactive": user.id,
                "createdAt": created,
                "updatedAt": created,
                "archived": false,
                "teams": [],
            })
        })
        .collect();
    Ok(Answer::ok(json!({"results": results})))
}
