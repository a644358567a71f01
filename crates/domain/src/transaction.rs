//! One Thnks sent: the transaction as Thnks reports it, checked and cleaned.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::status::{self, Status, StatusEntry};
use crate::{TransactionId, text};

/// How a gift reaches its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryType {
    /// By e-mail.
    Email,
    /// By text message.
    Sms,
}

impl DeliveryType {
    /// The internal value in HubSpot and in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }

    /// The value Thnks sent; an unknown one is `None`, since HubSpot's option list would refuse it.
    pub fn from_source(text: &str) -> Option<Self> {
        match text.trim().to_lowercase().as_str() {
            "email" => Some(Self::Email),
            "sms" => Some(Self::Sms),
            _ => None,
        }
    }
}

/// A sender or a recipient; Thnks may know any part of it or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Full name.
    pub name: Option<String>,
    /// E-mail address, trimmed, otherwise as it came.
    pub email: Option<String>,
    /// Telephone number as it came.
    pub phone: Option<String>,
}

/// How much of a sender's address or name tells senders apart: a key's entries have a size.
const SENDER_KEY_CHARS: usize = 255;

/// A transaction whose fields have been checked. Texts are clean ([`text::clean`]), empty ones are `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Thnks' id, the unique key in HubSpot.
    pub id: TransactionId,
    /// Name of the gift.
    pub gift_name: Option<String>,
    /// Kind of the gift, for example `Coffee`.
    pub gift_type: Option<String>,
    /// Price in units of `currency`, never negative.
    pub amount: Option<Decimal>,
    /// ISO 4217 code in capitals.
    pub currency: Option<String>,
    /// The sender's words.
    pub message: Option<String>,
    /// Where Thnks shows this gift.
    pub tracking_url: Option<String>,
    /// E-mail or text message.
    pub delivery_type: Option<DeliveryType>,
    /// Who gave.
    pub sender: Person,
    /// Who got.
    pub recipient: Person,
    /// The status field of the row as Thnks spelt it; the history decides when there is one.
    pub reported_status: String,
    /// All status changes, in any order.
    pub history: Vec<StatusEntry>,
    /// When Thnks made the transaction.
    pub created_at: DateTime<Utc>,
    /// When Thnks last changed it; an older value never replaces a newer one.
    pub updated_at: DateTime<Utc>,
}

impl Transaction {
    /// The current status as Thnks spelt it: the latest of the history, without history the row's own.
    pub fn source_status(&self) -> &str {
        status::current(&self.history)
            .map_or(self.reported_status.as_str(), |entry| entry.status.as_str())
    }

    /// The current status.
    pub fn status(&self) -> Status {
        Status::from_source(self.source_status())
    }

    /// Whether its story is over ([`status::is_final`]).
    pub fn is_final(&self) -> bool {
        status::is_final(self.status(), &self.history)
    }

    /// When it was sent: the first `sent` entry, without one the time of creation.
    pub fn sent_at(&self) -> DateTime<Utc> {
        status::first_reached(&self.history, Status::Sent).unwrap_or(self.created_at)
    }

    /// The time by which statistics place it: for one still scheduled its scheduled time, else [`Self::sent_at`].
    pub fn counted_at(&self) -> DateTime<Utc> {
        match self.status() {
            Status::Scheduled => {
                status::first_reached(&self.history, Status::Scheduled).unwrap_or(self.created_at)
            }
            _ => self.sent_at(),
        }
    }

    /// By what gifts of one sender are put together: the address in lower case, without one the name.
    pub fn sender_key(&self) -> Option<String> {
        let email = self.sender.email.as_deref().and_then(text::email_key);
        let name = self.sender.name.clone().filter(|name| !name.is_empty());
        let key = email.or(name)?;
        Some(key.chars().take(SENDER_KEY_CHARS).collect())
    }

    /// The recipient's e-mail as it is compared with HubSpot's contacts.
    pub fn recipient_key(&self) -> Option<String> {
        self.recipient.email.as_deref().and_then(text::email_key)
    }

    /// The recipient's telephone number as it is compared with HubSpot's contacts: only of a gift by text message, or of one
    /// without an address.
    pub fn recipient_phone_key(&self) -> Option<String> {
        let is_by_phone =
            self.delivery_type == Some(DeliveryType::Sms) || self.recipient_key().is_none();
        let phone = self.recipient.phone.as_deref().filter(|_| is_by_phone)?;
        crate::phone::key(phone)
    }

    /// The transaction without anything of its recipient's: name, address, number, the sender's words to them, and the page
    /// at Thnks that shows these. What it cost and what became of it stays.
    #[must_use]
    pub fn erased(self) -> Self {
        Self {
            message: None,
            tracking_url: None,
            recipient: Person::default(),
            ..self
        }
    }
}

/// A row that Thnks sent and that cannot be a [`Transaction`]: kept and shown, never written to HubSpot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The row's id when it has a usable one.
    pub id: Option<TransactionId>,
    /// Path of the field, for example `status_history[2].at`.
    pub field: String,
    /// What is wrong with it, in words an admin understands.
    pub reason: String,
}

/// A plain e-mail gift, for tests.
#[cfg(test)]
pub(crate) fn sample(id: &str) -> Transaction {
    let at: DateTime<Utc> = "2026-11-02T15:04:05Z".parse().expect("a time");
    Transaction {
        id: TransactionId(id.into()),
        gift_name: Some("Coffee on us".into()),
        gift_type: Some("Coffee".into()),
        amount: Some(Decimal::new(500, 2)),
        currency: Some("USD".into()),
        message: None,
        tracking_url: None,
        delivery_type: Some(DeliveryType::Email),
        sender: Person {
            name: Some("Dana Reyes".into()),
            email: Some("dana@acme.example".into()),
            phone: None,
        },
        recipient: Person {
            name: Some("Sam Okafor".into()),
            email: Some(" Sam@client.example".into()),
            phone: None,
        },
        reported_status: "sent".into(),
        history: vec![StatusEntry {
            status: "sent".into(),
            at,
        }],
        created_at: at,
        updated_at: at,
    }
}
