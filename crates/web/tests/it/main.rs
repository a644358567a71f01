//! The service as browsers see it, on real PostgreSQL. HubSpot and Thnks are addresses where nobody answers: what needs
//! them is tested end to end elsewhere.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod audit;
mod console;
mod disconnect;
mod failures;
mod gifts;
mod harness;
mod headers;
mod injections;
mod install;
mod linking;
mod marketplace;
mod matrix;
mod members;
mod notices;
mod pages;
mod preflight;
mod reports;
mod routes;
mod runs;
mod serve;
mod sessions;
mod states;
mod tenants;
mod webhooks;
