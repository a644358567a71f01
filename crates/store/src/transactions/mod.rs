//! The ledger: what Thnks reported of each transaction, and whether HubSpot shows it.
//!
//! A row is dirty when `desired_hash` and `applied_hash` differ; nothing else decides what is written.

mod storing;
mod writing;

pub use storing::{LedgerRow, Stored, find_oldest_open, upsert_batch};
pub(crate) use writing::Row;
pub use writing::{
    Dirty, Refused, Written, count_dirty, find_all, forget_lost, forget_records, list_dirty,
    mark_all_dirty, mark_dirty, save_refused, save_written,
};
