//! Rows that break the contract, each in its own way.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::thnks::row::moment;

/// How many ways there are.
pub(crate) const WAYS: usize = 8;

/// The `index`th malformed row: its place in the order and what goes out.
pub(crate) fn row(index: usize, at: DateTime<Utc>) -> (String, Value) {
    let id = format!("txn_bad{index:06}");
    let mut value = json!({
        "id": id,
        "gift_id": 5601,
        "gift_name": "Coffee on us",
        "gift_type": "Coffee",
        "amount": "5.00",
        "currency": "USD",
        "message": "A row that is wrong somewhere",
        "tracking_url": null,
        "delivery_type": "email",
        "sender": {"name": "Dana Reyes", "email": "dana@acme.example"},
        "recipient": {"name": "Sam Okafor", "email": "sam@client.example", "phone": null},
        "status": "sent",
        "status_history": [{"status": "sent", "at": moment(at)}],
        "created_at": moment(at),
        "updated_at": moment(at),
    });
    match index % WAYS {
        0 => value["amount"] = json!("abc"),
        1 => {
            if let Some(fields) = value.as_object_mut() {
                fields.remove("status");
            }
        }
        2 => value["created_at"] = json!("yesterday"),
        3 => value["status_history"] = json!([{"status": "sent", "at": "2026-13-45T99:00:00Z"}]),
        4 => value["id"] = Value::Null,
        5 => value["recipient"] = json!("sam@client.example"),
        6 => value["amount"] = json!({"value": 5}),
        _ => value["gift_name"] = json!(["Coffee"]),
    }
    (id, value)
}
