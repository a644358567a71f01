//! The client against a server of canned answers.

#![expect(
    clippy::unwrap_used,
    reason = "in a test's harness an unwrap is an assertion"
)]

mod harness;
mod oauth;
mod records;
mod requests;
mod schemas;
mod searches;
mod signatures;
