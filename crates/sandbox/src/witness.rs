//! The witness: every record that came by in a batch upsert, in the order in which HubSpot took it, with what was to become
//! of its status. Off until it is asked for, as it keeps everything.

use std::sync::Mutex;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::hubspot::errors::Answer;
use crate::universe::lock;

/// A record that came by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sighting {
    /// When.
    pub at: DateTime<Utc>,
    /// Whose access token the call carried.
    pub portal: i64,
    /// The unique key that it was to be found by.
    pub transaction: String,
    /// The caller's name for this write; a call that is repeated carries it again.
    pub trace_id: String,
    /// The value of `status`.
    pub status: String,
    /// Whether the record has it now, whatever was answered.
    pub applied: bool,
}

/// What was seen; `None` while nobody asks for it.
#[derive(Debug, Default)]
pub(crate) struct Witness(Mutex<Option<Vec<Sighting>>>);

#[derive(Deserialize)]
struct Batch {
    inputs: Vec<Input>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    id: String,
    #[serde(default)]
    properties: Properties,
    #[serde(default)]
    object_write_trace_id: String,
}

#[derive(Default, Deserialize)]
struct Properties {
    #[serde(default)]
    status: String,
}

impl Witness {
    pub(crate) fn begin(&self) {
        lock(&self.0).get_or_insert_default();
    }

    pub(crate) fn sightings(&self) -> Vec<Sighting> {
        lock(&self.0).clone().unwrap_or_default()
    }

    /// Notes the records of an upsert's body; `answer` is what the call did, `None` when a fault kept it from working. The
    /// caller holds the portal's state, so that the order is that of the writes.
    pub(crate) fn note(
        &self,
        portal: i64,
        body: &[u8],
        answer: Option<&Answer>,
        at: DateTime<Utc>,
    ) {
        let mut seen = lock(&self.0);
        let Some(seen) = seen.as_mut() else { return };
        let Ok(batch) = serde_json::from_slice::<Batch>(body) else {
            return;
        };
        let written = answer.and_then(|answer| answer.wrote.as_deref());
        let ids = written
            .map(|wrote| wrote.ids.as_slice())
            .unwrap_or_default();
        seen.extend(batch.inputs.into_iter().map(|input| Sighting {
            at,
            portal,
            applied: ids.contains(&input.id),
            transaction: input.id,
            trace_id: input.object_write_trace_id,
            status: input.properties.status,
        }));
    }
}
