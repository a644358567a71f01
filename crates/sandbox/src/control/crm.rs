//! Verbs on a portal's records: what people do in HubSpot's own pages. Changes of contacts are told by webhook.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Control, Refused};
use crate::crm::portal::PortalState;
use crate::crm::writes::{Changes, PRIMARY_COMPANY, moment};
use crate::crm::{COMPANY, CONTACT, DEAL, Kind};
use crate::webhooks::{self, Happening, Source};

/// A contact to add.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Contact {
    /// Primary e-mail.
    pub email: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Additional e-mails.
    pub additional_emails: Vec<String>,
    /// Phone number, as somebody wrote it.
    pub phone: Option<String>,
    /// Mobile phone number, as somebody wrote it.
    pub mobile_phone: Option<String>,
    /// Its primary company.
    pub company: Option<u64>,
}

pub(super) fn kind_named(state: &PortalState, name: &str) -> Result<Kind, Refused> {
    state
        .resolve_kind(name)
        .map_err(|_| Refused(format!("there is no object type {name}")))
}

fn noun(kind: Kind) -> Option<&'static str> {
    match kind {
        CONTACT => Some("contact"),
        COMPANY => Some("company"),
        DEAL => Some("deal"),
        _ => None,
    }
}

impl Control {
    /// Adds a contact and returns its id.
    pub fn add_contact(&self, hub_id: i64, contact: &Contact) -> Result<u64, Refused> {
        let mut values = BTreeMap::new();
        let more = contact.additional_emails.join(";");
        for (name, value) in [
            ("email", contact.email.as_deref()),
            ("firstname", contact.first_name.as_deref()),
            ("lastname", contact.last_name.as_deref()),
            ("hs_additional_emails", Some(more.as_str())),
            ("phone", contact.phone.as_deref()),
            ("mobilephone", contact.mobile_phone.as_deref()),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                values.insert(name.to_owned(), json!(value));
            }
        }
        let id = self.add_record(hub_id, "contacts", &values)?;
        if let Some(company) = contact.company {
            let portal = self.portal(hub_id)?;
            let mut state = portal.state();
            if state
                .store(COMPANY)
                .is_none_or(|store| store.find(company).is_none())
            {
                return Err(Refused(format!("there is no company {company}")));
            }
            state.link((CONTACT, id), (COMPANY, company), PRIMARY_COMPANY);
        }
        Ok(id)
    }

    /// Notes an activity with a contact, such as a call: its "Last Activity Date" becomes `at`, whatever it was. No
    /// event tells it, as none tells other values that HubSpot computes.
    pub fn note_activity(
        &self,
        hub_id: i64,
        contact: u64,
        at: DateTime<Utc>,
    ) -> Result<(), Refused> {
        let portal = self.portal(hub_id)?;
        let mut state = portal.state();
        let id = state
            .store(CONTACT)
            .and_then(|store| store.find(contact))
            .map(|record| record.id)
            .ok_or_else(|| Refused(format!("there is no contact {contact}")))?;
        let changes = Changes::from([("notes_last_updated".to_owned(), moment(at))]);
        state
            .update(CONTACT, id, &changes, self.universe.now())
            .map_err(|conflict| Refused(format!("record {} has that value", conflict.existing)))
    }

    /// Adds a record of any type and returns its id.
    pub fn add_record(
        &self,
        hub_id: i64,
        object_type: &str,
        values: &BTreeMap<String, Value>,
    ) -> Result<u64, Refused> {
        let portal = self.portal(hub_id)?;
        let mut state = portal.state();
        let kind = kind_named(&state, object_type)?;
        let changes = checked(&state, kind, values)?;
        let id = state
            .create(kind, &changes, self.universe.now())
            .map_err(|conflict| Refused(format!("record {} has that value", conflict.existing)))?;
        drop(state);
        self.tell(
            hub_id,
            kind,
            "creation",
            id,
            json!({"changeFlag": "CREATED"}),
        );
        Ok(id)
    }

    /// Changes a record; tells every changed property.
    pub fn change_record(
        &self,
        hub_id: i64,
        object_type: &str,
        id: u64,
        values: &BTreeMap<String, Value>,
    ) -> Result<(), Refused> {
        let portal = self.portal(hub_id)?;
        let mut state = portal.state();
        let kind = kind_named(&state, object_type)?;
        let changes = checked(&state, kind, values)?;
        if state
            .store(kind)
            .is_none_or(|store| store.find(id).is_none())
        {
            return Err(Refused(format!("there is no record {id}")));
        }
        state
            .update(kind, id, &changes, self.universe.now())
            .map_err(|conflict| Refused(format!("record {} has that value", conflict.existing)))?;
        drop(state);
        for (name, value) in changes {
            let more = json!({"propertyName": name, "propertyValue": value});
            self.tell(hub_id, kind, "propertyChange", id, more);
        }
        Ok(())
    }

    /// Moves a record to the recycle bin, or deletes a contact for privacy when `forget` is set.
    pub fn delete_record(
        &self,
        hub_id: i64,
        object_type: &str,
        id: u64,
        forget: bool,
    ) -> Result<(), Refused> {
        let portal = self.portal(hub_id)?;
        let mut state = portal.state();
        let kind = kind_named(&state, object_type)?;
        let now = self.universe.now();
        let gone = if forget {
            state.purge(kind, id, now)
        } else {
            state.archive(kind, id, now)
        };
        drop(state);
        if !gone {
            return Err(Refused(format!("there is no record {id}")));
        }
        let happened = if forget {
            "privacyDeletion"
        } else {
            "deletion"
        };
        self.tell(hub_id, kind, happened, id, json!({"changeFlag": "DELETED"}));
        Ok(())
    }

    /// Takes a record out of the recycle bin, without its links.
    pub fn restore_record(&self, hub_id: i64, object_type: &str, id: u64) -> Result<(), Refused> {
        let portal = self.portal(hub_id)?;
        let mut state = portal.state();
        let kind = kind_named(&state, object_type)?;
        let in_bin = state
            .store(kind)
            .and_then(|store| store.records.get(&id))
            .is_some_and(|record| record.archived_at.is_some());
        if !in_bin {
            return Err(Refused(format!("record {id} is not in the recycle bin")));
        }
        state.restore(kind, id);
        drop(state);
        self.tell(
            hub_id,
            kind,
            "restore",
            id,
            json!({"changeFlag": "RESTORED"}),
        );
        Ok(())
    }

    /// Merges two records and returns the survivor's id.
    pub fn merge_records(
        &self,
        hub_id: i64,
        object_type: &str,
        primary: u64,
        merged: u64,
    ) -> Result<u64, Refused> {
        let portal = self.portal(hub_id)?;
        let mut state = portal.state();
        let kind = kind_named(&state, object_type)?;
        let new = self.universe.rules().merge_makes_new_record;
        let both = primary != merged;
        let moved = moved(&state, kind, primary, merged);
        let survivor = both
            .then(|| state.merge(kind, primary, merged, new, self.universe.now()))
            .flatten()
            .ok_or_else(|| Refused("two different live records are needed".to_owned()))?;
        drop(state);
        let mut lost = vec![merged];
        if survivor != primary {
            lost.push(primary);
        }
        let more = json!({
            "primaryObjectId": primary,
            "mergedObjectIds": lost,
            "newObjectId": survivor,
            "numberOfPropertiesMoved": moved,
        });
        self.tell(hub_id, kind, "merge", survivor, more);
        Ok(survivor)
    }

    /// Makes contacts of the recipients of up to `count` orphaned gifts (rows, by id) and returns their e-mails.
    pub fn adopt_orphans(
        &self,
        hub_id: i64,
        organization: Option<&str>,
        count: usize,
    ) -> Result<Vec<String>, Refused> {
        let organization = self.organization_or_demo(organization)?;
        let candidates: Vec<(String, Option<String>)> = organization
            .state()
            .sound()
            .filter_map(|row| {
                let name = row
                    .recipient
                    .as_ref()
                    .and_then(|person| person.name.clone());
                Some((row.matching_email()?, name))
            })
            .collect();
        let mut adopted = Vec::new();
        for (email, name) in candidates {
            if adopted.len() == count {
                break;
            }
            let portal = self.portal(hub_id)?;
            let known = portal
                .state()
                .store(CONTACT)
                .is_some_and(|store| store.owner("email", &email).is_some());
            if known {
                continue;
            }
            let contact = Contact {
                email: Some(email.clone()),
                first_name: name,
                ..Contact::default()
            };
            self.add_contact(hub_id, &contact)?;
            adopted.push(email);
        }
        Ok(adopted)
    }

    fn tell(&self, hub_id: i64, kind: Kind, happened: &str, object_id: u64, more: Value) {
        if let Some(noun) = noun(kind) {
            let happening = Happening {
                source: Source::Person,
                subscription: format!("{noun}.{happened}"),
                object_id,
                more,
            };
            webhooks::send(&self.universe, hub_id, &[happening]);
        }
    }
}

/// How many values the survivor of a merge takes over, because it has none of its own.
fn moved(state: &PortalState, kind: Kind, primary: u64, merged: u64) -> usize {
    let find = |id| state.store(kind)?.find(id);
    let (Some(winner), Some(lost)) = (find(primary), find(merged)) else {
        return 0;
    };
    let definition = &state.definitions[&kind];
    lost.values
        .keys()
        .filter(|name| winner.value(name).is_none())
        .filter(|name| definition.property(name).is_some_and(|p| !p.read_only))
        .count()
}

fn checked(
    state: &PortalState,
    kind: Kind,
    values: &BTreeMap<String, Value>,
) -> Result<Changes, Refused> {
    let definition = &state.definitions[&kind];
    crate::hubspot::objects::shape::changes(definition, values).map_err(|problems| {
        let messages: Vec<String> = problems.into_iter().map(|p| p.message).collect();
        Refused(messages.join("; "))
    })
}
