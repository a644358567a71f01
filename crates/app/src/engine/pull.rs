//! Reading from Thnks, page by page, into the ledger. The cursor moves in the transaction that stored the page's rows.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use domain::failure::Stage;
use domain::run::{Phase, RunKind};
use domain::{Transaction, TransactionId};
use secrecy::SecretString;
use store::Tx;
use store::rejected_rows::RejectedRow;
use store::transactions::LedgerRow;

use super::{Run, Stop, api_key};
use crate::crash::{self, Point};
use crate::{App, erase, tokens};

/// Rows per page: the most that Thnks gives.
const PAGE: u16 = 500;
/// A sync begins this much before where the last one ended: rows of the same instant may have come in between.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);
/// A walk that has to begin again more often than this in one run is Thnks' trouble, and waited for.
const RESTARTS: u32 = 5;
/// So many pages in a row without a row behind the last one, and the cursor leads in a circle. A page may repeat rows, and
/// its rows may all be malformed, so one alone proves nothing.
const IDLE_PAGES: u32 = 20;
/// How far back a sweep looks: gifts expire after 365 days, and a refund may follow weeks later.
const HORIZON: TimeDelta = TimeDelta::days(450);
/// An orphan is one of late for so long after its gift: most contacts that appear later than the gift appear within days.
pub(crate) const RECENT: TimeDelta = TimeDelta::days(7);
/// Rows asked for one by one in a step.
const REREAD: i64 = 20;

/// Reads one page; `false` when reading has reached its end.
pub(super) async fn step(app: &App, run: &mut Run) -> Result<bool, Stop> {
    if run.progress.read {
        return Ok(false);
    }
    run.progress.phase = Phase::Reading;
    let key = api_key(app, run.scope).await?;
    if reread(app, run, &key).await? {
        return Ok(true);
    }
    if run.progress.since.is_none() && run.progress.cursor.is_none() {
        run.progress.since = begin_at(app, run).await?;
        if run.progress.since.is_none() && run.kind == RunKind::Sweep {
            // All stories are over.
            return finish(app, run).await;
        }
    }
    let (since, cursor) = (run.progress.since, run.progress.cursor.clone());
    run.counts.thnks_calls += 1;
    let page = match app
        .thnks
        .transactions(&key, since, cursor.as_deref(), PAGE)
        .await
    {
        Err(thnks::Error::CursorExpired | thnks::Error::CursorStuck)
            if run.progress.restarts < RESTARTS =>
        {
            begin_again(run);
            let tx = run.begin(app).await?;
            run.commit(tx).await?;
            return Ok(true);
        }
        Err(thnks::Error::CursorStuck) => return give_up(app, run).await,
        other => other?,
    };
    crash::at(Point::PageRead);
    let now = app.now();
    let mut rows = Rows::sort(page.rows);
    let leads_on = page.next_cursor.is_none() || rows.last() > run.progress.position;
    let in_circle = !leads_on && run.progress.idle_pages + 1 >= IDLE_PAGES;
    if in_circle && run.progress.restarts >= RESTARTS {
        return give_up(app, run).await;
    }
    let mut tx = run.begin(app).await?;
    rows.store(app, run, &mut tx, now).await?;
    run.progress.cursor = page.next_cursor;
    if run.progress.cursor.is_none() {
        end_reading(run, &mut tx, now).await?;
    } else if leads_on {
        run.progress.position = rows.last();
        run.progress.idle_pages = 0;
    } else if in_circle {
        begin_again(run);
    } else {
        run.progress.idle_pages += 1;
    }
    run.commit(tx).await?;
    crash::at(Point::PageStored);
    Ok(true)
}

/// Ends reading where Thnks leads no further. What is read is written and linked all the same; then the run ends as failed,
/// and the next one reads from where this one began.
async fn give_up(app: &App, run: &mut Run) -> Result<bool, Stop> {
    let mut tx = run.begin(app).await?;
    run.progress.read = true;
    run.progress.cut_short = true;
    run.total = Some(store::transactions::count_dirty(&mut tx, run.scope).await?);
    run.commit(tx).await?;
    Ok(true)
}

/// Where this run begins to read; `None` at the beginning of time, for a sweep nowhere.
async fn begin_at(app: &App, run: &Run) -> Result<Option<DateTime<Utc>>, Stop> {
    let mut tx = app.db.begin(run.scope).await?;
    Ok(match run.kind {
        RunKind::Sync => {
            let portal = store::portals::find(&mut tx, run.scope).await?;
            portal
                .and_then(|portal| portal.synced_through)
                .map(|through| through.min(app.now()) - OVERLAP)
        }
        RunKind::Sweep => {
            let horizon = app.now() - HORIZON;
            store::transactions::find_oldest_open(&mut tx, run.scope, horizon).await?
        }
        RunKind::Resync => run.since,
        RunKind::Backfill | RunKind::Reassociate | RunKind::Link | RunKind::Check => None,
    })
}

/// Lets the walk begin again where the stored rows end, each time a little earlier.
fn begin_again(run: &mut Run) {
    let progress = &mut run.progress;
    progress.restarts += 1;
    let overlap = OVERLAP * i32::try_from(progress.restarts).unwrap_or(1);
    let stored = progress.through.map(|through| through - overlap);
    // Never before the run's own beginning.
    progress.since = match (stored, progress.since) {
        (Some(stored), Some(since)) => Some(stored.max(since)),
        (stored, since) => stored.or(since),
    };
    progress.cursor = None;
    progress.position = None;
    progress.idle_pages = 0;
}

/// Ends reading without a page.
async fn finish(app: &App, run: &mut Run) -> Result<bool, Stop> {
    let mut tx = run.begin(app).await?;
    end_reading(run, &mut tx, app.now()).await?;
    run.commit(tx).await?;
    Ok(true)
}

/// Notes that reading has reached its end, and what is to be written now. After a sync, orphans of late are looked at again.
async fn end_reading(run: &mut Run, tx: &mut Tx, now: DateTime<Utc>) -> Result<(), Stop> {
    run.progress.read = true;
    if run.kind == RunKind::Sync {
        let since = Some(now - RECENT);
        store::associations::mark_orphans_due(tx, run.scope, run.rules.phone, since).await?;
    }
    if run.kind == RunKind::Backfill {
        // The asking process' clock may be ahead of ours.
        let since = run.asked_at - OVERLAP;
        store::rejected_rows::delete_unseen(tx, run.scope, since).await?;
    }
    if let Some(through) = run.progress.through
        && run.kind.includes_sync()
    {
        store::portals::save_synced_through(tx, run.scope, through).await?;
    }
    run.total = Some(store::transactions::count_dirty(tx, run.scope).await?);
    Ok(())
}

/// Asks for rows that somebody wants read again, one by one; `false` when there are none.
async fn reread(app: &App, run: &mut Run, key: &SecretString) -> Result<bool, Stop> {
    let mut tx = app.db.begin(run.scope).await?;
    let ids = store::rejected_rows::list_to_reread(&mut tx, run.scope, REREAD).await?;
    drop(tx);
    if ids.is_empty() {
        return Ok(false);
    }
    let mut found = Vec::new();
    for id in &ids {
        run.counts.thnks_calls += 1;
        found.extend(app.thnks.transaction(key, id).await?);
    }
    let mut rows = Rows::sort(found);
    let mut tx = run.begin(app).await?;
    // Their times say nothing about how far the walk has come.
    let through = run.progress.through;
    rows.store(app, run, &mut tx, app.now()).await?;
    run.progress.through = through;
    store::rejected_rows::clear_reread(&mut tx, run.scope, &ids).await?;
    run.commit(tx).await?;
    Ok(true)
}

/// Rows of Thnks, each transaction once, beside those that cannot be one.
struct Rows {
    read: usize,
    newest: HashMap<TransactionId, (Transaction, Vec<u8>)>,
    malformed: Vec<thnks::MalformedRow>,
}

impl Rows {
    /// A page may repeat a row: the newest stands, as it would across pages.
    fn sort(rows: Vec<thnks::Row>) -> Self {
        let mut sorted = Self {
            read: rows.len(),
            newest: HashMap::new(),
            malformed: Vec::new(),
        };
        for row in rows {
            match row {
                Ok(transaction) => {
                    let hash = erase::desired_hash(&transaction);
                    let known = sorted.newest.get(&transaction.id);
                    if known.is_none_or(|(other, other_hash)| {
                        (transaction.updated_at, transaction.history.len(), &hash)
                            > (other.updated_at, other.history.len(), other_hash)
                    }) {
                        sorted
                            .newest
                            .insert(transaction.id.clone(), (transaction, hash));
                    }
                }
                Err(row) => sorted.malformed.push(row),
            }
        }
        sorted
    }

    /// The row that comes last in Thnks' order.
    fn last(&self) -> Option<(DateTime<Utc>, TransactionId)> {
        let rows = self.newest.values();
        rows.map(|(transaction, _)| (transaction.updated_at, transaction.id.clone()))
            .max()
    }

    /// Takes away what belongs to people whose data was erased; returns the transactions concerned.
    async fn strip_erased(
        &mut self,
        app: &App,
        run: &Run,
        tx: &mut Tx,
    ) -> Result<HashSet<TransactionId>, Stop> {
        let Some(tombstones) = erase::Tombstones::load(app, tx, run.scope).await? else {
            return Ok(HashSet::new());
        };
        let transactions: Vec<&Transaction> = self
            .newest
            .values()
            .map(|(transaction, _)| transaction)
            .collect();
        let erased = tombstones.list_erased(tx, &transactions).await?;
        for id in &erased {
            if let Some((transaction, hash)) = self.newest.get_mut(id) {
                *transaction = transaction.clone().erased();
                *hash = erase::desired_hash(transaction);
            }
        }
        for row in &mut self.malformed {
            if let Some(identifier) = erase::identifier_of_row(&row.raw)
                && tombstones.has(tx, &identifier).await?
            {
                row.raw = serde_json::json!({});
                "the row was erased".clone_into(&mut row.malformed.reason);
            }
        }
        Ok(erased)
    }

    /// Stores them and counts what that did.
    async fn store(
        &mut self,
        app: &App,
        run: &mut Run,
        tx: &mut Tx,
        now: DateTime<Utc>,
    ) -> Result<(), Stop> {
        let erased = self.strip_erased(app, run, tx).await?;
        let rows: Vec<LedgerRow<'_>> = self
            .newest
            .values()
            .map(|(transaction, hash)| LedgerRow {
                transaction,
                desired_hash: hash.clone(),
                is_erased: erased.contains(&transaction.id),
            })
            .collect();
        let ids: Vec<String> = self.newest.keys().map(|id| id.0.clone()).collect();
        let keys: Vec<String> = self.malformed.iter().map(row_key).collect();
        let rejected: Vec<RejectedRow<'_>> = self
            .malformed
            .iter()
            .zip(&keys)
            .map(|(row, key)| RejectedRow {
                row_key: key,
                malformed: &row.malformed,
                payload: &row.raw,
            })
            .collect();
        let stored = store::transactions::upsert_batch(tx, run.scope, &rows, now).await?;
        store::rejected_rows::delete_batch(tx, run.scope, &ids).await?;
        store::rejected_rows::upsert_batch(tx, run.scope, &rejected, now).await?;
        if run.kind == RunKind::Resync {
            store::transactions::mark_dirty(tx, run.scope, &ids).await?;
        }
        let count = |len: usize| i64::try_from(len).unwrap_or(i64::MAX);
        run.counts.read += count(self.read);
        run.counts.new += stored.new;
        run.counts.changed += stored.changed;
        run.counts.unchanged += count(rows.len()) - stored.new - stored.changed;
        run.counts.malformed += count(rejected.len());
        for (row, key) in self.malformed.iter().zip(&keys) {
            let (field, reason) = (&row.malformed.field, &row.malformed.reason);
            let failures = &mut run.counts.failures;
            failures.add(Stage::Row, "MALFORMED", Some(field), reason, key);
        }
        // A time ahead of the clock must not carry the next sync past rows that are still to come.
        let last = self.last().map(|(updated_at, _)| updated_at.min(now));
        run.progress.through = run.progress.through.max(last);
        Ok(())
    }
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
