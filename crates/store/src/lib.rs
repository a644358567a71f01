//! Every table, query and migration. Tenant rows are reachable only through a [`PortalScope`], and row-level security
//! holds by itself if a query forgets. Functions take the scope first, then a connection, which may be a transaction;
//! `app` opens transactions and never holds one over a call to the outside.

mod db;
mod error;
mod migrate;
mod scope;

pub mod associations;
pub mod attempts;
pub mod audit;
pub mod chains;
pub mod connections;
pub mod console;
pub mod erasure;
pub mod failures;
pub mod figures;
pub mod gifts;
pub mod hubspot_events;
pub mod install_states;
pub mod members;
pub mod notices;
pub mod operator_keys;
pub mod organizations;
pub mod pipelines;
pub mod portal_keys;
pub mod portals;
pub mod rejected_rows;
pub mod remedies;
pub mod renewals;
pub mod reports;
pub mod retention;
pub mod runs;
pub mod schedule;
pub mod sessions;
pub mod statistics;
pub mod thnks_connections;
pub mod transactions;
pub mod troubles;

#[cfg(feature = "testing")]
pub mod testing;

pub use db::{Conn, Db, Doorbell, Pooled, Tx, freeze};
pub use error::Error;
pub use migrate::{Migrated, migrate};
pub use scope::PortalScope;

/// A secret after sealing: what the database sees of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl Sealed {
    /// The version of what is sealed with a portal's own key.
    pub const BY_PORTAL: u8 = 2;

    /// Whether a portal's own key sealed it.
    pub fn is_by_portal(&self) -> bool {
        self.0.first() == Some(&Self::BY_PORTAL)
    }

    /// The name of the key that sealed it, which stands in the bytes (`app::cipher` has their layout).
    pub fn key_id(&self) -> Option<&str> {
        let id_len = usize::from(*self.0.get(1)?);
        std::str::from_utf8(self.0.get(2..2 + id_len)?).ok()
    }
}
