//! The store on real PostgreSQL, as the app's role.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod audit;
mod catalog;
mod gifts;
mod harness;
mod isolation;
mod ledger;
mod members;
mod notices;
mod reports;
mod runs;
mod totals;
mod upgrade;
