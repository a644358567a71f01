//! Which contact, companies and deals a record is linked to, and why.
//!
//! The rule: what is wanted and not there yet is linked; what is linked stays, also when a deal closes, a company changes
//! or the contact gets another address. Only when the gift turns out to be another person's are the links that this
//! service made for the earlier one taken away.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::matching::{Candidate, Identifier, Reason};
use crate::{RecordId, RunId};

/// The links of one record that this service made or wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// The recipient.
    pub contact: Option<RecordId>,
    /// The recipient's companies.
    pub companies: BTreeSet<RecordId>,
    /// The recipient's deals that were open.
    pub deals: BTreeSet<RecordId>,
}

/// What becomes of links that are no longer wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// They stay.
    All,
    /// They go: they were made for another recipient.
    Wanted,
}

/// The links to create and to remove so that a record has what is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// To create.
    pub create: Links,
    /// To remove.
    pub remove: Links,
}

impl Links {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.contact.is_none() && self.companies.is_empty() && self.deals.is_empty()
    }

    /// Those of these that `other` has not.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let left =
            |a: &BTreeSet<RecordId>, b: &BTreeSet<RecordId>| a.difference(b).copied().collect();
        Self {
            contact: self.contact.filter(|id| other.contact != Some(*id)),
            companies: left(&self.companies, &other.companies),
            deals: left(&self.deals, &other.deals),
        }
    }

    /// These links after what a plan created and removed.
    #[must_use]
    pub fn after(&self, done: &Plan) -> Self {
        let left = self.without(&done.remove);
        let both = |a: &BTreeSet<RecordId>, b: &BTreeSet<RecordId>| a.union(b).copied().collect();
        Self {
            contact: done.create.contact.or(left.contact),
            companies: both(&left.companies, &done.create.companies),
            deals: both(&left.deals, &done.create.deals),
        }
    }
}

/// The links to create and to remove. Nothing that is there is created, nothing that is wanted is removed.
pub fn plan(current: &Links, wanted: &Links, keep: Keep) -> Plan {
    Plan {
        create: wanted.without(current),
        remove: match keep {
            Keep::All => Links::default(),
            Keep::Wanted => current.without(wanted),
        },
    }
}

/// How the search for a contact ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A contact was found and linked.
    Linked,
    /// A person linked a contact in HubSpot by hand.
    LinkedByHand,
    /// A person removed the link in HubSpot by hand.
    UnlinkedByHand,
    /// The gift has nothing to look for.
    NoIdentifier,
    /// No contact in HubSpot has any of the identifiers.
    NoContact,
    /// Several contacts have it, and the portal leaves the choice to a person.
    Several,
    /// HubSpot refused the link, or to be asked; the reason stands beside it.
    Refused,
    /// The recipient's data was erased.
    Erased,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Linked,
        Self::LinkedByHand,
        Self::UnlinkedByHand,
        Self::NoIdentifier,
        Self::NoContact,
        Self::Several,
        Self::Refused,
        Self::Erased,
    ];

    /// The value in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Linked => "linked",
            Self::LinkedByHand => "linked_by_hand",
            Self::UnlinkedByHand => "unlinked_by_hand",
            Self::NoIdentifier => "no_identifier",
            Self::NoContact => "no_contact",
            Self::Several => "several",
            Self::Refused => "refused",
            Self::Erased => "erased",
        }
    }

    /// The outcome that a stored value means.
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    }
}

/// How linking the companies, or the deals, of a contact ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartOutcome {
    /// There is no contact to start from.
    #[default]
    NoContact,
    /// The contact's are linked.
    Linked,
    /// The contact has none that the rules want.
    NoneFound,
    /// HubSpot has not granted the permission to read them.
    NotGranted,
    /// The rules link none.
    Off,
    /// HubSpot refused a link, or to be asked; the reason stands beside it.
    Refused,
}

/// The trace of one decision, kept with the transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// How the search for a contact ended.
    pub outcome: Outcome,
    /// How linking companies ended.
    #[serde(default)]
    pub companies: PartOutcome,
    /// How linking deals ended.
    #[serde(default)]
    pub deals: PartOutcome,
    /// The identifiers that were tried, in order; the candidates have the last one.
    pub tried: Vec<Identifier>,
    /// The contacts that have it, the oldest first.
    pub candidates: Vec<Candidate>,
    /// Why the contact and no other.
    pub reason: Option<Reason>,
    /// What the record is linked to after it.
    pub links: Links,
    /// HubSpot's words about what it refused.
    pub refusals: Vec<String>,
    /// When it was made.
    pub decided_at: DateTime<Utc>,
    /// By which run; `None` when an event told what had happened.
    pub run_id: Option<RunId>,
}

impl Decision {
    /// A decision that says no more than how it ended.
    pub fn new(outcome: Outcome, decided_at: DateTime<Utc>, run_id: Option<RunId>) -> Self {
        Self {
            outcome,
            companies: PartOutcome::default(),
            deals: PartOutcome::default(),
            tried: Vec::new(),
            candidates: Vec::new(),
            reason: None,
            links: Links::default(),
            refusals: Vec::new(),
            decided_at,
            run_id,
        }
    }
}

/// What is known of a deal at the moment a gift is linked to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DealFacts {
    /// The deal.
    pub deal: RecordId,
    /// Id of its pipeline.
    pub pipeline: Option<String>,
    /// Id of its stage.
    pub stage: Option<String>,
    /// Its amount in `currency`.
    pub amount: Option<rust_decimal::Decimal>,
    /// ISO 4217 code; `None` in the portal's own currency.
    pub currency: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn links() -> impl Strategy<Value = Links> {
        let id = || (1_i64..6).prop_map(RecordId);
        (
            proptest::option::of(id()),
            proptest::collection::btree_set(id(), 0..4),
            proptest::collection::btree_set(id(), 0..4),
        )
            .prop_map(|(contact, companies, deals)| Links {
                contact,
                companies,
                deals,
            })
    }

    /// Every link, so that links compare as a set.
    fn all(links: &Links) -> BTreeSet<(u8, RecordId)> {
        let contact = links.contact.iter().map(|id| (0, *id));
        let companies = links.companies.iter().map(|id| (1, *id));
        contact
            .chain(companies)
            .chain(links.deals.iter().map(|id| (2, *id)))
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_plan_is_minimal_and_reaches_what_is_wanted_once(current in links(), wanted in links(), another in any::<bool>()) {
            let keep = if another { Keep::Wanted } else { Keep::All };
            let first = plan(&current, &wanted, keep);
            let after = current.after(&first);
            // Idempotent: done, there is nothing left to do.
            prop_assert_eq!(plan(&after, &wanted, keep), Plan::default());
            // Minimal: it creates nothing that is there or not wanted, and removes nothing that is wanted or not there.
            let (current, wanted, created, removed, after) =
                (all(&current), all(&wanted), all(&first.create), all(&first.remove), all(&after));
            prop_assert!(created.is_disjoint(&current) && created.is_subset(&wanted));
            prop_assert!(removed.is_subset(&current) && removed.is_disjoint(&wanted));
            prop_assert!(wanted.is_subset(&after));
            if another {
                prop_assert_eq!(&after, &wanted);
            } else {
                prop_assert!(removed.is_empty());
                // One contact is the recipient; an earlier one stays linked in HubSpot and is no longer noted.
                prop_assert!(current.iter().filter(|(kind, _)| *kind > 0).all(|link| after.contains(link)));
            }
        }
    }

    #[test]
    fn stored_outcomes_are_found_again() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_stored(outcome.as_str()), Some(outcome));
        }
    }
}
