//! The even portal: each contact with a primary company and one open deal that are nobody else's.

use chrono::{DateTime, Utc};
use rand::rngs::StdRng;

use super::Recipient;
use super::crm::changes;
use crate::config::WorldSpec;
use crate::crm::graph::Category;
use crate::crm::writes::PRIMARY_COMPANY;
use crate::crm::{COMPANY, CONTACT, DEAL, PortalState};
use crate::thnks::names;

/// Fills a portal and returns its contacts as people who can get gifts.
pub(super) fn fill(
    state: &mut PortalState,
    spec: &WorldSpec,
    start: DateTime<Utc>,
    rng: &mut StdRng,
) -> Vec<Recipient> {
    (0..spec.contacts)
        .filter_map(|index| recipient(state, index, start, rng))
        .collect()
}

fn recipient(
    state: &mut PortalState,
    index: usize,
    start: DateTime<Utc>,
    rng: &mut StdRng,
) -> Option<Recipient> {
    let named = names::person(rng);
    let (company_name, domain) = names::company(index);
    let email = format!("{}.{index}@{domain}", named.local);
    let phone = format!("+1555{:07}", 1_000_000 + index);
    let contact = changes([
        ("email", email.clone()),
        ("firstname", named.first),
        ("lastname", named.last),
        ("phone", phone.clone()),
    ]);
    let company = changes([("name", company_name.clone()), ("domain", domain)]);
    let deal = changes([
        ("dealname", format!("{company_name} deal {index}")),
        ("pipeline", "default".to_owned()),
        ("dealstage", "qualifiedtobuy".to_owned()),
        ("amount", "5000".to_owned()),
    ]);
    let contact = state.create(CONTACT, &contact, start).ok()?;
    let company = state.create(COMPANY, &company, start).ok()?;
    let deal = state.create(DEAL, &deal, start).ok()?;
    state.link((CONTACT, contact), (COMPANY, company), PRIMARY_COMPANY);
    state.link(
        (CONTACT, contact),
        (DEAL, deal),
        (Category::HubspotDefined, 4),
    );
    state.link(
        (DEAL, deal),
        (COMPANY, company),
        (Category::HubspotDefined, 5),
    );
    Some(Recipient {
        name: named.full,
        emails: vec![email],
        phone: Some(phone),
    })
}
