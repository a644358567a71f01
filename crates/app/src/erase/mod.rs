//! Erasing a recipient, when HubSpot tells that the contact asked for it: name, address, number, the sender's words and all
//! that quotes them go, here at once and in HubSpot's record with the next write. What was given and what it cost stays.
//!
//! A tombstone remains: the keyed hash of each identifier, so that no later read of Thnks brings the person back. The key
//! is the portal's own, random, and sealed; without it the hashes say nothing.

mod tombstones;

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::association::{Decision, Outcome};
use domain::portal::PortalState;
use domain::run::RunKind;
use domain::{RecordId, Transaction, phone, record, search, text};
use serde_json::{Value, json};
use store::erasure::{self, Wiped};
use store::transactions::Dirty;
use store::{PortalScope, Tx};

pub(crate) use self::tombstones::Tombstones;
pub use self::tombstones::{NO_TOMBSTONES, TombstoneSet, TombstoneSetError};
use crate::crash::{self, Point};
use crate::{App, Error, operator, tokens};

/// Erasures carried out in one call.
const BATCH: i64 = 20;
/// How often the gifts are looked for: what was found leads to more, from addresses to numbers and back.
const ROUNDS: usize = 4;
/// Between two attempts while a worker is committing, which takes milliseconds.
const WHILE_COMMITTING: Duration = Duration::from_millis(100);
/// What stands in place of words that were erased.
const ERASED: &str = "(erased)";

/// Carries out the erasures that wait, over all portals, whatever else these are busy with; returns how many. Any number of
/// processes may call it at once.
pub async fn run_due(app: &App) -> Result<usize, Error> {
    let mut tx = app.db.begin_unscoped().await?;
    let due = store::hubspot_events::list_forgotten(&mut tx, BATCH).await?;
    drop(tx);
    let mut erased = 0;
    for (scope, contact, seq) in &due {
        // One portal's trouble must not keep the others waiting: the next look tries again.
        match erase(app, *scope, *contact, Told::ByHubSpot { seq: *seq }).await {
            Ok(done) => erased += usize::from(done.is_some()),
            Err(error) => {
                tracing::error!(portal.id = %scope.hub_id(), %error, "a recipient could not be erased");
            }
        }
    }
    Ok(erased)
}

/// What became of erasing a person again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// Gifts that went to the person, as far as the ledger knows.
    pub gifts: usize,
    /// Whether the person is known when Thnks tells of them anew: their tombstones stand again. Also where nothing of the
    /// portal is kept any more.
    pub is_remembered: bool,
}

/// Erases a contact of which HubSpot told before, and will not tell again: after a restore of a backup from before. The
/// tombstones that the log has kept say better than the contact who it was: it may have been merged with another one since, or
/// have given its address away. `None` when there is no such portal.
pub async fn again(
    app: &App,
    scope: PortalScope,
    contact: RecordId,
    tombstones: Option<&TombstoneSet>,
) -> Result<Option<Again>, Error> {
    let mut tx = app.db.begin(scope).await?;
    let is_kept = erasure::is_kept(&mut tx, scope).await?;
    drop(tx);
    match is_kept {
        None => return Ok(None),
        Some(true) => {}
        Some(false) => {
            return Ok(Some(Again {
                gifts: 0,
                is_remembered: true,
            }));
        }
    }
    loop {
        let erased = erase(app, scope, contact, Told::ByOperator(tombstones)).await?;
        if erased.is_some() {
            return Ok(erased);
        }
        tokio::time::sleep(WHILE_COMMITTING).await;
    }
}

/// Who says that a contact asked to be forgotten.
#[derive(Clone, Copy)]
enum Told<'a> {
    /// HubSpot, by the event of this number.
    ByHubSpot { seq: i64 },
    /// The operator, who found it in the log, with the tombstones if the line has them.
    ByOperator(Option<&'a TombstoneSet>),
}

/// Erases one contact in one transaction and tells what was found of the person; `None` while a worker is committing. When
/// any did, it takes the portal from whoever works on it: what a slice holds in memory may quote the person, and is not stored
/// any more. What is read from Thnks afterwards meets the tombstone.
async fn erase(
    app: &App,
    scope: PortalScope,
    contact: RecordId,
    told: Told<'_>,
) -> Result<Option<Again>, Error> {
    let now = app.now();
    let mut tx = app.db.begin(scope).await?;
    if !store::runs::try_lock(&mut tx, scope).await? {
        return Ok(None);
    }
    // Contacts that became part of this one, which the ledger has not heard of.
    let mut contacts = store::hubspot_events::list_merged_into(&mut tx, scope, contact).await?;
    contacts.push(contact);
    let put_back = match told {
        Told::ByOperator(Some(kept)) => {
            tombstones::put_back(app, &mut tx, scope, kept, now).await?
        }
        _ => None,
    };
    let is_remembered = put_back.as_ref().is_some_and(|back| back.set.is_some());
    let (start, mut set) = match put_back {
        Some(back) => (Start::Names(back.identifiers), back.set),
        None => (Start::Contacts(&contacts), None),
    };
    let (rows, identifiers) = find(&mut tx, scope, start).await?;
    if !rows.is_empty() {
        store::runs::interrupt(&mut tx, scope).await?;
    }
    let transactions: Vec<&Transaction> = rows.iter().map(|row| &row.transaction).collect();
    if !identifiers.is_empty() {
        let tombstones = Tombstones::load_or_make(app, &mut tx, scope).await?;
        let raised = tombstones.raise(&mut tx, &identifiers, now).await?;
        set = Some(raised.and(set));
    }
    let words = words(&transactions, &identifiers);
    let wiped: Vec<Wiped> = transactions
        .iter()
        .map(|one| wiped((*one).clone(), now))
        .collect();
    erasure::wipe_rows(&mut tx, scope, &wiped, now).await?;
    let rejected = erasure::wipe_rejected(&mut tx, scope, &words).await?;
    wipe_runs(&mut tx, scope, &words).await?;
    erasure::delete_remedies(&mut tx, scope, &contacts, &identifiers).await?;
    let by = match told {
        Told::ByHubSpot { seq } => {
            store::hubspot_events::delete(&mut tx, scope, &[seq]).await?;
            "hubspot"
        }
        Told::ByOperator(_) => operator::ACTOR,
    };
    let detail = json!({"transactions": wiped.len(), "rows": rejected});
    store::audit::insert(&mut tx, scope, by, "recipient.erase", &detail, now).await?;
    // HubSpot's own records hold the same values: written anew at once, or with the first run after a rest.
    if let Some(portal) = store::portals::find(&mut tx, scope).await?
        && matches!(
            PortalState::of(portal.facts()),
            PortalState::Active | PortalState::Backfilling | PortalState::Paused
        )
        && !wiped.is_empty()
    {
        store::runs::request(&mut tx, scope, RunKind::Link, "hubspot", now).await?;
    }
    // The only place from which it can be told again after a restore: HubSpot tells once. Before the commit, since whoever dies
    // after it says nothing any more.
    let tombstones = match (&set, told) {
        (Some(set), _) => Some(set.to_string()),
        // Of a contact to whom nothing went nothing comes back.
        (None, Told::ByHubSpot { .. }) => Some(NO_TOMBSTONES.to_owned()),
        (None, Told::ByOperator(_)) => None,
    };
    tracing::info!(
        portal.id = %scope.hub_id(), contact.id = contact.0, rows = wiped.len(), tombstones, "a recipient is erased"
    );
    if let Told::ByOperator(_) = told {
        let detail = json!({"transactions": wiped.len()});
        operator::note(&mut tx, scope, "erase", detail, now).await?;
    }
    crash::at(Point::RecipientErasing);
    tx.commit().await.map_err(store::Error::from)?;
    crash::at(Point::RecipientErased);
    Ok(Some(Again {
        gifts: wiped.len(),
        is_remembered,
    }))
}

/// What a person is looked for by.
enum Start<'a> {
    /// Whatever links lead to.
    Contacts(&'a [RecordId]),
    /// Nothing else: links may be older than what is known.
    Names(Vec<String>),
}

/// The rows about a person, and all their identifiers.
async fn find(
    tx: &mut Tx,
    scope: PortalScope,
    start: Start<'_>,
) -> Result<(Vec<Dirty>, Vec<String>), Error> {
    let (contacts, names) = match start {
        Start::Contacts(contacts) => {
            let names = erasure::list_identifiers(tx, scope, contacts).await?;
            (contacts, names)
        }
        Start::Names(names) => (&[][..], names),
    };
    let mut identifiers: BTreeSet<String> = names.into_iter().collect();
    let mut rows = Vec::new();
    for _ in 0..ROUNDS {
        let names: Vec<String> = identifiers.iter().cloned().collect();
        rows = erasure::list_rows(tx, scope, contacts, &names).await?;
        // The rows that were found by an address may name numbers, and the other way round.
        let known = identifiers.len();
        let more = rows
            .iter()
            .flat_map(|row| all_identifiers(&row.transaction));
        identifiers.extend(more);
        if identifiers.len() == known {
            break;
        }
    }
    Ok((rows, identifiers.into_iter().collect()))
}

/// The row without its recipient, and what its trace says from now on.
fn wiped(transaction: Transaction, now: DateTime<Utc>) -> Wiped {
    let transaction = transaction.erased();
    Wiped {
        desired_hash: desired_hash(&transaction),
        words: search::words(&transaction),
        id: transaction.id,
        decision: Decision::new(Outcome::Erased, now, None),
    }
}

/// Fingerprint of the record that a transaction wants.
pub(crate) fn desired_hash(transaction: &Transaction) -> Vec<u8> {
    tokens::fingerprint(&record::canonical_bytes(&record::values(transaction)))
}

/// Everything that a transaction tells of its recipient: their address and number.
fn all_identifiers(transaction: &Transaction) -> Vec<String> {
    let phone = transaction.recipient.phone.as_deref();
    transaction
        .recipient_key()
        .into_iter()
        .chain(phone.and_then(phone::key))
        .collect()
}

/// Whom a transaction went to: the address, and only without one the number, which colleagues may share.
fn identifier_of(transaction: &Transaction) -> Option<String> {
    let phone = transaction.recipient.phone.as_deref();
    transaction
        .recipient_key()
        .or_else(|| phone.and_then(phone::key))
}

/// The same of a row of Thnks that cannot be a transaction.
pub(crate) fn identifier_of_row(row: &Value) -> Option<String> {
    let field = |name: &str| row["recipient"][name].as_str();
    field("email")
        .and_then(text::email_key)
        .or_else(|| field("phone").and_then(phone::key))
}

/// Everything that may be quoted somewhere, in lower case: identifiers, numbers as they were written, and full names. A
/// single name is left out: it would hit others' rows.
fn words(transactions: &[&Transaction], identifiers: &[String]) -> Vec<String> {
    let mut words: BTreeSet<String> = identifiers.iter().cloned().collect();
    for transaction in transactions {
        let recipient = &transaction.recipient;
        words.extend(
            recipient
                .phone
                .iter()
                .map(|phone| phone.trim().to_lowercase()),
        );
        let name = recipient.name.iter().map(|name| name.trim().to_lowercase());
        words.extend(name.filter(|name| name.contains(' ')));
    }
    words.into_iter().filter(|word| word.len() > 4).collect()
}

/// Takes words out of the accounts of runs: HubSpot's refusals quote values.
async fn wipe_runs(tx: &mut Tx, scope: PortalScope, words: &[String]) -> Result<(), Error> {
    for (run_id, mut counts, error) in erasure::list_runs_with(tx, scope, words).await? {
        wipe_value(&mut counts, words);
        let error = error.map(|error| wipe_text(&error, words));
        erasure::save_run(tx, scope, run_id, &counts, error.as_deref()).await?;
    }
    Ok(())
}

fn wipe_value(value: &mut Value, words: &[String]) {
    match value {
        Value::String(text) => *text = wipe_text(text, words),
        Value::Array(values) => values.iter_mut().for_each(|value| wipe_value(value, words)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|value| wipe_value(value, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The text without the words, however they are written.
fn wipe_text(text: &str, words: &[String]) -> String {
    let mut text = text.to_owned();
    for word in words {
        // Lower case may differ in length from what it was made of: then the whole text goes.
        let lower = text.to_lowercase();
        if !lower.contains(word.as_str()) {
            continue;
        }
        if lower.len() != text.len() {
            return ERASED.to_owned();
        }
        let mut wiped = String::new();
        let mut rest = 0;
        for (at, _) in lower.match_indices(word.as_str()) {
            if !text.is_char_boundary(at) || !text.is_char_boundary(at + word.len()) {
                return ERASED.to_owned();
            }
            wiped.push_str(&text[rest..at]);
            wiped.push_str(ERASED);
            rest = at + word.len();
        }
        wiped.push_str(&text[rest..]);
        text = wiped;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_out_however_they_are_written() {
        let words = vec!["sam@client.example".to_owned(), "sam okafor".to_owned()];
        assert_eq!(
            wipe_text(
                "SAM@Client.example is not valid (Sam Okafor, sam@client.example)",
                &words
            ),
            "(erased) is not valid ((erased), (erased))"
        );
        assert_eq!(wipe_text("İ sam@client.example", &words), ERASED);
        assert_eq!(wipe_text("nothing", &words), "nothing");
        let mut value = json!({"groups": [{"reason": "sam okafor?", "rows": 3}]});
        wipe_value(&mut value, &words);
        assert_eq!(
            value,
            json!({"groups": [{"reason": "(erased)?", "rows": 3}]})
        );
    }
}
