//! HubSpot's wire, and the only place that knows it: paths, shapes, limits, errors.
//!
//! A [`Client`] is made once per process and speaks OAuth; a [`Portal`] is one account's side of it: its tokens, its
//! rate budget, its call counts. Every call goes through the one private request of `client.rs`.

mod account;
mod associations;
mod batch;
mod budget;
mod client;
mod config;
mod definition;
mod depth;
mod error;
pub mod limits;
mod oauth;
mod objects;
mod pipelines;
mod portal;
#[cfg(test)]
mod properties;
mod reading;
mod retry;
mod schemas;
mod searching;
mod signature;
pub mod webhooks;
mod wire;

pub use account::{Account, AccountType};
pub use associations::{
    AssociateAnswer, Associated, AssociatedRecord, AssociationCategory, AssociationLabel,
    AssociationType, RefusedLink,
};
pub use budget::{Budget, CallClass, LocalBudget, NoTurn, Used};
pub use client::{AccessTokens, Client, http_client};
pub use config::Config;
pub use definition::{Difference, Repair, differences};
pub use error::{Error, Fault, KeptBody, Refusal, Remedy};
pub use oauth::{Grant, Pkce, TokenInfo};
pub use objects::{RefusedRow, UpsertAnswer, UpsertFailure, UpsertRow, WrittenRow};
pub use pipelines::DealStage;
pub use portal::{CallCounts, Portal};
pub use reading::{CONTACT_PROPERTIES, ContactsRead, DEAL_PROPERTIES, Deal, DealsRead};
pub use schemas::{
    AssociationDefinition, PropertiesAnswer, PropertyDefinition, PropertyOption, Schema,
};
pub use signature::{SignatureError, SignedRequest};

/// The dated version of HubSpot's API that every path carries: current since 2026-09-08 and supported until about
/// March 2028 (facts/hubspot.md §0.1).
pub const API_VERSION: &str = "2026-09";

/// Contacts, as HubSpot names the type in a path.
pub const CONTACTS: &str = "contacts";
/// Companies, as HubSpot names the type in a path.
pub const COMPANIES: &str = "companies";
/// Deals, as HubSpot names the type in a path.
pub const DEALS: &str = "deals";
