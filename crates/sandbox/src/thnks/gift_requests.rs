//! Sending: `POST /api/v1/gift_requests`. Every accepted call sends, there is no idempotency key.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, json};

use super::api::{refuse, unprocessable};
use super::catalogue::Gift;
use super::{Organization, Person, Row, Step};
use crate::hubspot::errors::Answer;
use crate::universe::Universe;

#[derive(Deserialize)]
struct Request {
    gift_id: u64,
    recipients: Vec<Recipient>,
}

#[derive(Deserialize)]
struct Recipient {
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    last_name: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    gift_redeem_type: Option<String>,
}

pub(super) fn create(
    universe: &Universe,
    organization: &Organization,
    body: &[u8],
) -> Result<Answer, Answer> {
    let request: Request = serde_json::from_slice(body)
        .map_err(|error| refuse(422, "invalid_request", &error.to_string()))?;
    let mut errors = Map::new();
    let gift = Gift::find(request.gift_id);
    if gift.is_none() {
        errors.insert("gift_id".into(), json!(["is not in the catalogue"]));
    }
    if request.recipients.is_empty() {
        errors.insert("recipients".into(), json!(["must not be empty"]));
    }
    for (index, recipient) in request.recipients.iter().enumerate() {
        let kind = recipient.gift_redeem_type.as_deref().unwrap_or("email");
        let reached = match kind {
            "email" => recipient
                .email
                .as_deref()
                .is_some_and(|email| email.contains('@')),
            "sms" => recipient.phone.is_some(),
            _ => false,
        };
        if !reached {
            let message = json!([format!("cannot be reached by {kind}")]);
            errors.insert(format!("recipients.{index}"), message);
        }
    }
    let Some(gift) = gift.filter(|_| errors.is_empty()) else {
        return Err(unprocessable(&errors.into()));
    };
    let now = universe.now();
    let mut state = organization.state();
    let mut ids = Vec::new();
    for recipient in request.recipients {
        let number = state.next_number();
        let row = sent(&organization.id, number, gift, recipient, now);
        ids.push(row.id.clone());
        state.put(row);
    }
    let number = state.next_number();
    let body = json!({"id": format!("req_{number:06}"), "transactions": ids});
    Ok(Answer::json(201, body).wrote(ids.len(), ids, Vec::new()))
}

fn sent(organization: &str, number: u64, gift: &Gift, to: Recipient, now: DateTime<Utc>) -> Row {
    let name = [to.first_name, to.last_name]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    Row {
        id: new_id(organization, now, number),
        gift_id: Some(gift.id),
        gift_name: Some(gift.name.to_owned()),
        gift_type: Some(gift.kind.to_owned()),
        amount: Some(gift.price.to_owned()),
        currency: Some(gift.currency.to_owned()),
        message: to.message,
        tracking_url: None,
        delivery_type: to.gift_redeem_type.or_else(|| Some("email".to_owned())),
        sender: None,
        recipient: Some(Person {
            name: (!name.is_empty()).then_some(name),
            email: to.email,
            phone: to.phone,
        }),
        status: "sent".to_owned(),
        history: vec![Step {
            status: "sent".to_owned(),
            at: now,
        }],
        created_at: now,
        updated_at: now,
    }
}

/// An id that sorts by time, as Thnks' do.
pub(crate) fn new_id(organization: &str, at: DateTime<Utc>, number: u64) -> String {
    let tail: String = organization.chars().rev().take(4).collect();
    format!("txn_{:011X}{tail}{number:06}", at.timestamp_millis())
}
