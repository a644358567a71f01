//! The binary as operators run it: real processes, real PostgreSQL, a Redis of its own, and the sandbox.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod browser;
mod canary;
mod chaos;
mod collector;
mod commands;
mod crash_points;
mod crashes;
mod events;
mod hubspot_app;
mod image;
mod logging;
mod metrics;
mod notices;
mod operator;
mod processes;
mod redis;
mod secrets;
mod traces;
