//! A portal's own object definitions: create, read, change, delete (facts §3).

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::SecondsFormat;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use super::errors::{Answer, Outcome, invalid, refuse};
use super::objects::batch_read::Id;
use super::properties::{defect, over_limit};
use super::scopes::Need;
use crate::crm::{Definition, Kind, Property, standard};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    name: String,
    labels: Labels,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    primary_display_property: Option<String>,
    #[serde(default)]
    secondary_display_properties: Vec<String>,
    #[serde(default)]
    searchable_properties: Vec<String>,
    #[serde(default)]
    required_properties: Vec<String>,
    #[serde(default)]
    properties: Vec<Property>,
    #[serde(default)]
    associated_objects: Vec<String>,
}

#[derive(Deserialize)]
struct Labels {
    #[serde(default)]
    singular: Option<String>,
    #[serde(default)]
    plural: Option<String>,
}

/// The definition as answers show it.
fn to_json(call: &Call<'_>, definition: &Definition) -> Value {
    let state = &call.state;
    let properties: Vec<Value> = definition
        .properties
        .values()
        .filter(|p| !p.archived)
        .map(Property::to_json)
        .collect();
    let associations: Vec<Value> = state
        .kinds
        .iter()
        .filter(|kind| {
            kind.label.is_none() && (kind.from == definition.kind || kind.to == definition.kind)
        })
        .map(|kind| {
            json!({
                "id": kind.id.to_string(),
                "fromObjectTypeId": kind.from.to_string(),
                "toObjectTypeId": kind.to.to_string(),
                "name": kind.name,
            })
        })
        .collect();
    let at = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    json!({
        "id": definition.kind.to_string().trim_start_matches("2-"),
        "objectTypeId": definition.kind.to_string(),
        "fullyQualifiedName": definition.qualified_name(state.hub_id),
        "portalId": state.hub_id,
        "name": definition.name,
        "description": definition.description,
        "labels": {"singular": definition.singular, "plural": definition.plural},
        "primaryDisplayProperty": definition.primary_display,
        "secondaryDisplayProperties": definition.secondary_display,
        "searchableProperties": definition.searchable,
        "requiredProperties": definition.required,
        "properties": properties,
        "associations": associations,
        "archived": definition.archived,
        "createdAt": at(definition.created_at),
        "updatedAt": at(definition.updated_at),
    })
}

/// `GET …/schemas`.
pub(crate) fn list(call: &mut Call<'_>) -> Outcome {
    call.reach(Need::ReadSchemas)?;
    let archived = call.query("archived") == Some("true");
    let results: Vec<Value> = call
        .state
        .definitions
        .values()
        .filter(|d| d.kind.is_custom() && d.archived == archived)
        .map(|definition| to_json(call, definition))
        .collect();
    Ok(Answer::ok(json!({"results": results})))
}

/// `GET …/schemas/{type}`.
pub(crate) fn read(call: &mut Call<'_>) -> Outcome {
    call.reach(Need::ReadSchemas)?;
    let kind = call.kind(0)?;
    Ok(Answer::ok(to_json(call, &call.state.definitions[&kind])))
}

/// `POST …/schemas/batch/read`.
pub(crate) fn batch_read(call: &mut Call<'_>) -> Outcome {
    #[derive(Deserialize)]
    struct Batch {
        inputs: Vec<Id>,
    }
    call.reach(Need::ReadSchemas)?;
    let batch: Batch = call.json()?;
    let results = batch
        .inputs
        .iter()
        .filter_map(|input| call.kind_named(&input.text()).ok())
        .map(|kind| to_json(call, &call.state.definitions[&kind]))
        .collect();
    Ok(super::errors::batch(call.now, 200, results, Vec::new()))
}

fn named_properties_exist(definition: &Definition) -> Result<(), Answer> {
    let named = definition
        .primary_display
        .iter()
        .chain(&definition.secondary_display)
        .chain(&definition.searchable)
        .chain(&definition.required);
    for name in named {
        if definition.property(name).is_none() {
            return Err(invalid(format!("Property \"{name}\" does not exist")));
        }
    }
    if definition.searchable.len() > 20 {
        return Err(invalid("At most 20 properties may be searchable."));
    }
    Ok(())
}

/// `POST …/schemas`: 201.
pub(crate) fn create(call: &mut Call<'_>) -> Outcome {
    call.reach(Need::WriteSchemas)?;
    let input: Create = call.json()?;
    let sound = input.name.starts_with(|c: char| c.is_ascii_alphabetic())
        && input
            .name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !sound {
        return Err(invalid(
            "The name must be letters, digits and underscores and begin with a letter.",
        ));
    }
    let taken = |d: &&Definition| d.kind.is_custom() && d.name.eq_ignore_ascii_case(&input.name);
    if call.state.definitions.values().any(|d| taken(&d)) {
        let status = call.rules.duplicate_schema_status;
        let category = if status == 409 {
            "OBJECT_ALREADY_EXISTS"
        } else {
            "VALIDATION_ERROR"
        };
        let message = format!(
            "An object type named '{}' already exists in this portal.",
            input.name
        );
        return Err(refuse(status, category, message));
    }
    let used = call
        .state
        .definitions
        .values()
        .filter(|d| d.kind.is_custom() && !d.archived)
        .count();
    if used >= call.rules.definition_limit {
        return Err(invalid(format!(
            "The limit of {} custom object definitions is reached.",
            call.rules.definition_limit
        )));
    }
    let (Some(singular), Some(plural)) = (input.labels.singular, input.labels.plural) else {
        return Err(invalid("labels.singular and labels.plural are required."));
    };
    let group = format!("{}_information", input.name.to_lowercase());
    let own = own_properties(input.properties, &group)?;
    let more: Vec<&Property> = own.values().collect();
    if let Some(over) = over_limit(std::iter::empty(), &more, call.rules) {
        return Err(invalid(over));
    }
    let mut properties = standard::system(&group);
    properties.extend(own);
    let mut partners = Vec::new();
    for name in &input.associated_objects {
        partners.push(call.kind_named(name)?);
    }
    let kind = call.state.next_kind();
    let definition = Definition {
        kind,
        name: input.name,
        description: input.description,
        groups: BTreeMap::from([(group, format!("{singular} Information"))]),
        singular,
        plural,
        primary_display: input.primary_display_property,
        secondary_display: input.secondary_display_properties,
        searchable: input.searchable_properties,
        required: input.required_properties,
        properties: Arc::new(properties),
        archived: false,
        created_at: call.now,
        updated_at: call.now,
    };
    named_properties_exist(&definition)?;
    for partner in partners {
        define_default(call, kind, partner, &definition.name);
    }
    let body = {
        call.state.stores.entry(kind).or_default();
        call.state.definitions.insert(kind, definition);
        to_json(call, &call.state.definitions[&kind])
    };
    Ok(Answer::json(201, body).wrote(1, vec![kind.to_string()], Vec::new()))
}

fn define_default(call: &mut Call<'_>, kind: Kind, partner: Kind, name: &str) {
    if call.state.default_association(kind, partner).is_none() {
        let other = call.state.definitions[&partner].name.to_lowercase();
        let name = format!("{name}_to_{other}");
        call.state.define_association(kind, partner, None, &name);
    }
}

fn own_properties(
    inputs: Vec<Property>,
    group: &str,
) -> Result<BTreeMap<String, Property>, Answer> {
    let mut own = BTreeMap::new();
    for mut property in inputs {
        property.hubspot_defined = false;
        property.archived = false;
        if property.group_name.is_empty() {
            group.clone_into(&mut property.group_name);
        }
        if let Some(defect) = defect(&property) {
            return Err(invalid(defect));
        }
        if property.group_name != group {
            return Err(invalid(format!(
                "The property group \"{}\" does not exist.",
                property.group_name
            )));
        }
        let name = property.name.clone();
        if own.insert(name.clone(), property).is_some() {
            return Err(invalid(format!("Property \"{name}\" is named twice.")));
        }
    }
    Ok(own)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    #[serde(default)]
    labels: Option<Labels>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    clear_description: Option<bool>,
    #[serde(default)]
    primary_display_property: Option<String>,
    #[serde(default)]
    secondary_display_properties: Option<Vec<String>>,
    #[serde(default)]
    searchable_properties: Option<Vec<String>>,
    #[serde(default)]
    required_properties: Option<Vec<String>>,
}

pub(super) fn custom(call: &Call<'_>) -> Result<Kind, Answer> {
    let kind = call.kind(0)?;
    if kind.is_custom() {
        Ok(kind)
    } else {
        Err(invalid("HubSpot's own object types cannot be changed."))
    }
}

/// `PATCH …/schemas/{type}`: a property must exist before it is listed.
pub(crate) fn update(call: &mut Call<'_>) -> Outcome {
    call.reach(Need::WriteSchemas)?;
    let kind = custom(call)?;
    let input: Update = call.json()?;
    let mut definition = call.state.definitions[&kind].clone();
    if let Some(labels) = input.labels {
        definition.singular = labels.singular.unwrap_or(definition.singular);
        definition.plural = labels.plural.unwrap_or(definition.plural);
    }
    if input.clear_description == Some(true) {
        definition.description = None;
    } else {
        definition.description = input.description.or(definition.description);
    }
    definition.primary_display = input
        .primary_display_property
        .or(definition.primary_display);
    if let Some(all) = input.secondary_display_properties {
        definition.secondary_display = all;
    }
    if let Some(all) = input.searchable_properties {
        definition.searchable = all;
    }
    if let Some(all) = input.required_properties {
        definition.required = all;
    }
    definition.updated_at = call.now;
    named_properties_exist(&definition)?;
    let body = to_json(call, &definition);
    call.state.definitions.insert(kind, definition);
    Ok(Answer::ok(body))
}

/// `DELETE …/schemas/{type}`: only without records; the name is free after `?archived=true`.
pub(crate) fn delete(call: &mut Call<'_>) -> Outcome {
    call.reach(Need::WriteSchemas)?;
    let for_good = call.query("archived") == Some("true");
    let text = call.arg(0).to_owned();
    let gone = call.state.definitions.values().find(|d| {
        d.archived && (d.kind.to_string() == text || d.qualified_name(call.state.hub_id) == text)
    });
    if let (Some(gone), true) = (gone.map(|d| d.kind), for_good) {
        call.state.definitions.remove(&gone);
        return Ok(Answer::no_content());
    }
    let kind = custom(call)?;
    let used = call
        .state
        .store(kind)
        .is_some_and(|store| store.live().next().is_some());
    if used {
        return Err(invalid("The object type still has records."));
    }
    call.state.kinds.retain(|k| k.from != kind && k.to != kind);
    if let Some(definition) = call.state.definitions.get_mut(&kind) {
        definition.archived = true;
    }
    if for_good {
        call.state.definitions.remove(&kind);
    }
    Ok(Answer::no_content())
}
