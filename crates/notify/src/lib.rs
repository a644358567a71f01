//! Telling people: letters by SMTP and signed calls to webhooks. What is said and when belongs to `domain` and `app`; this
//! crate sends it once and says how that ended.
//!
//! Read in this order: [`Client`], `letter` and `mailer` (e-mail), `webhook` and `signature` (calls), `reach` (which
//! addresses a customer may make us call).

mod client;
mod error;
mod letter;
mod mailer;
mod reach;
mod signature;
mod webhook;

pub use client::{Client, Config};
pub use error::{ConfigError, Error};
pub use letter::{Letter, is_address};
pub use mailer::MailConfig;
pub use reach::{Reach, TargetFault};
pub use signature::Secret;
pub use webhook::Call;
