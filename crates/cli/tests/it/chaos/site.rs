//! What a schedule is played on: web, workers, servers of its own, HubSpot and Thnks, and the wires between them.

use std::process::Command;
use std::sync::{Arc, Mutex};

use domain::HubId;
use sandbox::control::{NewOrganization, NewPortal};
use sandbox::{
    Config, Control, DEMO_HUB_ID, DEMO_ORGANIZATION_ID, Sandbox, THNKS_API_KEY, WorldSpec,
};
use serde_json::Value;
use store::PortalScope;
use url::Url;

use super::plan::{Line, Plan};
use super::servers::{Addresses, Servers, through};
use super::variable;
use super::wire::{Mood, Wire};
use crate::browser::Browser;
use crate::processes::{Process, add_organization, binary, free_port, public_url};

/// A portal of the schedule, with the organization that it belongs to.
pub struct Tenant {
    pub hub_id: i64,
    pub organization: String,
    key: String,
    pub browser: Browser,
}

impl Tenant {
    pub fn scope(&self) -> PortalScope {
        PortalScope::from_operator(HubId(self.hub_id))
    }

    /// `status.json`, or nothing while web cannot tell.
    pub async fn status(&self) -> Option<Value> {
        let page = format!("/portals/{}/status.json", self.hub_id);
        self.browser.try_json(&page).await
    }
}

pub struct Site {
    servers: Servers,
    addresses: Arc<Mutex<Addresses>>,
    postgres: Wire,
    redis: Wire,
    hubspot: Wire,
    thnks: Wire,
    sandbox: Sandbox,
    port: u16,
    rate: u32,
    pub tenants: Vec<Tenant>,
    web: Option<Process>,
}

fn wired(url: &Url, wire: &Wire) -> String {
    through(url, wire.port())
}

async fn wire_to(url: &Url) -> Wire {
    let host = url.host_str().unwrap();
    let address = format!("{host}:{}", url.port().unwrap());
    Wire::to(address.parse().unwrap()).await
}

impl Site {
    /// The world of a plan, with web, and the app installed in each portal; no worker yet.
    pub async fn build(plan: &Plan) -> Self {
        let now = sandbox::machine_clock()();
        let world = |gifts| WorldSpec {
            seed: plan.seed,
            ..WorldSpec::small(now, gifts)
        };
        let sandbox = sandbox::start(Config::new(world(plan.gifts[0])))
            .await
            .unwrap();
        let control = sandbox.control();
        control.watch_writes();
        let port = free_port();
        let mut tenants = vec![Tenant {
            hub_id: DEMO_HUB_ID,
            organization: DEMO_ORGANIZATION_ID.to_owned(),
            key: THNKS_API_KEY.to_owned(),
            browser: Browser::open(&public_url(port)),
        }];
        for (number, gifts) in (1..).zip(&plan.gifts[1..]) {
            let (organization, key) = (format!("org_{number}"), format!("thnks_key_{number}"));
            let new = NewPortal {
                hub_id: DEMO_HUB_ID + number,
                name: format!("Company {number}"),
                enterprise: true,
                users: Vec::new(),
                organization: Some(NewOrganization {
                    id: organization.clone(),
                    key: key.clone(),
                }),
                transactions: *gifts,
                recipients: None,
            };
            control.add_portal(&new).unwrap();
            tenants.push(Tenant {
                hub_id: new.hub_id,
                organization,
                key,
                browser: Browser::open(&public_url(port)),
            });
        }
        let (servers, addresses) = Servers::start().await;
        let mut site = Self {
            postgres: Wire::to(addresses.postgres()).await,
            redis: Wire::to(addresses.redis()).await,
            hubspot: wire_to(sandbox.hubspot_url()).await,
            thnks: wire_to(sandbox.thnks_url()).await,
            servers,
            addresses: Arc::new(Mutex::new(addresses)),
            sandbox,
            port,
            rate: plan.rate,
            tenants,
            web: None,
        };
        site.web = Some(Process::spawn(&mut site.command(&["serve"])));
        site.tenants[0].browser.wait_until_served().await;
        for tenant in &site.tenants {
            let org_add = site.command(&["org", "add", "--name", &tenant.organization]);
            let link = add_organization(org_add, &tenant.key);
            tenant.browser.install(&link, tenant.hub_id).await;
        }
        site
    }

    pub fn control(&self) -> Control {
        self.sandbox.control()
    }

    pub fn addresses(&self) -> Addresses {
        self.addresses.lock().unwrap().clone()
    }

    /// Where the servers are, whenever it is asked.
    pub fn database(&self) -> impl Fn() -> Addresses + Send + Sync + use<> {
        let addresses = Arc::clone(&self.addresses);
        move || addresses.lock().unwrap().clone()
    }

    /// The binary, whose every connection goes by a wire.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let addresses = self.addresses();
        let mut command = binary(arguments);
        command
            .env("DATABASE_URL", wired(&addresses.database, &self.postgres))
            .env("REDIS_URL", wired(&addresses.redis, &self.redis))
            .env("PUBLIC_URL", public_url(self.port))
            .env("LISTEN_ADDR", format!("127.0.0.1:{}", self.port))
            .env(
                "HUBSPOT_API_URL",
                wired(self.sandbox.hubspot_url(), &self.hubspot),
            )
            .env(
                "HUBSPOT_AUTHORIZE_URL",
                self.sandbox.authorize_url().as_str(),
            )
            .env(
                "THNKS_API_URL",
                wired(self.sandbox.thnks_url(), &self.thnks),
            )
            .env("HUBSPOT_RATE_PER_10S", self.rate.to_string())
            .env("SYNC_INTERVAL", "5s")
            // What processes say of faults that were ordered is for those who look into one schedule.
            .env(
                "RUST_LOG",
                variable("CHAOS_LOG").unwrap_or_else(|| "off".to_owned()),
            );
        command
    }

    pub fn worker(&self) -> Process {
        Process::spawn(&mut self.command(&["work"]))
    }

    pub fn wire(&self, line: Line) -> &Wire {
        match line {
            Line::Postgres => &self.postgres,
            Line::Redis => &self.redis,
            Line::HubSpot => &self.hubspot,
            Line::Thnks => &self.thnks,
        }
    }

    pub async fn crash(&self, server: &str) {
        self.servers.crash(server).await;
    }

    /// Brings the servers back, and leads the wires to where they are now.
    pub async fn bring_back(&self) {
        let addresses = self.servers.bring_back().await;
        self.postgres.lead_to(addresses.postgres());
        self.redis.lead_to(addresses.redis());
        *self.addresses.lock().unwrap() = addresses;
    }

    pub async fn flush_redis(&self) {
        let addresses = self.addresses();
        let done = tokio::process::Command::new("redis-cli")
            .args([
                "--no-auth-warning",
                "-u",
                addresses.redis.as_str(),
                "FLUSHALL",
            ])
            .output()
            .await
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    /// Every fault is over.
    pub fn calm_down(&self) {
        for line in [Line::Postgres, Line::Redis, Line::HubSpot, Line::Thnks] {
            self.wire(line).set(Mood::Open);
        }
        self.control().clear_faults();
    }

    /// Stops web as a deploy does; its exit code.
    pub fn stop_web(&mut self) -> Option<i32> {
        self.web.take().unwrap().terminate()
    }
}
