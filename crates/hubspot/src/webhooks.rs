//! Deliveries of webhooks: HubSpot's words for what happened, reduced to what this service acts on (facts/hubspot.md §7).

use domain::event::{Change, ContactEvent};
use domain::{HubId, RecordId};
use serde::Deserialize;
use serde_json::Value;

use crate::depth::is_deeper_than;
use crate::error::Error;
use crate::{Client, wire};

/// Events in one delivery at most (§7.3); more are read all the same.
pub const EVENTS_PER_DELIVERY: usize = 100;

/// Lists and objects inside one another in a delivery at most; HubSpot's have three.
const DEPTH: usize = 32;

/// Properties of contacts that can tell whose gift it is; of a property that a portal has named we are told nothing, since
/// subscriptions are the same for all portals.
const IDENTIFYING: [&str; 4] = ["email", "hs_additional_emails", "phone", "mobilephone"];
/// What happens to contacts and is acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Happening {
    Created,
    PropertyChanged,
    Merged,
    Deleted,
    Restored,
    LinkChanged,
    Forgotten,
}

/// Each with HubSpot's word for it; what is not here is not acted on, and not subscribed to.
const HAPPENINGS: [(&str, Happening); 7] = [
    ("creation", Happening::Created),
    ("propertyChange", Happening::PropertyChanged),
    ("merge", Happening::Merged),
    ("deletion", Happening::Deleted),
    ("restore", Happening::Restored),
    ("associationChange", Happening::LinkChanged),
    ("privacyDeletion", Happening::Forgotten),
];
/// HubSpot's own object types at the other end of a link: none of them is a record of ours.
const STANDARD: [&str; 6] = [
    "CONTACT",
    "COMPANY",
    "DEAL",
    "TICKET",
    "LINE_ITEM",
    "PRODUCT",
];
/// Contacts, where an event numbers the type instead of naming it.
const CONTACT_TYPE: &str = "0-1";

/// One thing that the app is told of, as its project names it (`hubspot-app/`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// HubSpot's name of it, such as `contact.creation`.
    pub event: String,
    /// The property whose changes are told; `None` where the event is not about one.
    pub property: Option<&'static str>,
    /// Whether a project lists it among `hubEvents`, as HubSpot does with erasure, or among the events of records.
    pub is_hub_event: bool,
}

/// What the app subscribes to: everything that is acted on. By the older names (`contact.creation`, not `object.creation`), as
/// only their events of links are documented field by field (§7.3).
pub fn subscriptions() -> Vec<Subscription> {
    let of = |word, happening, property| Subscription {
        event: format!("contact.{word}"),
        property,
        is_hub_event: happening == Happening::Forgotten,
    };
    HAPPENINGS
        .into_iter()
        .flat_map(|(word, happening)| match happening {
            Happening::PropertyChanged => IDENTIFYING
                .map(|name| of(word, happening, Some(name)))
                .to_vec(),
            _ => vec![of(word, happening, None)],
        })
        .collect()
}

/// What a delivery holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// What it tells of contacts.
    pub contacts: Vec<ContactEvent>,
    /// How many of its events are another app's; they are left out.
    pub foreign: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    app_id: Option<Value>,
    #[serde(deserialize_with = "wire::number")]
    portal_id: i64,
    subscription_type: String,
    object_type_id: Option<String>,
    object_id: Option<Value>,
    property_name: Option<String>,
    association_type: Option<String>,
    from_object_id: Option<Value>,
    to_object_id: Option<Value>,
    association_removed: Option<Value>,
    merged_object_ids: Option<Vec<Value>>,
    new_object_id: Option<Value>,
    primary_object_id: Option<Value>,
}

impl Client {
    /// What a delivery tells of contacts. Events of other objects, and of kinds that we have no use for, are left out, and so
    /// is a single event that cannot be read, and one of another app where ours is known; an error means that the body is no
    /// list of events at all.
    pub fn contact_events(&self, body: &[u8]) -> Result<Told, Error> {
        contact_events(body, self.config().app_id)
    }
}

fn contact_events(body: &[u8], app_id: Option<i64>) -> Result<Told, Error> {
    if is_deeper_than(body, DEPTH) {
        return Err(Error::Unreadable("nested too deep".into()));
    }
    let events: Vec<Value> =
        serde_json::from_slice(body).map_err(|error| Error::Unreadable(error.to_string()))?;
    let (ours, others): (Vec<Event>, Vec<Event>) = events
        .into_iter()
        .filter_map(|event| serde_json::from_value::<Event>(event).ok())
        .partition(|event| event.is_of(app_id));
    Ok(Told {
        contacts: ours.iter().flat_map(Event::reduced).collect(),
        foreign: others.len(),
    })
}

impl Event {
    /// Whether it may be this app's: one that names none has its signature alone.
    fn is_of(&self, app_id: Option<i64>) -> bool {
        match (app_id, &self.app_id) {
            (Some(ours), Some(Value::String(text))) => *text == ours.to_string(),
            (Some(ours), Some(told)) => *told == ours,
            _ => true,
        }
    }

    fn reduced(&self) -> Vec<ContactEvent> {
        let event = |change, contact, record| ContactEvent {
            hub_id: HubId(self.portal_id),
            change,
            contact,
            record,
        };
        let about_it = |change| {
            let contact = id(self.object_id.as_ref());
            Vec::from_iter(contact.map(|contact| event(change, contact, None)))
        };
        let (object, word) = self.subscription_type.split_once('.').unwrap_or_default();
        let is_contact = object == "contact"
            || object == "object" && self.object_type_id.as_deref() == Some(CONTACT_TYPE);
        if !is_contact {
            return Vec::new();
        }
        let happening = HAPPENINGS.into_iter().find(|(known, _)| *known == word);
        let Some((_, happening)) = happening else {
            return Vec::new();
        };
        match happening {
            Happening::Created => about_it(Change::Changed),
            Happening::PropertyChanged => match self.property_name.as_deref() {
                Some(name) if IDENTIFYING.contains(&name) => about_it(Change::Changed),
                _ => Vec::new(),
            },
            Happening::Restored => about_it(Change::Restored),
            Happening::Deleted => about_it(Change::Deleted),
            Happening::Forgotten => about_it(Change::Forgotten),
            Happening::Merged => {
                let survivor = id(self.new_object_id.as_ref())
                    .or_else(|| id(self.primary_object_id.as_ref()))
                    .or_else(|| id(self.object_id.as_ref()));
                let lost = self
                    .merged_object_ids
                    .iter()
                    .flatten()
                    .map(Some)
                    .filter_map(id);
                lost.chain(id(self.primary_object_id.as_ref()))
                    .filter(|lost| Some(*lost) != survivor)
                    .map(|lost| event(Change::Merged, lost, survivor))
                    .chain(survivor.map(|survivor| event(Change::Changed, survivor, None)))
                    .collect()
            }
            Happening::LinkChanged => Vec::from_iter(self.link().map(|(contact, record)| {
                let removed = self.association_removed.as_ref().and_then(wire::flag);
                let change = if removed == Some(true) {
                    Change::Unlinked
                } else {
                    Change::Linked
                };
                event(change, contact, Some(record))
            })),
        }
    }

    /// Contact and record of a link, unless the record is one of HubSpot's own types. `CONTACT_TO_THNKS` is seen from the
    /// contact, `THNKS_TO_CONTACT` from the record.
    fn link(&self) -> Option<(RecordId, RecordId)> {
        let ends = self.association_type.as_deref().unwrap_or_default();
        let ends = ends.to_uppercase();
        let (from, to) = (
            id(self.from_object_id.as_ref())?,
            id(self.to_object_id.as_ref())?,
        );
        match ends.split_once("_TO_") {
            Some(("CONTACT", other)) if STANDARD.contains(&other) => None,
            Some((other, "CONTACT")) if STANDARD.contains(&other) => None,
            Some((other, "CONTACT")) if other != "CONTACT" => Some((to, from)),
            _ => Some((from, to)),
        }
    }
}

/// An id as number or as text; 0 is none.
fn id(value: Option<&Value>) -> Option<RecordId> {
    let number = match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.filter(|id| *id > 0).map(RecordId)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use serde_json::json;

    fn read(events: &Value) -> Vec<(Change, i64, Option<i64>)> {
        let told = contact_events(events.to_string().as_bytes(), None).unwrap();
        told.contacts
            .into_iter()
            .inspect(|event| assert_eq!(event.hub_id, HubId(7)))
            .map(|event| (event.change, event.contact.0, event.record.map(|id| id.0)))
            .collect()
    }

    #[test]
    fn events_become_what_is_acted_on() {
        let told = json!([
            {"portalId": 7, "subscriptionType": "contact.creation", "objectId": 1, "eventId": 1},
            {"portalId": "7", "subscriptionType": "contact.propertyChange", "objectId": "2", "propertyName": "email",
                "propertyValue": "a@b.example"},
            {"portalId": 7, "subscriptionType": "contact.propertyChange", "objectId": 3, "propertyName": "hs_additional_emails"},
            {"portalId": 7, "subscriptionType": "object.restore", "objectTypeId": "0-1", "objectId": 4},
            {"portalId": 7, "subscriptionType": "contact.deletion", "objectId": 5},
            {"portalId": 7, "subscriptionType": "contact.privacyDeletion", "objectId": 6},
        ]);
        assert_eq!(
            read(&told),
            [
                (Change::Changed, 1, None),
                (Change::Changed, 2, None),
                (Change::Changed, 3, None),
                (Change::Restored, 4, None),
                (Change::Deleted, 5, None),
                (Change::Forgotten, 6, None),
            ]
        );
    }

    #[test]
    fn what_is_subscribed_to_is_acted_on_and_leads_to_every_change() {
        let mut changes = BTreeSet::new();
        for subscription in subscriptions() {
            let of = |is_removed: bool| {
                json!([{"portalId": 7, "subscriptionType": subscription.event, "propertyName": subscription.property, "objectId": 1,
                    "primaryObjectId": 1, "mergedObjectIds": [2], "associationType": "CONTACT_TO_THNKS", "fromObjectId": 1,
                    "toObjectId": 3, "associationRemoved": is_removed}])
            };
            let told = [read(&of(false)), read(&of(true))].concat();
            assert!(!told.is_empty(), "{subscription:?}");
            changes.extend(told.into_iter().map(|(change, ..)| change));
        }
        assert_eq!(changes, BTreeSet::from(Change::ALL));
    }

    #[test]
    fn a_merge_names_everyone_who_became_part_of_another() {
        let merge = |new: Value| {
            json!([{"portalId": 7, "subscriptionType": "contact.merge", "objectId": 9, "primaryObjectId": 1,
                "mergedObjectIds": [2, "3"], "newObjectId": new, "numberOfPropertiesMoved": 4}])
        };
        let into = |lost, survivor| (Change::Merged, lost, Some(survivor));
        assert_eq!(
            read(&merge(json!(1))),
            [into(2, 1), into(3, 1), (Change::Changed, 1, None)]
        );
        assert_eq!(
            read(&merge(json!(9))),
            [
                into(2, 9),
                into(3, 9),
                into(1, 9),
                (Change::Changed, 9, None)
            ]
        );
        assert_eq!(
            read(&merge(Value::Null)),
            [into(2, 1), into(3, 1), (Change::Changed, 1, None)]
        );
    }

    #[test]
    fn a_link_is_seen_from_the_contact_whichever_end_tells() {
        let link = |ends: &str, removed: Value| {
            json!([{"portalId": 7, "subscriptionType": "contact.associationChange", "associationType": ends,
                "fromObjectId": 11, "toObjectId": 22, "associationRemoved": removed}])
        };
        let of = |ends| read(&link(ends, json!(false)));
        assert_eq!(of("CONTACT_TO_THNKS"), [(Change::Linked, 11, Some(22))]);
        assert_eq!(of("THNKS_TO_CONTACT"), [(Change::Linked, 22, Some(11))]);
        assert_eq!(of("SOMETHING_NEW"), [(Change::Linked, 11, Some(22))]);
        assert_eq!(of("CONTACT_TO_COMPANY"), []);
        assert_eq!(of("DEAL_TO_CONTACT"), []);
        let removed = read(&link("CONTACT_TO_THNKS", json!("true")));
        assert_eq!(removed, [(Change::Unlinked, 11, Some(22))]);
    }

    #[test]
    fn what_is_of_no_use_or_cannot_be_read_is_left_out() {
        let told = json!([
            {"portalId": 7, "subscriptionType": "contact.propertyChange", "objectId": 1, "propertyName": "lastname"},
            {"portalId": 7, "subscriptionType": "company.creation", "objectId": 1},
            {"portalId": 7, "subscriptionType": "object.creation", "objectTypeId": "0-2", "objectId": 1},
            {"portalId": 7, "subscriptionType": "contact.creation"},
            {"portalId": 7, "subscriptionType": "contact.creation", "objectId": -1},
            {"portalId": 7, "subscriptionType": "contact.somethingNew", "objectId": 1},
            {"subscriptionType": "contact.creation", "objectId": 1},
            "what", 5, null,
            {"portalId": 7, "subscriptionType": "contact.creation", "objectId": 8},
        ]);
        assert_eq!(read(&told), [(Change::Changed, 8, None)]);
        assert!(contact_events(b"{}", None).is_err());
        assert!(contact_events(b"", None).is_err());
        assert_eq!(contact_events(b"[]", None).unwrap().contacts, []);
    }

    #[test]
    fn another_apps_events_are_counted_and_left_out_where_ours_is_known() {
        let event = |app_id: Value, contact: i64| json!({"appId": app_id, "portalId": 7, "subscriptionType": "contact.creation", "objectId": contact});
        let nameless =
            json!({"portalId": 7, "subscriptionType": "contact.creation", "objectId": 5});
        let told = json!([
            event(json!(31), 1),
            event(json!("31"), 2),
            event(json!(32), 3),
            event(json!([31]), 4),
            nameless
        ]);
        let read = |app_id| contact_events(told.to_string().as_bytes(), app_id).unwrap();
        let contacts = |told: &Told| -> Vec<i64> {
            told.contacts.iter().map(|event| event.contact.0).collect()
        };
        let ours = read(Some(31));
        assert_eq!((contacts(&ours), ours.foreign), (vec![1, 2, 5], 2));
        let all = read(None);
        assert_eq!((contacts(&all), all.foreign), (vec![1, 2, 3, 4, 5], 0));
    }
}
