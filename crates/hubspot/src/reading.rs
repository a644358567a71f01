//! Reading contacts and deals. What HubSpot refuses to read one by one is named beside what it reads, so that one bad input
//! does not hide the rest.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::RecordId;
use domain::matching::Contact;
use domain::text::email_key;
use reqwest::Method;
use rust_decimal::Decimal;

use crate::batch::{Parts, is_about_rows};
use crate::error::{Error, Fault};
use crate::retry::Effect;
use crate::wire::{Batch, Object};
use crate::{API_VERSION, CONTACTS, DEALS, Portal, limits};

/// A deal, as far as linking and reports need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deal {
    /// Its id.
    pub id: RecordId,
    /// Id of its stage.
    pub stage: Option<String>,
    /// Id of its pipeline.
    pub pipeline: Option<String>,
    /// HubSpot's own word; `None` when it has not computed it, then the stage decides.
    pub is_closed: Option<bool>,
    /// In the deal's currency.
    pub amount: Option<Decimal>,
    /// ISO 4217 code; `None` in the account's own currency.
    pub currency: Option<String>,
    /// When it was created.
    pub created_at: Option<DateTime<Utc>>,
}

/// What a batch read of contacts brings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactsRead {
    /// The contacts, each once, in no order.
    pub contacts: Vec<Contact>,
    /// Addresses or ids, as they were asked for, that HubSpot refuses to read, with its words: whether there is a contact is
    /// not known.
    pub unreadable: HashMap<String, String>,
}

/// What a batch read of deals brings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DealsRead {
    /// The deals, in no order.
    pub deals: Vec<Deal>,
    /// Ids that HubSpot refuses to read, with its words.
    pub unreadable: HashMap<RecordId, String>,
}

impl Deal {
    /// Whether it is open: by `hs_is_closed`, without it by its stage. A deal of which neither is known counts as open.
    pub fn is_open(&self, closed_stages: &HashSet<String>) -> bool {
        !self.is_closed.unwrap_or_else(|| {
            self.stage
                .as_ref()
                .is_some_and(|stage| closed_stages.contains(stage))
        })
    }
}

/// What is read of contacts. The last one is when somebody was last in touch with the contact.
pub const CONTACT_PROPERTIES: [&str; 7] = [
    "email",
    "hs_additional_emails",
    "phone",
    "mobilephone",
    "hs_merged_object_ids",
    "createdate",
    LAST_ACTIVITY,
];
const LAST_ACTIVITY: &str = "notes_last_updated";
/// What is read of deals.
pub const DEAL_PROPERTIES: &[&str] = &[
    "dealstage",
    "pipeline",
    "hs_is_closed",
    "amount",
    "deal_currency_code",
    "createdate",
];

/// The properties of contacts to read, with the one that the portal has named for addresses.
pub(crate) fn contact_properties(email_property: Option<&str>) -> Vec<&str> {
    CONTACT_PROPERTIES
        .into_iter()
        .chain(email_property)
        .collect()
}

/// The records that a batch read found, and HubSpot's words about the inputs that it refuses, by input.
#[derive(Debug, Default)]
struct Found {
    objects: Vec<Object>,
    unreadable: HashMap<String, String>,
}

impl Portal {
    /// The contacts that have one of `emails` (at most 100) as primary or additional address. An address without a contact
    /// has no row; two addresses of one contact have one.
    pub async fn contacts_by_email(
        &self,
        emails: &[String],
        email_property: Option<&str>,
    ) -> Result<ContactsRead, Error> {
        let properties = contact_properties(email_property);
        let found = self
            .read_batch(
                "contacts.read",
                CONTACTS,
                Some("email"),
                emails,
                &properties,
            )
            .await?;
        Ok(found.into_contacts(email_property))
    }

    /// The contacts with these ids (at most 100). One that is gone has no row; one that was merged comes as the surviving
    /// contact.
    pub async fn contacts_by_id(
        &self,
        ids: &[RecordId],
        email_property: Option<&str>,
    ) -> Result<ContactsRead, Error> {
        let ids: Vec<_> = ids.iter().map(RecordId::to_string).collect();
        let properties = contact_properties(email_property);
        let found = self
            .read_batch("contacts.read", CONTACTS, None, &ids, &properties)
            .await?;
        Ok(found.into_contacts(email_property))
    }

    /// The deals with these ids (at most 100); one that is gone has no row.
    pub async fn deals(&self, ids: &[RecordId]) -> Result<DealsRead, Error> {
        let ids: Vec<_> = ids.iter().map(RecordId::to_string).collect();
        let found = self
            .read_batch("deals.read", DEALS, None, &ids, DEAL_PROPERTIES)
            .await?;
        let unreadable = found.unreadable.into_iter();
        Ok(DealsRead {
            deals: found.objects.into_iter().map(Deal::from).collect(),
            unreadable: unreadable
                .filter_map(|(id, words)| Some((id.parse().ok()?, words)))
                .collect(),
        })
    }

    /// Those of `ids` (at most 100) that are records of `object_type_id` under this very id: one that is gone, or that was
    /// merged into another, is left out. An id that HubSpot refuses to read counts as being there.
    pub async fn existing_records(
        &self,
        object_type_id: &str,
        ids: &[RecordId],
    ) -> Result<HashSet<RecordId>, Error> {
        let texts: Vec<_> = ids.iter().map(RecordId::to_string).collect();
        let properties = &[domain::record::KEY_PROPERTY];
        let object_type = crate::client::segment(object_type_id);
        let found = self
            .read_batch("objects.read", &object_type, None, &texts, properties)
            .await?;
        let unreadable = found.unreadable.keys().filter_map(|id| id.parse().ok());
        Ok(found
            .objects
            .iter()
            .map(|object| object.id)
            .chain(unreadable)
            .collect())
    }

    /// Reads `ids`. A batch that is refused as a whole is halved until the bad inputs stand alone.
    async fn read_batch(
        &self,
        kind: &'static str,
        object_type: &str,
        id_property: Option<&str>,
        ids: &[String],
        properties: &[&str],
    ) -> Result<Found, Error> {
        debug_assert!(ids.len() <= limits::OBJECTS_PER_BATCH);
        let path = format!("/crm/objects/{API_VERSION}/{object_type}/batch/read");
        let mut found = Found::default();
        let mut parts = Parts::new(ids);
        while let Some(part) = parts.next() {
            let inputs: Vec<_> = part
                .iter()
                .map(|id| serde_json::json!({ "id": id }))
                .collect();
            let mut body = serde_json::json!({
                "inputs": inputs, "properties": properties, "propertiesWithHistory": [],
            });
            if let Some(id_property) = id_property {
                body["idProperty"] = id_property.into();
            }
            let sent = self
                .send(kind, Method::POST, path.clone(), &body, Effect::Read)
                .await;
            match sent {
                Ok(bytes) => {
                    let batch = Batch::from_slice(&bytes)?;
                    parts.accepted(batch.faults.iter().all(is_absence));
                    found.add(part, batch)?;
                }
                Err(error) if is_about_rows(&error) => {
                    let words = error.refusal().map(|refusal| words(&refusal.fault));
                    let words = words.unwrap_or_default();
                    let refused = parts.refused(part).iter();
                    found
                        .unreadable
                        .extend(refused.map(|id| (id.clone(), words.clone())));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

impl Found {
    fn into_contacts(self, email_property: Option<&str>) -> ContactsRead {
        ContactsRead {
            contacts: contacts(self.objects, email_property),
            unreadable: self.unreadable,
        }
    }

    /// Takes the answer to `part` in. "Not found" is an answer. Any other error hides records that may exist: the inputs
    /// that it names are unreadable, and one that names none ends the read, for it must not pass for their absence.
    fn add(&mut self, part: &[String], batch: Batch<Object>) -> Result<(), Error> {
        self.objects.extend(batch.results);
        for fault in batch.faults.iter().filter(|fault| !is_absence(fault)) {
            let named = fault.context_values(&["ids", "id"]);
            let mut hit = part
                .iter()
                .filter(|id| named.iter().any(|name| name.eq_ignore_ascii_case(id)))
                .peekable();
            if hit.peek().is_none() {
                return Err(Error::Unavailable(format!(
                    "a batch read is incomplete: {}",
                    fault.category
                )));
            }
            self.unreadable
                .extend(hit.map(|id| (id.clone(), words(fault))));
        }
        Ok(())
    }
}

/// Whether it says no more than that something is not there.
fn is_absence(fault: &Fault) -> bool {
    fault.category == "OBJECT_NOT_FOUND"
}

/// HubSpot's sentence, or at least its category.
fn words(fault: &Fault) -> String {
    if fault.message.is_empty() {
        fault.category.clone()
    } else {
        fault.message.clone()
    }
}

impl From<Object> for Deal {
    fn from(object: Object) -> Self {
        let text = |name| object.property(name).map(str::to_owned);
        Self {
            id: object.id,
            stage: text("dealstage"),
            pipeline: text("pipeline"),
            is_closed: object
                .property("hs_is_closed")
                .and_then(|flag| flag.parse().ok()),
            amount: object
                .property("amount")
                .and_then(|amount| amount.parse().ok()),
            currency: text("deal_currency_code"),
            created_at: moment(&object, "createdate"),
        }
    }
}

/// A time that HubSpot writes as text.
fn moment(object: &Object, name: &str) -> Option<DateTime<Utc>> {
    object.property(name)?.parse().ok()
}

/// Each contact once, however many inputs led to it.
pub(crate) fn contacts(found: Vec<Object>, email_property: Option<&str>) -> Vec<Contact> {
    let mut seen = HashSet::new();
    found
        .into_iter()
        .filter(|object| seen.insert(object.id))
        .map(|object| {
            let list = |name: &str| {
                split_list(object.property(name).unwrap_or_default()).map(str::to_owned)
            };
            let keys = |texts: Vec<String>| {
                let mut keys: Vec<String> =
                    texts.iter().filter_map(|text| email_key(text)).collect();
                let mut known = HashSet::new();
                keys.retain(|key| known.insert(key.clone()));
                keys
            };
            Contact {
                id: object.id,
                emails: keys(list("email").chain(list("hs_additional_emails")).collect()),
                property_emails: keys(email_property.map(list).into_iter().flatten().collect()),
                phones: list("phone").chain(list("mobilephone")).collect(),
                created_at: moment(&object, "createdate"),
                active_at: moment(&object, LAST_ACTIVITY),
                merged: list("hs_merged_object_ids")
                    .filter_map(|id| id.parse().ok())
                    .collect(),
            }
        })
        .collect()
}

/// HubSpot joins several values with `;`.
fn split_list(joined: &str) -> impl Iterator<Item = &str> {
    joined
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_read_once_with_all_its_addresses() {
        let row = r#"{"id":"5","properties":{"email":"Sam@A.example","hs_additional_emails":"old@a.example; sam@a.example ",
            "phone":"+1 555 0100","work_email":"S@work.example","createdate":"2026-01-02T03:04:05Z","hs_merged_object_ids":"3;4"}}"#;
        let body = format!(r#"{{"results":[{row},{row}]}}"#);
        let found = contacts(
            Batch::from_slice(body.as_bytes()).unwrap().results,
            Some("work_email"),
        );
        assert_eq!(
            found,
            [Contact {
                id: RecordId(5),
                emails: vec!["sam@a.example".into(), "old@a.example".into()],
                property_emails: vec!["s@work.example".into()],
                phones: vec!["+1 555 0100".into()],
                created_at: Some("2026-01-02T03:04:05Z".parse().unwrap()),
                active_at: None,
                merged: vec![RecordId(3), RecordId(4)],
            }]
        );
    }

    #[test]
    fn a_deal_without_hubspots_word_is_judged_by_its_stage() {
        let closed = HashSet::from(["won".to_owned()]);
        let deal = |is_closed, stage: &str| Deal {
            id: RecordId(1),
            stage: Some(stage.into()),
            pipeline: None,
            is_closed,
            amount: None,
            currency: None,
            created_at: None,
        };
        assert!(!deal(None, "won").is_open(&closed));
        assert!(deal(None, "new").is_open(&closed));
        assert!(deal(Some(false), "won").is_open(&closed));
        assert!(!deal(Some(true), "new").is_open(&closed));
    }
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod properties;
