//! One call to HubSpot's API on its way through a handler: who asks, what, and the rules it is judged by.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use super::errors::{Answer, invalid, missing_scopes, not_found, refuse};
use super::scopes::Need;
use crate::crm::portal::UnknownKind;
use crate::crm::{Kind, PortalState};
use crate::rules::Rules;
use crate::webhooks::Touched;

/// A call with its portal locked.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a mut PortalState,
    pub(crate) rules: &'a Rules,
    pub(crate) now: DateTime<Utc>,
    pub(crate) scopes: &'a BTreeSet<String>,
    /// The path's variable segments, decoded, in order.
    pub(crate) args: Vec<String>,
    pub(crate) query: &'a [(String, String)],
    pub(crate) body: &'a [u8],
    /// How many inputs of a batch a fault refuses.
    pub(crate) refuse_first: usize,
    /// Whether the path was one of the v3 associations API, which answers in other words.
    pub(crate) legacy: bool,
    /// The links that the call changes; none when no webhooks go out.
    pub(crate) touched: Option<Touched>,
}

impl Call<'_> {
    /// The `index`th variable segment.
    pub(crate) fn arg(&self, index: usize) -> &str {
        self.args.get(index).map_or("", String::as_str)
    }

    /// The first query parameter of that name.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a list parameter, repeated or separated by commas.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        self.query
            .iter()
            .filter(|(key, _)| key == name)
            .flat_map(|(_, value)| value.split(','))
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// A numeric parameter within bounds.
    pub(crate) fn limit(&self, default: usize, max: usize) -> Result<usize, Answer> {
        let Some(text) = self.query("limit") else {
            return Ok(default);
        };
        match text.parse() {
            Ok(limit) if (1..=max).contains(&limit) => Ok(limit),
            _ => Err(invalid(format!(
                "The requested limit '{text}' is not between 1 and {max}."
            ))),
        }
    }

    /// The body as JSON of that shape.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Answer> {
        serde_json::from_slice(self.body).map_err(|error| {
            invalid(format!(
                "Invalid input JSON on line {}, column {}: {error}",
                error.line(),
                error.column()
            ))
        })
    }

    /// Refuses the call unless the token reaches what it needs.
    pub(crate) fn reach(&self, need: Need) -> Result<(), Answer> {
        need.check(self.scopes, self.state.enterprise, self.rules)
            .map_err(|any_of| missing_scopes(&any_of))
    }

    /// The object type named by a segment.
    pub(crate) fn kind(&self, index: usize) -> Result<Kind, Answer> {
        self.kind_named(self.arg(index))
    }

    pub(crate) fn kind_named(&self, text: &str) -> Result<Kind, Answer> {
        self.state
            .resolve_kind(text)
            .map_err(|unknown| match unknown {
                UnknownKind::Malformed => {
                    invalid(format!("Unable to infer object type from: {text}"))
                }
                UnknownKind::NotFound if self.rules.unknown_type_status == 400 => {
                    invalid(format!("Unable to infer object type from: {text}"))
                }
                UnknownKind::NotFound => {
                    not_found(format!("Object type {text} could not be found"))
                }
            })
    }

    /// The object type named by a segment, when the token reaches it.
    pub(crate) fn kind_for(&self, index: usize, need: fn(Kind) -> Need) -> Result<Kind, Answer> {
        let kind = self.kind(index)?;
        self.reach(need(kind))?;
        Ok(kind)
    }

    /// The record id in a segment.
    pub(crate) fn id(&self, index: usize) -> Result<u64, Answer> {
        let text = self.arg(index);
        text.parse().map_err(|_| {
            refuse(
                404,
                "OBJECT_NOT_FOUND",
                format!("resource not found: {text}"),
            )
        })
    }
}
