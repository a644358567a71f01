//! Values and rules of the product: no input or output, no async, no clock, no logging.
//!
//! Read in this order: who and what ([`ids`], [`status`], [`transaction`]), what HubSpot shows of it ([`record`],
//! [`matching`], [`association`]), what HubSpot tells of contacts ([`event`]), what the
//! admin sees ([`money`], [`statistics`], [`pace`], [`reports`], [`refunds`], [`portal`]) and looks for ([`search`]), how work is
//! named and spread ([`run`], [`schedule`]), what people are told when they do not look ([`notice`], [`trouble`]), how their own
//! sessions are told apart ([`browser`]), and where a browser may be sent back to ([`return_url`]).

pub mod association;
pub mod breaker;
pub mod browser;
pub mod event;
pub mod failure;
pub mod ids;
pub mod matching;
pub mod money;
pub mod notice;
pub mod pace;
pub mod phone;
pub mod portal;
pub mod record;
pub mod refunds;
pub mod reports;
pub mod return_url;
pub mod run;
pub mod schedule;
pub mod scopes;
pub mod search;
pub mod statistics;
pub mod status;
pub mod text;
pub mod transaction;
pub mod trouble;

pub use ids::{HubId, OrganizationId, RecordId, RunId, SessionId, TransactionId, UserId};
pub use status::Status;
pub use transaction::Transaction;
