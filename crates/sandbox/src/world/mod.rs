//! The seeded world: a portal with people, companies and deals, and an organization with a year of gifts to them.
//! The same spec makes the same world, byte for byte.

mod crm;
mod even;
mod gifts;
mod history;
pub(crate) mod malformed;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::config::WorldSpec;
use crate::crm::portal::User;
use crate::crm::{Portal, PortalState};
use crate::thnks::Organization;

/// Somebody who can get a gift.
#[derive(Debug, Clone)]
pub(crate) struct Recipient {
    pub(crate) name: String,
    /// The e-mails the person is known by; the first is the primary one. Empty: reached by SMS only.
    pub(crate) emails: Vec<String>,
    pub(crate) phone: Option<String>,
}

/// Who and what a world is made for.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) hub_id: i64,
    pub(crate) portal_name: String,
    pub(crate) organization_id: String,
    pub(crate) organization_name: String,
    pub(crate) key: String,
}

/// Builds a portal and its organization.
pub(crate) fn build(spec: &WorldSpec, names: &Names) -> (Portal, Organization) {
    let mut rng = StdRng::seed_from_u64(spec.seed ^ names.hub_id.unsigned_abs());
    let start = spec.now - chrono::TimeDelta::days(i64::from(spec.days));
    let mut state = PortalState::new(
        names.hub_id,
        names.portal_name.clone(),
        spec.enterprise,
        start,
    );
    state.users = users(names.hub_id);
    let known = if spec.even {
        even::fill(&mut state, spec, start, &mut rng)
    } else {
        crm::fill(&mut state, spec, start, &mut rng)
    };
    let organization = Organization::new(
        names.organization_id.clone(),
        names.key.clone(),
        names.organization_name.clone(),
    );
    gifts::fill(&organization, spec, &known, &mut rng);
    (Portal::new(state), organization)
}

/// A super admin and somebody who may not install.
fn users(hub_id: i64) -> Vec<User> {
    let user = |offset: i64, email: &str, name: &str, super_admin| User {
        id: hub_id % 1_000_000 * 10 + offset,
        email: format!("{email}@acme{hub_id}.example.com"),
        name: name.to_owned(),
        super_admin,
    };
    vec![
        user(1, "dana.reyes", "Dana Reyes", true),
        user(2, "lee.morgan", "Lee Morgan", false),
    ]
}
