//! The store on real PostgreSQL, as the app's role.

mod catalog;
mod harness;
mod isolation;
mod ledger;
mod runs;
mod totals;
