//! Everything the two servers and the control API share. Each part has its own lock, held for one step only.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use chrono::{DateTime, Utc};

use crate::config::{App, Clock};
use crate::crm::Portal;
use crate::faults::{Action, Fault, Faults};
use crate::hubspot::marketplace::Attempts;
use crate::hubspot::tokens::Tokens;
use crate::log::{Entry, Log};
use crate::rules::Rules;
use crate::thnks::Organization;
use crate::webhooks::Outbox;
use crate::witness::Witness;

/// The shared state of a sandbox.
pub(crate) struct Universe {
    pub(crate) app: App,
    pub(crate) clock: Clock,
    rules: RwLock<Arc<Rules>>,
    portals: RwLock<BTreeMap<i64, Arc<Portal>>>,
    organizations: RwLock<BTreeMap<String, Arc<Organization>>>,
    /// Organization ids by API key.
    keys: RwLock<HashMap<String, String>>,
    pub(crate) tokens: Mutex<Tokens>,
    pub(crate) attempts: Mutex<Attempts>,
    faults: Mutex<Faults>,
    log: Mutex<Log>,
    pub(crate) outbox: Outbox,
    pub(crate) witness: Witness,
}

/// Takes a lock that may have been left by a panic: the sandbox's state stays usable for the other tests.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T: Clone>(lock: &RwLock<T>) -> T {
    lock.read().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Universe {
    pub(crate) fn new(app: App, clock: Clock, rules: Rules) -> Self {
        Self {
            app,
            clock,
            rules: RwLock::new(Arc::new(rules)),
            portals: RwLock::default(),
            organizations: RwLock::default(),
            keys: RwLock::default(),
            tokens: Mutex::default(),
            attempts: Mutex::default(),
            faults: Mutex::default(),
            log: Mutex::default(),
            outbox: Outbox::default(),
            witness: Witness::default(),
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        read(&self.rules)
    }

    pub(crate) fn set_rules(&self, rules: Rules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    pub(crate) fn portal(&self, hub_id: i64) -> Option<Arc<Portal>> {
        let portals = self.portals.read().unwrap_or_else(PoisonError::into_inner);
        portals.get(&hub_id).cloned()
    }

    pub(crate) fn portals(&self) -> Vec<Arc<Portal>> {
        let portals = self.portals.read().unwrap_or_else(PoisonError::into_inner);
        portals.values().cloned().collect()
    }

    pub(crate) fn add_portal(&self, portal: Portal) {
        let mut portals = self.portals.write().unwrap_or_else(PoisonError::into_inner);
        portals.insert(portal.hub_id, Arc::new(portal));
    }

    pub(crate) fn organization(&self, id: &str) -> Option<Arc<Organization>> {
        let all = self
            .organizations
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        all.get(id).cloned()
    }

    pub(crate) fn organizations(&self) -> Vec<Arc<Organization>> {
        let all = self
            .organizations
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        all.values().cloned().collect()
    }

    pub(crate) fn organization_of_key(&self, key: &str) -> Option<Arc<Organization>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let id = keys.get(key)?.clone();
        drop(keys);
        self.organization(&id)
    }

    pub(crate) fn add_organization(&self, organization: Organization) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(organization.key.clone(), organization.id.clone());
        drop(keys);
        let mut all = self
            .organizations
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        all.insert(organization.id.clone(), Arc::new(organization));
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    pub(crate) fn append(&self, entry: Entry) {
        self.log().append(entry);
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    /// The fault that hits a call, with its effects on tokens already done.
    pub(crate) fn strike(&self, kind: &str, portal: Option<i64>) -> Option<Fault> {
        let fault = self.faults().strike(kind, portal)?;
        match (&fault.action, portal) {
            (Action::ExpireTokens, Some(hub_id)) => {
                lock(&self.tokens).expire_access(hub_id, self.now());
            }
            (Action::RevokeGrant, Some(hub_id)) => lock(&self.tokens).uninstall(hub_id, true),
            _ => {}
        }
        Some(fault)
    }
}
