//! What pages show, ready to print: numbers, money, times and sentences are made here, so that templates hold no logic.

pub mod acts;
pub mod asked;
pub mod audit;
pub mod cancel;
pub mod chart;
pub mod connect;
pub mod console;
pub mod dashboard;
pub mod disconnect;
pub mod facts;
pub mod failures;
pub mod format;
pub mod funnel;
pub mod gifts;
pub mod health;
pub mod landing;
pub mod members;
pub mod notices;
pub mod orphans;
pub mod pill;
pub mod portals;
pub mod preflight;
pub mod problem;
pub mod progress;
pub mod range;
pub mod reasons;
pub mod reassociate;
pub mod reports;
pub mod rules;
pub mod run;
pub mod runs;
pub mod sections;
pub mod shell;
pub mod stats;
pub mod story;
pub mod tabs;
pub mod trace;
pub mod trial;
mod why;

#[cfg(test)]
mod attack_samples;
#[cfg(test)]
mod console_samples;
#[cfg(test)]
mod dashboard_samples;
#[cfg(test)]
mod failure_samples;
#[cfg(test)]
mod gifts_samples;
#[cfg(test)]
mod linking_samples;
#[cfg(test)]
mod notices_samples;
#[cfg(test)]
mod reports_samples;
#[cfg(test)]
mod run_samples;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod settings_samples;
