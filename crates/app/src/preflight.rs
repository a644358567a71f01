//! Whether everything is in place: what was last found out about a portal, item by item, with what helps. Nobody is asked for
//! it: a run that looks does that.

use chrono::{DateTime, Utc};
use domain::portal::{Need, NeedCode, PortalStatus};
use domain::record;
use domain::scopes;
use store::PortalScope;
use store::portals::{AssociationType, Portal};

use crate::portals::PortalSummary;
use crate::{App, Error, status};

/// What is known of a portal.
#[derive(Debug, Clone)]
pub struct Preflight {
    /// The portal.
    pub portal: PortalSummary,
    /// Where it stands.
    pub status: PortalStatus,
    /// When its needs were last looked at; `None` before the first look.
    pub checked_at: Option<DateTime<Utc>>,
    /// What must be there, group by group, in the order in which it is looked at.
    pub groups: Vec<Group>,
}

/// Items that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What they are about.
    pub about: About,
    /// The items.
    pub items: Vec<Item>,
}

/// What a group is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Both connections.
    Connections,
    /// What HubSpot allows.
    Scopes,
    /// The subscription and the custom object.
    Object,
    /// Its properties.
    Properties,
    /// What its records can be linked to.
    Associations,
}

/// One thing that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Which.
    pub what: What,
    /// What was found.
    pub found: Found,
}

/// Which thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The Thnks key; with the organization it is of.
    Thnks(Option<String>),
    /// The grant of HubSpot.
    HubSpot,
    /// A scope.
    Scope(&'static str),
    /// A subscription with custom objects.
    Tier,
    /// The custom object; with its type id.
    Object(Option<String>),
    /// A property: label and name.
    Property(&'static str, &'static str),
    /// Links to a kind of records.
    Association(&'static str),
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// As it should be.
    Good,
    /// Not as it should be: what exactly, and what helps.
    Bad {
        /// What exactly.
        detail: String,
        /// What helps.
        remedy: String,
    },
    /// Not granted, and not required: what is off without it.
    Off(&'static str),
    /// Something before it is missing, so nobody could look.
    NotLookedAt,
}

/// Loads what is known.
pub async fn load(app: &App, scope: &PortalScope) -> Result<Preflight, Error> {
    let mut tx = app.db.begin(*scope).await?;
    let portal = store::portals::find(&mut tx, *scope)
        .await?
        .ok_or(Error::NotConnected)?;
    let status = status::read(&mut tx, *scope, &portal).await?;
    let checked_at = store::portals::find_checked_at(&mut tx, *scope).await?;
    Ok(Preflight {
        portal: PortalSummary::of(*scope, &portal),
        status,
        checked_at,
        groups: groups(&portal, portal.scopes.as_deref()),
    })
}

/// What is known of the portal, with the scopes of its grant; `None` when it has none.
fn groups(portal: &Portal, granted: Option<&[String]>) -> Vec<Group> {
    vec![
        Group {
            about: About::Connections,
            items: vec![thnks(portal), hubspot(portal, granted)],
        },
        Group {
            about: About::Scopes,
            items: required(portal, granted).chain(optional(granted)).collect(),
        },
        Group {
            about: About::Object,
            items: vec![tier(portal, granted), object(portal, granted)],
        },
        Group {
            about: About::Properties,
            items: properties(portal, granted),
        },
        Group {
            about: About::Associations,
            items: associations(portal, granted),
        },
    ]
}

fn bad(need: &Need) -> Found {
    Found::Bad {
        detail: need.detail.clone(),
        remedy: need.remedy.clone(),
    }
}

/// The need of one of `codes`, if there is one.
fn need<'a>(portal: &'a Portal, codes: &[NeedCode]) -> Option<&'a Need> {
    portal.needs.iter().find(|need| codes.contains(&need.code))
}

fn thnks(portal: &Portal) -> Item {
    let codes = [
        NeedCode::ThnksKeyMissing,
        NeedCode::ThnksKeyRefused,
        NeedCode::ThnksIntegrationDisabled,
    ];
    let found = match need(portal, &codes) {
        Some(need) => bad(need),
        None if portal.thnks_connected => Found::Good,
        None => Found::Bad {
            detail: "Thnks is not connected yet.".into(),
            remedy: "Enter your organization's Thnks API key.".into(),
        },
    };
    Item {
        what: What::Thnks(portal.organization_name.clone()),
        found,
    }
}

fn hubspot(portal: &Portal, granted: Option<&[String]>) -> Item {
    let found = match need(portal, &[NeedCode::AuthorizationLost]) {
        Some(need) => bad(need),
        None if granted.is_some() => Found::Good,
        None => Found::Bad {
            detail: "HubSpot is not connected.".into(),
            remedy: "Install the app again: it goes on where it stopped.".into(),
        },
    };
    Item {
        what: What::HubSpot,
        found,
    }
}

fn required(portal: &Portal, granted: Option<&[String]>) -> impl Iterator<Item = Item> {
    scopes::REQUIRED
        .map(|name| {
            // A need names the scope as HubSpot spells it, at the end of its sentence.
            let named = portal.needs.iter().find(|need| {
                need.code == NeedCode::ScopeMissing && need.detail.ends_with(&format!(" {name}."))
            });
            let found = match (named, granted) {
            (Some(need), Some(_)) => bad(need),
            (None, Some(granted)) if scopes::has(granted, name) => Found::Good,
            (None, Some(_)) => Found::Bad {
                detail: format!("HubSpot did not grant the permission {name}."),
                remedy:
                    "Install the app again as a super admin and grant every required permission."
                        .into(),
            },
            (_, None) => Found::NotLookedAt,
        };
            Item {
                what: What::Scope(name),
                found,
            }
        })
        .into_iter()
}

fn optional(granted: Option<&[String]>) -> impl Iterator<Item = Item> {
    scopes::OPTIONAL.into_iter().map(move |scope| Item {
        what: What::Scope(scope.name),
        found: match granted {
            None => Found::NotLookedAt,
            Some(granted) if scopes::has(granted, scope.name) => Found::Good,
            Some(_) => Found::Off(scope.without),
        },
    })
}

/// Whether the look at the object got as far as `to`: each need of something before it stops the look.
fn is_blocked(portal: &Portal, granted: Option<&[String]>, before: &[NeedCode]) -> bool {
    granted.is_none() || !portal.thnks_connected || need(portal, before).is_some()
}

/// What stops the look at the object.
const BEFORE_TIER: [NeedCode; 5] = [
    NeedCode::AuthorizationLost,
    NeedCode::ScopeMissing,
    NeedCode::ThnksKeyMissing,
    NeedCode::ThnksKeyRefused,
    NeedCode::ThnksIntegrationDisabled,
];
/// What is known of the object's definition only once it was read.
const ABOUT_DEFINITION: [NeedCode; 3] = [
    NeedCode::PropertyMissing,
    NeedCode::PropertyDiffers,
    NeedCode::PropertyLimit,
];

/// Whether the object's definition was read: it is known where it is, or what is wrong with it.
fn is_read(portal: &Portal) -> bool {
    portal.object_type_id.is_some() || need(portal, &ABOUT_DEFINITION).is_some()
}

fn tier(portal: &Portal, granted: Option<&[String]>) -> Item {
    let found = match need(portal, &[NeedCode::TierMissing]) {
        Some(need) => bad(need),
        None if is_blocked(portal, granted, &BEFORE_TIER) => Found::NotLookedAt,
        None if is_read(portal) || need(portal, &[NeedCode::ObjectMissing]).is_some() => {
            Found::Good
        }
        None => Found::NotLookedAt,
    };
    Item {
        what: What::Tier,
        found,
    }
}

fn object(portal: &Portal, granted: Option<&[String]>) -> Item {
    let found = match need(portal, &[NeedCode::ObjectMissing]) {
        Some(need) => bad(need),
        None if is_blocked(portal, granted, &BEFORE_TIER)
            || need(portal, &[NeedCode::TierMissing]).is_some() =>
        {
            Found::NotLookedAt
        }
        None if is_read(portal) => Found::Good,
        None => Found::NotLookedAt,
    };
    Item {
        what: What::Object(portal.object_type_id.clone()),
        found,
    }
}

/// Whether the definition could be looked at when the portal was last looked at.
fn definition_is_known(portal: &Portal, granted: Option<&[String]>) -> bool {
    let stops = [NeedCode::TierMissing, NeedCode::ObjectMissing];
    is_read(portal) && !is_blocked(portal, granted, &BEFORE_TIER) && need(portal, &stops).is_none()
}

fn properties(portal: &Portal, granted: Option<&[String]>) -> Vec<Item> {
    let is_known = definition_is_known(portal, granted);
    record::PROPERTIES
        .iter()
        .map(|property| {
            let named = portal.needs.iter().find(|need| {
                ABOUT_DEFINITION.contains(&need.code)
                    && need.detail.contains(&format!("({})", property.name))
            });
            let found = match named {
                Some(need) => bad(need),
                None if is_known => Found::Good,
                None => Found::NotLookedAt,
            };
            Item {
                what: What::Property(property.label, property.name),
                found,
            }
        })
        .collect()
}

fn associations(portal: &Portal, granted: Option<&[String]>) -> Vec<Item> {
    let is_known = definition_is_known(portal, granted);
    let types = portal.association_types.as_ref();
    let item = |to: &'static str, known: Option<&Option<AssociationType>>| {
        let named = portal.needs.iter().find(|need| {
            need.code == NeedCode::PropertyDiffers
                && need.detail.ends_with(&format!("be associated with {to}."))
        });
        let found = match (named, known) {
            (Some(need), _) => bad(need),
            // Without types the look ended at what differs, and this does not.
            (None, Some(Some(_)) | None) if is_known => Found::Good,
            (None, Some(None)) if is_known => Found::Bad {
                detail: format!("HubSpot names no association of the Thnks object with {to}."),
                remedy: "Add it in HubSpot (Settings → Objects → Thnks → Associations), then choose \"Check again\"."
                    .into(),
            },
            _ => Found::NotLookedAt,
        };
        Item {
            what: What::Association(to),
            found,
        }
    };
    vec![
        item("contacts", types.map(|types| &types.contact)),
        item("companies", types.map(|types| &types.company)),
        item("deals", types.map(|types| &types.deal)),
    ]
}

#[cfg(test)]
#[path = "preflight_tests.rs"]
mod tests;
