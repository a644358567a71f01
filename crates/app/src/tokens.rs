//! Random tokens, their hashes, and the signed tokens of setup links.
//!
//! A setup token is base64url of link id (16) ‖ expiry in Unix seconds (8) ‖ HMAC-SHA-256 of both (32): a forged or an
//! expired one is refused before the database is asked.

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::cipher::KeyRing;

/// 256 random bits as text for a cookie or an address.
pub(crate) fn random() -> String {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What is stored of a token.
pub(crate) fn hash(token: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, token.as_bytes())
        .as_ref()
        .to_vec()
}

/// The first 16 bytes of SHA-256: long enough for a fingerprint of content.
pub(crate) fn fingerprint(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref()[..16].to_vec()
}

/// The token that a session's forms carry: bound to the session, and through it to the portal.
pub(crate) fn csrf(session_token: &str) -> String {
    URL_SAFE_NO_PAD.encode(hash(&format!("csrf|{session_token}")))
}

/// The token of a setup link.
pub(crate) fn sign_setup(keys: &KeyRing, link_id: Uuid, expires_at: DateTime<Utc>) -> String {
    let mut bytes = link_id.as_bytes().to_vec();
    bytes.extend_from_slice(&expires_at.timestamp().to_be_bytes());
    let key = keys.link_keys().next().expect("a ring has a key");
    let tag = hmac::sign(key, &bytes);
    bytes.extend_from_slice(tag.as_ref());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The link that a setup token names and when it expires, if the token is ours.
pub(crate) fn verify_setup(keys: &KeyRing, token: &str) -> Option<(Uuid, DateTime<Utc>)> {
    let bytes = URL_SAFE_NO_PAD.decode(token.trim()).ok()?;
    let (signed, tag) = bytes.split_at_checked(24)?;
    // A link outlives the rotation of the key that signed it, and stays revocable, as long as that key is in the ring.
    let is_ours = keys
        .link_keys()
        .any(|key| hmac::verify(key, signed, tag).is_ok());
    if !is_ours {
        return None;
    }
    let (id, expiry) = signed.split_at(16);
    let expires_at = DateTime::from_timestamp(i64::from_be_bytes(expiry.try_into().ok()?), 0)?;
    Some((Uuid::from_slice(id).ok()?, expires_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[u8]) -> KeyRing {
        let entries: Vec<String> = keys
            .iter()
            .map(|byte| {
                let key = base64::engine::general_purpose::STANDARD.encode([*byte; 32]);
                format!("k{byte}:{key}")
            })
            .collect();
        KeyRing::parse(&entries.join(",").into()).unwrap()
    }

    #[test]
    fn a_setup_token_outlives_the_rotation_of_its_key_and_no_longer_than_the_key() {
        let (id, at) = (
            Uuid::now_v7(),
            DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        );
        let token = sign_setup(&ring(&[1]), id, at);
        assert_eq!(verify_setup(&ring(&[2, 1]), &token), Some((id, at)));
        assert_eq!(verify_setup(&ring(&[2]), &token), None);
        let newer = sign_setup(&ring(&[2, 1]), id, at);
        assert_eq!(verify_setup(&ring(&[1]), &newer), None);
    }

    #[test]
    fn a_setup_token_is_read_back_and_any_change_is_refused() {
        let keys = ring(&[3]);
        let (id, at) = (
            Uuid::now_v7(),
            DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        );
        let token = sign_setup(&keys, id, at);
        assert_eq!(verify_setup(&keys, &token), Some((id, at)));
        for index in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(verify_setup(&keys, &changed), None);
        }
        assert_eq!(verify_setup(&keys, ""), None);
    }
}
