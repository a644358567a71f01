//! One portal's CRM: definitions, records and associations, with HubSpot's rules about values and uniqueness.
//!
//! Nothing here knows HTTP; `hubspot` turns calls into these verbs and their refusals into HubSpot's answers.

pub(crate) mod definition;
pub(crate) mod graph;
pub(crate) mod kind;
mod merge;
mod phones;
pub(crate) mod portal;
pub(crate) mod records;
pub(crate) mod standard;
pub(crate) mod truths;
pub(crate) mod values;
pub(crate) mod writes;

pub(crate) use definition::{Definition, Property};
pub(crate) use graph::{AssociationKind, Category};
pub(crate) use kind::{COMPANY, CONTACT, DEAL, Kind};
pub(crate) use portal::{Portal, PortalState};
pub(crate) use records::{Record, Store};
