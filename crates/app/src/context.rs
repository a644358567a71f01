//! What every use case needs, built once by `cli`.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use crate::cipher::KeyRing;

/// Tells the time; tests bring their own.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The machine's clock.
pub fn system_clock() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    Arc::new(Utc::now)
}

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct Config {
    /// What HubSpot and browsers use (`PUBLIC_URL`).
    pub public_url: Url,
    /// Between two syncs of a portal (`SYNC_INTERVAL`).
    pub sync_interval: TimeDelta,
    /// How long what is known of a disconnected portal is kept (`RETENTION_DAYS`).
    pub retention: TimeDelta,
}

/// The context of every use case. Cheap to clone, which every layer of a request does.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What an [`App`] holds.
#[derive(Clone)]
pub struct Parts {
    pub(crate) db: store::Db,
    pub(crate) hubspot: hubspot::Client,
    pub(crate) thnks: thnks::Client,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) config: Config,
    pub(crate) statistics: crate::statistics::Answers,
    pub(crate) last_days: crate::statistics::LastDays,
    pub(crate) types: crate::kept::Kept<(), Vec<String>>,
    pub(crate) reports: crate::reports::Answers,
    /// What sends notices; without it none are sent.
    pub(crate) notify: Option<notify::Client>,
    pub(crate) complaints: Arc<crate::blame::Complaints>,
    /// The operator's console, where there is one.
    pub(crate) console: Option<Arc<crate::console::Console>>,
    clock: Clock,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Puts the parts together.
    pub fn new(
        db: store::Db,
        hubspot: hubspot::Client,
        thnks: thnks::Client,
        keys: KeyRing,
        config: Config,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Parts {
            db,
            hubspot,
            thnks,
            keys: Arc::new(keys),
            config,
            statistics: crate::statistics::Answers::new(),
            last_days: crate::statistics::LastDays::new(),
            types: crate::kept::Kept::new(),
            reports: crate::reports::Answers::new(),
            notify: None,
            complaints: Arc::new(crate::blame::Complaints::new()),
            console: None,
            clock,
        }))
    }

    /// The same with what sends notices.
    #[must_use]
    pub fn with_notify(mut self, notify: notify::Client) -> Self {
        Arc::make_mut(&mut self.0).notify = Some(notify);
        self
    }

    /// The same with the operator's console.
    #[must_use]
    pub fn with_console(mut self, console: Arc<crate::console::Console>) -> Self {
        Arc::make_mut(&mut self.0).console = Some(console);
        self
    }

    /// The operator's console; `None` where there is none, and nobody can sign in to it.
    pub fn console(&self) -> Option<&crate::console::Console> {
        self.console.as_deref()
    }

    /// Now.
    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// What HubSpot and browsers use; links, cookies and signatures are built from it alone.
    pub fn public_url(&self) -> &Url {
        &self.config.public_url
    }

    /// Whether the database answers and its schema is this binary's.
    pub async fn check(&self) -> Result<(), crate::Error> {
        Ok(self.db.check().await?)
    }

    /// A listener for new runs, for the worker's relay.
    pub async fn doorbell(&self) -> Result<store::Doorbell, crate::Error> {
        Ok(self.db.doorbell().await?)
    }

    /// Closes the database's connections, at the end of a process.
    pub async fn close(&self) {
        self.db.close().await;
    }
}
