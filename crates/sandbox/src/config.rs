//! What a sandbox is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::rules::Rules;

/// The client id of the app that every sandbox knows.
pub const CLIENT_ID: &str = "5b6f3d1c-7f1e-4c52-9c0e-5a2d7b8f4e10";
/// Its client secret; the key of webhook signatures too. Public: it protects nothing but the sandbox.
pub const CLIENT_SECRET: &str = "0d9c2f4e-sandbox-only-6b1a-93f7c2d85e44";
/// Its app id.
pub const APP_ID: i64 = 3_141_592;
/// The portal of the demonstration.
pub const DEMO_HUB_ID: i64 = 48_151_623;
/// The organization of the demonstration.
pub const DEMO_ORGANIZATION_ID: &str = "org_7Q2demo";
/// Its Thnks API key. Public: it protects nothing but the sandbox.
pub const THNKS_API_KEY: &str = "thnks_sandbox_key_of_acme";

/// Where the sandbox reads the time.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the sandbox that reads the machine's time"
)]
pub fn machine_clock() -> Clock {
    Arc::new(Utc::now)
}

/// What a sandbox is started with.
#[derive(Clone)]
pub struct Config {
    /// Where HubSpot (and the control API) listens; port 0 takes a free one.
    pub hubspot_addr: SocketAddr,
    /// Where Thnks listens; port 0 takes a free one.
    pub thnks_addr: SocketAddr,
    /// The people, gifts and records at the start.
    pub world: WorldSpec,
    /// The switches at the start.
    pub rules: Rules,
    /// The app that may be installed.
    pub app: App,
    /// Where the time is read.
    pub clock: Clock,
}

impl Config {
    /// A sandbox with this world, HubSpot's rules, free ports on localhost and the machine's clock.
    pub fn new(world: WorldSpec) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            hubspot_addr: any,
            thnks_addr: any,
            world,
            rules: Rules::default(),
            app: App::default(),
            clock: machine_clock(),
        }
    }
}

/// The registered HubSpot app.
#[derive(Debug, Clone)]
pub struct App {
    /// OAuth client id.
    pub client_id: String,
    /// OAuth client secret.
    pub client_secret: String,
    /// HubSpot's number of the app.
    pub app_id: i64,
    /// The name on the consent page.
    pub name: String,
    /// Scopes that an authorize URL must name in `scope`.
    pub required_scopes: Vec<String>,
    /// Scopes that an authorize URL may name in `scope` or `optional_scope`.
    pub optional_scopes: Vec<String>,
    /// Registered redirect URIs; empty allows every https one and every one on this machine.
    pub redirect_uris: Vec<String>,
}

impl Default for App {
    fn default() -> Self {
        let list = |all: &[&str]| all.iter().map(|&scope| scope.to_owned()).collect();
        Self {
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            app_id: APP_ID,
            name: "Thnks".to_owned(),
            required_scopes: list(&[
                "oauth",
                "crm.objects.contacts.read",
                "crm.objects.contacts.write",
                "crm.objects.custom.read",
                "crm.objects.custom.write",
                "crm.schemas.custom.read",
            ]),
            optional_scopes: list(&[
                "crm.objects.companies.read",
                "crm.objects.deals.read",
                "crm.schemas.custom.write",
                "crm.objects.owners.read",
            ]),
            redirect_uris: Vec::new(),
        }
    }
}

/// The people, gifts and records a sandbox starts with. The same spec makes the same world.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldSpec {
    /// Seed of everything random.
    pub seed: u64,
    /// The end of the year of data; nothing happened later.
    pub now: DateTime<Utc>,
    /// Gifts sent or scheduled.
    pub transactions: usize,
    /// Contacts in the portal.
    pub contacts: usize,
    /// Companies in the portal.
    pub companies: usize,
    /// Deals in the portal, half of them open, in two pipelines.
    pub deals: usize,
    /// Share of gifts whose recipient is no contact, 0 to 1.
    pub orphan_share: f64,
    /// How far back the gifts go, in days.
    pub days: u32,
    /// Malformed rows among the transactions.
    pub bad_rows: usize,
    /// Whether every contact has a primary company and one open deal of its own and gets as many gifts as the others;
    /// then `companies` and `deals` are not looked at, and nobody is an orphan.
    pub even: bool,
    /// Whether the portal has the Enterprise edition.
    pub enterprise: bool,
}

impl WorldSpec {
    /// The demonstration: 5,000 gifts over 12 months, 1,200 contacts, 300 companies, 400 deals, 7 % orphans.
    pub fn demo(now: DateTime<Utc>) -> Self {
        Self {
            seed: 20_261_123,
            now,
            transactions: 5_000,
            contacts: 1_200,
            companies: 300,
            deals: 400,
            orphan_share: 0.07,
            days: 365,
            bad_rows: 0,
            even: false,
            enterprise: true,
        }
    }

    /// The demonstration's proportions for `transactions` gifts.
    pub fn small(now: DateTime<Utc>, transactions: usize) -> Self {
        Self {
            transactions,
            contacts: (transactions * 24 / 100).max(10),
            companies: (transactions * 6 / 100).max(4),
            deals: (transactions * 8 / 100).max(6),
            ..Self::demo(now)
        }
    }

    /// `transactions` gifts that go in turn to `recipients` contacts, each with a primary company and one open deal of
    /// its own: what is asked of HubSpot depends on the two numbers alone.
    pub fn even(now: DateTime<Utc>, transactions: usize, recipients: usize) -> Self {
        Self {
            transactions,
            contacts: recipients,
            companies: recipients,
            deals: recipients,
            orphan_share: 0.0,
            even: true,
            ..Self::demo(now)
        }
    }

    /// A portal and an organization without any data.
    pub fn empty(now: DateTime<Utc>) -> Self {
        Self {
            transactions: 0,
            contacts: 0,
            companies: 0,
            deals: 0,
            ..Self::demo(now)
        }
    }
}
