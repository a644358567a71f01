//! Which values HubSpot takes for a property, and how it gives them back (facts §4.4).

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::definition::{Definition, Property};

/// HubSpot's limit for a text value, in characters.
const TEXT_LIMIT: usize = 65_536;

/// Why a value was refused; the JSON inside HubSpot's "Property values were not valid".
#[derive(Debug, Clone)]
pub(crate) struct Invalid {
    pub(crate) name: String,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Invalid {
    pub(crate) fn to_json(&self) -> Value {
        json!({"isValid": false, "message": self.message, "error": self.code, "name": self.name})
    }
}

/// Checks one value as the API receives it; `Ok("")` clears the property.
pub(crate) fn check(definition: &Definition, name: &str, value: &Value) -> Result<String, Invalid> {
    let invalid = |code, message| Invalid {
        name: name.to_owned(),
        code,
        message,
    };
    let Some(property) = definition.property(name) else {
        return Err(invalid(
            "PROPERTY_DOESNT_EXIST",
            format!("Property \"{name}\" does not exist"),
        ));
    };
    if property.read_only {
        return Err(invalid(
            "READ_ONLY_VALUE",
            format!("\"{name}\" is a read only property; its value cannot be set."),
        ));
    }
    // The specification wants strings; the live API takes plain numbers and booleans too (facts §4.2).
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null => String::new(),
        Value::Array(_) | Value::Object(_) => {
            return Err(invalid(
                "INVALID_STRING",
                format!("\"{name}\" must be a string"),
            ));
        }
    };
    if text.is_empty() {
        return Ok(text);
    }
    normalise(property, &text).map_err(|(code, message)| invalid(code, message))
}

fn normalise(property: &Property, text: &str) -> Result<String, (&'static str, String)> {
    match property.value_type.as_str() {
        "number" if is_number(text) => Ok(text.to_owned()),
        "number" => Err(("INVALID_DOUBLE", format!("{text} was not a valid number."))),
        "datetime" => match datetime(text) {
            Some(at) => Ok(at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => Err(("INVALID_DATE", format!("{text} was not a valid datetime."))),
        },
        "date" => match date(text) {
            Some(day) => Ok(day.to_string()),
            None => Err((
                "INVALID_DATE",
                format!("{text} is not a date or not at midnight UTC."),
            )),
        },
        "bool" if matches!(text, "true" | "false") => Ok(text.to_owned()),
        "bool" => Err(option_refused(property, text)),
        // HubSpot's own lists without options (additional e-mails) take free values.
        "enumeration" if property.options.is_empty() => Ok(text.to_owned()),
        "enumeration" => {
            let many = property.field_type == "checkbox";
            let known = |value: &str| property.options.iter().any(|o| o.value == value);
            let all_known = if many {
                text.split(';').filter(|part| !part.is_empty()).all(known)
            } else {
                known(text)
            };
            if all_known {
                Ok(text.to_owned())
            } else {
                Err(option_refused(property, text))
            }
        }
        _ if text.chars().count() > TEXT_LIMIT => Err((
            "STRING_TOO_LONG",
            format!("Value is longer than {TEXT_LIMIT} characters."),
        )),
        _ if property.name == "email" && property.hubspot_defined => email(text),
        _ => Ok(text.to_owned()),
    }
}

fn option_refused(property: &Property, text: &str) -> (&'static str, String) {
    let allowed: Vec<&str> = property.options.iter().map(|o| o.value.as_str()).collect();
    let message = format!("{text} was not one of the allowed options: {allowed:?}");
    ("INVALID_OPTION", message)
}

/// Plain digits with an optional sign and decimal point.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    plain(whole) && plain(fraction)
}

/// A time as ISO 8601 or as milliseconds since 1970.
pub(crate) fn datetime(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(millis) = text.parse::<i64>() {
        return DateTime::from_timestamp_millis(millis);
    }
    let at = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    DateTime::from_timestamp_millis(at.timestamp_millis())
}

fn date(text: &str) -> Option<NaiveDate> {
    if let Ok(millis) = text.parse::<i64>() {
        let at = DateTime::from_timestamp_millis(millis)?;
        return (millis.rem_euclid(86_400_000) == 0).then(|| at.date_naive());
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

fn email(text: &str) -> Result<String, (&'static str, String)> {
    let trimmed = text.trim();
    let sound = trimmed.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && domain.contains('.')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
            && !trimmed.contains(char::is_whitespace)
            && !domain.contains('@')
    });
    if sound {
        Ok(trimmed.to_lowercase())
    } else {
        Err(("INVALID_EMAIL", format!("Email address {text} is invalid")))
    }
}
