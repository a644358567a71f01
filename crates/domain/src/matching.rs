//! Whose gift is it? The identifiers of a recipient, the contacts that have one of them, and the portal's rules.
//!
//! The rule: identifiers are tried in the order of [`IdentifierKind`]; the first that any contact has decides. When
//! several contacts have it, the portal's rule does, and a person's choice goes before everything.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{RecordId, phone};

/// How a portal links its gifts; the shape of `portals.association_rules`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// A property of contacts, by its internal name, that is compared with the recipient's e-mail when no contact has it
    /// as an address.
    pub email_property: Option<String>,
    /// Whether gifts by text message, and gifts without an address, are matched by telephone number.
    pub phone: bool,
    /// Which of several contacts.
    pub several: Several,
    /// Which companies of the contact.
    pub companies: Companies,
    /// Which open deals of the contact.
    pub deals: Deals,
    /// Only deals that the contact has under one of these labels; any when empty.
    pub deal_labels: Vec<DealLabel>,
}

/// Which of several contacts that have the identifier is linked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Several {
    /// The one created first.
    #[default]
    Oldest,
    /// The one created last.
    Newest,
    /// The one with the latest activity; those without any come last, among equals the oldest.
    MostRecentlyActive,
    /// None: a person decides.
    Nobody,
}

/// Which companies of the contact are linked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Companies {
    /// The primary one.
    #[default]
    Primary,
    /// All.
    All,
}

/// Which open deals of the contact are linked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deals {
    /// All.
    #[default]
    Open,
    /// The one created last.
    Newest,
    /// None.
    Off,
}

/// A label between contacts and deals, as HubSpot numbers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DealLabel {
    /// HubSpot's category, such as `USER_DEFINED`.
    pub category: String,
    /// Its number within the category.
    pub type_id: i64,
    /// What people read.
    pub label: String,
}

/// What a gift tells of its recipient, and what people added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Recipient {
    /// The e-mail address, as [`crate::text::email_key`] compares it.
    pub email: Option<String>,
    /// The telephone number, as [`phone::key`] compares it; only of a gift that may be matched by it.
    pub phone: Option<String>,
    /// Another address of the same person, that somebody added.
    pub alias: Option<String>,
    /// The contact that somebody chose.
    pub chosen: Option<RecordId>,
}

/// How a contact can be recognized, in the order in which it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierKind {
    /// The gift's address among the contact's primary and additional ones.
    Email,
    /// An address that somebody added for this recipient.
    Alias,
    /// The gift's address in the property that the portal has named.
    EmailProperty,
    /// The gift's telephone number.
    Phone,
}

/// An identifier that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identifier {
    /// Which.
    pub kind: IdentifierKind,
    /// Its value, as it is compared.
    pub value: String,
}

/// A contact of HubSpot, as far as linking needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Its id.
    pub id: RecordId,
    /// Primary and additional addresses, as [`crate::text::email_key`] compares them.
    pub emails: Vec<String>,
    /// The same of the property that the portal has named.
    pub property_emails: Vec<String>,
    /// Telephone numbers as they were typed.
    pub phones: Vec<String>,
    /// When it was created.
    pub created_at: Option<DateTime<Utc>>,
    /// When somebody was last in touch with it.
    pub active_at: Option<DateTime<Utc>>,
    /// The contacts that were merged into it.
    pub merged: Vec<RecordId>,
}

/// A contact that has the identifier, as the trace keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The contact.
    pub id: RecordId,
    /// When it was created.
    pub created_at: Option<DateTime<Utc>>,
    /// When somebody was last in touch with it.
    pub active_at: Option<DateTime<Utc>>,
}

/// Why this contact and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is the only one that has the identifier.
    Only,
    /// Several have it: the portal's rule decided, or left it to a person.
    Rule(Several),
    /// Somebody chose it.
    Chosen,
}

/// Whose gift it is, and how that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The identifiers that were tried, in order.
    pub tried: Vec<Identifier>,
    /// The contacts that have the last of them, the oldest first.
    pub candidates: Vec<Candidate>,
    /// The contact, unless none has any, or the rule leaves it to a person.
    pub contact: Option<RecordId>,
    /// Why it; `None` when no contact was found.
    pub reason: Option<Reason>,
}

impl Recipient {
    /// The identifiers to try under `rules`, in order.
    pub fn identifiers(&self, rules: &Rules) -> Vec<Identifier> {
        let identifier = |kind, value: &Option<String>, is_on| {
            let value = value.clone().filter(|_| is_on)?;
            Some(Identifier { kind, value })
        };
        let has_property = rules.email_property.is_some();
        [
            identifier(IdentifierKind::Email, &self.email, true),
            identifier(IdentifierKind::Alias, &self.alias, true),
            identifier(IdentifierKind::EmailProperty, &self.email, has_property),
            identifier(IdentifierKind::Phone, &self.phone, rules.phone),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What people's additions about this recipient are kept under: the address, without one the number.
    pub fn key(&self) -> Option<&str> {
        self.email.as_deref().or(self.phone.as_deref())
    }
}

/// Contacts, by what they can be recognized by.
#[derive(Debug, Clone, Default)]
pub struct Contacts {
    by_id: HashMap<RecordId, Contact>,
    /// Ids of merged contacts, and of those that they are part of now.
    survivors: HashMap<RecordId, RecordId>,
    by_email: HashMap<String, Vec<RecordId>>,
    by_property: HashMap<String, Vec<RecordId>>,
    /// By the last digits of their numbers.
    by_phone: HashMap<String, Vec<RecordId>>,
}

impl Contacts {
    /// Adds a contact; one that is known stays as it is.
    pub fn add(&mut self, contact: Contact) {
        if self.by_id.contains_key(&contact.id) {
            return;
        }
        for email in &contact.emails {
            self.by_email
                .entry(email.clone())
                .or_default()
                .push(contact.id);
        }
        for email in &contact.property_emails {
            self.by_property
                .entry(email.clone())
                .or_default()
                .push(contact.id);
        }
        let tails: BTreeSet<String> = contact
            .phones
            .iter()
            .map(|typed| phone::tail(typed))
            .collect();
        for tail in tails {
            self.by_phone.entry(tail).or_default().push(contact.id);
        }
        self.survivors
            .extend(contact.merged.iter().map(|lost| (*lost, contact.id)));
        self.by_id.insert(contact.id, contact);
    }

    /// The contact that an id means now: itself, or the one it was merged into.
    pub fn survivor(&self, id: RecordId) -> Option<RecordId> {
        if self.by_id.contains_key(&id) {
            return Some(id);
        }
        self.survivors.get(&id).copied()
    }

    /// The contacts that have an identifier, the oldest first.
    fn having(&self, identifier: &Identifier) -> Vec<Candidate> {
        let value = &identifier.value;
        let listed = |index: &HashMap<String, Vec<RecordId>>| index.get(value).cloned();
        let ids = match identifier.kind {
            IdentifierKind::Email | IdentifierKind::Alias => listed(&self.by_email),
            IdentifierKind::EmailProperty => listed(&self.by_property),
            IdentifierKind::Phone => {
                let has_it = |id: &&RecordId| {
                    let phones = self.by_id[*id].phones.iter();
                    phones.clone().any(|typed| phone::is_same(value, typed))
                };
                let near = self.by_phone.get(&phone::tail(value)).into_iter().flatten();
                Some(near.filter(has_it).copied().collect())
            }
        };
        let mut candidates: Vec<Candidate> = ids
            .unwrap_or_default()
            .into_iter()
            .map(|id| {
                let contact = &self.by_id[&id];
                Candidate {
                    id,
                    created_at: contact.created_at,
                    active_at: contact.active_at,
                }
            })
            .collect();
        candidates.sort_by_key(age);
        candidates
    }
}

/// Whose gift it is, among the contacts that are known.
pub fn find(recipient: &Recipient, contacts: &Contacts, rules: &Rules) -> Found {
    let mut found = Found::default();
    for identifier in recipient.identifiers(rules) {
        found.candidates = contacts.having(&identifier);
        found.tried.push(identifier);
        if !found.candidates.is_empty() {
            break;
        }
    }
    let chosen = recipient.chosen.and_then(|id| contacts.survivor(id));
    (found.contact, found.reason) = match (chosen, &found.candidates[..]) {
        (Some(contact), _) => (Some(contact), Some(Reason::Chosen)),
        (None, []) => (None, None),
        (None, [only]) => (Some(only.id), Some(Reason::Only)),
        (None, several) => (
            choose(several, rules.several),
            Some(Reason::Rule(rules.several)),
        ),
    };
    found
}

/// Which of several contacts; they come with the oldest first.
fn choose(candidates: &[Candidate], rule: Several) -> Option<RecordId> {
    let chosen = match rule {
        Several::Oldest => candidates.first(),
        Several::Newest => candidates.last(),
        // Of equals `max_by_key` takes the last: reversed, that is the oldest.
        Several::MostRecentlyActive => candidates
            .iter()
            .rev()
            .max_by_key(|candidate| candidate.active_at),
        Several::Nobody => None,
    };
    chosen.map(|candidate| candidate.id)
}

/// The order of age. HubSpot numbers records as they are made, so the number decides where the time does not.
fn age(candidate: &Candidate) -> (DateTime<Utc>, RecordId) {
    let at = candidate.created_at.unwrap_or(DateTime::<Utc>::MAX_UTC);
    (at, candidate.id)
}

#[cfg(test)]
#[path = "matching_tests.rs"]
mod tests;
