//! Writing to HubSpot: dirty rows, 100 a call, by batch upsert on the unique key. A call whose outcome is unknown is
//! simply made again; one bad row never stops its page.

use std::collections::HashMap;

use domain::record::{self, Values};
use domain::run::Phase;
use domain::{RecordId, TransactionId};
use hubspot::UpsertRow;
use store::transactions::{Dirty, Refused, Written};
use uuid::Uuid;

use super::{Run, Stop, Target, prepare};
use crate::{App, setup};

/// Records per call: HubSpot's limit for a batch.
const BATCH: i64 = 100;

/// Writes one batch; `false` when nothing is dirty that this run has not tried.
pub(super) async fn step(app: &App, run: &mut Run, target: &Target) -> Result<bool, Stop> {
    let mut tx = app.db.begin(run.scope).await?;
    let dirty = store::transactions::list_dirty(&mut tx, run.scope, run.id, BATCH).await?;
    drop(tx);
    if dirty.is_empty() {
        return Ok(false);
    }
    run.progress.phase = Phase::Writing;
    let values: Vec<Values> = dirty
        .iter()
        .map(|row| record::values(&row.transaction))
        .collect();
    let traces: Vec<String> = dirty.iter().map(|_| Uuid::now_v7().to_string()).collect();
    let rows: Vec<UpsertRow<'_>> = traces
        .iter()
        .zip(&values)
        .map(|(trace_id, values)| UpsertRow { trace_id, values })
        .collect();
    // A worker that was frozen may have lost the portal meanwhile: what it would send is old.
    run.ensure_held(app).await?;
    let answer = match run.portal.upsert(&target.object_type_id, &rows).await {
        Err(hubspot::Error::Missing(_)) => {
            if prepare::look_again(app, run).await? {
                return Err(looked_again());
            }
            return Err(Stop::Needs(vec![setup::object_missing()]));
        }
        other => other?,
    };
    if answer.written.is_empty()
        && !answer.refused.is_empty()
        && prepare::look_again(app, run).await?
    {
        // Nothing at all was taken, which rows alone seldom do; the next slice goes on with what was found.
        return Err(looked_again());
    }

    let records: HashMap<&str, RecordId> = answer
        .written
        .iter()
        .map(|row| (row.key.as_str(), row.record_id))
        .collect();
    let written: Vec<Written> = dirty
        .iter()
        .filter_map(|row| {
            let record_id = *records.get(row.transaction.id.as_str())?;
            Some(Written {
                id: row.transaction.id.clone(),
                applied_hash: row.desired_hash.clone(),
                record_id,
            })
        })
        .collect();
    let by_trace: HashMap<&str, &Dirty> = traces.iter().map(String::as_str).zip(&dirty).collect();
    let mut refused: Vec<Refused> = answer
        .refused
        .iter()
        .filter_map(|row| {
            let dirty = by_trace.get(row.trace_id.as_deref()?)?;
            Some(Refused {
                id: dirty.transaction.id.clone(),
                field: row.field.clone(),
                reason: reason(&row.category, &row.message),
            })
        })
        .collect();
    let unnamed = answer.refused.iter().find(|row| row.trace_id.is_none());
    // HubSpot left these out: they stay due, and are not tried again in this run, which would go round for ever.
    refused.extend(answer.unanswered.iter().map(|key| Refused {
        id: TransactionId(key.clone()),
        field: None,
        reason: unnamed.map_or_else(
            || "HubSpot's answer left this record out".to_owned(),
            |row| reason(&row.category, &row.message),
        ),
    }));

    let now = app.now();
    let mut tx = run.begin(app).await?;
    store::transactions::save_written(&mut tx, run.scope, &written, now).await?;
    store::transactions::save_refused(&mut tx, run.scope, run.id, &refused, now).await?;
    let count = |len: usize| i64::try_from(len).unwrap_or(i64::MAX);
    run.counts.written += count(written.len());
    run.counts.refused += count(refused.len());
    run.done += count(written.len() + refused.len());
    run.commit(tx).await?;
    Ok(true)
}

fn reason(category: &str, message: &str) -> String {
    if message.is_empty() {
        category.to_owned()
    } else {
        message.to_owned()
    }
}

/// Ends the slice, so that the next one begins with the object as it is now.
fn looked_again() -> Stop {
    Stop::HubSpot(hubspot::Error::Unavailable(
        "the object was looked at again".to_owned(),
    ))
}
