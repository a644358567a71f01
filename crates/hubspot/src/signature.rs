//! Whether a request comes from HubSpot: signature version 3 (facts/hubspot.md §7.4). Older versions are not accepted.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};

use crate::Client;
use crate::limits::{SIGNATURE_MAX_AGE, SIGNATURE_MAX_SKEW};

/// The parts of a request that HubSpot signs, and its signature.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// In capitals, for example `POST`.
    pub method: &'a str,
    /// The full URL that HubSpot called, with its query, built from our public address, never from `Host`.
    pub url: &'a str,
    /// The body as it came, byte for byte.
    pub body: &'a [u8],
    /// Header `X-HubSpot-Request-Timestamp`: milliseconds since 1970.
    pub timestamp: &'a str,
    /// Header `X-HubSpot-Signature-v3`: base64.
    pub signature: &'a str,
}

/// Why a request is not taken for HubSpot's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The timestamp is no number of milliseconds, or the signature no base64.
    #[error("a signature header is malformed")]
    Malformed,
    /// The timestamp is older than five minutes or lies ahead of our clock by more than a minute.
    #[error("the request is too old or from the future")]
    Stale,
    /// The signature is another one.
    #[error("the signature does not match")]
    Mismatch,
}

impl Client {
    /// Checks a request against the app's secret, and the previous one during a rotation.
    pub fn verify(
        &self,
        request: &SignedRequest<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), SignatureError> {
        let config = self.config();
        let secrets =
            std::iter::once(&config.client_secret).chain(config.previous_client_secret.as_ref());
        verify(request, secrets, now)
    }
}

fn verify<'s>(
    request: &SignedRequest<'_>,
    secrets: impl Iterator<Item = &'s SecretString>,
    now: DateTime<Utc>,
) -> Result<(), SignatureError> {
    let signature = STANDARD
        .decode(request.signature)
        .map_err(|_| SignatureError::Malformed)?;
    // Only digits: a sign or a space would be a second spelling of the same moment.
    if !request.timestamp.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SignatureError::Malformed);
    }
    let sent = request
        .timestamp
        .parse()
        .ok()
        .and_then(DateTime::from_timestamp_millis)
        .ok_or(SignatureError::Malformed)?;
    let age = now - sent;
    let bound = |limit| TimeDelta::from_std(limit).unwrap_or(TimeDelta::MAX);
    if age > bound(SIGNATURE_MAX_AGE) || -age > bound(SIGNATURE_MAX_SKEW) {
        return Err(SignatureError::Stale);
    }
    // HubSpot's page says to undo some escapes first, its own client libraries do not: either is proof of the secret.
    let urls = [undo_escapes(request.url), request.url.to_owned()];
    let matches = secrets
        .flat_map(|secret| urls.iter().map(move |url| (secret, url)))
        .any(|(secret, url)| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
            hmac::verify(&key, &signed_bytes(request, url), &signature).is_ok()
        });
    matches.then_some(()).ok_or(SignatureError::Mismatch)
}

/// Method, URL, body and timestamp with nothing between them.
fn signed_bytes(request: &SignedRequest<'_>, url: &str) -> Vec<u8> {
    [
        request.method.as_bytes(),
        url.as_bytes(),
        request.body,
        request.timestamp.as_bytes(),
    ]
    .concat()
}

/// The escapes that HubSpot undoes before it signs; all others (`%23`, `%26`, …) stay.
const ESCAPES: [(&str, char); 12] = [
    ("3A", ':'),
    ("2F", '/'),
    ("3F", '?'),
    ("40", '@'),
    ("21", '!'),
    ("24", '$'),
    ("27", '\''),
    ("28", '('),
    ("29", ')'),
    ("2A", '*'),
    ("2C", ','),
    ("3B", ';'),
];

fn undo_escapes(url: &str) -> String {
    let mut parts = url.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let undone = ESCAPES.iter().find_map(|(code, character)| {
            let (head, rest) = part.split_at_checked(2)?;
            head.eq_ignore_ascii_case(code).then_some((character, rest))
        });
        if let Some((character, rest)) = undone {
            plain.push(*character);
            plain.push_str(rest);
        } else {
            plain.push('%');
            plain.push_str(part);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
    const SINGLE: &[u8] = b"{'example_field':'example_value'}";
    const DOUBLE: &[u8] = br#"{"example_field":"example_value"}"#;
    /// Body, timestamp, signature: recomputed from HubSpot's page with another language's library.
    const VECTORS: [(&[u8], &str, &str); 4] = [
        (
            SINGLE,
            "1693657560000",
            "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=",
        ),
        (
            SINGLE,
            "1700000300000",
            "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw=",
        ),
        (
            DOUBLE,
            "1693657560000",
            "oaA3M5dEtt6kFsseJD/Hv/x+JNl1vsoxFj4oxmwP6Go=",
        ),
        (
            DOUBLE,
            "1700000300000",
            "ZEux4lGY4urKtKJ9fqGCQDJ0FasZeSunWHlJMEoU3Bg=",
        ),
    ];

    fn vector(index: usize) -> SignedRequest<'static> {
        let (body, timestamp, signature) = VECTORS[index];
        SignedRequest {
            method: "POST",
            url: "https://www.example.com/webhook_uri",
            body,
            timestamp,
            signature,
        }
    }

    fn check(
        request: &SignedRequest<'_>,
        secrets: &[&str],
        late_ms: i64,
    ) -> Result<(), SignatureError> {
        let secrets: Vec<SecretString> = secrets.iter().map(|s| SecretString::from(*s)).collect();
        let now =
            DateTime::from_timestamp_millis(request.timestamp.parse::<i64>().unwrap() + late_ms)
                .unwrap();
        verify(request, secrets.iter(), now)
    }

    #[test]
    fn the_published_vectors_are_accepted() {
        for index in 0..VECTORS.len() {
            assert_eq!(check(&vector(index), &[SECRET], 0), Ok(()));
        }
    }

    #[test]
    fn any_other_part_is_refused() {
        let good = vector(2);
        for bad in [
            SignedRequest {
                method: "PUT",
                ..good
            },
            SignedRequest {
                url: "https://www.example.com/webhook_urj",
                ..good
            },
            SignedRequest {
                body: SINGLE,
                ..good
            },
            SignedRequest {
                timestamp: "1693657560001",
                ..good
            },
            SignedRequest {
                signature: VECTORS[0].2,
                ..good
            },
            SignedRequest {
                signature: "",
                ..good
            },
        ] {
            assert_eq!(check(&bad, &[SECRET], 0), Err(SignatureError::Mismatch));
        }
        assert_eq!(check(&good, &["another"], 0), Err(SignatureError::Mismatch));
    }

    #[test]
    fn both_secrets_of_a_rotation_are_accepted() {
        assert_eq!(check(&vector(0), &["new", SECRET], 0), Ok(()));
    }

    #[test]
    fn age_is_bounded_to_both_sides_and_headers_are_strict() {
        let good = vector(0);
        assert_eq!(check(&good, &[SECRET], 300_000), Ok(()));
        assert_eq!(check(&good, &[SECRET], 300_001), Err(SignatureError::Stale));
        assert_eq!(check(&good, &[SECRET], -60_000), Ok(()));
        assert_eq!(check(&good, &[SECRET], -60_001), Err(SignatureError::Stale));
        let now = DateTime::from_timestamp_millis(1_693_657_560_000).unwrap();
        let secret = SecretString::from(SECRET);
        for bad in [
            SignedRequest {
                timestamp: "+1693657560000",
                ..good
            },
            SignedRequest {
                timestamp: "",
                ..good
            },
            SignedRequest {
                timestamp: "99999999999999999999",
                ..good
            },
            SignedRequest {
                signature: "not base64!",
                ..good
            },
        ] {
            assert_eq!(
                verify(&bad, std::iter::once(&secret), now),
                Err(SignatureError::Malformed)
            );
        }
    }

    #[test]
    fn exactly_the_listed_escapes_are_undone() {
        assert_eq!(
            undo_escapes("%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B"),
            ":/?@!$'()*,;"
        );
        assert_eq!(
            undo_escapes("https://a.example/x%23y%26z%20%25%3a"),
            "https://a.example/x%23y%26z%20%25:"
        );
        assert_eq!(undo_escapes("100%"), "100%");
        assert_eq!(undo_escapes("a%2"), "a%2");
        assert_eq!(undo_escapes("%é"), "%é");
        assert_eq!(undo_escapes("%253A"), "%253A");
    }

    #[test]
    fn an_escaped_url_is_accepted_signed_either_way() {
        let plain = "https://a.example/hook?to=x@y.z";
        let escaped = "https://a.example/hook?to=x%40y.z";
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        for signed in [plain, escaped] {
            let request = SignedRequest {
                url: escaped,
                ..vector(0)
            };
            let signature =
                STANDARD.encode(hmac::sign(&key, &signed_bytes(&request, signed)).as_ref());
            let request = SignedRequest {
                signature: &signature,
                ..request
            };
            assert_eq!(check(&request, &[SECRET], 0), Ok(()));
        }
    }
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod properties;
