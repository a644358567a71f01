//! Links of a record: which should be there now, and which were never right.
//!
//! "What is linked stays linked": a link is right when its reason has ever held. A link is due when its reason holds
//! now and held already when the record was linked to its contact. Pairs that a person touched are left out.

use super::{EXAMPLES, LinkExample, Links, Verdict};
use crate::crm::graph::End;
use crate::crm::{COMPANY, CONTACT, DEAL, Kind, PortalState};

/// The live contact with that e-mail, primary or additional.
pub(super) fn contact_of(portal: &PortalState, email: &str) -> Option<u64> {
    portal.store(CONTACT)?.owner("email", email)
}

/// Judges the links of one record and adds to the verdict.
pub(super) fn judge(
    portal: &PortalState,
    record: End,
    transaction: &str,
    email: Option<&str>,
    contact: Option<u64>,
    verdict: &mut Verdict,
) {
    let linked = |kind: Kind| -> Vec<u64> {
        let links = portal.graph.of(record, kind);
        links
            .map(|links| links.keys().copied().collect())
            .unwrap_or_default()
    };
    let contacts = linked(CONTACT);
    if contacts.is_empty() {
        verdict.orphans += 1;
    }
    for (kind, ids) in [
        (CONTACT, contacts),
        (COMPANY, linked(COMPANY)),
        (DEAL, linked(DEAL)),
    ] {
        for id in ids {
            *count(&mut verdict.associations, kind) += 1;
            let by_hand = portal.manual.contains(&(record, (kind, id)));
            if !by_hand && !was_right(portal, email, kind, id) {
                example(
                    &mut verdict.wrong_links,
                    &mut verdict.wrong_link_count,
                    transaction,
                    kind,
                    id,
                );
            }
        }
    }
    let Some(contact) = contact else { return };
    for (kind, id) in due(portal, record, contact) {
        if portal.manual.contains(&(record, (kind, id))) {
            continue;
        }
        *count(&mut verdict.expected, kind) += 1;
        if portal.graph.link(record, (kind, id)).is_none() {
            example(
                &mut verdict.missing_links,
                &mut verdict.missing_link_count,
                transaction,
                kind,
                id,
            );
        }
    }
}

fn count(links: &mut Links, kind: Kind) -> &mut usize {
    match kind {
        CONTACT => &mut links.contact,
        COMPANY => &mut links.company,
        _ => &mut links.deal,
    }
}

fn example(examples: &mut Vec<LinkExample>, count: &mut usize, id: &str, kind: Kind, record: u64) {
    *count += 1;
    if examples.len() < EXAMPLES {
        let to = match kind {
            CONTACT => "contact",
            COMPANY => "company",
            _ => "deal",
        };
        examples.push(LinkExample {
            id: id.to_owned(),
            to,
            record,
        });
    }
}

/// Whether a link to that record has ever been right.
fn was_right(portal: &PortalState, email: Option<&str>, kind: Kind, id: u64) -> bool {
    let Some(email) = email else { return false };
    let truths = &portal.truths;
    match kind {
        CONTACT => truths.had_email(id, email).is_some(),
        COMPANY => truths
            .contacts_of(email)
            .any(|contact| truths.had_primary(contact, id).is_some()),
        _ => truths
            .contacts_of(email)
            .any(|contact| truths.had_open_deal(contact, id).is_some()),
    }
}

/// The links that a record should have.
fn due(portal: &PortalState, record: End, contact: u64) -> Vec<End> {
    let mut all = vec![(CONTACT, contact)];
    let linked_at = portal
        .graph
        .link(record, (CONTACT, contact))
        .map_or(u64::MAX, |link| link.since);
    let truths = &portal.truths;
    if let Some(company) = portal.primary_company(contact)
        && truths
            .had_primary(contact, company)
            .is_some_and(|since| since <= linked_at)
    {
        all.push((COMPANY, company));
    }
    let deals = portal.graph.of((CONTACT, contact), DEAL);
    for deal in deals.into_iter().flat_map(|links| links.keys().copied()) {
        let since = truths.had_open_deal(contact, deal);
        if portal.is_open_deal(deal) && since.is_some_and(|since| since <= linked_at) {
            all.push((DEAL, deal));
        }
    }
    all
}
