//! A sandbox, a database and the app between them, with one verb per thing that people, the worker or time do.
//! Time is the machine's plus what a test has let pass; app and sandbox share it.

pub mod crm;
pub mod hearing;
mod looking;
pub mod marketplace;
pub mod sinks;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use app::engine::{self, Outcome};
use app::install::{Begin, Callback, Completed, Started};
use app::operator::NewOrganization;
use app::session::Session;
use app::{App, Clock, KeyRing, PortalScope};
use chrono::{DateTime, TimeDelta, Utc};
use domain::HubId;
use domain::portal::PortalState;
use domain::run::RunKind;
use sandbox::{Control, DEMO_HUB_ID, DEMO_ORGANIZATION_ID, Sandbox, WorldSpec};
use secrecy::{ExposeSecret, SecretString};
use store::testing::ScratchDatabase;
use tokio_util::sync::CancellationToken;
use url::Url;

pub const HUB: i64 = DEMO_HUB_ID;
pub const ORGANIZATION: &str = DEMO_ORGANIZATION_ID;
/// Waits that a drain skips before it gives up: a run that never ends must fail its test.
const WAITS: usize = 60;

pub struct World {
    pub app: App,
    pub control: Control,
    pub scratch: ScratchDatabase,
    pub db: store::Db,
    sandbox: Option<Sandbox>,
    parts: Parts,
    budget: Arc<PassingBudget>,
    passed_millis: Arc<AtomicI64>,
    is_over: AtomicBool,
}

/// What another process' application would be made of.
struct Parts {
    hubspot: hubspot::Client,
    thnks: thnks::Client,
    clock: Clock,
}

/// One process's budget; a wait that HubSpot asks for passes on the world's clock.
struct PassingBudget {
    inner: hubspot::LocalBudget,
    passed_millis: Arc<AtomicI64>,
}

#[async_trait::async_trait]
impl hubspot::Budget for PassingBudget {
    async fn acquire(&self, hub: HubId, class: hubspot::CallClass) -> Result<(), hubspot::NoTurn> {
        self.inner.acquire(hub, class).await
    }

    async fn report(&self, answered: bool) {
        self.inner.report(answered).await;
    }

    fn is_down(&self) -> bool {
        self.inner.is_down()
    }

    async fn block(&self, _: HubId, wait: Duration) {
        let millis = i64::try_from(wait.as_millis()).unwrap();
        self.passed_millis.fetch_add(millis, Ordering::SeqCst);
    }
}

/// What HubSpot brings back to the callback.
pub struct Back {
    pub code: String,
    pub state: String,
    pub browser_token: SecretString,
    /// Of the session that the browser has open.
    pub session_token: Option<String>,
    /// What the browser says of itself.
    pub user_agent: Option<String>,
}

pub fn scope() -> PortalScope {
    PortalScope::from_grant(HubId(HUB))
}

/// Gifts in the demonstration's proportions.
pub async fn world(gifts: usize) -> World {
    with(|config| config.world = WorldSpec::small(config.world.now, gifts)).await
}

/// A portal and an organization without anything in them.
pub async fn empty_world() -> World {
    with(|_| {}).await
}

/// Milliseconds until it is ten o'clock again (UTC). Every world begins then: what is done at night, or once a day, does not
/// come in between.
fn until_ten() -> i64 {
    let now = app::system_clock()();
    let ten = now.date_naive().and_hms_opt(10, 0, 0).unwrap().and_utc();
    let next = if ten < now {
        ten + TimeDelta::days(1)
    } else {
        ten
    };
    (next - now).num_milliseconds()
}

/// A world that a test changes before it starts; empty unless it says otherwise.
pub async fn with(change: impl FnOnce(&mut sandbox::Config)) -> World {
    let passed_millis = Arc::new(AtomicI64::new(until_ten()));
    let (machine, passed) = (app::system_clock(), Arc::clone(&passed_millis));
    let clock: Clock =
        Arc::new(move || machine() + TimeDelta::milliseconds(passed.load(Ordering::SeqCst)));
    let mut config = sandbox::Config::new(WorldSpec::empty(clock()));
    config.clock = Arc::clone(&clock);
    change(&mut config);
    let sandbox = sandbox::start(config).await.unwrap();
    let scratch = ScratchDatabase::create().await;
    let public_url: Url = "http://localhost:3000/".parse().unwrap();
    let budget = Arc::new(PassingBudget {
        inner: hubspot::LocalBudget::new(100),
        passed_millis: Arc::clone(&passed_millis),
    });
    let hubspot = hubspot_client(&sandbox, sandbox::CLIENT_SECRET, budget.clone());
    let thnks = thnks::Client::new(&thnks::Config {
        api_url: sandbox.thnks_url().clone(),
    })
    .unwrap();
    let parts = Parts {
        hubspot,
        thnks,
        clock,
    };
    World {
        app: parts.app(&scratch, public_url),
        control: sandbox.control(),
        db: scratch.db(),
        scratch,
        sandbox: Some(sandbox),
        parts,
        budget,
        passed_millis,
        is_over: AtomicBool::new(false),
    }
}

fn hubspot_client(
    sandbox: &Sandbox,
    client_secret: &str,
    budget: Arc<PassingBudget>,
) -> hubspot::Client {
    let config = hubspot::Config {
        api_url: sandbox.hubspot_url().clone(),
        authorize_url: sandbox.authorize_url(),
        client_id: sandbox::CLIENT_ID.into(),
        client_secret: client_secret.into(),
        previous_client_secret: None,
        app_id: Some(sandbox::APP_ID),
        redirect_uri: "http://localhost:3000/oauth/callback".parse().unwrap(),
    };
    hubspot::Client::new(config, budget).unwrap()
}

impl Parts {
    fn app(&self, scratch: &ScratchDatabase, public_url: Url) -> App {
        let keys = SecretString::from(format!("one:{}=", "A".repeat(43)));
        self.app_with(scratch, public_url, KeyRing::parse(&keys).unwrap())
    }

    fn app_with(&self, scratch: &ScratchDatabase, public_url: Url, keys: KeyRing) -> App {
        App::new(
            scratch.db(),
            self.hubspot.clone(),
            self.thnks.clone(),
            keys,
            app::Config {
                public_url,
                sync_interval: TimeDelta::hours(1),
                retention: TimeDelta::days(30),
            },
            Arc::clone(&self.clock),
        )
    }
}

impl Drop for World {
    fn drop(&mut self) {
        assert!(
            self.is_over.load(Ordering::SeqCst) || std::thread::panicking(),
            "a test ends its world with `end`, which looks for open runs"
        );
    }
}

impl World {
    /// Fails when a run is left open.
    pub async fn end(mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let open = app::schedule::next_due(&self.app).await.unwrap();
        assert_eq!(open, None, "a run is left open: {:?}", self.runs().await);
        self.app.close().await;
        self.db.close().await;
        if let Some(sandbox) = self.sandbox.take() {
            sandbox.shutdown().await;
        }
    }

    /// The same service, started with other keys.
    pub fn app_with(&self, keys: KeyRing) -> App {
        let public_url = self.app.public_url().clone();
        self.parts.app_with(&self.scratch, public_url, keys)
    }

    /// Starts the service anew with this client secret.
    pub fn restart_with(&mut self, client_secret: &str) {
        let sandbox = self.sandbox.as_ref().unwrap();
        self.parts.hubspot = hubspot_client(sandbox, client_secret, self.budget.clone());
        let public_url = self.app.public_url().clone();
        self.app = self.parts.app(&self.scratch, public_url);
    }

    // Time.

    pub fn now(&self) -> DateTime<Utc> {
        self.app.now()
    }

    pub fn let_pass(&self, time: TimeDelta) {
        let millis = time.num_milliseconds();
        self.passed_millis.fetch_add(millis, Ordering::SeqCst);
    }

    /// The minute between two probes of a service that is down is over: it is the machine's, and not waited for.
    pub async fn forget_outages(&self) {
        hubspot::Budget::report(&*self.budget, true).await;
    }

    // The operator.

    pub async fn setup_link(&self) -> String {
        self.setup_link_for(None).await
    }

    /// The token of a new link, perhaps bound to a portal.
    pub async fn setup_link_for(&self, portal: Option<i64>) -> String {
        self.setup_link_of(sandbox::THNKS_API_KEY, portal).await
    }

    /// The same for the organization of an API key.
    pub async fn setup_link_of(&self, api_key: &str, portal: Option<i64>) -> String {
        let key = SecretString::from(api_key);
        let new = NewOrganization {
            name: "Acme",
            api_key: &key,
            portal: portal.map(HubId),
            link_lifetime: TimeDelta::days(7),
        };
        let link = app::operator::add_organization(&self.app, &new)
            .await
            .unwrap();
        parameter(&link, "setup")
    }

    // The admin in a browser.

    /// Clicks Install.
    pub async fn begin(&self, setup: Option<&str>) -> Started {
        app::install::begin(&self.app, Begin::Install { setup })
            .await
            .unwrap_or_else(|error| panic!("begin: {error}"))
    }

    /// Clicks "Connect app" on HubSpot's consent page.
    pub async fn consent(&self, started: &Started, hub_id: i64, user_id: Option<i64>) -> Back {
        let url = &started.authorize_url;
        let mut form: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        form.push(("hub_id".into(), hub_id.to_string()));
        form.push(("decision".into(), "connect".into()));
        form.extend(user_id.map(|id| ("user_id".into(), id.to_string())));
        let http = hubspot::http_client().build().unwrap();
        let answer = http
            .post(url.join("/oauth/authorize/decision").unwrap())
            .form(&form)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), 302, "HubSpot refuses the consent");
        let back: Url = answer.headers()["location"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        Back {
            code: parameter(&back, "code"),
            state: parameter(&back, "state"),
            browser_token: started.browser_token.clone(),
            session_token: None,
            user_agent: None,
        }
    }

    pub async fn complete(&self, back: &Back) -> Result<Completed, app::install::Error> {
        let callback = Callback {
            code: &back.code,
            state: &back.state,
            browser_token: Some(back.browser_token.expose_secret()),
            session_token: back.session_token.as_deref(),
            user_agent: back.user_agent.as_deref(),
        };
        app::install::complete(&self.app, callback).await
    }

    /// Installs in the portal of the demonstration and opens the session.
    pub async fn install(&self, setup: Option<&str>) -> Session {
        let started = self.begin(setup).await;
        let back = self.consent(&started, HUB, None).await;
        let completed = self.complete(&back).await.unwrap();
        assert_eq!(completed.hub_id, HubId(HUB));
        self.session(completed.session_token.expose_secret())
            .await
            .unwrap()
    }

    /// Installs from a setup link, so that a backfill waits.
    pub async fn install_from_link(&self) -> Session {
        let link = self.setup_link().await;
        self.install(Some(&link)).await
    }

    /// Installs from a setup link and works until nothing waits.
    pub async fn backfilled(&self) -> Session {
        let session = self.install_from_link().await;
        self.drain().await;
        assert_eq!(self.status().await.state, PortalState::Active);
        session
    }

    pub async fn session(&self, token: &str) -> Option<Session> {
        app::session::find(&self.app, token).await.unwrap()
    }

    /// Clicks a button and works until nothing waits.
    pub async fn run(&self, session: &Session, kind: RunKind) {
        app::runs::request(&self.app, session, kind).await.unwrap();
        self.drain().await;
    }

    // HubSpot's events.

    /// Serves the web at an address of its own and lets HubSpot deliver events there.
    pub async fn listen(&self) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base: Url = format!("http://{}/", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let app = self.parts.app(&self.scratch, base.clone());
        tokio::spawn(web::serve(
            app,
            listener,
            CancellationToken::new(),
            web::Traffic::default(),
        ));
        let target = base.join("webhooks/hubspot").unwrap();
        self.control.set_webhook_target(Some(target.clone()));
        target
    }

    /// Waits until HubSpot's events have been delivered, and follows up on them.
    pub async fn follow(&self) {
        self.delivered().await;
        // A stream of events is gathered.
        self.let_pass(TimeDelta::seconds(2));
        app::schedule::take_events(&self.app).await.unwrap();
        self.drain().await;
    }

    /// Waits until HubSpot's events have been delivered.
    pub async fn delivered(&self) {
        while self.control.is_delivering() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    // The worker.

    /// Lets the time of the next sync come and works until nothing waits.
    pub async fn sync(&self) {
        let planned = self.status().await.next_sync_at.expect("a sync is planned");
        self.let_pass(planned - self.now() + TimeDelta::seconds(1));
        assert_eq!(app::schedule::insert_due_runs(&self.app).await.unwrap(), 1);
        self.drain().await;
    }

    /// Works until nothing waits. Waits are not waited for: the clock moves on.
    pub async fn drain(&self) {
        for _ in 0..WAITS {
            self.work_what_is_due(&CancellationToken::new()).await;
            if !self.skip_wait().await {
                return;
            }
        }
        panic!("runs do not end: {:?}", self.runs().await);
    }

    /// Lets the time pass until the next run is due; `false` when none waits.
    pub async fn skip_wait(&self) -> bool {
        let Some(wait) = self.scratch.skip_wait().await else {
            return false;
        };
        self.let_pass(wait);
        true
    }

    /// One turn of every run that is due, again and again until none is.
    pub async fn work_what_is_due(&self, shutdown: &CancellationToken) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        loop {
            let due = app::schedule::take_due(&self.app, 100).await.unwrap();
            if due.is_empty() {
                return outcomes;
            }
            for run_id in due {
                outcomes.push(engine::work(&self.app, run_id, shutdown).await.unwrap());
            }
        }
    }
}

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs()
        .find(|(found, _)| found == name)
        .map_or_else(
            || panic!("{name} is not in {url}"),
            |(_, value)| value.into_owned(),
        )
}
