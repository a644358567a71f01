//! What sends, built once by `cli`.

use std::sync::Arc;

use url::Url;

use crate::error::{ConfigError, Error};
use crate::letter::Letter;
use crate::mailer::{MailConfig, Mailer};
use crate::reach::{Reach, TargetFault};
use crate::webhook::{self, Call};

/// What the operator decides.
pub struct Config {
    /// How mail is sent; `None` where it is not.
    pub mail: Option<MailConfig>,
    /// Which addresses may be called.
    pub reach: Reach,
}

/// Sends. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    mailer: Option<Mailer>,
    http: reqwest::Client,
    reach: Reach,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("sends_mail", &self.sends_mail())
            .field("reach", &self.inner.reach)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client. Nothing is connected yet.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let mailer = config.mail.map(|mail| Mailer::new(&mail)).transpose()?;
        let inner = Arc::new(Inner {
            mailer,
            http: webhook::http_client(config.reach)?,
            reach: config.reach,
        });
        Ok(Self { inner })
    }

    /// Whether letters can be sent.
    pub fn sends_mail(&self) -> bool {
        self.inner.mailer.is_some()
    }

    /// The address as one that may be called. Where a name leads is looked at when it is called.
    pub fn target(&self, text: &str) -> Result<Url, TargetFault> {
        self.inner.reach.target(text)
    }

    /// Sends a letter to one address.
    pub async fn send(&self, letter: &Letter) -> Result<(), Error> {
        let Some(mailer) = &self.inner.mailer else {
            return Err(Error::Unavailable("e-mail is switched off here".into()));
        };
        mailer.send(letter).await
    }

    /// Makes one call.
    pub async fn call(&self, call: &Call<'_>) -> Result<(), Error> {
        webhook::call(&self.inner.http, self.inner.reach, call).await
    }
}
