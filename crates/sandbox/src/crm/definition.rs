//! What an object type looks like: properties, groups, labels, as HubSpot spells them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Kind;

/// One property, in HubSpot's spelling.
#[expect(clippy::struct_excessive_bools, reason = "HubSpot's fields")]
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) label: String,
    #[serde(rename = "type")]
    pub(crate) value_type: String,
    pub(crate) field_type: String,
    pub(crate) group_name: String,
    pub(crate) description: String,
    pub(crate) options: Vec<Choice>,
    pub(crate) display_order: i64,
    pub(crate) has_unique_value: bool,
    pub(crate) hidden: bool,
    pub(crate) form_field: bool,
    pub(crate) hubspot_defined: bool,
    pub(crate) calculated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) number_display_hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) show_currency_symbol: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text_display_hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) option_sort_strategy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) searchable_in_global_search: Option<bool>,
    pub(crate) archived: bool,
    /// Whether the API refuses to write it.
    #[serde(skip)]
    pub(crate) read_only: bool,
}

/// One option of an enumeration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Choice {
    pub(crate) label: String,
    pub(crate) value: String,
    pub(crate) display_order: i64,
    pub(crate) hidden: bool,
    pub(crate) description: String,
}

impl Property {
    /// The property as an answer shows it.
    pub(crate) fn to_json(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        value["modificationMetadata"] = json!({
            "archivable": !self.hubspot_defined,
            "readOnlyDefinition": self.hubspot_defined,
            "readOnlyValue": self.read_only,
        });
        value
    }
}

/// One object type of a portal.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) singular: String,
    pub(crate) plural: String,
    pub(crate) primary_display: Option<String>,
    pub(crate) secondary_display: Vec<String>,
    pub(crate) searchable: Vec<String>,
    pub(crate) required: Vec<String>,
    /// Shared between portals until one of them changes it.
    pub(crate) properties: Arc<BTreeMap<String, Property>>,
    pub(crate) groups: BTreeMap<String, String>,
    pub(crate) archived: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl Definition {
    /// A live property.
    pub(crate) fn property(&self, name: &str) -> Option<&Property> {
        self.properties.get(name).filter(|found| !found.archived)
    }

    /// The properties for a change.
    pub(crate) fn properties_mut(&mut self) -> &mut BTreeMap<String, Property> {
        Arc::make_mut(&mut self.properties)
    }

    /// `p{hub}_{name}` for a portal's own type, the upper-case name for HubSpot's.
    pub(crate) fn qualified_name(&self, hub_id: i64) -> String {
        if self.kind.is_custom() {
            format!("p{hub_id}_{}", self.name)
        } else {
            self.name.to_ascii_uppercase()
        }
    }
}
