//! Reading from Thnks, page by page, into the ledger. The cursor moves in the transaction that stored the page's rows.

use std::collections::HashMap;

use chrono::TimeDelta;
use domain::run::{Phase, RunKind};
use domain::{Transaction, TransactionId, record};
use store::rejected_rows::RejectedRow;
use store::transactions::LedgerRow;

use super::{Run, Stop, api_key};
use crate::{App, tokens};

/// Rows per page: the most that Thnks gives.
const PAGE: u16 = 500;
/// A sync begins this much before where the last one ended: rows of the same instant may have come in between.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);

/// A cursor that expires more often than this in one run is Thnks' trouble, and waited for.
const EXPIRED: u32 = 5;

/// Reads one page; `false` when reading has reached its end.
pub(super) async fn step(app: &App, run: &mut Run) -> Result<bool, Stop> {
    if run.progress.read {
        return Ok(false);
    }
    run.progress.phase = Phase::Reading;
    let key = api_key(app, run.scope).await?;
    if run.progress.since.is_none() && run.progress.cursor.is_none() && run.kind == RunKind::Sync {
        let mut tx = app.db.begin(run.scope).await?;
        let portal = store::portals::find(&mut tx, run.scope).await?;
        run.progress.since = portal
            .and_then(|portal| portal.synced_through)
            .map(|through| through.min(app.now()) - OVERLAP);
    }
    let page = match app
        .thnks
        .transactions(
            &key,
            run.progress.since,
            run.progress.cursor.as_deref(),
            PAGE,
        )
        .await
    {
        Err(thnks::Error::CursorExpired) if run.progress.expired < EXPIRED => {
            run.progress.expired += 1;
            // Begin again where the stored rows end.
            run.progress.cursor = None;
            run.progress.since = run
                .progress
                .through
                .map(|through| through - OVERLAP)
                .or(run.progress.since);
            let tx = run.begin(app).await?;
            run.commit(tx).await?;
            return Ok(true);
        }
        other => other?,
    };
    let now = app.now();
    let mut newest: HashMap<TransactionId, (Transaction, Vec<u8>)> = HashMap::new();
    let mut malformed = Vec::new();
    run.counts.read += i64::try_from(page.rows.len()).unwrap_or(0);
    for row in page.rows {
        match row {
            Ok(transaction) => {
                // A time ahead of the clock must not carry the next sync past rows that are still to come.
                run.progress.through = run
                    .progress
                    .through
                    .max(Some(transaction.updated_at.min(now)));
                let hash =
                    tokens::fingerprint(&record::canonical_bytes(&record::values(&transaction)));
                // A page may repeat a row: the newest stands, as it would across pages.
                let known = newest.get(&transaction.id);
                if known.is_none_or(|(other, other_hash)| {
                    (transaction.updated_at, transaction.history.len(), &hash)
                        > (other.updated_at, other.history.len(), other_hash)
                }) {
                    newest.insert(transaction.id.clone(), (transaction, hash));
                }
            }
            Err(row) => malformed.push(row),
        }
    }
    let rows: Vec<LedgerRow<'_>> = newest
        .values()
        .map(|(transaction, hash)| LedgerRow {
            transaction,
            desired_hash: hash.clone(),
        })
        .collect();
    let ids: Vec<String> = newest.keys().map(|id| id.0.clone()).collect();
    let keys: Vec<String> = malformed.iter().map(row_key).collect();
    let rejected: Vec<RejectedRow<'_>> = malformed
        .iter()
        .zip(&keys)
        .map(|(row, key)| RejectedRow {
            row_key: key,
            malformed: &row.malformed,
            payload: &row.raw,
        })
        .collect();

    let mut tx = run.begin(app).await?;
    let stored = store::transactions::upsert_batch(&mut tx, run.scope, &rows, now).await?;
    store::rejected_rows::delete_batch(&mut tx, run.scope, &ids).await?;
    store::rejected_rows::upsert_batch(&mut tx, run.scope, &rejected, now).await?;
    run.counts.new += stored.new;
    run.counts.changed += stored.changed;
    run.counts.malformed += i64::try_from(rejected.len()).unwrap_or(0);
    run.progress.cursor = page.next_cursor;
    if run.progress.cursor.is_none() {
        run.progress.read = true;
        if run.kind == RunKind::Backfill {
            // The asking process' clock may be ahead of ours.
            let since = run.asked_at - OVERLAP;
            store::rejected_rows::delete_unseen(&mut tx, run.scope, since).await?;
        }
        if let Some(through) = run.progress.through {
            store::portals::save_synced_through(&mut tx, run.scope, through).await?;
        }
        run.total = Some(store::transactions::count_dirty(&mut tx, run.scope).await?);
    }
    run.commit(tx).await?;
    Ok(true)
}

/// The row's id, else a fingerprint of it.
fn row_key(row: &thnks::MalformedRow) -> String {
    if let Some(id) = &row.malformed.id {
        return id.0.clone();
    }
    let print = tokens::fingerprint(row.raw.to_string().as_bytes());
    print
        .iter()
        .fold("row:".to_owned(), |key, byte| key + &format!("{byte:02x}"))
}
