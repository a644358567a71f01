//! Writing our records.

use std::collections::{BTreeSet, HashMap};

use domain::RecordId;
use domain::record::{KEY_PROPERTY, Values};
use reqwest::Method;
use serde::Serialize;
use serde_json::Value;

use crate::batch::{Parts, is_about_rows};
use crate::client::segment;
use crate::error::{Error, Fault, Unanswered};
use crate::retry::Effect;
use crate::wire::{Batch, Object};
use crate::{API_VERSION, Portal, limits};

/// A row to write: its values hold the unique key. The trace id is ours, unique within the batch; HubSpot names refused
/// rows by it.
#[derive(Debug, Clone, Copy)]
pub struct UpsertRow<'a> {
    /// Any text that no other row of the batch has.
    pub trace_id: &'a str,
    /// The record's values.
    pub values: &'a Values,
}

impl UpsertRow<'_> {
    fn key(&self) -> &str {
        self.values.get(KEY_PROPERTY).map_or("", String::as_str)
    }
}

/// How a batch of rows ended; every row is in exactly one of the three.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpsertAnswer {
    /// Rows that are records now.
    pub written: Vec<WrittenRow>,
    /// Rows that HubSpot refuses.
    pub refused: Vec<RefusedRow>,
    /// Keys of rows that the answer leaves out: they may be written or not, and can be sent again.
    pub unanswered: Vec<String>,
}

/// An upsert that broke off: a call brought no answer about its rows.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct UpsertFailure {
    /// Why.
    pub error: Error,
    /// Keys of rows that were sent and of which no answer tells: they may be written or not.
    pub keys: Vec<String>,
    /// What calls before it brought about other rows of the batch; none is left out there.
    pub answer: UpsertAnswer,
}

/// A row that is a record now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenRow {
    /// Its unique key.
    pub key: String,
    /// The record's id.
    pub record_id: RecordId,
    /// Whether this call made the record.
    pub new: bool,
}

/// A row that HubSpot refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// Which row; `None` when HubSpot does not say, its rows are then among the unanswered.
    pub trace_id: Option<String>,
    /// HubSpot's most exact code: that of the value at fault, for example `INVALID_OPTION`, else its category, for example
    /// `CONFLICT`.
    pub code: String,
    /// HubSpot's sentence.
    pub message: String,
    /// The property it is about, when HubSpot names one.
    pub field: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UpsertInput<'a> {
    id: &'a str,
    id_property: &'static str,
    properties: &'a Values,
    object_write_trace_id: &'a str,
}

impl Portal {
    /// Writes rows (at most 100, each key once) as records of `object_type_id`, made or changed by their unique key. Safe
    /// to repeat. A batch that is refused as a whole is halved until the bad rows stand alone; rows that an answer leaves
    /// out are sent once more.
    ///
    /// # Errors
    /// When a call brought no answer about its rows: with what calls before it brought.
    pub async fn upsert(
        &self,
        object_type_id: &str,
        rows: &[UpsertRow<'_>],
    ) -> Result<UpsertAnswer, Box<UpsertFailure>> {
        let mut answer = UpsertAnswer::default();
        self.upsert_once(object_type_id, rows, BTreeSet::new(), &mut answer)
            .await?;
        let left_out: Vec<UpsertRow<'_>> = rows
            .iter()
            .filter(|row| answer.unanswered.iter().any(|key| key == row.key()))
            .copied()
            .collect();
        if !left_out.is_empty() {
            // An error that named no row was about one of these.
            answer.refused.retain(|row| row.trace_id.is_some());
            let in_doubt = std::mem::take(&mut answer.unanswered);
            let in_doubt = in_doubt.into_iter().collect();
            self.upsert_once(object_type_id, &left_out, in_doubt, &mut answer)
                .await?;
        }
        Ok(answer)
    }

    /// Adds to `answer`. `in_doubt` are keys of rows that may be written although no answer has told so.
    async fn upsert_once(
        &self,
        object_type_id: &str,
        rows: &[UpsertRow<'_>],
        mut in_doubt: BTreeSet<String>,
        answer: &mut UpsertAnswer,
    ) -> Result<(), Box<UpsertFailure>> {
        debug_assert!(rows.len() <= limits::OBJECTS_PER_BATCH);
        let path = format!(
            "/crm/objects/{API_VERSION}/{}/batch/upsert",
            segment(object_type_id)
        );
        let mut parts = Parts::new(rows);
        while let Some(part) = parts.next() {
            let inputs: Vec<_> = part
                .iter()
                .map(|row| UpsertInput {
                    id: row.key(),
                    id_property: KEY_PROPERTY,
                    properties: row.values,
                    object_write_trace_id: row.trace_id,
                })
                .collect();
            let body = serde_json::json!({ "inputs": inputs });
            let sent = self
                .write(
                    "objects.upsert",
                    Method::POST,
                    path.clone(),
                    &body,
                    Effect::Idempotent,
                )
                .await;
            let read = sent.and_then(|bytes| {
                Batch::from_slice(&bytes).map_err(|error| Unanswered {
                    error,
                    in_doubt: true,
                })
            });
            match read {
                Ok(batch) => {
                    parts.accepted(batch.faults.is_empty());
                    answer.add(part, batch);
                }
                Err(Unanswered {
                    error,
                    in_doubt: was_lost,
                }) if is_about_rows(&error) => {
                    if was_lost {
                        in_doubt.extend(keys(part));
                    }
                    let fault = error.refusal().map(|refusal| refusal.fault.clone());
                    let fault = fault.unwrap_or_default();
                    // Every row has every property: where one does not exist, no half fares better.
                    let refused = match RefusedRow::new(None, &fault).code.as_str() {
                        PROPERTY_DOESNT_EXIST => part,
                        _ => parts.refused(part),
                    };
                    let refused = refused
                        .iter()
                        .map(|row| RefusedRow::new(Some(row.trace_id), &fault));
                    answer.refused.extend(refused);
                }
                Err(unanswered) => {
                    if unanswered.in_doubt || unanswered.error.is_of_a_sending() {
                        in_doubt.extend(keys(part));
                    }
                    in_doubt.extend(answer.unanswered.drain(..));
                    in_doubt.retain(|key| !answer.tells_of(key, rows));
                    return Err(Box::new(UpsertFailure {
                        error: unanswered.error,
                        keys: in_doubt.into_iter().collect(),
                        answer: std::mem::take(answer),
                    }));
                }
            }
        }
        Ok(())
    }
}

fn keys(rows: &[UpsertRow<'_>]) -> impl Iterator<Item = String> {
    rows.iter().map(|row| row.key().to_owned())
}

impl UpsertAnswer {
    /// Whether it tells that the row of this key, one of `rows`, is written or refused.
    fn tells_of(&self, key: &str, rows: &[UpsertRow<'_>]) -> bool {
        let trace_id = rows
            .iter()
            .find(|row| row.key() == key)
            .map(|row| row.trace_id);
        let is_refused =
            |row: &RefusedRow| trace_id.is_some() && row.trace_id.as_deref() == trace_id;
        self.written.iter().any(|row| row.key == key) || self.refused.iter().any(is_refused)
    }

    /// Takes the answer to `part` in.
    fn add(&mut self, part: &[UpsertRow<'_>], batch: Batch<Object>) {
        let mut open: HashMap<&str, &str> =
            part.iter().map(|row| (row.key(), row.trace_id)).collect();
        for object in batch.results {
            if let Some(key) = object
                .property(KEY_PROPERTY)
                .filter(|key| open.remove::<str>(key).is_some())
            {
                self.written.push(WrittenRow {
                    key: key.to_owned(),
                    record_id: object.id,
                    new: object.new,
                });
            }
        }
        for fault in &batch.faults {
            let named = fault.context_values(&["objectWriteTraceId"]);
            let keys = fault.context_values(&["ids", "id"]);
            let rows: Vec<&str> = open
                .iter()
                .filter(|(key, trace)| {
                    named.iter().any(|name| name == *trace) || keys.iter().any(|name| name == *key)
                })
                .map(|(key, _)| *key)
                .collect();
            if rows.is_empty() {
                self.refused.push(RefusedRow::new(None, fault));
            }
            for key in rows {
                let trace_id = open.remove(key);
                self.refused.push(RefusedRow::new(trace_id, fault));
            }
        }
        let left_out = part.iter().filter(|row| open.contains_key(row.key()));
        self.unanswered
            .extend(left_out.map(|row| row.key().to_owned()));
    }
}

/// HubSpot's code for a value of a property that the object does not have.
const PROPERTY_DOESNT_EXIST: &str = "PROPERTY_DOESNT_EXIST";
/// HubSpot's code for a value that is none of the property's options.
const INVALID_OPTION: &str = "INVALID_OPTION";

impl RefusedRow {
    /// Whether the object's definition may be at fault rather than the row: somebody may have changed it.
    pub fn is_about_definition(&self) -> bool {
        [PROPERTY_DOESNT_EXIST, INVALID_OPTION].contains(&self.code.as_str())
    }

    fn new(trace_id: Option<&str>, fault: &Fault) -> Self {
        let invalid = InvalidValue::find(&fault.message);
        let named = fault
            .context_values(&["propertyName", "properties", "name"])
            .into_iter()
            .next();
        let located = fault
            .details
            .iter()
            .map(|detail| detail.location.clone())
            .find(|location| !location.is_empty());
        let (code, field, message) = match invalid {
            Some(invalid) => (invalid.code, Some(invalid.property), invalid.message),
            None => (None, named.or(located), fault.message.clone()),
        };
        Self {
            trace_id: trace_id.map(str::to_owned),
            code: code.unwrap_or_else(|| fault.category.clone()),
            message,
            field,
        }
    }
}

/// The first value that HubSpot names inside `Property values were not valid: [{…}]`.
struct InvalidValue {
    property: String,
    code: Option<String>,
    message: String,
}

impl InvalidValue {
    fn find(message: &str) -> Option<Self> {
        let (_, list) = message.split_once("Property values were not valid:")?;
        let list: Value = serde_json::from_str(list.trim()).ok()?;
        let first = list.get(0)?;
        let text = |name| first.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            property: text("name")?,
            message: text("message").or_else(|| text("error"))?,
            code: text("error"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(key: &str) -> Values {
        Values::from([(KEY_PROPERTY, key.to_owned())])
    }

    #[test]
    fn each_row_ends_in_exactly_one_list() {
        let values = ["a", "b", "c", "d"].map(values);
        let rows: Vec<_> = ["t1", "t2", "t3", "t4"]
            .iter()
            .zip(&values)
            .map(|(trace_id, values)| UpsertRow { trace_id, values })
            .collect();
        let body = br#"{"status":"COMPLETE","results":[
            {"id":"12","new":true,"properties":{"transaction_id":"c"}},
            {"id":"10","new":false,"properties":{"transaction_id":"a"}},
            {"id":"99","properties":{"transaction_id":"stranger"}}],
            "numErrors":1,"errors":[{"status":"error","category":"VALIDATION_ERROR",
             "message":"Property values were not valid: [{\"isValid\":false,\"message\":\"bad option\",\"error\":\"INVALID_OPTION\",\"name\":\"status\"}]",
             "context":{"objectWriteTraceId":["t2"]}}]}"#;
        let mut answer = UpsertAnswer::default();
        answer.add(&rows, Batch::from_slice(body).unwrap());
        let written: Vec<_> = answer
            .written
            .iter()
            .map(|row| (row.key.as_str(), row.record_id.0, row.new))
            .collect();
        assert_eq!(written, [("c", 12, true), ("a", 10, false)]);
        assert_eq!(
            answer.refused,
            [RefusedRow {
                trace_id: Some("t2".into()),
                code: "INVALID_OPTION".into(),
                message: "bad option".into(),
                field: Some("status".into()),
            }]
        );
        assert_eq!(answer.unanswered, ["d"]);
    }

    #[test]
    fn an_error_that_names_no_row_leaves_its_rows_unanswered() {
        let values = values("a");
        let rows = [UpsertRow {
            trace_id: "t1",
            values: &values,
        }];
        let mut answer = UpsertAnswer::default();
        let body = br#"{"errors":[{"category":"CONFLICT","message":"no"}]}"#;
        answer.add(&rows, Batch::from_slice(body).unwrap());
        assert_eq!(answer.refused[0].trace_id, None);
        assert_eq!(answer.unanswered, ["a"]);
    }
}

#[cfg(test)]
#[path = "objects_tests.rs"]
mod properties;
