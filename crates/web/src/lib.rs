//! The door for browsers: every URL, page, cookie and status code, and nothing of the product's rules.
//!
//! Read in this order: [`mod@router`] (the only list of URLs), `access` (who gets in), `handlers`, `view` (what pages show),
//! `error` (the only place that knows status codes), `answer` (what every answer has in common), [`serve()`].

mod access;
mod answer;
mod assets;
mod cookies;
pub mod csv;
mod error;
mod handlers;
mod metrics;
mod places;
#[cfg(test)]
mod properties;
mod refusal;
pub mod router;
mod serve;
mod slow;
mod traffic;
mod view;

pub use metrics::serve_metrics;
pub use router::router;
pub use serve::serve;
pub use traffic::Traffic;
