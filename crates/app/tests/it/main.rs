//! The use cases on real PostgreSQL against the sandbox: no web server, no Redis; the engine is run directly.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod associate;
mod attacks;
mod backfill;
mod boards;
mod breach;
mod cancelling;
mod chain;
mod connect;
mod credentials;
mod drift;
mod erasing;
mod erasing_again;
mod events;
mod failures;
mod faults;
mod grants;
mod harness;
mod install;
mod keys;
mod leases;
mod marketplace;
mod matching;
mod members;
mod notices;
mod operator;
mod outages;
mod pausing;
mod reports;
mod rereading;
mod resurrection;
mod retention;
mod sessions;
mod setup;
mod statistics;
mod sync;
mod trial;
mod troubles;
