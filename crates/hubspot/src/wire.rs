//! HubSpot's spelling: the bodies that several calls share, and identifiers that come as number or as text.

use std::collections::HashMap;

use domain::RecordId;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use crate::error::{Error, Fault};

/// `{"results": […]}`.
#[derive(Debug, Deserialize)]
pub(crate) struct Results<T> {
    pub results: Vec<T>,
}

/// A batch's answer, 200, 201 or 207.
#[derive(Debug, Deserialize)]
struct RawBatch<T> {
    results: Option<Vec<T>>,
    errors: Option<Vec<Value>>,
}

/// A batch's answer with its errors read.
#[derive(Debug)]
pub(crate) struct Batch<T> {
    pub results: Vec<T>,
    pub faults: Vec<Fault>,
}

impl<T: de::DeserializeOwned> Batch<T> {
    /// Reads an answer; one that has neither results nor errors says nothing and is unreadable.
    pub(crate) fn from_slice(body: &[u8]) -> Result<Self, Error> {
        let raw: RawBatch<T> = read(body)?;
        if raw.results.is_none() && raw.errors.is_none() {
            return Err(Error::Unreadable(
                "a batch answer without results and errors".into(),
            ));
        }
        Ok(Self {
            results: raw.results.unwrap_or_default(),
            faults: raw
                .errors
                .unwrap_or_default()
                .iter()
                .map(Fault::from_json)
                .collect(),
        })
    }
}

/// A body as `T`. The message names the place, never the content.
pub(crate) fn read<T: de::DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| {
        Error::Unreadable(format!(
            "unexpected JSON at line {} column {}",
            error.line(),
            error.column()
        ))
    })
}

/// A record of any object type.
#[derive(Debug, Deserialize)]
pub(crate) struct Object {
    #[serde(deserialize_with = "record_id")]
    pub id: RecordId,
    #[serde(default)]
    pub new: bool,
    #[serde(default)]
    pub properties: HashMap<String, Option<String>>,
}

impl Object {
    /// A property's value; HubSpot's `null` and `""` are both none.
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties
            .get(name)
            .and_then(Option::as_deref)
            .filter(|value| !value.is_empty())
    }
}

/// `{"id": "…"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Id {
    pub id: String,
}

impl From<RecordId> for Id {
    fn from(id: RecordId) -> Self {
        Self { id: id.to_string() }
    }
}

/// A record id as number or as text: HubSpot's pages and its specification disagree, and both have been seen.
pub(crate) fn record_id<'de, D: Deserializer<'de>>(from: D) -> Result<RecordId, D::Error> {
    number(from).map(RecordId)
}

/// A whole number as number or as text.
pub(crate) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }
    match Either::deserialize(from)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text
            .parse()
            .map_err(|_| de::Error::custom("not a whole number")),
    }
}

/// A flag as boolean or as text; anything else is none.
pub(crate) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_read_from_numbers_and_from_texts() {
        let batch: Batch<Object> =
            Batch::from_slice(br#"{"results":[{"id":7},{"id":"8","properties":{"a":null}}]}"#)
                .unwrap();
        let ids: Vec<_> = batch.results.iter().map(|object| object.id).collect();
        assert_eq!(ids, [RecordId(7), RecordId(8)]);
        assert_eq!(batch.results[1].property("a"), None);
        assert!(Batch::<Object>::from_slice(br#"{"results":[{"id":"x"}]}"#).is_err());
    }

    #[test]
    fn a_batch_that_says_nothing_is_unreadable() {
        let answer = Batch::<Object>::from_slice(br#"{"status":"COMPLETE"}"#);
        assert!(matches!(answer, Err(Error::Unreadable(_))));
    }
}
