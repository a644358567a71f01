//! The binary as operators run it: real processes, real PostgreSQL, a Redis of its own, and the sandbox.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod aftermath;
mod browser;
mod canary;
mod chaos;
mod collector;
mod commands;
mod crash_points;
mod crashes;
mod events;
mod fleet;
mod hubspot_app;
mod image;
mod line;
mod logging;
mod manifests;
mod metrics;
mod notices;
mod operator;
mod processes;
mod redis;
mod restore;
mod rollback;
mod secrets;
mod traces;
