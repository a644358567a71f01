//! One transaction as Thnks holds it.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A transaction that keeps the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) gift_id: Option<u64>,
    pub(crate) gift_name: Option<String>,
    pub(crate) gift_type: Option<String>,
    pub(crate) amount: Option<String>,
    pub(crate) currency: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) tracking_url: Option<String>,
    pub(crate) delivery_type: Option<String>,
    pub(crate) sender: Option<Person>,
    pub(crate) recipient: Option<Person>,
    pub(crate) status: String,
    pub(crate) history: Vec<Step>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A sender or recipient.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Person {
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<String>,
}

/// One entry of a status history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) status: String,
    pub(crate) at: DateTime<Utc>,
}

/// A time as Thnks writes it: UTC, up to microseconds.
pub(crate) fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

impl Row {
    /// The row as the API shows it.
    pub(crate) fn to_json(&self) -> Value {
        let history: Vec<Value> = self
            .history
            .iter()
            .map(|step| json!({"status": step.status, "at": moment(step.at)}))
            .collect();
        let recipient = self.recipient.as_ref().map(
            |person| json!({"name": person.name, "email": person.email, "phone": person.phone}),
        );
        let sender = self
            .sender
            .as_ref()
            .map(|person| json!({"name": person.name, "email": person.email}));
        json!({
            "id": self.id,
            "gift_id": self.gift_id,
            "gift_name": self.gift_name,
            "gift_type": self.gift_type,
            "amount": self.amount,
            "currency": self.currency,
            "message": self.message,
            "tracking_url": self.tracking_url,
            "delivery_type": self.delivery_type,
            "sender": sender,
            "recipient": recipient,
            "status": self.status,
            "status_history": history,
            "created_at": moment(self.created_at),
            "updated_at": moment(self.updated_at),
        })
    }

    /// The recipient's e-mail as contacts are matched by it.
    pub(crate) fn matching_email(&self) -> Option<String> {
        let email = self
            .recipient
            .as_ref()?
            .email
            .as_deref()?
            .trim()
            .to_lowercase();
        (!email.is_empty()).then_some(email)
    }
}
