//! Installations, authorization codes and tokens: what each is good for and until when.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::crm::portal::User;

/// One installation of the app in a portal.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) hub_id: i64,
    pub(crate) user: User,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) refresh_token: String,
    /// How many access tokens were given out.
    pub(crate) generation: u64,
}

/// An access token.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) hub_id: i64,
    pub(crate) user: User,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) generation: u64,
}

/// An authorization code, waiting to be exchanged.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) hub_id: i64,
    pub(crate) user: User,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) redirect_uri: String,
    /// The S256 challenge, when the authorize URL had one.
    pub(crate) challenge: Option<String>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// All of them. The app counts as installed from the first exchange.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    codes: HashMap<String, Code>,
    /// By refresh token.
    grants: HashMap<String, Grant>,
    /// The refresh token of each portal; thousands of portals are looked up by it.
    by_hub: HashMap<i64, String>,
    /// Old access tokens are swept when there are so many.
    sweep_at: usize,
    access: HashMap<String, Access>,
}

fn opaque(prefix: &str, parts: usize) -> String {
    let random: String = (0..parts)
        .map(|_| Uuid::new_v4().simple().to_string())
        .collect();
    format!("{prefix}{random}")
}

impl Tokens {
    pub(crate) fn issue_code(&mut self, code: Code) -> String {
        let name = opaque("na1-", 2);
        self.codes.insert(name.clone(), code);
        name
    }

    /// The portal of a code that was not used yet.
    pub(crate) fn portal_of_code(&self, code: &str) -> Option<i64> {
        self.codes.get(code).map(|code| code.hub_id)
    }

    /// Takes a code out, whatever happens next: it is good for one try.
    pub(crate) fn take_code(&mut self, code: &str) -> Option<Code> {
        self.codes.remove(code)
    }

    /// Installs, or installs again: HubSpot has one grant per app and portal, so the old refresh token ends.
    pub(crate) fn install(&mut self, code: Code) -> Grant {
        let before = self.drop_grant(code.hub_id);
        let grant = Grant {
            hub_id: code.hub_id,
            user: code.user,
            scopes: code.scopes,
            refresh_token: opaque("na1-", 3),
            generation: before.map_or(0, |grant| grant.generation),
        };
        self.keep_grant(&grant);
        grant
    }

    fn keep_grant(&mut self, grant: &Grant) {
        let token = &grant.refresh_token;
        self.by_hub.insert(grant.hub_id, token.clone());
        self.grants.insert(token.clone(), grant.clone());
    }

    fn drop_grant(&mut self, hub_id: i64) -> Option<Grant> {
        let token = self.by_hub.remove(&hub_id)?;
        self.grants.remove(&token)
    }

    /// Gives out the next access token of a grant.
    pub(crate) fn issue_access(
        &mut self,
        refresh_token: &str,
        now: DateTime<Utc>,
        secs: i64,
        rotate: bool,
    ) -> Option<(String, Grant)> {
        let mut grant = self.grants.remove(refresh_token)?;
        grant.generation += 1;
        if rotate {
            grant.refresh_token = opaque("na1-", 3);
        }
        self.keep_grant(&grant);
        // Real access tokens are long and of no fixed length.
        let token = opaque(
            "CN",
            9 + usize::try_from(grant.generation % 4).unwrap_or_default(),
        );
        let access = Access {
            hub_id: grant.hub_id,
            user: grant.user.clone(),
            scopes: grant.scopes.clone(),
            expires_at: now + TimeDelta::seconds(secs),
            generation: grant.generation,
        };
        if self.access.len() >= self.sweep_at {
            // Tokens that ended more than a day ago are of no interest to any test.
            let yesterday = now - TimeDelta::days(1);
            self.access.retain(|_, old| old.expires_at > yesterday);
            self.sweep_at = self.access.len() * 2 + 1_000;
        }
        self.access.insert(token.clone(), access);
        Some((token, grant))
    }

    pub(crate) fn access(&self, token: &str) -> Option<&Access> {
        self.access.get(token)
    }

    pub(crate) fn grant(&self, refresh_token: &str) -> Option<&Grant> {
        self.grants.get(refresh_token)
    }

    pub(crate) fn grant_of(&self, hub_id: i64) -> Option<&Grant> {
        self.grants.get(self.by_hub.get(&hub_id)?)
    }

    /// Ends a refresh token; access tokens live on until they expire (live test, facts §1.4).
    pub(crate) fn revoke_refresh(&mut self, refresh_token: &str) -> bool {
        let hub_id = self.grants.get(refresh_token).map(|grant| grant.hub_id);
        hub_id.is_some_and(|hub_id| self.drop_grant(hub_id).is_some())
    }

    pub(crate) fn revoke_access(&mut self, token: &str) -> bool {
        self.access.remove(token).is_some()
    }

    /// Ends the portal's installation, and its access tokens too when `access` says so.
    pub(crate) fn uninstall(&mut self, hub_id: i64, access: bool) {
        self.drop_grant(hub_id);
        if access {
            self.access.retain(|_, token| token.hub_id != hub_id);
        }
    }

    /// Lets the portal's access tokens expire now.
    pub(crate) fn expire_access(&mut self, hub_id: i64, now: DateTime<Utc>) {
        for token in self.access.values_mut().filter(|t| t.hub_id == hub_id) {
            token.expires_at = token.expires_at.min(now);
        }
    }

    /// Changes what the portal granted (an admin took scopes away).
    pub(crate) fn set_scopes(&mut self, hub_id: i64, scopes: &BTreeSet<String>) {
        for grant in self.grants.values_mut().filter(|g| g.hub_id == hub_id) {
            grant.scopes.clone_from(scopes);
        }
        for token in self.access.values_mut().filter(|t| t.hub_id == hub_id) {
            token.scopes.clone_from(scopes);
        }
    }
}
