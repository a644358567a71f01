//! The custom object's definition in an account: finding, making, repairing. What it should be stands in `definition`.

use domain::record::{self, Property, PropertyKind};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::associations::{AssociationCategory, AssociationType};
use crate::client::segment;
use crate::definition::{definition, wire_options, wire_property};
use crate::error::{Error, Fault};
use crate::retry::Effect;
use crate::wire::{self, Batch};
use crate::{API_VERSION, Portal};

/// An object type's definition, as far as we compare it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schema {
    /// `2-…`, different in every account.
    pub object_type_id: String,
    /// `p{account}_{name}`.
    #[serde(default)]
    pub fully_qualified_name: String,
    /// Internal name.
    pub name: String,
    /// All properties, HubSpot's own (`hs_…`) too.
    #[serde(default)]
    pub properties: Vec<PropertyDefinition>,
    /// Which types it can be associated with; two per pair, one for each direction.
    #[serde(default)]
    pub associations: Vec<AssociationDefinition>,
}

/// A property as an account has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PropertyDefinition {
    /// Internal name.
    pub name: String,
    /// What people read.
    #[serde(default)]
    pub label: String,
    /// `string`, `number`, `datetime`, `enumeration`, …
    #[serde(default, rename = "type")]
    pub kind: String,
    /// `text`, `select`, …
    #[serde(default)]
    pub field_type: String,
    /// The group it stands in.
    #[serde(default)]
    pub group_name: String,
    /// Whether no two records share a value.
    #[serde(default)]
    pub has_unique_value: bool,
    /// Whether it is in the bin.
    #[serde(default)]
    pub archived: bool,
    /// Of an enumeration.
    #[serde(default)]
    pub options: Vec<PropertyOption>,
}

/// One option of an enumeration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PropertyOption {
    /// Internal value, compared with case.
    pub value: String,
    /// What people read.
    #[serde(default)]
    pub label: String,
    /// Place in the list; −1 is "at the end".
    #[serde(default)]
    pub display_order: i64,
    /// Whether people cannot choose it.
    #[serde(default)]
    pub hidden: bool,
}

/// One direction of an association between two object types.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssociationDefinition {
    /// Its number; the type id of links.
    #[serde(deserialize_with = "wire::number")]
    pub id: i64,
    /// Object type id it starts at.
    #[serde(rename = "fromObjectTypeId")]
    pub from: String,
    /// Object type id it leads to.
    #[serde(rename = "toObjectTypeId")]
    pub to: String,
}

impl Schema {
    /// The plain type of association to `to` (an object type id such as `0-1`), as the definition gives it. Without one ask
    /// [`Portal::association_types`].
    pub fn association_type(&self, to: &str) -> Option<AssociationType> {
        let definition = self
            .associations
            .iter()
            .find(|held| held.from == self.object_type_id && held.to == to)?;
        Some(AssociationType {
            category: AssociationCategory::UserDefined,
            type_id: definition.id,
        })
    }
}

/// How the creation of properties ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PropertiesAnswer {
    /// What HubSpot refused; a property that was there already is none of it.
    pub refused: Vec<Fault>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    #[serde(default)]
    archived: bool,
}

impl Portal {
    /// The definition of the custom object called `name`, if the account has one.
    pub async fn find_schema(&self, name: &str) -> Result<Option<Schema>, Error> {
        let schemas = self.list_schemas().await?;
        Ok(schemas.into_iter().find(|schema| schema.name == name))
    }

    /// The definitions of all custom objects of the account, for an admin to choose from.
    pub async fn list_schemas(&self) -> Result<Vec<Schema>, Error> {
        let path = format!("/crm-object-schemas/{API_VERSION}/schemas");
        let schemas: wire::Results<Schema> = wire::read(&self.read("schemas.list", path).await?)?;
        Ok(schemas.results)
    }

    /// The definition with this object type id.
    pub async fn find_schema_by_id(&self, object_type_id: &str) -> Result<Option<Schema>, Error> {
        let path = format!(
            "/crm-object-schemas/{API_VERSION}/schemas/{}",
            segment(object_type_id)
        );
        match self.read("schemas.read", path).await {
            Ok(body) => wire::read(&body).map(Some),
            Err(Error::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes our object. Not repeated when its outcome is unknown: look with [`Portal::find_schema`] first, then as well.
    pub async fn create_schema(&self) -> Result<Schema, Error> {
        let path = format!("/crm-object-schemas/{API_VERSION}/schemas");
        let body = self
            .send(
                "schemas.create",
                Method::POST,
                path,
                &definition(),
                Effect::Once,
            )
            .await?;
        wire::read(&body)
    }

    /// Adds properties to the object; one that is there already stays as it is.
    pub async fn create_properties(
        &self,
        schema: &Schema,
        properties: &[Property],
    ) -> Result<PropertiesAnswer, Error> {
        if properties.is_empty() {
            return Ok(PropertiesAnswer::default());
        }
        let object = segment(&schema.object_type_id);
        let group = self.property_group(schema).await?;
        let inputs: Vec<_> = properties
            .iter()
            .map(|property| wire_property(property, Some(&group)))
            .collect();
        let path = format!("/crm/properties/{API_VERSION}/{object}/batch/create");
        let sent = self
            .send(
                "properties.create",
                Method::POST,
                path,
                &json!({ "inputs": inputs }),
                Effect::Idempotent,
            )
            .await;
        match sent {
            Ok(body) => {
                let batch: Batch<serde::de::IgnoredAny> = Batch::from_slice(&body)?;
                let refused = batch.faults.into_iter().filter(|fault| !is_there(fault));
                Ok(PropertiesAnswer {
                    refused: refused.collect(),
                })
            }
            // One that exists can refuse the whole batch: then each goes alone.
            Err(Error::Conflict(_) | Error::Rejected(_)) => {
                self.create_properties_singly(&object, &inputs).await
            }
            Err(error) => Err(error),
        }
    }

    async fn create_properties_singly(
        &self,
        object: &str,
        inputs: &[Value],
    ) -> Result<PropertiesAnswer, Error> {
        let mut answer = PropertiesAnswer::default();
        for input in inputs {
            let path = format!("/crm/properties/{API_VERSION}/{object}");
            let sent = self
                .send(
                    "properties.create",
                    Method::POST,
                    path,
                    input,
                    Effect::Idempotent,
                )
                .await;
            match sent {
                Ok(_) => {}
                Err(Error::Conflict(refusal) | Error::Rejected(refusal)) => {
                    if !is_there(&refusal.fault) {
                        answer.refused.push(refusal.fault);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(answer)
    }

    /// Adds the options that `wanted` has and `held` lacks; the account's own options stay, in their order.
    pub async fn add_options(
        &self,
        schema: &Schema,
        held: &PropertyDefinition,
        wanted: &Property,
    ) -> Result<(), Error> {
        let PropertyKind::Choice(options) = wanted.kind else {
            return Ok(());
        };
        // HubSpot replaces the whole list, so that the account's own options are sent along.
        let missing = options
            .iter()
            .filter(|(value, _)| !held.options.iter().any(|option| option.value == *value));
        let mut all = held.options.clone();
        all.extend(wire_options(missing, held.options.len()));
        let path = format!(
            "/crm/properties/{API_VERSION}/{}/{}",
            segment(&schema.object_type_id),
            segment(wanted.name)
        );
        self.send(
            "properties.update",
            Method::PATCH,
            path,
            &json!({ "options": all }),
            Effect::Idempotent,
        )
        .await
        .map(drop)
    }

    /// Lets the object be associated with the object type `to`, for example `0-1`. Not repeated when its outcome is unknown.
    pub async fn allow_association(&self, schema: &Schema, to: &str) -> Result<(), Error> {
        let path = format!(
            "/crm-object-schemas/{API_VERSION}/schemas/{}/associations",
            segment(&schema.object_type_id)
        );
        let body = json!({
            "fromObjectTypeId": schema.object_type_id,
            "toObjectTypeId": to,
            "name": format!("{}_to_{}", record::OBJECT_NAME, to.replace('-', "_")),
        });
        self.send("schemas.associate", Method::POST, path, &body, Effect::Once)
            .await
            .map(drop)
    }

    /// The group for new properties: that of a property the account made for this object, else the object's first.
    async fn property_group(&self, schema: &Schema) -> Result<String, Error> {
        let own = schema.properties.iter().find(|held| {
            !held.archived && !held.name.starts_with("hs_") && !held.group_name.is_empty()
        });
        if let Some(own) = own {
            return Ok(own.group_name.clone());
        }
        let path = format!(
            "/crm/properties/{API_VERSION}/{}/groups",
            segment(&schema.object_type_id)
        );
        let groups: wire::Results<Group> =
            wire::read(&self.read("properties.groups", path).await?)?;
        groups
            .results
            .into_iter()
            .find(|group| !group.archived)
            .map(|group| group.name)
            .ok_or_else(|| Error::Unreadable("the object has no property group".into()))
    }
}

/// Whether the fault says that the property exists.
fn is_there(fault: &Fault) -> bool {
    fault.category == "OBJECT_ALREADY_EXISTS" || fault.sub_category.ends_with("WITH_NAME_EXISTS")
}
