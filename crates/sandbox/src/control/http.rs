//! The control verbs over HTTP: JSON in, JSON out, POST for changes.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::{
    Change, Contact, Control, Link, NewOrganization, NewPortal, OrganizationSettings, Refused, Sent,
};
use crate::faults::Fault;

/// The routes under `/sandbox`.
pub(crate) fn router(control: Control) -> Router {
    Router::new()
        .route("/portals", get(portals).post(add_portal))
        .route("/portals/{hub}/tier", post(tier))
        .route("/portals/{hub}/scopes", post(scopes))
        .route("/portals/{hub}/authorize", post(authorize))
        .route("/portals/{hub}/uninstall", post(uninstall))
        .route("/portals/{hub}/expire-tokens", post(expire_tokens))
        .route("/portals/{hub}/contacts", post(add_contact))
        .route("/portals/{hub}/contacts/{id}/activity", post(note_activity))
        .route("/portals/{hub}/objects/{kind}", post(add_record))
        .route("/portals/{hub}/objects/{kind}/merge", post(merge))
        .route("/portals/{hub}/objects/{kind}/{id}", post(change_record))
        .route(
            "/portals/{hub}/objects/{kind}/{id}/delete",
            post(delete_record),
        )
        .route(
            "/portals/{hub}/objects/{kind}/{id}/restore",
            post(restore_record),
        )
        .route("/portals/{hub}/link", post(link))
        .route("/portals/{hub}/unlink", post(unlink))
        .route("/portals/{hub}/adopt-orphans", post(adopt_orphans))
        .route("/portals/{hub}/counters", get(counters))
        .route("/portals/{hub}/verify", get(verify))
        .route("/organizations", get(organizations).post(add_organization))
        .route("/organizations/{id}", post(set_organization))
        .route("/organizations/{id}/transactions", post(send_gift))
        .route(
            "/organizations/{id}/transactions/{txn}",
            post(edit_transaction),
        )
        .route("/organizations/{id}/advance", post(advance))
        .route("/organizations/{id}/bad-rows", post(bad_rows))
        .route("/organizations/{id}/expire-cursors", post(expire_cursors))
        .route("/faults", get(faults).post(inject).delete(clear_faults))
        .route("/rules", get(rules).post(merge_rules))
        .route("/log", get(log))
        .route("/counters", get(all_counters))
        .route("/webhooks", get(deliveries).post(webhook_target))
        .with_state(control)
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            Json(json!({"refused": self.0})),
        )
            .into_response()
    }
}

type Answer = Result<Json<Value>, Refused>;
type Ctl = State<Control>;

fn done() -> Json<Value> {
    Json(json!({"ok": true}))
}

fn shown(value: impl Serialize) -> Answer {
    let value = serde_json::to_value(value).map_err(|error| Refused(error.to_string()))?;
    Ok(Json(value))
}

#[derive(Deserialize)]
struct Organization {
    organization: Option<String>,
}

async fn portals(State(control): Ctl) -> Answer {
    Ok(Json(control.portals()))
}

async fn add_portal(State(control): Ctl, Json(new): Json<NewPortal>) -> Answer {
    control.add_portal(&new)?;
    Ok(done())
}

#[derive(Deserialize)]
struct Tier {
    enterprise: bool,
}

async fn tier(State(control): Ctl, Path(hub): Path<i64>, Json(tier): Json<Tier>) -> Answer {
    control.set_enterprise(hub, tier.enterprise)?;
    Ok(done())
}

#[derive(Deserialize)]
struct Scopes {
    scopes: Vec<String>,
}

async fn scopes(State(control): Ctl, Path(hub): Path<i64>, Json(input): Json<Scopes>) -> Answer {
    control.set_scopes(hub, &input.scopes)?;
    Ok(done())
}

async fn authorize(
    State(control): Ctl,
    Path(hub): Path<i64>,
    Json(parameters): Json<BTreeMap<String, String>>,
) -> Answer {
    let code = control.authorize(hub, &parameters)?;
    Ok(Json(json!({"code": code})))
}

async fn uninstall(State(control): Ctl, Path(hub): Path<i64>) -> Answer {
    control.uninstall(hub)?;
    Ok(done())
}

async fn expire_tokens(State(control): Ctl, Path(hub): Path<i64>) -> Answer {
    control.expire_tokens(hub)?;
    Ok(done())
}

async fn add_contact(
    State(control): Ctl,
    Path(hub): Path<i64>,
    Json(contact): Json<Contact>,
) -> Answer {
    let id = control.add_contact(hub, &contact)?;
    Ok(Json(json!({"id": id})))
}

#[derive(Deserialize)]
struct Activity {
    at: DateTime<Utc>,
}

async fn note_activity(
    State(control): Ctl,
    Path((hub, contact)): Path<(i64, u64)>,
    Json(input): Json<Activity>,
) -> Answer {
    control.note_activity(hub, contact, input.at)?;
    Ok(done())
}

#[derive(Deserialize)]
struct Values {
    properties: BTreeMap<String, Value>,
}

async fn add_record(
    State(control): Ctl,
    Path((hub, kind)): Path<(i64, String)>,
    Json(values): Json<Values>,
) -> Answer {
    let id = control.add_record(hub, &kind, &values.properties)?;
    Ok(Json(json!({"id": id})))
}

async fn change_record(
    State(control): Ctl,
    Path((hub, kind, id)): Path<(i64, String, u64)>,
    Json(values): Json<Values>,
) -> Answer {
    control.change_record(hub, &kind, id, &values.properties)?;
    Ok(done())
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Delete {
    forget: bool,
}

async fn delete_record(
    State(control): Ctl,
    Path((hub, kind, id)): Path<(i64, String, u64)>,
    input: Option<Json<Delete>>,
) -> Answer {
    let forget = input.is_some_and(|Json(input)| input.forget);
    control.delete_record(hub, &kind, id, forget)?;
    Ok(done())
}

async fn restore_record(
    State(control): Ctl,
    Path((hub, kind, id)): Path<(i64, String, u64)>,
) -> Answer {
    control.restore_record(hub, &kind, id)?;
    Ok(done())
}

#[derive(Deserialize)]
struct Merge {
    primary: u64,
    merged: u64,
}

async fn merge(
    State(control): Ctl,
    Path((hub, kind)): Path<(i64, String)>,
    Json(input): Json<Merge>,
) -> Answer {
    let id = control.merge_records(hub, &kind, input.primary, input.merged)?;
    Ok(Json(json!({"id": id})))
}

async fn link(State(control): Ctl, Path(hub): Path<i64>, Json(input): Json<Link>) -> Answer {
    control.link(hub, &input)?;
    Ok(done())
}

async fn unlink(State(control): Ctl, Path(hub): Path<i64>, Json(input): Json<Link>) -> Answer {
    control.unlink(hub, &input)?;
    Ok(done())
}

#[derive(Deserialize)]
struct Adopt {
    count: usize,
    #[serde(default)]
    organization: Option<String>,
}

async fn adopt_orphans(
    State(control): Ctl,
    Path(hub): Path<i64>,
    Json(input): Json<Adopt>,
) -> Answer {
    let emails = control.adopt_orphans(hub, input.organization.as_deref(), input.count)?;
    Ok(Json(json!({"adopted": emails.len(), "emails": emails})))
}

async fn counters(State(control): Ctl, Path(hub): Path<i64>) -> Answer {
    shown(control.counters(Some(hub)))
}

async fn all_counters(State(control): Ctl) -> Answer {
    shown(control.counters(None))
}

async fn verify(
    State(control): Ctl,
    Path(hub): Path<i64>,
    Query(query): Query<Organization>,
) -> Answer {
    shown(control.verify(hub, query.organization.as_deref())?)
}

async fn organizations(State(control): Ctl) -> Answer {
    Ok(Json(control.organizations()))
}

#[derive(Deserialize)]
struct AddOrganization {
    name: String,
    #[serde(flatten)]
    new: NewOrganization,
}

async fn add_organization(State(control): Ctl, Json(input): Json<AddOrganization>) -> Answer {
    control.add_organization(&input.new, &input.name)?;
    Ok(done())
}

async fn set_organization(
    State(control): Ctl,
    Path(id): Path<String>,
    Json(settings): Json<OrganizationSettings>,
) -> Answer {
    control.set_organization(&id, settings)?;
    Ok(done())
}

async fn send_gift(State(control): Ctl, Path(id): Path<String>, Json(sent): Json<Sent>) -> Answer {
    let id = control.send_gift(&id, sent)?;
    Ok(Json(json!({"id": id})))
}

async fn edit_transaction(
    State(control): Ctl,
    Path((id, txn)): Path<(String, String)>,
    Json(fields): Json<Value>,
) -> Answer {
    control.edit_transaction(&id, &txn, &fields)?;
    Ok(done())
}

async fn advance(
    State(control): Ctl,
    Path(id): Path<String>,
    Json(change): Json<Change>,
) -> Answer {
    let ids = control.advance(&id, &change)?;
    Ok(Json(json!({"ids": ids})))
}

#[derive(Deserialize)]
struct Count {
    count: usize,
}

async fn bad_rows(State(control): Ctl, Path(id): Path<String>, Json(input): Json<Count>) -> Answer {
    control.add_bad_rows(&id, input.count)?;
    Ok(done())
}

async fn expire_cursors(State(control): Ctl, Path(id): Path<String>) -> Answer {
    control.expire_cursors(&id)?;
    Ok(done())
}

async fn faults(State(control): Ctl) -> Answer {
    shown(control.faults())
}

async fn inject(State(control): Ctl, Json(fault): Json<Fault>) -> Answer {
    control.inject(fault);
    Ok(done())
}

async fn clear_faults(State(control): Ctl) -> Answer {
    control.clear_faults();
    Ok(done())
}

async fn rules(State(control): Ctl) -> Answer {
    shown(control.rules())
}

async fn merge_rules(State(control): Ctl, Json(part): Json<Value>) -> Answer {
    shown(control.merge_rules(&part)?)
}

#[derive(Deserialize)]
struct LogQuery {
    portal: Option<i64>,
    kind: Option<String>,
    #[serde(default)]
    after: u64,
    #[serde(default = "log_limit")]
    limit: usize,
}

fn log_limit() -> usize {
    1_000
}

async fn log(State(control): Ctl, Query(query): Query<LogQuery>) -> Answer {
    shown(control.log(
        query.portal,
        query.kind.as_deref(),
        query.after,
        query.limit,
    ))
}

async fn deliveries(State(control): Ctl) -> Answer {
    shown(control.deliveries())
}

#[derive(Deserialize)]
struct Target {
    target_url: Option<Url>,
}

async fn webhook_target(State(control): Ctl, Json(input): Json<Target>) -> Answer {
    control.set_webhook_target(input.target_url);
    Ok(done())
}
