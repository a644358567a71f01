//! Failures, sorted by what the caller can do about them.

use std::time::Duration;

/// Why Thnks gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The key is wrong or revoked (401): the admin has to enter another.
    #[error("Thnks refuses the API key")]
    KeyRefused,
    /// The organization's plan lacks the HubSpot integration (403).
    #[error("the HubSpot integration is not enabled at Thnks")]
    IntegrationDisabled,
    /// The cursor is too old (410): begin again from the last stored `updated_since`.
    #[error("the cursor has expired")]
    CursorExpired,
    /// The cursor leads to where it was: begin again like after [`Self::CursorExpired`].
    #[error("the cursor leads nowhere")]
    CursorStuck,
    /// Thnks as a whole does not answer; nothing was sent.
    #[error("Thnks is down; it is asked again in {} s", retry_after.as_secs())]
    Down {
        /// From now.
        retry_after: Duration,
    },
    /// Thnks asks for more patience than a call has.
    #[error("Thnks asks to wait {} s", retry_after.as_secs())]
    Throttled {
        /// From now.
        retry_after: Duration,
    },
    /// Thnks cannot be reached or answers with server errors.
    #[error("Thnks is unavailable: {0}")]
    Unavailable(String),
    /// The answer is not what the contract says.
    #[error("the answer of Thnks is unreadable: {0}")]
    Unreadable(String),
    /// Any other refusal; repeating it changes nothing.
    #[error("Thnks refuses the request: {status} {code}")]
    Rejected {
        /// HTTP status.
        status: u16,
        /// Thnks' own code, empty when there is none.
        code: String,
    },
    /// This process cannot make requests at all.
    #[error("the HTTP client cannot be set up: {0}")]
    Setup(String),
}

impl Error {
    /// Whether the same call can succeed later with nothing changed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Throttled { .. }
                | Self::Down { .. }
                | Self::Unavailable(_)
                | Self::Unreadable(_)
                | Self::CursorStuck
        )
    }

    /// Whether the admin has to act at Thnks or enter another key.
    pub fn is_about_key(&self) -> bool {
        matches!(self, Self::KeyRefused | Self::IntegrationDisabled)
    }
}
