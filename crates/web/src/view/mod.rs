//! What pages show, ready to print: numbers, money, times and sentences are made here, so that templates hold no logic.

pub mod chart;
pub mod connect;
pub mod dashboard;
pub mod format;
pub mod health;
pub mod landing;
pub mod portals;
pub mod problem;
pub mod progress;
pub mod shell;
pub mod stats;

#[cfg(test)]
mod samples;
