//! HubSpot and Thnks to run against with no account: strict referees, not friends.
//!
//! [`start`] opens two listeners and returns a [`Sandbox`]; [`Control`] (and `/sandbox/…` on HubSpot's listener)
//! changes the world, orders faults and asks for the referee's own judgement. Nothing here is shared with the
//! product's clients. facts/hubspot.md and contracts/thnks-api.md decide what is right.

mod bomb;
pub mod config;
pub mod control;
mod crm;
pub mod faults;
mod hubspot;
mod listen;
pub mod log;
pub mod rules;
mod thnks;
mod universe;
pub mod verify;
pub mod webhooks;
pub mod witness;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

pub use config::{
    APP_ID, App, CLIENT_ID, CLIENT_SECRET, Clock, Config, DEMO_HUB_ID, DEMO_ORGANIZATION_ID,
    THNKS_API_KEY, WorldSpec, machine_clock,
};
pub use control::Control;
pub use crm::portal::User;
pub use faults::{Action, Fault, FaultBody, Odds};
pub use rules::{IntrospectField, ObjectIdForm, Rules, UpsertRecycled};
pub use verify::Verdict;

use universe::Universe;

/// A running sandbox.
pub struct Sandbox {
    control: Control,
    hubspot_url: Url,
    thnks_url: Url,
    stop: CancellationToken,
    servers: Vec<JoinHandle<()>>,
}

/// Opens both listeners and fills the world.
///
/// # Errors
/// When an address cannot be bound.
pub async fn start(config: Config) -> io::Result<Sandbox> {
    let hubspot = TcpListener::bind(config.hubspot_addr).await?;
    let thnks = TcpListener::bind(config.thnks_addr).await?;
    let hubspot_url = url_of(hubspot.local_addr()?)?;
    let thnks_url = url_of(thnks.local_addr()?)?;
    let universe = Arc::new(Universe::new(config.app, config.clock, config.rules));
    let names = world::Names {
        hub_id: DEMO_HUB_ID,
        portal_name: "Acme".to_owned(),
        organization_id: DEMO_ORGANIZATION_ID.to_owned(),
        organization_name: "Acme".to_owned(),
        key: THNKS_API_KEY.to_owned(),
    };
    let (portal, organization) = world::build(&config.world, &names);
    universe.add_portal(portal);
    universe.add_organization(organization);

    let stop = CancellationToken::new();
    let control = Control::new(Arc::clone(&universe));
    let hubspot_router = hubspot::router()
        .with_state(Arc::clone(&universe))
        .nest("/sandbox", control::http::router(control.clone()));
    let thnks_router = thnks::api::router().with_state(universe);
    let servers = vec![
        serve(hubspot, hubspot_router, stop.clone()),
        serve(thnks, thnks_router, stop.clone()),
    ];
    Ok(Sandbox {
        control,
        hubspot_url,
        thnks_url,
        stop,
        servers,
    })
}

fn url_of(addr: SocketAddr) -> io::Result<Url> {
    // A listener on all addresses is reached on this machine by the loopback one.
    let host = if addr.ip().is_unspecified() {
        "127.0.0.1".to_owned()
    } else {
        addr.ip().to_string()
    };
    Url::parse(&format!("http://{host}:{}/", addr.port())).map_err(io::Error::other)
}

fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> JoinHandle<()> {
    let service = router.into_make_service_with_connect_info::<listen::Scissors>();
    let door = listen::Door {
        listener,
        stop: stop.clone(),
    };
    tokio::spawn(async move {
        tokio::select! {
            // Open connections are not waited for: a client that keeps one alive would hold the shutdown. They end at
            // their next byte.
            () = stop.cancelled() => {}
            result = axum::serve(door, service) => {
                if let Err(error) = result {
                    tracing::error!(%error, "a sandbox listener ended");
                }
            }
        }
    })
}

impl Sandbox {
    /// Base URL of the HubSpot API, with a trailing slash.
    pub fn hubspot_url(&self) -> &Url {
        &self.hubspot_url
    }

    /// Base URL of the Thnks API, with a trailing slash.
    pub fn thnks_url(&self) -> &Url {
        &self.thnks_url
    }

    /// HubSpot's consent page, without parameters.
    pub fn authorize_url(&self) -> Url {
        let mut url = self.hubspot_url.clone();
        url.set_path("/oauth/authorize");
        url
    }

    /// A handle with the control verbs.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Closes both listeners.
    pub async fn shutdown(self) {
        self.stop.cancel();
        for server in self.servers {
            if let Err(error) = server.await {
                tracing::debug!(%error, "a sandbox listener did not end by itself");
            }
        }
    }
}
