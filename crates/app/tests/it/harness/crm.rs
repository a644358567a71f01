//! What people keep in HubSpot, and to whom they send gifts.

use std::collections::BTreeMap;

use sandbox::control::{Contact, Link, Sent};
use serde_json::{Value, json};

use super::{HUB, ORGANIZATION, World};

pub fn gift(world: &World, email: Option<&str>) -> String {
    let sent = Sent {
        email: email.map(str::to_owned),
        name: Some("Sam".into()),
        phone: Some("+15550100".into()),
        ..Sent::default()
    };
    world.control.send_gift(ORGANIZATION, sent).unwrap()
}

pub fn contact(world: &World, email: &str, more: &[&str], company: Option<u64>) -> u64 {
    let contact = Contact {
        email: Some(email.into()),
        additional_emails: more.iter().map(|&email| email.to_owned()).collect(),
        company,
        ..Contact::default()
    };
    world.control.add_contact(HUB, &contact).unwrap()
}

pub fn record(world: &World, kind: &str, values: &[(&str, &str)]) -> u64 {
    let values: BTreeMap<String, Value> = values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    world.control.add_record(HUB, kind, &values).unwrap()
}

pub fn company(world: &World, name: &str) -> u64 {
    record(world, "companies", &[("name", name)])
}

pub fn deal(world: &World, contact: u64, pipeline: &str, stage: &str) -> u64 {
    let values = [
        ("dealname", stage),
        ("pipeline", pipeline),
        ("dealstage", stage),
    ];
    let id = record(world, "deals", &values);
    link(world, ("contacts", contact), ("deals", id));
    id
}

pub fn link(world: &World, from: (&str, u64), to: (&str, u64)) {
    let link = Link {
        from_type: from.0.into(),
        from: from.1,
        to_type: to.0.into(),
        to: to.1,
        label: None,
    };
    world.control.link(HUB, &link).unwrap();
}

/// The link between a gift's record and a contact, as a person makes or removes it in HubSpot.
pub async fn hand_link(world: &World, gift: &str, contact: u64) -> Link {
    Link {
        from_type: "contacts".into(),
        from: contact,
        to_type: "p_thnks".into(),
        to: world.record_id(gift).await,
        label: None,
    }
}

/// Sends a gift by text message.
pub fn sms(world: &World, phone: &str) -> String {
    let sent = Sent {
        name: Some("Sam Okafor".into()),
        phone: Some(phone.into()),
        ..Sent::default()
    };
    world.control.send_gift(ORGANIZATION, sent).unwrap()
}

/// Changes properties of a contact.
pub fn change(world: &World, contact: u64, values: &[(&str, &str)]) {
    let values: BTreeMap<String, Value> = values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    world
        .control
        .change_record(HUB, "contacts", contact, &values)
        .unwrap();
}
