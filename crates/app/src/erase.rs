//! Erasing a recipient, when HubSpot tells that the contact asked for it: name, address, number, the sender's words and all
//! that quotes them go, here at once and in HubSpot's record with the next write. What was given and what it cost stays.
//!
//! A tombstone remains: the keyed hash of each identifier, so that no later read of Thnks brings the person back. The key
//! is the portal's own, random, and sealed; without it the hashes say nothing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};
use domain::association::{Decision, Outcome};
use domain::portal::PortalState;
use domain::run::RunKind;
use domain::{RecordId, Transaction, TransactionId, phone, record, search, text};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use store::erasure::{self, Wiped};
use store::portal_keys::Secret;
use store::{PortalScope, Sealed, Tx};

use crate::crash::{self, Point};
use crate::{App, Error, keys, tokens};

/// Erasures carried out in one call.
const BATCH: i64 = 20;
/// How often what was found leads to more: from addresses to numbers and back.
const ROUNDS: usize = 3;
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

/// Erases a contact of which HubSpot told before, and will not tell again: after a restore of a backup from before. How many
/// gifts went to the person, as far as the ledger knows; `None` when there is no such portal.
pub async fn again(
    app: &App,
    scope: PortalScope,
    contact: RecordId,
) -> Result<Option<usize>, Error> {
    let mut tx = app.db.begin(scope).await?;
    let known = store::portals::find(&mut tx, scope).await?;
    drop(tx);
    if known.is_none() {
        return Ok(None);
    }
    loop {
        let erased = erase(app, scope, contact, Told::ByOperator).await?;
        if erased.is_some() {
            return Ok(erased);
        }
        tokio::time::sleep(WHILE_COMMITTING).await;
    }
}

/// Who says that a contact asked to be forgotten.
#[derive(Clone, Copy)]
enum Told {
    /// HubSpot, by the event of this number.
    ByHubSpot { seq: i64 },
    /// The operator, who found it in the log.
    ByOperator,
}

/// Erases one contact in one transaction and tells how many gifts went to the person; `None` while a worker is committing. When
/// any did, it takes the portal from whoever works on it: what a slice holds in memory may quote the person, and is not stored
/// any more. What is read from Thnks afterwards meets the tombstone.
async fn erase(
    app: &App,
    scope: PortalScope,
    contact: RecordId,
    told: Told,
) -> Result<Option<usize>, Error> {
    let now = app.now();
    let mut tx = app.db.begin(scope).await?;
    if !store::runs::try_lock(&mut tx, scope).await? {
        return Ok(None);
    }
    // Contacts that became part of this one, which the ledger has not heard of.
    let mut contacts = store::hubspot_events::list_merged_into(&mut tx, scope, contact).await?;
    contacts.push(contact);
    let mut identifiers = erasure::list_identifiers(&mut tx, scope, &contacts).await?;
    let mut rows = erasure::list_rows(&mut tx, scope, &contacts, &identifiers).await?;
    for _ in 0..ROUNDS {
        // The rows that were found by an address may name numbers, and the other way round.
        let known = identifiers.len();
        let more = rows
            .iter()
            .flat_map(|row| all_identifiers(&row.transaction));
        let all: BTreeSet<String> = identifiers.into_iter().chain(more).collect();
        identifiers = all.into_iter().collect();
        if identifiers.len() == known {
            break;
        }
        rows = erasure::list_rows(&mut tx, scope, &contacts, &identifiers).await?;
    }
    if !rows.is_empty() {
        store::runs::interrupt(&mut tx, scope).await?;
    }
    let transactions: Vec<&Transaction> = rows.iter().map(|row| &row.transaction).collect();
    if !identifiers.is_empty() {
        let tombstones = Tombstones::load_or_make(app, &mut tx, scope).await?;
        let hashes: Vec<Vec<u8>> = identifiers.iter().map(|one| tombstones.hash(one)).collect();
        erasure::insert_tombstones(&mut tx, scope, &hashes, now).await?;
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
        Told::ByOperator => "operator",
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
    // The only place from which it can be told again after a restore: HubSpot tells once, and a tombstone names nobody. Before
    // the commit, since whoever dies after it says nothing any more.
    tracing::info!(portal.id = %scope.hub_id(), contact.id = contact.0, rows = wiped.len(), "a recipient is erased");
    crash::at(Point::RecipientErasing);
    tx.commit().await.map_err(store::Error::from)?;
    crash::at(Point::RecipientErased);
    Ok(Some(wiped.len()))
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

/// The tombstones of a portal.
pub(crate) struct Tombstones {
    scope: PortalScope,
    key: hmac::Key,
}

impl Tombstones {
    /// The portal's tombstones; `None` while nobody has been erased.
    pub(crate) async fn load(
        app: &App,
        tx: &mut Tx,
        scope: PortalScope,
    ) -> Result<Option<Self>, Error> {
        let Some(sealed) = erasure::find_key(tx, scope).await? else {
            return Ok(None);
        };
        let key = keys::of_portal(app, tx, scope).await?;
        let secret = key.open(Secret::TombstoneKey, &Sealed(sealed))?;
        Ok(Some(Self::new(scope, &secret)))
    }

    async fn load_or_make(app: &App, tx: &mut Tx, scope: PortalScope) -> Result<Self, Error> {
        if let Some(known) = Self::load(app, tx, scope).await? {
            return Ok(known);
        }
        let secret = SecretString::from(tokens::random());
        let key = keys::of_portal(app, tx, scope).await?;
        let sealed = key.seal(Secret::TombstoneKey, &secret);
        erasure::save_key(tx, scope, &sealed.0).await?;
        Ok(Self::new(scope, &secret))
    }

    fn new(scope: PortalScope, secret: &SecretString) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        Self { scope, key }
    }

    fn hash(&self, identifier: &str) -> Vec<u8> {
        hmac::sign(&self.key, identifier.as_bytes())
            .as_ref()
            .to_vec()
    }

    /// Whether an identifier was erased.
    pub(crate) async fn has(&self, tx: &mut Tx, identifier: &str) -> Result<bool, Error> {
        let hashes = [self.hash(identifier)];
        Ok(!erasure::list_erased(tx, self.scope, &hashes)
            .await?
            .is_empty())
    }

    /// The transactions whose recipient was erased: by an identifier, or because the ledger says so.
    pub(crate) async fn list_erased(
        &self,
        tx: &mut Tx,
        transactions: &[&Transaction],
    ) -> Result<HashSet<TransactionId>, Error> {
        let mut by_hash: HashMap<Vec<u8>, Vec<TransactionId>> = HashMap::new();
        let mut ids = Vec::new();
        for transaction in transactions {
            ids.push(transaction.id.0.clone());
            if let Some(identifier) = identifier_of(transaction) {
                let of_hash = by_hash.entry(self.hash(&identifier)).or_default();
                of_hash.push(transaction.id.clone());
            }
        }
        let hashes: Vec<Vec<u8>> = by_hash.keys().cloned().collect();
        let hit = erasure::list_erased(tx, self.scope, &hashes).await?;
        let known = erasure::list_erased_rows(tx, self.scope, &ids).await?;
        let by_identifier = hit.iter().filter_map(|hash| by_hash.get(hash)).flatten();
        Ok(by_identifier.cloned().chain(known).collect())
    }
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
