//! One account's side of HubSpot: its tokens, its budget, its call counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::HubId;
use reqwest::Method;
use secrecy::SecretString;
use serde::Serialize;
use tokio::time::Instant;

use crate::budget::{CallClass, NoTurn};
use crate::client::{AccessTokens, Auth, Body, Call, Client};
use crate::error::{Error, Unanswered};
use crate::retry::Effect;

/// One account: HubSpot's API with its tokens and its budget. Cheap to clone; clones share their call counts.
#[derive(Clone)]
pub struct Portal {
    client: Client,
    hub: HubId,
    tokens: Arc<dyn AccessTokens>,
    class: CallClass,
    calls: Arc<Mutex<Calls>>,
}

#[derive(Default)]
struct Calls {
    by_kind: BTreeMap<&'static str, u64>,
    throttled: Waiting,
    queued: Waiting,
}

/// The time in which at least one of several calls that are under way waits.
#[derive(Default)]
struct Waiting {
    waiters: u32,
    since: Option<Instant>,
    total: Duration,
}

impl Waiting {
    fn begin(&mut self) {
        self.waiters += 1;
        self.since.get_or_insert_with(Instant::now);
    }

    fn end(&mut self) {
        self.waiters = self.waiters.saturating_sub(1);
        if self.waiters == 0
            && let Some(since) = self.since.take()
        {
            self.total += since.elapsed();
        }
    }
}

/// What a [`Portal`] and its clones have called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Requests that were sent, repeats included, by kind, for example `objects.upsert`.
    pub by_kind: BTreeMap<&'static str, u64>,
    /// Time in which a call waited because HubSpot asked to slow down.
    pub throttled: Duration,
    /// Time in which a call waited for our own budget.
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
        let calls = self.counts();
        CallCounts {
            by_kind: calls.by_kind.clone(),
            throttled: calls.throttled.total,
            queued: calls.queued.total,
        }
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

    fn counts(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the next call may go; `throttled` when it waits because HubSpot asked.
    pub(crate) async fn wait_for_turn(&self, throttled: bool) -> Result<(), Error> {
        let waiting = |calls: &mut Calls, change: fn(&mut Waiting)| {
            change(if throttled {
                &mut calls.throttled
            } else {
                &mut calls.queued
            });
        };
        waiting(&mut self.counts(), Waiting::begin);
        let started = Instant::now();
        let turn = self.client.budget().acquire(self.hub, self.class).await;
        waiting(&mut self.counts(), Waiting::end);
        let reason = if throttled { "throttled" } else { "budget" };
        telemetry::measure::hubspot_wait(self.class.as_str(), reason, started.elapsed());
        turn.map_err(|turn| match turn {
            NoTurn::Busy(retry_after) => Error::Throttled { retry_after },
            NoTurn::Down(retry_after) => Error::Down { retry_after },
        })
    }

    pub(crate) fn count(&self, kind: &'static str) {
        *self.counts().by_kind.entry(kind).or_default() += 1;
    }

    /// The one request: the body of a 2xx answer.
    async fn request(&self, call: Call) -> Result<Vec<u8>, Unanswered> {
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
        Ok(self.request(call).await?)
    }

    pub(crate) async fn send(
        &self,
        kind: &'static str,
        method: Method,
        path: String,
        body: &impl Serialize,
        effect: Effect,
    ) -> Result<Vec<u8>, Error> {
        Ok(self.write(kind, method, path, body, effect).await?)
    }

    /// The same for those who keep account of each write.
    pub(crate) async fn write(
        &self,
        kind: &'static str,
        method: Method,
        path: String,
        body: &impl Serialize,
        effect: Effect,
    ) -> Result<Vec<u8>, Unanswered> {
        let body = serde_json::to_vec(body).map_err(|error| Unanswered {
            error: Error::OurFault(error.to_string()),
            in_doubt: false,
        })?;
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
