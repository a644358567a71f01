//! One file per page or group of addresses: read the request, ask `app`, hand the answer to `view`.

pub mod assets;
pub mod audit;
pub mod connect;
pub mod console;
pub mod dashboard;
pub mod disconnect;
pub mod failures;
pub mod gifts;
pub mod health;
pub mod install;
pub mod landing;
pub mod marketplace;
pub mod members;
pub mod notices;
pub mod orphans;
pub mod pause;
pub mod portals;
pub mod preflight;
pub mod reports;
pub mod rules;
pub mod runs;
pub mod session;
pub mod status;
pub mod trace;
pub mod webhooks;

pub mod days;

mod back;
mod beside;
mod page;
