//! Sealing secrets for the database: AES-256-GCM, each value bound to the place where it belongs.
//!
//! What is the operator's is sealed with one of the operator's keys ([`KeyRing`]); what is a portal's with that portal's own
//! ([`PortalKey`]), which the operator's wraps. Sealed bytes: version (1) ‖ length of the key's name (1) ‖ key's name ‖ nonce (12)
//! ‖ ciphertext and tag. Version 1 is sealed with an operator's key, version 2 with a portal's. Associated data:
//! `v<version>|table|column|hub_id|row|key's name`, so that a value copied to another row, column, portal or key does not open.
//! `hub_id` is 0 for what belongs to no portal.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::HubId;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use store::Sealed;
use store::portal_keys::{Secret, WrappedKey};
use uuid::Uuid;

use crate::Error;

/// Sealed with one of the operator's keys.
const BY_OPERATOR: u8 = 1;
/// Sealed with a portal's key.
const BY_PORTAL: u8 = store::Sealed::BY_PORTAL;
const KEY_LEN: usize = 32;

/// The operator's keys (`ENCRYPTION_KEYS`): the first seals, all open.
pub struct KeyRing {
    keys: Vec<OperatorKey>,
}

struct OperatorKey {
    key: Key,
    links: hmac::Key,
    ends: hmac::Key,
}

/// A key with its name.
struct Key {
    id: String,
    cipher: LessSafeKey,
}

/// Why a key ring is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyRingError {
    /// There is none.
    #[error("no key is given")]
    Empty,
    /// An entry is not `id:base64(32 bytes)`.
    #[error("entry {0} is not `id:base64 of 32 bytes`")]
    Malformed(usize),
    /// Two entries have the same id.
    #[error("key id {0} is given twice")]
    Duplicate(String),
}

/// Where a sealed value belongs.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub table: &'static str,
    pub column: &'static str,
    pub hub_id: i64,
    pub row: &'a str,
}

impl Place<'_> {
    fn associated_data(&self, version: u8, key_id: &str) -> Vec<u8> {
        format!(
            "v{version}|{}|{}|{}|{}|{key_id}",
            self.table, self.column, self.hub_id, self.row
        )
        .into_bytes()
    }

    fn unsealable(&self) -> Error {
        Error::Unsealable {
            table: self.table,
            column: self.column,
        }
    }
}

impl KeyRing {
    /// Reads `id:base64(32 bytes)[,id:…]`.
    pub fn parse(text: &SecretString) -> Result<Self, KeyRingError> {
        let mut keys: Vec<OperatorKey> = Vec::new();
        for (index, entry) in text
            .expose_secret()
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .enumerate()
        {
            let malformed = || KeyRingError::Malformed(index + 1);
            let (id, encoded) = entry.split_once(':').ok_or_else(malformed)?;
            let bytes = STANDARD.decode(encoded.trim()).map_err(|_| malformed())?;
            let bytes = Zeroizing::new(bytes);
            let id = id.trim().to_owned();
            if id.is_empty() || id.len() > 255 {
                return Err(malformed());
            }
            if keys.iter().any(|known| known.key.id == id) {
                return Err(KeyRingError::Duplicate(id));
            }
            keys.push(OperatorKey {
                links: derive(&bytes, b"setup links"),
                ends: derive(&bytes, b"ends of chains"),
                key: Key::new(id, &bytes).ok_or_else(malformed)?,
            });
        }
        if keys.is_empty() {
            return Err(KeyRingError::Empty);
        }
        Ok(Self { keys })
    }

    /// The names of the keys; the first seals.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|known| known.key.id.as_str())
    }

    /// The name of the key that seals.
    pub(crate) fn first_id(&self) -> &str {
        &self.first().id
    }

    /// The keys of setup links, one derived from each key of the ring: the first signs, all verify.
    pub(crate) fn link_keys(&self) -> impl Iterator<Item = &hmac::Key> {
        self.keys.iter().map(|known| &known.links)
    }

    /// The keys of noted ends of chains, one derived from each key of the ring: the first signs, all verify.
    pub(crate) fn end_keys(&self) -> impl Iterator<Item = &hmac::Key> {
        self.keys.iter().map(|known| &known.ends)
    }

    /// Seals `secret` for its place with the first key.
    pub(crate) fn seal(&self, place: Place<'_>, secret: &SecretString) -> Sealed {
        let secret = secret.expose_secret().as_bytes();
        self.first().seal(BY_OPERATOR, place, secret)
    }

    /// Opens what was sealed for this place with any key of the ring.
    pub(crate) fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<SecretString, Error> {
        text(self.open_bytes(place, sealed)).ok_or_else(|| place.unsealable())
    }

    /// The same value sealed with the first key; `None` when it is already.
    pub(crate) fn renew(&self, place: Place<'_>, sealed: &Sealed) -> Result<Option<Sealed>, Error> {
        let bytes = self.open_bytes(place, sealed);
        let bytes = bytes.ok_or_else(|| place.unsealable())?;
        let is_first = parts(sealed).is_some_and(|parts| parts.key_id == self.first_id());
        Ok((!is_first).then(|| self.first().seal(BY_OPERATOR, place, &bytes)))
    }

    /// Seals `secret` with the key of this name, which is one of the ring's.
    pub(crate) fn seal_by(&self, key_id: &str, place: Place<'_>, secret: &[u8]) -> Option<Sealed> {
        let known = self.keys.iter().find(|known| known.key.id == key_id)?;
        Some(known.key.seal(BY_OPERATOR, place, secret))
    }

    /// Makes a key for a portal.
    pub(crate) fn new_portal_key(&self, hub_id: HubId) -> WrappedKey {
        let mut bytes = Zeroizing::new([0_u8; KEY_LEN]);
        rand::fill(&mut *bytes);
        let id = Uuid::now_v7().simple().to_string();
        WrappedKey {
            wrapped: self
                .first()
                .seal(BY_OPERATOR, wrapping(hub_id, &id), &*bytes),
            id,
        }
    }

    /// A portal's key, to seal and open with. What the operator's keys sealed before the portal had one opens with it too.
    pub(crate) fn unwrap(
        self: &Arc<Self>,
        hub_id: HubId,
        key: &WrappedKey,
    ) -> Result<PortalKey, Error> {
        let place = wrapping(hub_id, &key.id);
        let own = self
            .open_bytes(place, &key.wrapped)
            .and_then(|bytes| Key::new(key.id.clone(), &bytes))
            .ok_or_else(|| place.unsealable())?;
        Ok(PortalKey {
            hub_id,
            own,
            ring: Arc::clone(self),
        })
    }

    /// Whether a portal's secret opens that was sealed before the portal had a key.
    pub(crate) fn opens_as_before(&self, hub_id: HubId, secret: Secret, sealed: &Sealed) -> bool {
        at(hub_id, secret, |place| self.open(place, sealed)).is_ok()
    }

    /// The same portal's key wrapped with the first of the ring; `None` when it is already.
    pub(crate) fn rewrap(&self, hub_id: HubId, key: &WrappedKey) -> Result<Option<Sealed>, Error> {
        self.renew(wrapping(hub_id, &key.id), &key.wrapped)
    }

    fn first(&self) -> &Key {
        &self.keys[0].key
    }

    fn open_bytes(&self, place: Place<'_>, sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
        let parts = parts(sealed)?;
        let known = self
            .keys
            .iter()
            .find(|known| known.key.id == parts.key_id)?;
        known.key.open(BY_OPERATOR, place, &parts)
    }
}

/// A portal's own key. It opens nothing of another portal's.
pub(crate) struct PortalKey {
    hub_id: HubId,
    own: Key,
    ring: Arc<KeyRing>,
}

impl PortalKey {
    /// The key's name.
    #[cfg(feature = "testing")]
    pub(crate) fn id(&self) -> &str {
        &self.own.id
    }

    /// Seals the portal's secret.
    pub(crate) fn seal(&self, secret: Secret, text: &SecretString) -> Sealed {
        at(self.hub_id, secret, |place| {
            let text = text.expose_secret().as_bytes();
            self.own.seal(BY_PORTAL, place, text)
        })
    }

    /// Opens the portal's secret.
    pub(crate) fn open(&self, secret: Secret, sealed: &Sealed) -> Result<SecretString, Error> {
        at(self.hub_id, secret, |place| match parts(sealed) {
            Some(parts) if parts.version == BY_PORTAL && parts.key_id == self.own.id => {
                text(self.own.open(BY_PORTAL, place, &parts)).ok_or_else(|| place.unsealable())
            }
            _ => self.ring.open(place, sealed),
        })
    }

    /// The same value sealed with this key; `None` when it is already.
    pub(crate) fn renew(&self, secret: Secret, sealed: &Sealed) -> Result<Option<Sealed>, Error> {
        let text = self.open(secret, sealed)?;
        let is_own = parts(sealed).is_some_and(|parts| parts.version == BY_PORTAL);
        Ok((!is_own).then(|| self.seal(secret, &text)))
    }
}

/// Where a portal's secret belongs: it has one of each kind.
pub(crate) fn at<T>(hub_id: HubId, secret: Secret, act: impl FnOnce(Place<'_>) -> T) -> T {
    let (table, column) = secret.column();
    act(Place {
        table,
        column,
        hub_id: hub_id.0,
        row: &hub_id.to_string(),
    })
}

/// Where a portal's wrapped key belongs.
fn wrapping(hub_id: HubId, key_id: &str) -> Place<'_> {
    Place {
        table: "portal_keys",
        column: "wrapped",
        hub_id: hub_id.0,
        row: key_id,
    }
}

/// Sealed bytes, taken apart.
struct Parts<'a> {
    version: u8,
    key_id: &'a str,
    nonce: [u8; NONCE_LEN],
    ciphertext: &'a [u8],
}

fn parts(sealed: &Sealed) -> Option<Parts<'_>> {
    let (&[version, id_len], rest) = sealed.0.split_first_chunk::<2>()?;
    let (key_id, rest) = rest.split_at_checked(usize::from(id_len))?;
    let (&nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>()?;
    Some(Parts {
        version,
        key_id: std::str::from_utf8(key_id).ok()?,
        nonce,
        ciphertext,
    })
}

fn text(bytes: Option<Zeroizing<Vec<u8>>>) -> Option<SecretString> {
    Some(SecretString::from(std::str::from_utf8(&bytes?).ok()?))
}

impl Key {
    /// `None` unless there are 32 bytes.
    fn new(id: String, bytes: &[u8]) -> Option<Self> {
        let unbound = UnboundKey::new(&AES_256_GCM, bytes).ok()?;
        let cipher = LessSafeKey::new(unbound);
        Some(Self { id, cipher })
    }

    fn seal(&self, version: u8, place: Place<'_>, secret: &[u8]) -> Sealed {
        let mut nonce = [0_u8; NONCE_LEN];
        rand::fill(&mut nonce);
        let mut sealed = secret.to_vec();
        self.cipher
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.associated_data(version, &self.id)),
                &mut sealed,
            )
            .expect("a secret is far shorter than AES-GCM's limit");
        let id_len = u8::try_from(self.id.len()).expect("checked when the ring was read");
        let mut bytes = vec![version, id_len];
        bytes.extend_from_slice(self.id.as_bytes());
        bytes.extend_from_slice(&nonce);
        bytes.append(&mut sealed);
        Sealed(bytes)
    }

    fn open(&self, version: u8, place: Place<'_>, parts: &Parts<'_>) -> Option<Zeroizing<Vec<u8>>> {
        if parts.version != version {
            return None;
        }
        let mut bytes = Zeroizing::new(parts.ciphertext.to_vec());
        let aad = Aad::from(place.associated_data(version, &self.id));
        let nonce = Nonce::assume_unique_for_key(parts.nonce);
        let len = self
            .cipher
            .open_in_place(nonce, aad, &mut bytes)
            .ok()?
            .len();
        bytes.truncate(len);
        Some(bytes)
    }
}

/// A key of its own for signing what `purpose` says: the sealing key is used for nothing but sealing.
fn derive(key: &[u8], purpose: &[u8]) -> hmac::Key {
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, b"thnks-hubspot").extract(key);
    let info = [purpose];
    let okm = derived
        .expand(&info, hmac::HMAC_SHA256)
        .expect("the length is the hash's own");
    okm.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(ids: &[&str]) -> Arc<KeyRing> {
        let entries: Vec<String> = ids
            .iter()
            .map(|id| {
                format!(
                    "{id}:{}",
                    STANDARD.encode([u8::try_from(id.len()).unwrap(); KEY_LEN])
                )
            })
            .collect();
        Arc::new(KeyRing::parse(&entries.join(",").into()).unwrap())
    }

    const PLACE: Place<'_> = Place {
        table: "connections",
        column: "access_token",
        hub_id: 7,
        row: "7",
    };

    #[test]
    fn what_is_sealed_opens_at_its_place_and_nowhere_else() {
        let ring = ring(&["a", "bb"]);
        let sealed = ring.seal(PLACE, &"token-1".into());
        assert_eq!(
            ring.open(PLACE, &sealed).unwrap().expose_secret(),
            "token-1"
        );
        for place in [
            Place { hub_id: 8, ..PLACE },
            Place { row: "8", ..PLACE },
            Place {
                table: "sessions",
                ..PLACE
            },
            Place {
                column: "refresh_token",
                ..PLACE
            },
        ] {
            assert!(ring.open(place, &sealed).is_err());
        }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_refused() {
        let ring = ring(&["a"]);
        let portal = portal(&ring, 7);
        let by_ring = ring.seal(PLACE, &"token-1".into()).0;
        let by_portal = portal.seal(Secret::AccessToken, &"token-1".into()).0;
        let opens = |bytes: Vec<u8>| {
            let sealed = Sealed(bytes);
            ring.open(PLACE, &sealed).is_ok() || portal.open(Secret::AccessToken, &sealed).is_ok()
        };
        for sealed in [by_ring, by_portal] {
            for len in 0..sealed.len() {
                assert!(!opens(sealed[..len].to_vec()));
            }
            for at in 0..sealed.len() {
                for bit in 0..8 {
                    let mut flipped = sealed.clone();
                    flipped[at] ^= 1 << bit;
                    assert!(!opens(flipped));
                }
            }
            assert!(opens(sealed));
        }
    }

    fn portal(ring: &Arc<KeyRing>, hub_id: i64) -> PortalKey {
        let key = ring.new_portal_key(HubId(hub_id));
        ring.unwrap(HubId(hub_id), &key).unwrap()
    }

    #[test]
    fn a_portals_key_opens_its_own_secrets_at_their_place_and_nothing_of_anothers() {
        let ring = ring(&["a"]);
        let key = ring.new_portal_key(HubId(7));
        let (mine, theirs) = (ring.unwrap(HubId(7), &key).unwrap(), portal(&ring, 8));
        let sealed = mine.seal(Secret::AccessToken, &"token-1".into());
        let opened = mine.open(Secret::AccessToken, &sealed).unwrap();
        assert_eq!(opened.expose_secret(), "token-1");
        assert!(mine.open(Secret::RefreshToken, &sealed).is_err());
        assert!(theirs.open(Secret::AccessToken, &sealed).is_err());
        assert!(ring.open(PLACE, &sealed).is_err());
        assert!(
            ring.unwrap(HubId(8), &key).is_err(),
            "another portal's key is unwrapped"
        );
        assert!(portal(&ring, 7).open(Secret::AccessToken, &sealed).is_err());
    }

    #[test]
    fn a_portals_key_outlives_the_operators_and_takes_over_what_that_sealed() {
        let old = ring(&["a"]);
        let key = old.new_portal_key(HubId(7));
        let sealed = old
            .unwrap(HubId(7), &key)
            .unwrap()
            .seal(Secret::ThnksKey, &"k".into());
        let before_keys = old.seal(PLACE, &"token-1".into());

        let both = ring(&["bb", "a"]);
        let wrapped = both.rewrap(HubId(7), &key).unwrap().unwrap();
        let key = WrappedKey { wrapped, ..key };
        assert!(both.rewrap(HubId(7), &key).unwrap().is_none());
        let portal = both.unwrap(HubId(7), &key).unwrap();
        let renewed = portal
            .renew(Secret::AccessToken, &before_keys)
            .unwrap()
            .unwrap();
        assert!(
            portal
                .renew(Secret::AccessToken, &renewed)
                .unwrap()
                .is_none()
        );

        let new = ring(&["bb"]).unwrap(HubId(7), &key).unwrap();
        assert_eq!(
            new.open(Secret::ThnksKey, &sealed).unwrap().expose_secret(),
            "k"
        );
        assert_eq!(
            new.open(Secret::AccessToken, &renewed)
                .unwrap()
                .expose_secret(),
            "token-1"
        );
        assert!(new.open(Secret::AccessToken, &before_keys).is_err());
    }

    #[test]
    fn old_keys_open_and_the_first_seals() {
        let old = ring(&["a"]).seal(PLACE, &"token-1".into());
        let both = ring(&["bb", "a"]);
        assert_eq!(both.open(PLACE, &old).unwrap().expose_secret(), "token-1");
        assert!(
            ring(&["a"])
                .open(PLACE, &both.seal(PLACE, &"token-2".into()))
                .is_err()
        );
    }

    #[test]
    fn a_bad_ring_is_refused() {
        let parse = |text: &str| KeyRing::parse(&text.into()).err();
        assert_eq!(parse(""), Some(KeyRingError::Empty));
        assert_eq!(parse("a:AAAA"), Some(KeyRingError::Malformed(1)));
        let key = STANDARD.encode([1_u8; KEY_LEN]);
        assert_eq!(
            parse(&format!("a:{key},a:{key}")),
            Some(KeyRingError::Duplicate("a".into()))
        );
    }
}

#[cfg(test)]
#[path = "cipher_tests.rs"]
mod properties;
