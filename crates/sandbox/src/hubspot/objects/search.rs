//! Search with HubSpot's limits: 3,000 characters, 5 groups of 6 filters, 10,000 reachable, an index that lags
//! (facts §4.5).

use std::cmp::Ordering;

use chrono::TimeDelta;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};

use super::shape;
use crate::crm::values::datetime;
use crate::crm::{Kind, PortalState, Record};
use crate::hubspot::call::Call;
use crate::hubspot::errors::{Answer, Outcome, invalid};
use crate::hubspot::scopes::Need;

/// The furthest result that paging reaches.
const REACHABLE: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Search {
    filter_groups: Vec<Group>,
    sorts: Vec<Value>,
    query: Option<String>,
    properties: Vec<String>,
    limit: Option<usize>,
    after: Option<Value>,
}

#[derive(Deserialize)]
struct Group {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    property_name: String,
    operator: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    high_value: Option<String>,
}

/// `POST …/{type}/search`.
pub(crate) fn search(call: &mut Call<'_>) -> Outcome {
    let kind = call.kind_for(0, Need::Read)?;
    if call.body.len() > 3_000 {
        return Err(invalid(
            "The search request is longer than 3000 characters.",
        ));
    }
    let search: Search = call.json()?;
    let limit = search.limit.unwrap_or(10);
    if !(1..=200).contains(&limit) {
        return Err(invalid("The limit must be between 1 and 200."));
    }
    let all = search.filter_groups.iter().map(|group| group.filters.len());
    if search.filter_groups.len() > 5 || all.clone().any(|n| n > 6) || all.sum::<usize>() > 18 {
        return Err(invalid("Too many filter groups or filters."));
    }
    if search.sorts.len() > 1 {
        return Err(invalid("Only one sort is allowed."));
    }
    let after: usize = match &search.after {
        None => 0,
        Some(Value::String(text)) => text.parse().map_err(|_| invalid("Invalid after"))?,
        Some(other) => other
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or_default(),
    };
    if after + limit > REACHABLE {
        return Err(invalid("A search reaches at most 10000 results."));
    }
    for filter in search.filter_groups.iter().flat_map(|group| &group.filters) {
        check(call, kind, filter)?;
    }
    let visible = call.now - TimeDelta::milliseconds(call.rules.search_lag_millis);
    let definition = &call.state.definitions[&kind];
    let mut rows: Vec<&Record> = call
        .state
        .store(kind)
        .into_iter()
        .flat_map(crate::crm::Store::live)
        .filter(|record| record.updated_at <= visible)
        .filter(|record| {
            search.filter_groups.is_empty()
                || search.filter_groups.iter().any(|group| {
                    let mut filters = group.filters.iter();
                    filters.all(|filter| matches(call.state, kind, record, filter))
                })
        })
        .filter(|record| {
            search.query.as_ref().is_none_or(|query| {
                let query = query.to_lowercase();
                record
                    .values
                    .values()
                    .any(|value| value.to_lowercase().contains(&query))
            })
        })
        .collect();
    sort(call.state, kind, &mut rows, search.sorts.first());
    let total = rows.len();
    let results: Vec<Value> = rows
        .into_iter()
        .skip(after)
        .take(limit)
        .map(|record| shape::to_json(definition, record, &search.properties))
        .collect();
    let mut body = json!({"total": total, "results": results});
    let next = after + limit;
    if next < total {
        body["paging"] = json!({"next": {"after": next.to_string()}});
    }
    Ok(Answer::ok(body))
}

fn check(call: &Call<'_>, kind: Kind, filter: &Filter) -> Result<(), Answer> {
    const OPERATORS: [&str; 13] = [
        "EQ",
        "NEQ",
        "LT",
        "LTE",
        "GT",
        "GTE",
        "BETWEEN",
        "IN",
        "NOT_IN",
        "HAS_PROPERTY",
        "NOT_HAS_PROPERTY",
        "CONTAINS_TOKEN",
        "NOT_CONTAINS_TOKEN",
    ];
    if !OPERATORS.contains(&filter.operator.as_str()) {
        return Err(invalid(format!("Unknown operator {}", filter.operator)));
    }
    if let Some(name) = filter.property_name.strip_prefix("associations.") {
        // Search by association works for standard types only.
        let to = call.kind_named(name)?;
        if to.is_custom() || kind.is_custom() {
            return Err(invalid("Custom objects cannot be searched by association."));
        }
        return Ok(());
    }
    let definition = &call.state.definitions[&kind];
    if definition.property(&filter.property_name).is_none() {
        return Err(invalid(format!(
            "There is no property {}",
            filter.property_name
        )));
    }
    Ok(())
}

fn matches(state: &PortalState, kind: Kind, record: &Record, filter: &Filter) -> bool {
    let wanted = filter.value.as_deref().unwrap_or_default();
    if let Some(name) = filter.property_name.strip_prefix("associations.") {
        let linked = state
            .resolve_kind(name)
            .ok()
            .zip(wanted.parse().ok())
            .is_some_and(|(to, id)| state.graph.link((kind, record.id), (to, id)).is_some());
        return linked == (filter.operator == "EQ");
    }
    let value = record.value(&filter.property_name);
    let of = value_type(state, kind, &filter.property_name);
    let is = |wanted: &str| value.is_some_and(|v| compare(of, v, wanted) == Ordering::Equal);
    let order = |wanted: &str| value.map(|value| compare(of, value, wanted));
    // IN takes text as it is given: a capital letter in it finds nothing.
    let among = || match value.filter(|_| of == "string") {
        Some(value) => filter.values.contains(&value.to_lowercase()),
        None => filter.values.iter().any(|wanted| is(wanted)),
    };
    let token = || {
        value.is_some_and(|v| {
            v.to_lowercase()
                .contains(&wanted.trim_matches('*').to_lowercase())
        })
    };
    match filter.operator.as_str() {
        "EQ" => is(wanted),
        "NEQ" => !is(wanted),
        "LT" => order(wanted) == Some(Ordering::Less),
        "LTE" => order(wanted).is_some_and(Ordering::is_le),
        "GT" => order(wanted) == Some(Ordering::Greater),
        "GTE" => order(wanted).is_some_and(Ordering::is_ge),
        "BETWEEN" => {
            order(wanted).is_some_and(Ordering::is_ge)
                && order(filter.high_value.as_deref().unwrap_or_default())
                    .is_some_and(Ordering::is_le)
        }
        "IN" => among(),
        "NOT_IN" => !among(),
        "HAS_PROPERTY" => value.is_some(),
        "NOT_HAS_PROPERTY" => value.is_none(),
        "CONTAINS_TOKEN" => token(),
        _ => !token(),
    }
}

/// HubSpot's type of a property; one that is not there is text.
fn value_type<'a>(state: &'a PortalState, kind: Kind, name: &str) -> &'a str {
    state
        .definitions
        .get(&kind)
        .and_then(|definition| definition.property(name))
        .map_or("string", |property| property.value_type.as_str())
}

/// Numbers as numbers and times as times (ISO 8601 or milliseconds), everything else as text without case: a phone
/// number with a leading zero is another one than without.
fn compare(value_type: &str, a: &str, b: &str) -> Ordering {
    let text = || a.to_lowercase().cmp(&b.to_lowercase());
    let number = |text: &str| text.parse::<Decimal>().ok();
    match value_type {
        "number" => number(a)
            .zip(number(b))
            .map_or_else(text, |(a, b)| a.cmp(&b)),
        "datetime" => datetime(a)
            .zip(datetime(b))
            .map_or_else(text, |(a, b)| a.cmp(&b)),
        _ => text(),
    }
}

fn sort(state: &PortalState, kind: Kind, rows: &mut [&Record], sort: Option<&Value>) {
    let Some(sort) = sort else { return };
    let (name, descending) = match sort {
        Value::String(name) => (name.trim_start_matches('-'), name.starts_with('-')),
        other => (
            other["propertyName"].as_str().unwrap_or_default(),
            other["direction"] == "DESCENDING",
        ),
    };
    let of = value_type(state, kind, name);
    rows.sort_by(|a, b| {
        let order = compare(
            of,
            a.value(name).unwrap_or_default(),
            b.value(name).unwrap_or_default(),
        );
        if descending { order.reverse() } else { order }
    });
}
