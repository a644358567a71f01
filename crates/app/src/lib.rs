//! The use cases: one file each, no HTTP server, no SQL text, no queue library.
//!
//! `app` opens database transactions and never holds one over a call to the outside.

mod account;
mod blame;
mod cipher;
mod context;
mod error;
mod kept;
mod tokens;

pub mod access;
pub mod audit;
pub mod chain;
pub mod connect;
pub mod console;
pub mod crash;
pub mod dashboard;
pub mod days;
pub mod disconnect;
pub mod engine;
pub mod erase;
pub mod events;
pub mod failures;
pub mod figures;
pub mod gifts;
pub mod install;
pub mod keys;
pub mod members;
pub mod notices;
pub mod operator;
pub mod orphans;
pub mod pause;
pub mod portals;
pub mod preflight;
pub mod reports;
pub mod retention;
pub mod rules;
pub mod runs;
pub mod schedule;
pub mod session;
pub mod setup;
pub mod statistics;
pub mod status;
pub mod trace;
pub mod trial;

#[cfg(feature = "testing")]
pub mod testing;

pub use cipher::{KeyRing, KeyRingError};
pub use context::{App, Clock, Config, system_clock};
pub use error::Error;
pub use store::PortalScope;
