//! Writing to HubSpot: dirty rows, 100 a call and a few calls at a time, by batch upsert on the unique key. A call whose
//! outcome is unknown is simply made again; one bad row never stops its page.

use std::collections::HashMap;

use domain::failure::Stage;
use domain::record::{self, Values};
use domain::run::Phase;
use domain::{RecordId, TransactionId};
use futures::StreamExt;
use hubspot::limits::IN_FLIGHT;
use hubspot::{UpsertAnswer, UpsertFailure, UpsertRow};
use store::transactions::{Dirty, Refused, Written};
use uuid::Uuid;

use super::{Run, Stop, Target, a_few_at_a_time, count, prepare};
use crate::crash::{self, Point};
use crate::{App, setup};

/// Records per call: HubSpot's limit for a batch.
const BATCH: usize = 100;

/// Writes some batches; `false` when nothing is dirty that this run has not tried.
pub(super) async fn step(app: &App, run: &mut Run, target: &Target) -> Result<bool, Stop> {
    let mut tx = app.db.begin(run.scope).await?;
    let limit = count(BATCH * IN_FLIGHT);
    let dirty = store::transactions::list_dirty(&mut tx, run.scope, run.id, limit).await?;
    drop(tx);
    if dirty.is_empty() {
        return Ok(false);
    }
    run.progress.phase = Phase::Writing;
    // A worker that was frozen may have lost the portal meanwhile: what it would send is old.
    run.ensure_held(app).await?;
    crash::at(Point::RecordsUnsent);
    let portal = run.portal.clone();
    let batches = dirty.chunks(BATCH);
    let mut sent = a_few_at_a_time(batches.map(async |batch| send(&portal, target, batch).await));
    let (mut suspects, mut stop) = (Vec::new(), None);
    while let Some(batch) = sent.next().await {
        let failure = match batch.answer {
            Ok(answer) => {
                suspects.extend(save(app, run, batch.rows, &batch.traces, answer).await?);
                continue;
            }
            Err(failure) => *failure,
        };
        // What the other calls have done is noted before the slice ends, of this batch and of others.
        note_unanswered(app, run, &failure).await?;
        if failure.answer != UpsertAnswer::default() {
            suspects.extend(save(app, run, batch.rows, &batch.traces, failure.answer).await?);
        }
        stop = stop.or(Some(failure.error));
    }
    if !suspects.is_empty() {
        // What was refused for the object's sake is due again once the object is mended.
        prepare::look_again(app, run).await?;
        let mut tx = run.begin(app).await?;
        save_refused(run, &mut tx, &suspects, app.now()).await?;
        run.commit(tx).await?;
    }
    match stop {
        Some(hubspot::Error::Missing(_)) => {
            prepare::look_again(app, run).await?;
            Err(Stop::Needs(vec![setup::object_missing()]))
        }
        Some(error) => Err(error.into()),
        None => Ok(true),
    }
}

/// Notes rows that were sent and of which no answer tells.
async fn note_unanswered(app: &App, run: &Run, failure: &UpsertFailure) -> Result<(), Stop> {
    if failure.keys.is_empty() {
        return Ok(());
    }
    let code = match failure.error {
        hubspot::Error::Unavailable(_) => "UNAVAILABLE",
        hubspot::Error::Unreadable(_) => "UNREADABLE_ANSWER",
        hubspot::Error::Missing(_) => "OBJECT_MISSING",
        hubspot::Error::MissingScopes { .. } => "MISSING_SCOPES",
        hubspot::Error::Rejected(_) | hubspot::Error::Conflict(_) => "BATCH_REFUSED",
        // Of the rest nothing was sent, or nothing of it was looked at: an earlier sending may have been carried out.
        _ => "UNKNOWN_OUTCOME",
    };
    let mut tx = run.begin(app).await?;
    store::attempts::insert_unanswered(&mut tx, run.scope, run.id, &failure.keys, code, app.now())
        .await?;
    // Not the run's own commit: this is no progress.
    tx.commit().await.map_err(store::Error::from)?;
    crash::at(Point::RecordsUnanswered);
    Ok(())
}

/// Writes one dirty row, if there is one, to see whether HubSpot lets us write at all. What becomes of the row itself is
/// left to the run that follows.
pub(super) async fn try_one(app: &App, run: &Run, target: &Target) -> Result<(), hubspot::Error> {
    let dirty = async {
        let mut tx = app.db.begin(run.scope).await?;
        store::transactions::list_dirty(&mut tx, run.scope, run.id, 1).await
    };
    let Ok(dirty) = dirty.await else {
        return Ok(());
    };
    if dirty.is_empty() {
        return Ok(());
    }
    match send(&run.portal, target, &dirty).await.answer {
        Err(failure) if matches!(failure.error, hubspot::Error::MissingScopes { .. }) => {
            Err(failure.error)
        }
        _ => Ok(()),
    }
}

/// A batch that was sent.
struct Sent<'a> {
    rows: &'a [Dirty],
    traces: Vec<String>,
    answer: Result<UpsertAnswer, Box<UpsertFailure>>,
}

async fn send<'a>(portal: &hubspot::Portal, target: &Target, rows: &'a [Dirty]) -> Sent<'a> {
    let values: Vec<Values> = rows
        .iter()
        .map(|row| record::values(&row.transaction))
        .collect();
    let traces: Vec<String> = rows.iter().map(|_| Uuid::now_v7().to_string()).collect();
    let inputs: Vec<UpsertRow<'_>> = traces
        .iter()
        .zip(&values)
        .map(|(trace_id, values)| UpsertRow { trace_id, values })
        .collect();
    let answer = portal.upsert(&target.object_type_id, &inputs).await;
    Sent {
        rows,
        traces,
        answer,
    }
}

/// Stores what became of a batch, each row by itself; returns the refused rows that may be the object's fault, which are not
/// stored yet.
async fn save(
    app: &App,
    run: &mut Run,
    rows: &[Dirty],
    traces: &[String],
    answer: UpsertAnswer,
) -> Result<Vec<Refused>, Stop> {
    crash::at(Point::RecordsAnswered);
    let records: HashMap<&str, RecordId> = answer
        .written
        .iter()
        .map(|row| (row.key.as_str(), row.record_id))
        .collect();
    let written: Vec<Written> = rows
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
    let by_trace: HashMap<&str, &Dirty> = traces.iter().map(String::as_str).zip(rows).collect();
    // Where nothing at all was taken, the rows alone are seldom to blame.
    let is_suspicious = written.is_empty() && run.progress.looks == 0;
    let (mut refused, mut suspects) = (Vec::new(), Vec::new());
    for row in &answer.refused {
        let Some(dirty) = row.trace_id.as_deref().and_then(|id| by_trace.get(id)) else {
            continue;
        };
        // What failed the same way before was looked into then.
        let is_new = dirty.failure_code.as_ref() != Some(&row.code);
        let list = if is_new && (is_suspicious || row.is_about_definition()) {
            &mut suspects
        } else {
            &mut refused
        };
        list.push(refusal(&dirty.transaction.id, row));
    }
    // HubSpot left these out twice: they stay due, and are not tried again in this run, which would go round for ever.
    let unnamed = answer.refused.iter().find(|row| row.trace_id.is_none());
    refused.extend(answer.unanswered.iter().map(|key| {
        let id = TransactionId(key.clone());
        match unnamed {
            Some(row) => refusal(&id, row),
            None => Refused {
                id,
                code: "LEFT_OUT".to_owned(),
                field: None,
                reason: "HubSpot's answer left this record out".to_owned(),
            },
        }
    }));

    let now = app.now();
    let mut tx = run.begin(app).await?;
    store::transactions::save_written(&mut tx, run.scope, run.id, &written, now).await?;
    run.counts.written += count(written.len());
    if run.kind.reads() {
        run.done += count(written.len());
    }
    save_refused(run, &mut tx, &refused, now).await?;
    run.commit(tx).await?;
    crash::at(Point::RecordsNoted);
    Ok(suspects)
}

async fn save_refused(
    run: &mut Run,
    tx: &mut store::Tx,
    refused: &[Refused],
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), store::Error> {
    store::transactions::save_refused(tx, run.scope, run.id, refused, now).await?;
    run.counts.refused += count(refused.len());
    if run.kind.reads() {
        run.done += count(refused.len());
    }
    for row in refused {
        let (field, key) = (row.field.as_deref(), row.id.as_str());
        let failures = &mut run.counts.failures;
        failures.add(Stage::Record, &row.code, field, &row.reason, key);
    }
    Ok(())
}

fn refusal(id: &TransactionId, row: &hubspot::RefusedRow) -> Refused {
    let reason = if row.message.is_empty() {
        &row.code
    } else {
        &row.message
    };
    Refused {
        id: id.clone(),
        code: row.code.clone(),
        field: row.field.clone(),
        reason: reason.clone(),
    }
}
