//! One account's side of HubSpot: its tokens, its budget, its call counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::HubId;
use reqwest::Method;
use secrecy::SecretString;
use serde::Serialize;
use tokio::time::Instant;

use crate::budget::CallClass;
use crate::client::{AccessTokens, Auth, Body, Call, Client};
use crate::error::Error;
use crate::retry::Effect;

/// One account: HubSpot's API with its tokens and its budget. Cheap to clone; clones share their call counts.
#[derive(Clone)]
pub struct Portal {
    client: Client,
    hub: HubId,
    tokens: Arc<dyn AccessTokens>,
    class: CallClass,
    calls: Arc<Mutex<CallCounts>>,
}

/// What a [`Portal`] and its clones have called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Requests that were sent, repeats included, by kind, for example `objects.upsert`.
    pub by_kind: BTreeMap<&'static str, u64>,
    /// Time waited because HubSpot asked to slow down.
    pub throttled: Duration,
    /// Time waited for our own budget.
    pub queued: Duration,
}

impl CallCounts {
    /// All requests.
    pub fn total(&self) -> u64 {
        self.by_kind.values().sum()
    }
}

impl Client {
    /// The account `hub`, called with `tokens` on behalf of `class`.
    pub fn portal(&self, hub: HubId, tokens: Arc<dyn AccessTokens>, class: CallClass) -> Portal {
        Portal {
            client: self.clone(),
            hub,
            tokens,
            class,
            calls: Arc::default(),
        }
    }
}

impl Portal {
    /// The account.
    pub fn hub(&self) -> HubId {
        self.hub
    }

    /// The same account with the same counts, on behalf of another class.
    #[must_use]
    pub fn on_behalf_of(&self, class: CallClass) -> Self {
        Self {
            class,
            ..self.clone()
        }
    }

    /// What was called so far.
    pub fn calls(&self) -> CallCounts {
        self.counts().clone()
    }

    pub(crate) fn class(&self) -> CallClass {
        self.class
    }

    pub(crate) async fn access_token(&self) -> Result<SecretString, Error> {
        self.tokens.current(self.hub).await
    }

    pub(crate) async fn replace_token(
        &self,
        refused: &SecretString,
    ) -> Result<SecretString, Error> {
        self.tokens.replace(self.hub, refused).await
    }

    fn counts(&self) -> MutexGuard<'_, CallCounts> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the next call may go; `throttled` when it waits because HubSpot asked.
    pub(crate) async fn wait_for_turn(&self, throttled: bool) -> Result<(), Error> {
        let asked = Instant::now();
        let turn = self.client.budget().acquire(self.hub, self.class).await;
        let waited = asked.elapsed();
        let mut counts = self.counts();
        if throttled {
            counts.throttled += waited;
        } else {
            counts.queued += waited;
        }
        turn.map_err(|retry_after| Error::Throttled { retry_after })
    }

    pub(crate) fn count(&self, kind: &'static str) {
        *self.counts().by_kind.entry(kind).or_default() += 1;
    }

    /// The one request: the body of a 2xx answer.
    async fn request(&self, call: Call) -> Result<Vec<u8>, Error> {
        self.client
            .answer(&call, Auth::Portal(self))
            .await?
            .into_body()
    }

    pub(crate) async fn read(&self, kind: &'static str, path: String) -> Result<Vec<u8>, Error> {
        let call = Call {
            kind,
            method: Method::GET,
            path,
            body: Body::None,
            effect: Effect::Read,
        };
        self.request(call).await
    }

    pub(crate) async fn send(
        &self,
        kind: &'static str,
        method: Method,
        path: String,
        body: &impl Serialize,
        effect: Effect,
    ) -> Result<Vec<u8>, Error> {
        let body = serde_json::to_vec(body).map_err(|error| Error::OurFault(error.to_string()))?;
        let call = Call {
            kind,
            method,
            path,
            body: Body::Json(body),
            effect,
        };
        self.request(call).await
    }
}
