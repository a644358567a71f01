//! Failures, sorted by what the caller can do about them. Texts from HubSpot stay out of `Display` and of logs: they can
//! quote customers' data.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::limits;

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// HubSpot, or our own budget for the portal, asks for more patience than a call has.
    #[error("HubSpot asks to wait {} s", retry_after.as_secs())]
    Throttled {
        /// From now.
        retry_after: Duration,
    },
    /// HubSpot as a whole does not answer; nothing was sent.
    #[error("HubSpot is down; it is asked again in {} s", retry_after.as_secs())]
    Down {
        /// From now.
        retry_after: Duration,
    },
    /// The portal has taken its consent back: the refresh token is refused, or the portal is gone.
    #[error("the portal's authorization is revoked")]
    Revoked,
    /// A fresh access token is refused too.
    #[error("HubSpot refuses a fresh access token")]
    Unauthorized(Box<Refusal>),
    /// The grant lacks scopes, or the portal's subscription lacks what they stand for.
    #[error("scopes are missing: {}", scopes.join(" "))]
    MissingScopes {
        /// Those HubSpot names; can be empty.
        scopes: Vec<String>,
    },
    /// There is no such thing (404).
    #[error("not there: {0}")]
    Missing(Box<Refusal>),
    /// There is one already, or it changed meanwhile (409).
    #[error("conflict: {0}")]
    Conflict(Box<Refusal>),
    /// HubSpot refuses what was sent; repeating it changes nothing.
    #[error("refused: {0}")]
    Rejected(Box<Refusal>),
    /// The authorization code is used, expired, foreign, or its PKCE verifier is wrong: install again.
    #[error("the authorization code is refused ({0})")]
    BadCode(String),
    /// The app's own registration is wrong (client id, secret, redirect). Never a reason to disconnect a portal.
    #[error("HubSpot does not accept this app's registration ({0})")]
    OurFault(String),
    /// HubSpot cannot be reached or answers with server errors; nothing was done.
    #[error("HubSpot is unavailable: {0}")]
    Unavailable(String),
    /// A write left and its answer never came: it may have happened. Read back by key, or send it again if that is safe.
    #[error("the outcome is unknown: {0}")]
    UnknownOutcome(String),
    /// The answer is not what HubSpot documents.
    #[error("the answer is unreadable: {0}")]
    Unreadable(String),
    /// Our own keeper of tokens failed, for example because its database is away.
    #[error("no access token at hand: {0}")]
    TokensUnavailable(String),
}

/// Why a call has no answer, and whether it may have been done all the same.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub error: Error,
    /// The answer to an earlier sending of the same write never came.
    pub in_doubt: bool,
}

impl From<Unanswered> for Error {
    fn from(unanswered: Unanswered) -> Self {
        unanswered.error
    }
}

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Try again, after the time when there is one.
    Wait(Option<Duration>),
    /// The admin has to install again.
    Reconnect,
    /// The admin has to grant scopes or get the tier.
    GrantScopes,
    /// What was sent has to change; do not repeat it.
    ChangeRequest,
    /// The operator has to look.
    Operator,
}

impl Error {
    /// What the caller can do.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Throttled { retry_after } | Self::Down { retry_after } => {
                Remedy::Wait(Some(*retry_after))
            }
            Self::Unavailable(_)
            | Self::UnknownOutcome(_)
            | Self::Unreadable(_)
            | Self::TokensUnavailable(_) => Remedy::Wait(None),
            Self::Revoked | Self::Unauthorized(_) | Self::BadCode(_) => Remedy::Reconnect,
            Self::MissingScopes { .. } => Remedy::GrantScopes,
            Self::Missing(_) | Self::Conflict(_) | Self::Rejected(_) => Remedy::ChangeRequest,
            Self::OurFault(_) => Remedy::Operator,
        }
    }

    /// Whether the same call can succeed later with nothing changed on our side.
    pub fn is_transient(&self) -> bool {
        matches!(self.remedy(), Remedy::Wait(_))
    }

    /// Whether a write may have happened although it failed.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::UnknownOutcome(_))
    }

    /// Whether it is about a call that was sent, and that HubSpot may have looked at.
    pub(crate) fn is_of_a_sending(&self) -> bool {
        match self {
            Self::UnknownOutcome(_)
            | Self::Unavailable(_)
            | Self::Unreadable(_)
            | Self::Missing(_)
            | Self::MissingScopes { .. }
            | Self::Rejected(_)
            | Self::Conflict(_) => true,
            Self::Throttled { .. }
            | Self::Down { .. }
            | Self::Revoked
            | Self::Unauthorized(_)
            | Self::BadCode(_)
            | Self::OurFault(_)
            | Self::TokensUnavailable(_) => false,
        }
    }

    /// How long HubSpot or the budget asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } | Self::Down { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// HubSpot's own account of a refusal.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Unauthorized(refusal)
            | Self::Missing(refusal)
            | Self::Conflict(refusal)
            | Self::Rejected(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// An answer outside 2xx.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// What the body says.
    pub fault: Fault,
    /// The beginning of the body, for a person who investigates.
    pub body: KeptBody,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, self.fault.category)?;
        match &self.fault.correlation_id {
            Some(id) => write!(f, " (correlation id {id})"),
            None => Ok(()),
        }
    }
}

/// The beginning of a body; its `Debug` shows the length alone.
#[derive(Clone)]
pub struct KeptBody(String);

impl KeptBody {
    pub(crate) fn new(body: &[u8]) -> Self {
        let kept = &body[..body.len().min(limits::KEPT_BODY_BYTES)];
        Self(String::from_utf8_lossy(kept).into_owned())
    }

    /// The text. It can quote customers' data: not for logs.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for KeptBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

/// HubSpot's error object: a whole body outside 2xx, or one entry of a batch's `errors`. Every field can be missing at
/// HubSpot; a missing text is empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fault {
    /// For example `VALIDATION_ERROR`; for a nested error its `code`.
    pub category: String,
    /// For example `crm.associations.NO_ASSOCIATIONS_FOUND`.
    pub sub_category: String,
    /// HubSpot's sentence. It can quote values.
    pub message: String,
    /// Names with their values, always as texts.
    pub context: BTreeMap<String, Vec<String>>,
    /// Errors inside this one.
    pub details: Vec<Fault>,
    /// What HubSpot's support asks for.
    pub correlation_id: Option<String>,
    /// Which limit a 429 is about, for example `TEN_SECONDLY_ROLLING`.
    pub policy_name: String,
    /// The field or input that a nested error is about.
    pub location: String,
}

impl std::fmt::Debug for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fault")
            .field("category", &self.category)
            .field("sub_category", &self.sub_category)
            .field("correlation_id", &self.correlation_id)
            .finish_non_exhaustive()
    }
}

impl Fault {
    /// Reads what is there; anything of an unexpected shape counts as missing.
    pub(crate) fn from_json(value: &Value) -> Self {
        let text = |name: &str| {
            value
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let first = |names: [&str; 2]| {
            let found = text(names[0]);
            if found.is_empty() {
                text(names[1])
            } else {
                found
            }
        };
        let context = match value.get("context") {
            Some(Value::Object(entries)) => entries
                .iter()
                .map(|(name, values)| (name.clone(), texts(values)))
                .collect(),
            _ => BTreeMap::new(),
        };
        let details = match value.get("errors") {
            Some(Value::Array(errors)) => errors.iter().map(Self::from_json).collect(),
            _ => Vec::new(),
        };
        Self {
            category: first(["category", "code"]),
            sub_category: text("subCategory"),
            message: text("message"),
            context,
            details,
            correlation_id: value
                .get("correlationId")
                .and_then(Value::as_str)
                .map(str::to_owned),
            policy_name: text("policyName"),
            location: text("in"),
        }
    }

    /// The values that the context has under one of `names`, here or in the details.
    pub(crate) fn context_values(&self, names: &[&str]) -> Vec<String> {
        let own = names
            .iter()
            .filter_map(|name| self.context.get(*name))
            .flatten()
            .cloned();
        own.chain(
            self.details
                .iter()
                .flat_map(|detail| detail.context_values(names)),
        )
        .collect()
    }
}

/// A value as texts: an array's members or the value itself; numbers are spelt out.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Bool(flag) => vec![flag.to_string()],
        Value::Null | Value::Object(_) => Vec::new(),
    }
}
