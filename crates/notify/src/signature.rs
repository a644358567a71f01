//! Signatures of calls, as Standard Webhooks has them (<https://www.standardwebhooks.com>): HMAC-SHA-256 over
//! `id.timestamp.body`, in base64, after `v1,`.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

/// What a secret begins with, for people.
const PREFIX: &str = "whsec_";
/// Bytes of a new secret; the standard wants 24 to 64.
const SECRET_LEN: usize = 32;

/// What calls are signed with: `whsec_` and base64 of random bytes.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// A new one.
    pub fn random() -> Self {
        let mut bytes = [0_u8; SECRET_LEN];
        rand::fill(&mut bytes);
        Self(format!("{PREFIX}{}", STANDARD.encode(bytes)).into())
    }

    /// One that was stored; `None` for what is none.
    pub fn from_text(text: SecretString) -> Option<Self> {
        key_of(&text)?;
        Some(Self(text))
    }

    /// As people see it, and as it is stored.
    pub fn text(&self) -> &SecretString {
        &self.0
    }

    /// The signature of a call, in the header's form.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let key = key_of(&self.0).unwrap_or_default();
        let mut signed = format!("{id}.{timestamp}.").into_bytes();
        signed.extend_from_slice(body);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &signed);
        format!("v1,{}", STANDARD.encode(tag))
    }
}

fn key_of(text: &SecretString) -> Option<Vec<u8>> {
    let encoded = text.expose_secret().strip_prefix(PREFIX)?;
    STANDARD.decode(encoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the standard's own libraries are tested with; computed once more with Python's `hmac`.
    #[test]
    fn the_published_example_is_met() {
        let secret = Secret::from_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap();
        assert_eq!(
            secret.sign(
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                br#"{"test": 2432232314}"#
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn new_secrets_are_long_different_and_read_back() {
        let (a, b) = (Secret::random(), Secret::random());
        assert_ne!(a.text().expose_secret(), b.text().expose_secret());
        assert_eq!(key_of(a.text()).unwrap().len(), 32);
        assert!(Secret::from_text(a.text().clone()).is_some());
        for text in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%"] {
            assert!(Secret::from_text(text.into()).is_none(), "{text}");
        }
    }

    #[test]
    fn whatever_is_changed_changes_the_signature() {
        let secret = Secret::random();
        let whole = secret.sign("a", 1, b"x");
        for other in [
            secret.sign("b", 1, b"x"),
            secret.sign("a", 2, b"x"),
            secret.sign("a", 1, b"y"),
            Secret::random().sign("a", 1, b"x"),
        ] {
            assert_ne!(whole, other);
        }
    }
}
