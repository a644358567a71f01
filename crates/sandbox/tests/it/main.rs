//! Every rule of the referee over HTTP, and HubSpot's own clients against it.
#![expect(
    clippy::unwrap_used,
    reason = "a test's verbs fail as its assertions do"
)]

mod associations;
mod faults;
mod harness;
mod judge;
mod limits;
mod marketplace;
mod oauth;
mod objects;
mod official_clients;
mod phones;
mod schemas;
mod thnks;
mod upsert;
mod webhooks;
