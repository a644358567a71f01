//! The Thnks API (contracts/thnks-api.md), and the only place that knows its shapes.
//!
//! [`Client`] reads; `row` turns what Thnks sent into a [`domain::Transaction`] or says which field is wrong. One bad row
//! never spoils its page.

mod client;
mod error;
#[cfg(test)]
mod properties;
mod row;

pub use client::{Client, Config, MAX_PAGE, Organization, Page};
pub use error::Error;
pub use row::{MalformedRow, Row};
