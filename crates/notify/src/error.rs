//! How sending ends otherwise, by what the caller can do about it. Reasons are a few words for the page: no addresses, nothing
//! of an answer's text.

/// Why nothing arrived, or is not known to have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The other side has refused for good: trying again changes nothing.
    #[error("{0}")]
    Refused(String),
    /// It may work later.
    #[error("{0}")]
    Unavailable(String),
}

/// What is wrong with the operator's settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Of the mail server's address.
    #[error("{0}")]
    Smtp(String),
    /// Of the sender.
    #[error("{0}")]
    From(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}
