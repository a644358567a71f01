//! Set-up of the custom object in a portal: found or made, compared with ours, repaired where the grant allows;
//! whatever only a person can do is named with its remedy.

use std::collections::BTreeSet;

use domain::portal::{Need, NeedCode};
use domain::record::{self, Property};
use domain::scopes;
use hubspot::{Difference, Repair, Schema};
use store::portals::{AssociationType, AssociationTypes};

/// The object types that our records are linked to, as HubSpot numbers them.
const CONTACT: &str = "0-1";
const COMPANY: &str = "0-2";
const DEAL: &str = "0-3";

/// How set-up ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setup {
    /// Records can be written.
    Ready {
        /// The custom object.
        object_type_id: String,
        /// How its records are linked.
        association_types: AssociationTypes,
        /// Whether anything of it differed from ours and is mended now.
        is_mended: bool,
        /// Whether properties had to be made: existing records have no values in them.
        has_new_properties: bool,
    },
    /// A person must act first.
    Needs(Vec<Need>),
}

/// Finds or makes the object and compares it with ours. One call when everything is as it should be. What was changed in
/// HubSpot is added to `changes`, however it ends.
pub async fn prepare(
    portal: &hubspot::Portal,
    granted: &[String],
    changes: &mut Vec<String>,
) -> Result<Setup, hubspot::Error> {
    let missing = scopes::missing(granted);
    if !missing.is_empty() {
        return Ok(Setup::Needs(
            missing.into_iter().map(scope_missing).collect(),
        ));
    }
    let may_write = scopes::has(granted, scopes::SCHEMA_WRITE);
    let found = match portal.find_schema(record::OBJECT_NAME).await {
        Ok(found) => found,
        // Every scope was granted, so what is missing is the subscription behind them.
        Err(hubspot::Error::MissingScopes { .. }) => return Ok(Setup::Needs(vec![tier_missing()])),
        Err(error) => return Err(error),
    };
    let schema = match found {
        Some(schema) => schema,
        None if !may_write => return Ok(Setup::Needs(vec![object_missing()])),
        None => match create(portal).await? {
            Ok(schema) => {
                changes.push("object".to_owned());
                schema
            }
            Err(need) => return Ok(Setup::Needs(vec![need])),
        },
    };
    let differences = hubspot::differences(&schema);
    let has_new_properties = differences
        .iter()
        .any(|difference| matches!(difference, Difference::Missing(_)));
    let is_mended = !differences.is_empty();
    let schema = if differences.is_empty() {
        schema
    } else {
        let needs = if may_write {
            match repair(portal, &schema, &differences, changes).await {
                // Granted and withheld all the same: what is left is named, for a person to mend.
                Err(hubspot::Error::MissingScopes { .. }) => Vec::new(),
                repaired => repaired?,
            }
        } else {
            Vec::new()
        };
        // What is there now counts, not what the calls said.
        let Some(schema) = portal.find_schema_by_id(&schema.object_type_id).await? else {
            return Ok(Setup::Needs(vec![object_missing()]));
        };
        let left: Vec<Need> = hubspot::differences(&schema)
            .iter()
            .map(|left| difference_need(left, &needs))
            .collect();
        if !left.is_empty() {
            return Ok(Setup::Needs(left));
        }
        schema
    };
    let association_types = AssociationTypes {
        contact: association_type(portal, &schema, CONTACT).await?,
        company: association_type(portal, &schema, COMPANY).await?,
        deal: association_type(portal, &schema, DEAL).await?,
    };
    Ok(Setup::Ready {
        object_type_id: schema.object_type_id,
        association_types,
        is_mended,
        has_new_properties,
    })
}

/// Makes the object. Another process, or an earlier attempt whose answer was lost, may have made it: look again.
async fn create(portal: &hubspot::Portal) -> Result<Result<Schema, Need>, hubspot::Error> {
    let error = match portal.create_schema().await {
        Ok(schema) => return Ok(Ok(schema)),
        Err(hubspot::Error::MissingScopes { .. }) => return Ok(Err(tier_missing())),
        Err(error) => error,
    };
    if let Some(schema) = portal.find_schema(record::OBJECT_NAME).await? {
        return Ok(Ok(schema));
    }
    match &error {
        hubspot::Error::Rejected(refusal) | hubspot::Error::Conflict(refusal) => Ok(Err(Need {
            code: NeedCode::ObjectMissing,
            detail: format!("HubSpot did not let us create the Thnks object: {}", refusal.fault.message),
            remedy: "Free a custom object definition in HubSpot (Settings → Objects), create the object \"thnks\" by hand from our guide, or, where a deleted one still holds the name, restore it or delete it for good."
                .into(),
        })),
        _ => Err(error),
    }
}

/// Does what the API can do about the differences; returns HubSpot's words about what it refused, by property.
async fn repair(
    portal: &hubspot::Portal,
    schema: &Schema,
    differences: &[Difference],
    changes: &mut Vec<String>,
) -> Result<Vec<(String, String)>, hubspot::Error> {
    let mut refused = Vec::new();
    let missing: Vec<Property> = differences
        .iter()
        .filter_map(|difference| match difference {
            Difference::Missing(property) => Some(*property),
            _ => None,
        })
        .collect();
    for fault in portal.create_properties(schema, &missing).await?.refused {
        let names: BTreeSet<String> = fault.context.values().flatten().cloned().collect();
        refused.extend(names.into_iter().map(|name| (name, fault.message.clone())));
    }
    let made = missing.iter().map(|property| property.name);
    let made = made.filter(|name| !refused.iter().any(|(refused, _)| refused == name));
    changes.extend(made.map(|name| format!("property {name}")));
    for difference in differences {
        match (difference.repair(), difference) {
            (Repair::AddOptions, Difference::MissingOptions { property, .. }) => {
                if let Some(held) = schema
                    .properties
                    .iter()
                    .find(|held| held.name == property.name)
                {
                    portal.add_options(schema, held, property).await?;
                    changes.push(format!("options of {}", property.name));
                }
            }
            (Repair::AllowAssociation, Difference::NotAssociated { to }) => {
                portal.allow_association(schema, to).await?;
                changes.push(format!("association with {}", object_label(to)));
            }
            _ => {}
        }
    }
    Ok(refused)
}

async fn association_type(
    portal: &hubspot::Portal,
    schema: &Schema,
    to: &str,
) -> Result<Option<AssociationType>, hubspot::Error> {
    let defined = match schema.association_type(to) {
        Some(defined) => Some(defined),
        None => portal
            .association_types(&schema.object_type_id, to)
            .await?
            .into_iter()
            .find(|label| label.label.is_none())
            .map(|label| label.association_type),
    };
    Ok(defined.map(to_stored))
}

/// As the portal's row keeps it: HubSpot's own spelling of the category.
pub(crate) fn to_stored(defined: hubspot::AssociationType) -> AssociationType {
    let category = serde_json::to_value(defined.category).ok();
    let category = category
        .as_ref()
        .and_then(serde_json::Value::as_str)
        .unwrap_or("USER_DEFINED");
    AssociationType {
        category: category.to_owned(),
        type_id: defined.type_id,
    }
}

/// As the client takes it.
pub(crate) fn from_stored(stored: &AssociationType) -> hubspot::AssociationType {
    let category = serde_json::from_value(stored.category.clone().into())
        .unwrap_or(hubspot::AssociationCategory::UserDefined);
    hubspot::AssociationType {
        category,
        type_id: stored.type_id,
    }
}

/// A required scope that was not granted.
fn scope_missing(scope: &str) -> Need {
    Need {
        code: NeedCode::ScopeMissing,
        detail: format!("HubSpot did not grant the permission {scope}."),
        remedy: "Install the app again as a super admin and grant every required permission."
            .into(),
    }
}

/// Scopes that HubSpot names in a refusal.
pub(crate) fn scopes_missing(scopes: &[String]) -> Vec<Need> {
    if scopes.is_empty() {
        vec![tier_missing()]
    } else {
        scopes.iter().map(|scope| scope_missing(scope)).collect()
    }
}

fn tier_missing() -> Need {
    Need {
        code: NeedCode::TierMissing,
        detail: "This portal's HubSpot subscription has no custom objects.".into(),
        remedy: "Custom objects need an Enterprise edition of at least one hub. After an upgrade choose \"Check again\".".into(),
    }
}

/// The object is not there and may not be made.
pub(crate) fn object_missing() -> Need {
    Need {
        code: NeedCode::ObjectMissing,
        detail: "The custom object \"thnks\" does not exist in this portal, and HubSpot has not allowed this app to create it.".into(),
        remedy: "Create it by hand from our guide (Settings → Objects → Custom objects), then choose \"Check again\".".into(),
    }
}

fn difference_need(left: &Difference, refused: &[(String, String)]) -> Need {
    let words = |name: &str| {
        refused
            .iter()
            .find(|(refused, _)| refused == name)
            .map(|(_, message)| message.as_str())
    };
    match left {
        Difference::Missing(property) => {
            let message = words(property.name);
            let full = message.is_some_and(|message| message.to_lowercase().contains("limit"));
            Need {
                code: if full { NeedCode::PropertyLimit } else { NeedCode::PropertyMissing },
                detail: match message {
                    Some(message) => format!("The property \"{}\" ({}) could not be created: {message}", property.label, property.name),
                    None => format!("The property \"{}\" ({}) is missing on the Thnks object.", property.label, property.name),
                },
                remedy: "Create it in HubSpot (Settings → Properties → Thnks) with the type our guide names, then choose \"Check again\".".into(),
            }
        }
        Difference::WrongType { property, found } => Need {
            code: NeedCode::PropertyDiffers,
            detail: format!("The property \"{}\" ({}) has the type {found}.", property.label, property.name),
            remedy: "A type cannot be changed: delete the property in HubSpot and create it with the type our guide names.".into(),
        },
        Difference::NotUnique(property) => Need {
            code: NeedCode::PropertyDiffers,
            detail: format!("The property \"{}\" ({}) does not require unique values.", property.label, property.name),
            remedy: "Uniqueness cannot be added: delete the property in HubSpot and create it with \"Require unique values\".".into(),
        },
        Difference::MissingOptions { property, missing } => Need {
            code: NeedCode::PropertyDiffers,
            detail: format!("The property \"{}\" ({}) lacks the options {}.", property.label, property.name, missing.join(", ")),
            remedy: "Add these options in HubSpot (internal values exactly as written), then choose \"Check again\".".into(),
        },
        Difference::NotAssociated { to } => Need {
            code: NeedCode::PropertyDiffers,
            detail: format!("The Thnks object cannot be associated with {}.", object_label(to)),
            remedy: "Add this association in HubSpot (Settings → Objects → Thnks → Associations), then choose \"Check again\".".into(),
        },
    }
}

fn object_label(type_id: &str) -> &'static str {
    match type_id {
        CONTACT => "contacts",
        COMPANY => "companies",
        _ => "deals",
    }
}
