//! Links that came or went, as webhooks tell them: once per pair, however often it was changed on the way.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Happening, Source};
use crate::crm::graph::End;
use crate::crm::writes::PRIMARY_COMPANY;
use crate::crm::{COMPANY, CONTACT, PortalState};

/// How a pair stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Apart,
    Linked,
    /// Linked as contact and primary company.
    Primary,
}

/// Pairs that are about to change, the contact first when there is one, as they stood before.
#[derive(Debug, Default)]
pub(crate) struct Touched(BTreeMap<(End, End), Standing>);

impl Touched {
    /// Notes how a pair stands; the first note of a pair counts.
    pub(crate) fn note(&mut self, state: &PortalState, from: End, to: End) {
        let (from, to) = if to.0 == CONTACT && from.0 != CONTACT {
            (to, from)
        } else {
            (from, to)
        };
        let mut note = |to: End| {
            let before = || standing(state, from, to);
            self.0.entry((from, to)).or_insert_with(before);
        };
        note(to);
        // A new primary company takes the place of another one.
        if let (CONTACT, COMPANY) = (from.0, to.0)
            && let Some(company) = state.primary_company(from.1)
        {
            note((COMPANY, company));
        }
    }

    /// One event for each pair that stands differently now.
    pub(crate) fn into_happenings(self, state: &PortalState, source: Source) -> Vec<Happening> {
        self.0
            .into_iter()
            .filter_map(|((from, to), before)| {
                let after = standing(state, from, to);
                if before == after {
                    return None;
                }
                let mut told = changed(state, from, to, source)?;
                told.more["associationRemoved"] = json!(after < before);
                let primary = before.max(after) == Standing::Primary;
                told.more["isPrimaryAssociation"] = json!(primary);
                Some(told)
            })
            .collect()
    }
}

fn standing(state: &PortalState, from: End, to: End) -> Standing {
    match state.graph.link(from, to) {
        None => Standing::Apart,
        Some(link)
            if (from.0, to.0) == (CONTACT, COMPANY) && link.types.contains(&PRIMARY_COMPANY) =>
        {
            Standing::Primary
        }
        Some(_) => Standing::Linked,
    }
}

/// A portal's own types have no events: their links are told when the other end is a contact.
fn changed(state: &PortalState, from: End, to: End, source: Source) -> Option<Happening> {
    if from.0 != CONTACT && (from.0.is_custom() || to.0.is_custom()) {
        return None;
    }
    let name = |end: End| Some(state.definitions.get(&end.0)?.name.as_str());
    let (a, b) = (name(from)?, name(to)?);
    Some(Happening {
        source,
        subscription: format!("{}.associationChange", a.to_lowercase()),
        object_id: from.1,
        more: json!({
            "associationType": format!("{a}_to_{b}").to_uppercase(),
            "fromObjectId": from.1,
            "toObjectId": to.1,
        }),
    })
}
