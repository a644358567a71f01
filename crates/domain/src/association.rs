//! Which contact, company and deals a record is linked to, and why.
//!
//! The rule: what is wanted and not there yet is linked; nothing that is linked is taken away.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{RecordId, RunId};

/// The links of one record that this service made or wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// The recipient.
    pub contact: Option<RecordId>,
    /// The recipient's primary company.
    pub company: Option<RecordId>,
    /// The recipient's deals that were open.
    pub deals: BTreeSet<RecordId>,
}

/// The links to create so that a record has what is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Contact to link.
    pub contact: Option<RecordId>,
    /// Company to link.
    pub company: Option<RecordId>,
    /// Deals to link.
    pub deals: BTreeSet<RecordId>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.contact.is_none() && self.company.is_none() && self.deals.is_empty()
    }
}

/// The links that are wanted and missing.
pub fn plan(current: &Links, wanted: &Links) -> Plan {
    let missing =
        |have: Option<RecordId>, want: Option<RecordId>| want.filter(|want| have != Some(*want));
    Plan {
        contact: missing(current.contact, wanted.contact),
        company: missing(current.company, wanted.company),
        deals: wanted.deals.difference(&current.deals).copied().collect(),
    }
}

impl Links {
    /// These links together with those that `plan` made.
    #[must_use]
    pub fn with(&self, plan: &Plan) -> Self {
        Self {
            contact: plan.contact.or(self.contact),
            company: plan.company.or(self.company),
            deals: self.deals.union(&plan.deals).copied().collect(),
        }
    }
}

/// Among several contacts with the same address the oldest: HubSpot numbers records as they are made.
pub fn choose(candidates: &[RecordId]) -> Option<RecordId> {
    candidates.iter().min().copied()
}

/// How the search for a contact ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A contact was found and linked.
    Linked,
    /// The gift has no e-mail address to look for.
    NoIdentifier,
    /// No contact in HubSpot has the address.
    NoContact,
    /// HubSpot refused the link; the reason stands beside it.
    Refused,
}

impl Outcome {
    /// The value in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::NoIdentifier => "no_identifier",
            Self::NoContact => "no_contact",
            Self::Refused => "refused",
        }
    }
}

/// The trace of one decision, kept with the transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// How it ended.
    pub outcome: Outcome,
    /// The addresses that were looked for, as compared.
    pub identifiers: Vec<String>,
    /// The contacts that have one of them.
    pub candidates: Vec<RecordId>,
    /// What the record is linked to after it.
    pub links: Links,
    /// HubSpot's words when it refused a link.
    pub refusals: Vec<String>,
    /// When it was made.
    pub decided_at: DateTime<Utc>,
    /// By which run.
    pub run_id: RunId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn links() -> impl Strategy<Value = Links> {
        let id = || (1_i64..6).prop_map(RecordId);
        (
            proptest::option::of(id()),
            proptest::option::of(id()),
            proptest::collection::btree_set(id(), 0..4),
        )
            .prop_map(|(contact, company, deals)| Links {
                contact,
                company,
                deals,
            })
    }

    proptest! {
        #[test]
        fn a_plan_reaches_what_is_wanted_once_and_creates_nothing_else(current in links(), wanted in links()) {
            let first = plan(&current, &wanted);
            let after = current.with(&first);
            prop_assert!(plan(&after, &wanted).is_empty());
            prop_assert!(wanted.deals.is_subset(&after.deals));
            prop_assert!(current.deals.is_subset(&after.deals));
            prop_assert!(first.deals.is_disjoint(&current.deals));
            prop_assert!(first.contact.is_none() || first.contact == wanted.contact);
        }
    }

    #[test]
    fn the_oldest_of_several_contacts_is_chosen() {
        assert_eq!(choose(&[RecordId(30), RecordId(7)]), Some(RecordId(7)));
        assert_eq!(choose(&[]), None);
    }
}
