//! What can go wrong in the database, by what the caller can do about it.

/// A failure of the database or of what it holds.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database does not answer, or refused the statement.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A migration failed or the schema is not the one this binary knows.
    #[error("the schema could not be brought up to date")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The schema is older or newer than this binary.
    #[error(
        "the database's schema is not this version's: run `thnks-hubspot migrate` of the newest version first"
    )]
    SchemaDiffers,
    /// The portal's lease was taken over: this run must stop and commit nothing.
    #[error("another worker has taken over this portal")]
    Fenced,
    /// A stored value breaks an invariant.
    #[error("{table}.{column} holds a value this version does not understand")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
}
