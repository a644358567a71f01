//! What HubSpot shows of a transaction: the custom object's definition and a record's values.
//!
//! Names, labels, types and options are the contract with reports and workflows that customers build on them.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::status::{self, Status};
use crate::transaction::{DeliveryType, Person};
use crate::{Transaction, TransactionId};

/// The object's internal name.
pub const OBJECT_NAME: &str = "thnks";
/// Its label, singular and plural.
pub const OBJECT_LABEL: &str = "Thnks";
/// What the object is, shown in HubSpot's settings.
pub const OBJECT_DESCRIPTION: &str =
    "Gifts sent with Thnks, kept up to date by the Thnks integration.";
/// The unique property by which records are written.
pub const KEY_PROPERTY: &str = "transaction_id";
/// The property that titles a record.
pub const PRIMARY_DISPLAY: &str = "gift_name";
/// The properties under the title.
pub const SECONDARY_DISPLAY: [&str; 2] = ["recipient_name", "status"];
/// The properties HubSpot's search looks into.
pub const SEARCHABLE: [&str; 5] = [
    "gift_name",
    "recipient_name",
    "recipient_email",
    "sender_name",
    "transaction_id",
];

/// What a property holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyKind {
    /// One line of text.
    Text,
    /// One line of text, unique over all records and required.
    UniqueText,
    /// Several lines of text.
    LongText,
    /// An amount of money, shown with the currency's symbol.
    Money,
    /// A moment.
    Moment,
    /// One of the options, each a value with its label.
    Choice(&'static [(&'static str, &'static str)]),
}

/// One property of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property {
    /// Internal name.
    pub name: &'static str,
    /// The label people read.
    pub label: &'static str,
    /// What it holds.
    pub kind: PropertyKind,
}

/// Options of `status`: value and label.
pub const STATUS_OPTIONS: &[(&str, &str)] = &[
    ("scheduled", "Scheduled"),
    ("sent", "Sent"),
    ("delivered", "Delivered"),
    ("opened", "Opened"),
    ("redeemed", "Redeemed"),
    ("refunded", "Refunded"),
    ("expired", "Expired"),
    ("undelivered", "Undelivered"),
    ("donated", "Donated"),
    ("other", "Other"),
];

/// Options of `delivery_type`: value and label.
pub const DELIVERY_OPTIONS: &[(&str, &str)] = &[("email", "Email"), ("sms", "SMS")];

const fn property(name: &'static str, label: &'static str, kind: PropertyKind) -> Property {
    Property { name, label, kind }
}

/// Every property of the object, in the order in which a record shows them.
pub const PROPERTIES: [Property; 24] = [
    property(KEY_PROPERTY, "Transaction ID", PropertyKind::UniqueText),
    property("gift_name", "Gift Name", PropertyKind::Text),
    property("gift_type", "Gift Type", PropertyKind::Text),
    property("gift_amount", "Gift Amount", PropertyKind::Money),
    property("gift_currency", "Gift Currency", PropertyKind::Text),
    property("sender_name", "Sender Name", PropertyKind::Text),
    property("sender_email", "Sender Email", PropertyKind::Text),
    property("recipient_name", "Recipient Name", PropertyKind::Text),
    property("recipient_email", "Recipient Email", PropertyKind::Text),
    property("recipient_phone", "Recipient Phone", PropertyKind::Text),
    property("status", "Status", PropertyKind::Choice(STATUS_OPTIONS)),
    property("source_status", "Thnks Status", PropertyKind::Text),
    property("message", "Message", PropertyKind::LongText),
    property("sent_date", "Sent Date", PropertyKind::Moment),
    property("scheduled_date", "Scheduled Date", PropertyKind::Moment),
    property("delivered_date", "Delivered Date", PropertyKind::Moment),
    property("opened_date", "Opened Date", PropertyKind::Moment),
    property("redeemed_date", "Redeemed Date", PropertyKind::Moment),
    property("refunded_date", "Refunded Date", PropertyKind::Moment),
    property("expired_date", "Expired Date", PropertyKind::Moment),
    property("undelivered_date", "Undelivered Date", PropertyKind::Moment),
    property("donated_date", "Donated Date", PropertyKind::Moment),
    property(
        "delivery_type",
        "Delivery Type",
        PropertyKind::Choice(DELIVERY_OPTIONS),
    ),
    property("tracking_url", "Tracking URL", PropertyKind::Text),
];

/// A record's values by property name; a value Thnks does not have is `""`, which clears it in HubSpot.
pub type Values = BTreeMap<&'static str, String>;

/// The values of `transaction`'s record.
pub fn values(transaction: &Transaction) -> Values {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let reached = |status| moment(status::first_reached(&transaction.history, status));
    let Person {
        name: recipient_name,
        email: recipient_email,
        phone: recipient_phone,
    } = &transaction.recipient;
    let TransactionId(id) = &transaction.id;
    BTreeMap::from([
        (KEY_PROPERTY, id.clone()),
        ("gift_name", text(&transaction.gift_name)),
        ("gift_type", text(&transaction.gift_type)),
        (
            "gift_amount",
            transaction
                .amount
                .map(|amount| amount.to_string())
                .unwrap_or_default(),
        ),
        ("gift_currency", text(&transaction.currency)),
        ("sender_name", text(&transaction.sender.name)),
        ("sender_email", text(&transaction.sender.email)),
        ("recipient_name", text(recipient_name)),
        ("recipient_email", text(recipient_email)),
        ("recipient_phone", text(recipient_phone)),
        ("status", transaction.status().as_str().to_owned()),
        ("source_status", transaction.source_status().to_owned()),
        ("message", text(&transaction.message)),
        ("sent_date", reached(Status::Sent)),
        ("scheduled_date", reached(Status::Scheduled)),
        ("delivered_date", reached(Status::Delivered)),
        ("opened_date", reached(Status::Opened)),
        ("redeemed_date", reached(Status::Redeemed)),
        ("refunded_date", reached(Status::Refunded)),
        ("expired_date", reached(Status::Expired)),
        ("undelivered_date", reached(Status::Undelivered)),
        ("donated_date", reached(Status::Donated)),
        (
            "delivery_type",
            transaction
                .delivery_type
                .map(DeliveryType::as_str)
                .unwrap_or_default()
                .to_owned(),
        ),
        ("tracking_url", text(&transaction.tracking_url)),
    ])
}

/// The bytes that a record's fingerprint is made of: every name and value, length first, so that no two maps share them.
pub fn canonical_bytes(values: &Values) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    for (name, value) in values {
        for part in [name.as_bytes(), value.as_bytes()] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
    }
    bytes
}

/// A moment as HubSpot takes it: ISO 8601 in UTC, cut to milliseconds; `""` for none.
fn moment(at: Option<DateTime<Utc>>) -> String {
    at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::StatusEntry;

    #[test]
    fn every_property_has_a_value_and_no_other() {
        let names: std::collections::BTreeSet<_> =
            PROPERTIES.iter().map(|property| property.name).collect();
        let transaction = crate::transaction::sample("txn_1");
        assert_eq!(
            values(&transaction)
                .keys()
                .copied()
                .collect::<std::collections::BTreeSet<_>>(),
            names
        );
    }

    #[test]
    fn what_thnks_does_not_have_is_cleared_and_moments_are_cut_to_milliseconds() {
        let mut transaction = crate::transaction::sample("txn_1");
        transaction.recipient = Person::default();
        transaction.history = vec![StatusEntry {
            status: "sent".into(),
            at: "2026-11-02T15:04:05.123987Z".parse().unwrap(),
        }];
        let values = values(&transaction);
        assert_eq!(values["recipient_email"], "");
        assert_eq!(values["redeemed_date"], "");
        assert_eq!(values["sent_date"], "2026-11-02T15:04:05.123Z");
    }

    #[test]
    fn the_status_options_are_the_statuses() {
        let options: Vec<_> = Status::ALL
            .iter()
            .map(|status| (status.as_str(), status.label()))
            .collect();
        assert_eq!(options, STATUS_OPTIONS);
    }
}
