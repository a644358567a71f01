//! The store on real PostgreSQL, as the app's role.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod audit;
mod catalog;
mod console;
mod gifts;
mod harness;
mod isolation;
mod ledger;
mod machine;
mod members;
mod migrating;
mod migrations;
mod notices;
mod proxy;
mod reports;
mod runs;
mod sql;
mod totals;
mod upgrade;
