//! Sealing secrets for the database: AES-256-GCM, each value bound to the place where it belongs.
//!
//! Sealed bytes: version (1) ‖ length of the key id (1) ‖ key id ‖ nonce (12) ‖ ciphertext and tag.
//! Associated data: `v1|table|column|hub_id|row|key id`, so that a value copied to another row, column, portal or key
//! does not open. `hub_id` is 0 for what belongs to no portal.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use store::Sealed;

use crate::Error;

const VERSION: u8 = 1;
const KEY_LEN: usize = 32;

/// The operator's keys (`ENCRYPTION_KEYS`): the first seals, all open.
pub struct KeyRing {
    keys: Vec<Key>,
}

struct Key {
    id: String,
    cipher: LessSafeKey,
    links: aws_lc_rs::hmac::Key,
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
    fn associated_data(&self, key_id: &str) -> Vec<u8> {
        format!(
            "v{VERSION}|{}|{}|{}|{}|{key_id}",
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
        let mut keys: Vec<Key> = Vec::new();
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
            let id = id.trim().to_owned();
            if bytes.len() != KEY_LEN || id.is_empty() || id.len() > 255 {
                return Err(malformed());
            }
            if keys.iter().any(|key| key.id == id) {
                return Err(KeyRingError::Duplicate(id));
            }
            let unbound = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| malformed())?;
            keys.push(Key {
                id,
                cipher: LessSafeKey::new(unbound),
                links: derive_link_key(&bytes),
            });
        }
        if keys.is_empty() {
            return Err(KeyRingError::Empty);
        }
        Ok(Self { keys })
    }

    /// The keys of setup links, one derived from each key of the ring: the first signs, all verify.
    pub(crate) fn link_keys(&self) -> impl Iterator<Item = &aws_lc_rs::hmac::Key> {
        self.keys.iter().map(|key| &key.links)
    }

    /// Seals `secret` for its place with the first key.
    pub(crate) fn seal(&self, place: Place<'_>, secret: &SecretString) -> Sealed {
        let key = &self.keys[0];
        let mut nonce = [0_u8; NONCE_LEN];
        rand::fill(&mut nonce);
        let mut sealed = secret.expose_secret().as_bytes().to_vec();
        key.cipher
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.associated_data(&key.id)),
                &mut sealed,
            )
            .expect("a secret is far shorter than AES-GCM's limit");
        let mut bytes = vec![
            VERSION,
            u8::try_from(key.id.len()).expect("checked when the ring was read"),
        ];
        bytes.extend_from_slice(key.id.as_bytes());
        bytes.extend_from_slice(&nonce);
        bytes.append(&mut sealed);
        Sealed(bytes)
    }

    /// Opens what was sealed for this place with any key of the ring.
    pub(crate) fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<SecretString, Error> {
        self.open_bytes(place, &sealed.0)
            .ok_or_else(|| place.unsealable())
    }

    fn open_bytes(&self, place: Place<'_>, sealed: &[u8]) -> Option<SecretString> {
        let (&[version, id_len], rest) = sealed.split_first_chunk::<2>()?;
        if version != VERSION {
            return None;
        }
        let (id, rest) = rest.split_at_checked(usize::from(id_len))?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>()?;
        let key = self.keys.iter().find(|key| key.id.as_bytes() == id)?;
        let mut bytes = ciphertext.to_vec();
        let plain = key
            .cipher
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(place.associated_data(&key.id)),
                &mut bytes,
            )
            .ok()?;
        Some(SecretString::from(std::str::from_utf8(plain).ok()?))
    }
}

/// A key of its own for signing links: the sealing key is used for nothing but sealing.
fn derive_link_key(key: &[u8]) -> aws_lc_rs::hmac::Key {
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, b"thnks-hubspot").extract(key);
    let info: [&[u8]; 1] = [b"setup links"];
    let okm = derived
        .expand(&info, aws_lc_rs::hmac::HMAC_SHA256)
        .expect("the length is the hash's own");
    okm.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(ids: &[&str]) -> KeyRing {
        let entries: Vec<String> = ids
            .iter()
            .map(|id| {
                format!(
                    "{id}:{}",
                    STANDARD.encode([u8::try_from(id.len()).unwrap(); KEY_LEN])
                )
            })
            .collect();
        KeyRing::parse(&entries.join(",").into()).unwrap()
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
        let sealed = ring.seal(PLACE, &"token-1".into()).0;
        for len in 0..sealed.len() {
            assert!(ring.open_bytes(PLACE, &sealed[..len]).is_none());
        }
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut flipped = sealed.clone();
                flipped[at] ^= 1 << bit;
                assert!(ring.open_bytes(PLACE, &flipped).is_none());
            }
        }
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
