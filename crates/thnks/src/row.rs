//! A row of Thnks' JSON becomes a checked [`Transaction`], or the reason why it cannot.

use chrono::{DateTime, Datelike, Utc};
use domain::status::StatusEntry;
use domain::transaction::{DeliveryType, Malformed, Person};
use domain::{Transaction, TransactionId, text};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

/// The longest id, in characters; HubSpot's unique properties and our index take it with room to spare.
const MAX_ID_CHARS: usize = 255;
/// The most digits of an amount: what a HubSpot number and our columns hold exactly.
const MAX_AMOUNT_DIGITS: usize = 18;

/// A row: a transaction, or what is wrong with it.
pub type Row = Result<Transaction, MalformedRow>;

/// A row that cannot be a transaction, with what came.
#[derive(Debug, Clone, PartialEq)]
pub struct MalformedRow {
    /// Field and reason.
    pub malformed: Malformed,
    /// The row as it came, without NUL characters, which a database refuses; a row that is no JSON stands here as text.
    pub raw: Value,
}

/// Reads a row's JSON. Never fails as a whole and never panics, whatever comes.
pub(crate) fn read(json: &str) -> Row {
    let value: Value = match serde_json::from_str(json) {
        Ok(value) => value,
        Err(_) => {
            return Err(MalformedRow {
                malformed: Malformed {
                    id: None,
                    field: String::new(),
                    reason: "is not readable JSON, or is nested too deeply".into(),
                },
                raw: without_nul(Value::String(json.to_owned())),
            });
        }
    };
    transaction(&value).map_err(|wrong| MalformedRow {
        malformed: Malformed {
            id: value.get("id").and_then(|id| usable_id(id).ok()),
            field: wrong.field,
            reason: wrong.reason.to_owned(),
        },
        raw: without_nul(value),
    })
}

/// A field that is wrong.
struct Wrong {
    field: String,
    reason: &'static str,
}

fn wrong(field: impl Into<String>, reason: &'static str) -> Wrong {
    Wrong {
        field: field.into(),
        reason,
    }
}

const NOT_TEXT: &str = "must be text";
const MISSING: &str = "is missing";
const NOT_TIME: &str = "must be a time such as 2026-11-02T15:04:05Z";
const NOT_AMOUNT: &str = "must be a decimal number such as 25.00";

fn transaction(value: &Value) -> Result<Transaction, Wrong> {
    let Value::Object(row) = value else {
        return Err(wrong("", "the row must be an object"));
    };
    let id =
        usable_id(row.get("id").unwrap_or(&Value::Null)).map_err(|reason| wrong("id", reason))?;
    Ok(Transaction {
        id,
        gift_name: optional_text(row, "", "gift_name")?,
        gift_type: optional_text(row, "", "gift_type")?,
        amount: amount(row)?,
        currency: currency(row)?,
        message: optional_text(row, "", "message")?,
        tracking_url: optional_text(row, "", "tracking_url")?,
        delivery_type: optional_text(row, "", "delivery_type")?
            .and_then(|text| DeliveryType::from_source(&text)),
        sender: person(row, "sender")?,
        recipient: person(row, "recipient")?,
        reported_status: status(row.get("status")).map_err(|reason| wrong("status", reason))?,
        history: history(row)?,
        created_at: time(row.get("created_at")).map_err(|reason| wrong("created_at", reason))?,
        updated_at: time(row.get("updated_at")).map_err(|reason| wrong("updated_at", reason))?,
    })
}

fn usable_id(value: &Value) -> Result<TransactionId, &'static str> {
    let id = match value {
        Value::Null => return Err(MISSING),
        Value::String(id) => id,
        _ => return Err(NOT_TEXT),
    };
    if id.is_empty() {
        return Err(MISSING);
    }
    if id.chars().count() > MAX_ID_CHARS {
        return Err("must have at most 255 characters");
    }
    // Surrounding space would be lost on the way through HubSpot, and with it the match.
    if id.chars().any(char::is_control) || id.trim() != id {
        return Err("must have no control characters and no surrounding space");
    }
    Ok(TransactionId(id.clone()))
}

/// A cleaned text; null, absent and blank are none.
fn optional_text(
    of: &Map<String, Value>,
    parent: &str,
    name: &str,
) -> Result<Option<String>, Wrong> {
    match of.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(value)) => {
            let clean = text::clean(value);
            Ok((!clean.trim().is_empty()).then_some(clean))
        }
        Some(_) => Err(wrong(format!("{parent}{name}"), NOT_TEXT)),
    }
}

fn person(row: &Map<String, Value>, name: &str) -> Result<Person, Wrong> {
    let of = match row.get(name) {
        None | Some(Value::Null) => return Ok(Person::default()),
        Some(Value::Object(of)) => of,
        Some(_) => return Err(wrong(name, "must be an object")),
    };
    let parent = format!("{name}.");
    Ok(Person {
        name: optional_text(of, &parent, "name")?,
        email: optional_text(of, &parent, "email")?.map(|email| email.trim().to_owned()),
        phone: optional_text(of, &parent, "phone")?,
    })
}

fn status(value: Option<&Value>) -> Result<String, &'static str> {
    match value {
        None | Some(Value::Null) => Err(MISSING),
        Some(Value::String(status)) => {
            let clean = text::clean(status);
            if clean.trim().is_empty() {
                return Err(MISSING);
            }
            Ok(clean)
        }
        Some(_) => Err(NOT_TEXT),
    }
}

fn history(row: &Map<String, Value>) -> Result<Vec<StatusEntry>, Wrong> {
    let entries = match row.get("status_history") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(wrong("status_history", "must be a list")),
    };
    let entry = |(index, entry): (usize, &Value)| {
        let path = format!("status_history[{index}]");
        if !entry.is_object() {
            return Err(wrong(path, "must be an object"));
        }
        Ok(StatusEntry {
            status: status(entry.get("status"))
                .map_err(|reason| wrong(format!("{path}.status"), reason))?,
            at: time(entry.get("at")).map_err(|reason| wrong(format!("{path}.at"), reason))?,
        })
    };
    entries.iter().enumerate().map(entry).collect()
}

/// RFC 3339 to microseconds, which is what our database keeps; a leap second becomes the next second's beginning.
fn time(value: Option<&Value>) -> Result<DateTime<Utc>, &'static str> {
    let text = match value {
        None | Some(Value::Null) => return Err(MISSING),
        Some(Value::String(text)) => text,
        Some(_) => return Err(NOT_TIME),
    };
    DateTime::parse_from_rfc3339(text.trim())
        .ok()
        .and_then(|at| DateTime::from_timestamp_micros(at.timestamp_micros()))
        // Databases and people write years with four digits.
        .filter(|at| (1..=9_999).contains(&at.year()))
        .ok_or(NOT_TIME)
}

fn amount(row: &Map<String, Value>) -> Result<Option<Decimal>, Wrong> {
    let refuse = |reason| Err(wrong("amount", reason));
    let (text, is_number) = match row.get("amount") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => (text.trim().to_owned(), false),
        Some(Value::Number(number)) => (number.to_string(), true),
        Some(_) => return refuse(NOT_AMOUNT),
    };
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with('-') {
        return refuse("must not be negative");
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(whole) || !is_plain(fraction) || whole.is_empty() || text.ends_with('.') {
        // A JSON number of many digits is spelt with an exponent.
        return refuse(if is_number {
            "has too many digits"
        } else {
            NOT_AMOUNT
        });
    }
    if whole.trim_start_matches('0').len() + fraction.len() > MAX_AMOUNT_DIGITS {
        return refuse("has too many digits");
    }
    text.parse()
        .map(Some)
        .map_err(|_| wrong("amount", NOT_AMOUNT))
}

fn currency(row: &Map<String, Value>) -> Result<Option<String>, Wrong> {
    let Some(text) = optional_text(row, "", "currency")? else {
        return Ok(None);
    };
    let code = text.trim().to_ascii_uppercase();
    if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        Ok(Some(code))
    } else {
        Err(wrong("currency", "must be three letters such as USD"))
    }
}

/// `value` without NUL, in names too. Its depth is bounded by the parser.
fn without_nul(value: Value) -> Value {
    let clean = |text: String| text.replace('\0', "");
    match value {
        Value::String(text) => Value::String(clean(text)),
        Value::Array(values) => values.into_iter().map(without_nul).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (clean(name), without_nul(value)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
#[path = "row_tests.rs"]
mod tests;
