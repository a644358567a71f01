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
    /// A migration of this binary has not been run.
    #[error(
        "the database's schema is older than this version: run `thnks-hubspot migrate` of this version first"
    )]
    SchemaOlder,
    /// A migration has taken away what this binary needs.
    #[error(
        "the database's schema is newer and does without this version: start one that knows migration {floor}"
    )]
    SchemaNewer {
        /// The last migration that a binary must know.
        floor: i64,
    },
    /// A migration that was run is not this binary's of the same number.
    #[error("migration {version} of the database is not the one that this version knows")]
    SchemaForeign {
        /// Its number.
        version: i64,
    },
    /// Another `migrate` has not ended in time.
    #[error("another migration of this database is under way and does not end")]
    Migrating,
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
