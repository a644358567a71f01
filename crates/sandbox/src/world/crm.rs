//! The portal's companies, contacts and deals.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use rand::rngs::StdRng;

use super::Recipient;
use crate::config::WorldSpec;
use crate::crm::graph::Category;
use crate::crm::portal::renewal_pipeline;
use crate::crm::writes::{Changes, PRIMARY_COMPANY};
use crate::crm::{COMPANY, CONTACT, DEAL, PortalState};
use crate::thnks::names;

/// Fills a portal and returns its contacts as people who can get gifts.
pub(super) fn fill(
    state: &mut PortalState,
    spec: &WorldSpec,
    start: DateTime<Utc>,
    rng: &mut StdRng,
) -> Vec<Recipient> {
    state.pipelines.push(renewal_pipeline());
    // A label on contact → company whose number is 1, like HubSpot's "Primary": only the category tells them apart.
    let (billing, _) =
        state.define_association(CONTACT, COMPANY, Some("Billing contact"), "billing_contact");
    let (decision, _) =
        state.define_association(CONTACT, DEAL, Some("Decision maker"), "decision_maker");
    let companies: Vec<u64> = (0..spec.companies)
        .filter_map(|index| {
            let (name, domain) = names::company(index);
            let values = changes([("name", name), ("domain", domain)]);
            state.create(COMPANY, &values, start).ok()
        })
        .collect();
    let mut people = Vec::new();
    let mut contacts: Vec<(u64, Option<u64>)> = Vec::new();
    for index in 0..spec.contacts {
        let company = (!companies.is_empty() && rng.random_bool(0.94))
            .then(|| rng.random_range(0..companies.len()));
        let named = names::person(rng);
        let domain = company.map_or_else(
            || "mail.example.org".to_owned(),
            |company| names::company(company).1,
        );
        let mut emails = vec![format!("{}.{index}@{domain}", named.local)];
        if rng.random_bool(0.08) {
            emails.push(format!("{}.{index}@private.example.net", named.local));
        }
        if rng.random_bool(0.01) {
            emails.push(format!("old-{}.{index}@former.example.net", named.local));
        }
        let mut values = changes([
            ("email", emails[0].clone()),
            ("firstname", named.first),
            ("lastname", named.last),
        ]);
        if emails.len() > 1 {
            values.insert("hs_additional_emails".to_owned(), emails[1..].join(";"));
        }
        let phone = format!("+1555{:07}", 1_000_000 + index);
        values.insert("phone".to_owned(), phone.clone());
        let Ok(id) = state.create(CONTACT, &values, start) else {
            continue;
        };
        let company = company.map(|company| companies[company]);
        if let Some(company) = company {
            state.link((CONTACT, id), (COMPANY, company), PRIMARY_COMPANY);
        }
        // A second company that is not the primary one, sometimes labelled.
        if companies.len() > 1 && rng.random_bool(0.1) {
            let other = companies[rng.random_range(0..companies.len())];
            if Some(other) != company {
                let key = if rng.random_bool(0.5) {
                    (Category::UserDefined, billing)
                } else {
                    (Category::HubspotDefined, 279)
                };
                state.link((CONTACT, id), (COMPANY, other), key);
            }
        }
        contacts.push((id, company));
        people.push(Recipient {
            name: named.full,
            emails,
            phone: Some(phone),
        });
    }
    deals(state, spec, start, &contacts, decision, rng);
    people
}

fn deals(
    state: &mut PortalState,
    spec: &WorldSpec,
    start: DateTime<Utc>,
    contacts: &[(u64, Option<u64>)],
    decision: u32,
    rng: &mut StdRng,
) {
    for index in 0..spec.deals {
        let pipeline = state.pipelines[usize::from(rng.random_bool(0.3))].clone();
        let open = index % 2 == 0;
        let stages: Vec<_> = pipeline
            .stages
            .iter()
            .filter(|s| s.closed != open)
            .collect();
        let stage = stages[rng.random_range(0..stages.len())];
        let amount = rng.random_range(10..900) * 100;
        let created = start + TimeDelta::days(rng.random_range(0..=i64::from(spec.days)));
        let created = created.min(spec.now);
        let values = changes([
            ("dealname", format!("{} deal {index}", pipeline.label)),
            ("pipeline", pipeline.id.clone()),
            ("dealstage", stage.id.clone()),
            ("amount", amount.to_string()),
        ]);
        let Ok(deal) = state.create(DEAL, &values, created) else {
            continue;
        };
        if contacts.is_empty() {
            continue;
        }
        for turn in 0..rng.random_range(1..=3) {
            let (contact, company) = contacts[rng.random_range(0..contacts.len())];
            state.link(
                (CONTACT, contact),
                (DEAL, deal),
                (Category::HubspotDefined, 4),
            );
            if rng.random_bool(0.3) {
                state.link(
                    (CONTACT, contact),
                    (DEAL, deal),
                    (Category::UserDefined, decision),
                );
            }
            if let (0, Some(company)) = (turn, company) {
                state.link(
                    (DEAL, deal),
                    (COMPANY, company),
                    (Category::HubspotDefined, 5),
                );
            }
        }
    }
}

pub(super) fn changes<const N: usize>(values: [(&str, String); N]) -> Changes {
    values
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect::<BTreeMap<_, _>>()
}
