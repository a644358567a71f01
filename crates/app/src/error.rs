//! What can go wrong inside, whatever the use case: nothing that the person before the screen can mend.

/// An internal failure. Its text is for logs; a page shows a request id.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] store::Error),
    /// The database failed while an answer was read that others wait for too.
    #[error("the database failed")]
    Reading(#[source] std::sync::Arc<store::Error>),
    /// A stored secret does not open: wrong key, or moved to another place.
    #[error("a sealed value of {table}.{column} does not open")]
    Unsealable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// HubSpot could not be told that a grant is over.
    #[error("HubSpot could not be told that the grant is over: {0}")]
    NotRevoked(#[source] hubspot::Error),
    /// Somebody installs the app into the portal again and again at the same moment.
    #[error("the portal is being installed at the same moment; try again")]
    Busy,
    /// The portal has no grant, or was never installed.
    #[error("the portal is not connected")]
    NotConnected,
}
