//! Tombstones: keyed hashes of who was erased, by which they are known when Thnks tells of them again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use domain::{Transaction, TransactionId};
use secrecy::{ExposeSecret, SecretString};
use store::erasure;
use store::portal_keys::Secret;
use store::{PortalScope, Sealed, Tx};

use super::{identifier_of, identifier_of_row};
use crate::{App, Error, keys, tokens};

/// The tombstones of one erasure with the key that they were made with, sealed: what the log keeps of it. It names nobody.
/// As text: the parts in base64url, the key first, joined by dots.
#[derive(Clone, PartialEq, Eq)]
pub struct TombstoneSet {
    key: Sealed,
    hashes: Vec<Vec<u8>>,
}

impl TombstoneSet {
    /// The tombstones of these identifiers with a key that the portal does not keep.
    #[cfg(feature = "testing")]
    pub(crate) async fn made(
        app: &App,
        tx: &mut Tx,
        scope: PortalScope,
        identifiers: &[&str],
    ) -> Result<Self, Error> {
        let secret = SecretString::from(tokens::random());
        let key = keys::of_portal(app, tx, scope).await?;
        let sealed = key.seal(Secret::TombstoneKey, &secret);
        let made = Tombstones::new(scope, sealed, &secret);
        Ok(Self {
            hashes: identifiers.iter().map(|one| made.hash(one)).collect(),
            key: made.sealed,
        })
    }

    /// These and others of the same portal and key.
    pub(super) fn and(mut self, others: Option<Self>) -> Self {
        let others = others.into_iter().flat_map(|set| set.hashes);
        let all: BTreeSet<Vec<u8>> = self.hashes.into_iter().chain(others).collect();
        self.hashes = all.into_iter().collect();
        self
    }
}

impl fmt::Display for TombstoneSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(&self.key.0))?;
        self.hashes
            .iter()
            .try_for_each(|hash| write!(f, ".{}", URL_SAFE_NO_PAD.encode(hash)))
    }
}

impl fmt::Debug for TombstoneSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TombstoneSet({self})")
    }
}

/// What was given are no tombstones.
#[derive(Debug, thiserror::Error)]
#[error("tombstones are written as the line `a recipient is erased` of the log has them")]
pub struct TombstoneSetError;

impl FromStr for TombstoneSet {
    type Err = TombstoneSetError;

    fn from_str(text: &str) -> Result<Self, TombstoneSetError> {
        let parts: Result<Vec<Vec<u8>>, _> = text
            .split('.')
            .map(|part| URL_SAFE_NO_PAD.decode(part))
            .collect();
        let mut parts = parts.map_err(|_| TombstoneSetError)?.into_iter();
        let key = parts.next().filter(|key| !key.is_empty());
        let hashes: Vec<Vec<u8>> = parts.collect();
        let is_whole = !hashes.is_empty() && hashes.iter().all(|hash| hash.len() == HASH_BYTES);
        match key {
            Some(key) if is_whole => Ok(Self {
                key: Sealed(key),
                hashes,
            }),
            _ => Err(TombstoneSetError),
        }
    }
}

/// What the log has instead of them where nothing was known of the contact.
pub const NO_TOMBSTONES: &str = "none";
/// HMAC-SHA-256.
const HASH_BYTES: usize = 32;

/// What tombstones that open have led to.
pub(super) struct PutBack {
    /// Whom they are of, as far as the ledger names them.
    pub identifiers: Vec<String>,
    /// The tombstones, if they stand in the portal again.
    pub set: Option<TombstoneSet>,
}

/// Puts tombstones back that were lost with a database, and finds whom they are of. `None` where they do not open any more.
/// Where the portal has made another key since, they cannot stand.
pub(super) async fn put_back(
    app: &App,
    tx: &mut Tx,
    scope: PortalScope,
    set: &TombstoneSet,
    now: DateTime<Utc>,
) -> Result<Option<PutBack>, Error> {
    let key = keys::of_portal(app, tx, scope).await?;
    let Ok(secret) = key.open(Secret::TombstoneKey, &set.key) else {
        // They open with a portal's key from before `disconnect --all`; if they all stand, everything was done before the backup.
        let standing = erasure::list_erased(tx, scope, &set.hashes).await?;
        return Ok((standing.len() == set.hashes.len()).then(|| PutBack {
            identifiers: Vec::new(),
            set: Some(set.clone()),
        }));
    };
    let is_own = if let Some(own) = erasure::find_key(tx, scope).await? {
        let own = key.open(Secret::TombstoneKey, &Sealed(own))?;
        own.expose_secret() == secret.expose_secret()
    } else {
        let sealed = key.seal(Secret::TombstoneKey, &secret);
        erasure::save_key(tx, scope, &sealed.0).await?;
        true
    };
    if is_own {
        erasure::insert_tombstones(tx, scope, &set.hashes, now).await?;
    }
    let made = Tombstones::new(scope, set.key.clone(), &secret);
    let wanted: HashSet<&Vec<u8>> = set.hashes.iter().collect();
    let is_wanted = |name: &str| wanted.contains(&made.hash(name));
    let mut identifiers = erasure::find_identifiers(tx, scope, is_wanted).await?;
    let of_rows = erasure::list_rejected(tx, scope).await?;
    identifiers.extend(
        of_rows
            .iter()
            .filter_map(identifier_of_row)
            .filter(|name| is_wanted(name)),
    );
    Ok(Some(PutBack {
        identifiers,
        set: is_own.then(|| set.clone()),
    }))
}

/// The tombstones of a portal.
pub(crate) struct Tombstones {
    scope: PortalScope,
    sealed: Sealed,
    key: hmac::Key,
}

impl Tombstones {
    /// The portal's tombstones; `None` while nobody has been erased.
    pub(crate) async fn load(
        app: &App,
        tx: &mut Tx,
        scope: PortalScope,
    ) -> Result<Option<Self>, Error> {
        let Some(sealed) = erasure::find_key(tx, scope).await?.map(Sealed) else {
            return Ok(None);
        };
        let key = keys::of_portal(app, tx, scope).await?;
        let secret = key.open(Secret::TombstoneKey, &sealed)?;
        Ok(Some(Self::new(scope, sealed, &secret)))
    }

    /// The same, with a key that is made when there is none.
    pub(super) async fn load_or_make(
        app: &App,
        tx: &mut Tx,
        scope: PortalScope,
    ) -> Result<Self, Error> {
        if let Some(known) = Self::load(app, tx, scope).await? {
            return Ok(known);
        }
        let secret = SecretString::from(tokens::random());
        let key = keys::of_portal(app, tx, scope).await?;
        let sealed = key.seal(Secret::TombstoneKey, &secret);
        erasure::save_key(tx, scope, &sealed.0).await?;
        Ok(Self::new(scope, sealed, &secret))
    }

    fn new(scope: PortalScope, sealed: Sealed, secret: &SecretString) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        Self { scope, sealed, key }
    }

    fn hash(&self, identifier: &str) -> Vec<u8> {
        hmac::sign(&self.key, identifier.as_bytes())
            .as_ref()
            .to_vec()
    }

    /// Adds a tombstone for each of the identifiers.
    pub(super) async fn raise(
        self,
        tx: &mut Tx,
        identifiers: &[String],
        now: DateTime<Utc>,
    ) -> Result<TombstoneSet, Error> {
        let hashes: Vec<Vec<u8>> = identifiers.iter().map(|one| self.hash(one)).collect();
        erasure::insert_tombstones(tx, self.scope, &hashes, now).await?;
        Ok(TombstoneSet {
            key: self.sealed,
            hashes,
        })
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
    fn what_the_log_keeps_is_read_back_and_nothing_else_is() {
        let set = TombstoneSet {
            key: Sealed(vec![7; 61]),
            hashes: vec![vec![1; HASH_BYTES], vec![255; HASH_BYTES]],
        };
        let text = set.to_string();
        assert_eq!(text.parse::<TombstoneSet>().unwrap(), set);
        let key = URL_SAFE_NO_PAD.encode([7; 61]);
        for other in [
            "",
            ".",
            &key,
            &format!("{key}."),
            &text[..text.len() - 1],
            &text.replace('.', " "),
        ] {
            assert!(other.parse::<TombstoneSet>().is_err(), "{other}");
        }
    }
}
