//! The control API: changing the world from outside, as people do in HubSpot and Thnks, and ordering faults.
//! The same verbs stand under `/sandbox/…` on HubSpot's listener.

mod crm;
pub(crate) mod http;
mod links;
mod thnks;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

pub use self::crm::Contact;
pub use self::links::Link;
pub use self::thnks::{Change, OrganizationSettings, Sent};

use crate::config::WorldSpec;
use crate::crm::Portal;
use crate::crm::portal::User;
use crate::faults::Fault;
use crate::hubspot::authorize::Ask;
use crate::hubspot::consent;
use crate::log::{Counters, Entry};
use crate::rules::Rules;
use crate::universe::{Universe, lock};
use crate::verify::{self, Verdict};
use crate::webhooks::Delivery;
use crate::witness::Sighting;
use crate::world;

/// A handle to a running sandbox.
#[derive(Clone)]
pub struct Control {
    universe: Arc<Universe>,
}

/// Why a control verb did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// A portal to add, with its organization and world.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPortal {
    /// HubSpot's number of the portal.
    pub hub_id: i64,
    /// The name on the consent page.
    #[serde(default = "default_portal_name")]
    pub name: String,
    /// Whether it has an Enterprise edition.
    #[serde(default = "yes")]
    pub enterprise: bool,
    /// Its users; empty makes a super admin and somebody who is none.
    #[serde(default)]
    pub users: Vec<User>,
    /// The id of an organization to add with gifts to the portal's contacts; none adds the portal alone.
    #[serde(default)]
    pub organization: Option<NewOrganization>,
    /// Gifts of that organization; contacts, companies and deals are in the demonstration's proportion.
    #[serde(default)]
    pub transactions: usize,
    /// An even world of so many contacts instead (`WorldSpec::even`).
    #[serde(default)]
    pub recipients: Option<usize>,
}

/// An organization to add.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrganization {
    /// Thnks' id of the organization.
    pub id: String,
    /// Its API key.
    pub key: String,
}

fn default_portal_name() -> String {
    "Another company".to_owned()
}

fn yes() -> bool {
    true
}

impl Control {
    pub(crate) fn new(universe: Arc<Universe>) -> Self {
        Self { universe }
    }

    fn portal(&self, hub_id: i64) -> Result<Arc<Portal>, Refused> {
        let portal = self.universe.portal(hub_id);
        portal.ok_or_else(|| Refused(format!("there is no portal {hub_id}")))
    }

    /// Adds a portal, and its organization when one is named.
    pub fn add_portal(&self, new: &NewPortal) -> Result<(), Refused> {
        if self.universe.portal(new.hub_id).is_some() {
            return Err(Refused(format!("portal {} exists", new.hub_id)));
        }
        let now = self.universe.now();
        let spec = WorldSpec {
            enterprise: new.enterprise,
            ..match new.recipients {
                Some(recipients) => WorldSpec::even(now, new.transactions, recipients),
                None if new.transactions == 0 => WorldSpec::empty(now),
                None => WorldSpec::small(now, new.transactions),
            }
        };
        let organization = new.organization.as_ref();
        let names = world::Names {
            hub_id: new.hub_id,
            portal_name: new.name.clone(),
            organization_id: organization.map(|o| o.id.clone()).unwrap_or_default(),
            organization_name: new.name.clone(),
            key: organization.map(|o| o.key.clone()).unwrap_or_default(),
        };
        let (portal, made) = world::build(&spec, &names);
        if !new.users.is_empty() {
            portal.state().users.clone_from(&new.users);
        }
        self.universe.add_portal(portal);
        if organization.is_some() {
            self.universe.add_organization(made);
        }
        Ok(())
    }

    /// The hub ids of all portals, with what they have.
    pub fn portals(&self) -> Value {
        let portals = self.universe.portals();
        let rows: Vec<Value> = portals
            .iter()
            .map(|portal| {
                let state = portal.state();
                let counts: BTreeMap<String, usize> = state
                    .definitions
                    .values()
                    .map(|d| {
                        let count = state.store(d.kind).map_or(0, |store| store.live().count());
                        (d.name.to_lowercase(), count)
                    })
                    .collect();
                let tokens = lock(&self.universe.tokens);
                json!({
                    "hub_id": portal.hub_id,
                    "name": state.name,
                    "enterprise": state.enterprise,
                    "installed": tokens.grant_of(portal.hub_id).is_some(),
                    "records": counts,
                    "users": state.users,
                })
            })
            .collect();
        json!({"portals": rows})
    }

    /// Gives a portal the Enterprise edition or takes it away.
    pub fn set_enterprise(&self, hub_id: i64, enterprise: bool) -> Result<(), Refused> {
        self.portal(hub_id)?.state().enterprise = enterprise;
        Ok(())
    }

    /// Sets what the installed app may do, as if the admin had granted exactly this.
    pub fn set_scopes(&self, hub_id: i64, scopes: &[String]) -> Result<(), Refused> {
        self.portal(hub_id)?;
        let scopes: BTreeSet<String> = scopes.iter().cloned().collect();
        lock(&self.universe.tokens).set_scopes(hub_id, &scopes);
        Ok(())
    }

    /// Consents for a portal without a browser: an authorization code for the parameters of an authorize URL.
    pub fn authorize(
        &self,
        hub_id: i64,
        parameters: &BTreeMap<String, String>,
    ) -> Result<String, Refused> {
        let ask = Ask::from_parameters(parameters, &self.universe.app).map_err(Refused)?;
        consent::grant(&self.universe, &ask, hub_id, None).map_err(Refused)
    }

    /// Ends the installation, as an admin who removes the app in HubSpot.
    pub fn uninstall(&self, hub_id: i64) -> Result<(), Refused> {
        self.portal(hub_id)?;
        let access = self.universe.rules().uninstall_stops_access_tokens;
        lock(&self.universe.tokens).uninstall(hub_id, access);
        Ok(())
    }

    /// Lets the portal's access tokens expire now.
    pub fn expire_tokens(&self, hub_id: i64) -> Result<(), Refused> {
        self.portal(hub_id)?;
        lock(&self.universe.tokens).expire_access(hub_id, self.universe.now());
        Ok(())
    }

    /// Orders a fault.
    pub fn inject(&self, fault: Fault) {
        self.universe.faults().0.push(fault);
    }

    /// The faults that are still on order.
    pub fn faults(&self) -> Vec<Fault> {
        self.universe.faults().0.clone()
    }

    /// Calls off all faults.
    pub fn clear_faults(&self) {
        self.universe.faults().0.clear();
    }

    /// The switches now.
    pub fn rules(&self) -> Rules {
        Rules::clone(&self.universe.rules())
    }

    /// Replaces the switches.
    pub fn set_rules(&self, rules: Rules) {
        self.universe.set_rules(rules);
    }

    /// Merges some switches, given as JSON, into the present ones.
    pub fn merge_rules(&self, part: &Value) -> Result<Rules, Refused> {
        let mut all = serde_json::to_value(self.rules()).map_err(|e| Refused(e.to_string()))?;
        let part = part
            .as_object()
            .ok_or_else(|| Refused("rules are an object".to_owned()))?;
        for (name, value) in part {
            all[name] = value.clone();
        }
        let rules: Rules = serde_json::from_value(all).map_err(|e| Refused(e.to_string()))?;
        self.set_rules(rules.clone());
        Ok(rules)
    }

    /// Exact counts of a portal's calls; without a portal, those that belong to none (Thnks' too).
    pub fn counters(&self, portal: Option<i64>) -> Counters {
        self.universe.log().counters(portal)
    }

    /// Log entries after a sequence number, oldest first.
    pub fn log(
        &self,
        portal: Option<i64>,
        kind: Option<&str>,
        after: u64,
        limit: usize,
    ) -> Vec<Entry> {
        self.universe.log().list(portal, kind, after, limit)
    }

    /// From now on every record of a batch upsert is noted, with no bound.
    pub fn watch_writes(&self) {
        self.universe.witness.begin();
    }

    /// The records of batch upserts since [`Self::watch_writes`], in the order in which HubSpot took them.
    pub fn writes(&self) -> Vec<Sighting> {
        self.universe.witness.sightings()
    }

    /// Where webhooks go; none stops them.
    pub fn set_webhook_target(&self, target: Option<Url>) {
        self.universe.outbox.set_target(target);
    }

    /// Whether webhooks are still under way.
    pub fn is_delivering(&self) -> bool {
        !self.universe.outbox.tasks.is_empty()
    }

    /// What became of the webhooks so far.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.universe.outbox.deliveries()
    }

    /// The ids of a portal's live records by their transaction.
    pub fn records(&self, hub_id: i64) -> Result<BTreeMap<String, Vec<u64>>, Refused> {
        let portal = self.portal(hub_id)?;
        Ok(verify::records(&portal.state()))
    }

    /// The referee's own judgement of a portal against an organization (the only one, or the demonstration's, when
    /// none is named).
    pub fn verify(&self, hub_id: i64, organization: Option<&str>) -> Result<Verdict, Refused> {
        let portal = self.portal(hub_id)?;
        let organization = self.organization_or_demo(organization)?;
        let counters = self.counters(Some(hub_id));
        let verdict = verify::judge(&portal.state(), &organization.state(), &counters);
        Ok(verdict)
    }
}
