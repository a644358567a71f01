//! Properties of the check and of the escapes that it undoes, against a signer and a decoder written anew.

use aws_lc_rs::digest::{SHA256, digest};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::properties::{any_text, config};

const NOW_MS: i64 = 1_700_000_000_000;

/// A request on its way.
#[derive(Debug, Clone)]
struct Sent {
    method: String,
    url: String,
    body: Vec<u8>,
    timestamp: String,
    signature: String,
}

impl Sent {
    fn check(&self, secret: &str, now: DateTime<Utc>) -> Result<(), SignatureError> {
        let request = SignedRequest {
            method: &self.method,
            url: &self.url,
            body: &self.body,
            timestamp: &self.timestamp,
            signature: &self.signature,
        };
        verify(&request, std::iter::once(&secret.into()), now)
    }

    fn sign(&mut self, secret: &str, url: &str) {
        let parts: [&[u8]; 4] = [
            self.method.as_bytes(),
            url.as_bytes(),
            &self.body,
            self.timestamp.as_bytes(),
        ];
        self.signature = STANDARD.encode(hmac_sha256(secret.as_bytes(), &parts.concat()));
    }
}

/// RFC 2104 as it is written there, for keys of up to 64 bytes.
fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| -> Vec<u8> {
        (0..64)
            .map(|at| key.get(at).copied().unwrap_or(0) ^ with)
            .collect()
    };
    let inner = digest(&SHA256, &[&pad(0x36), text].concat());
    digest(&SHA256, &[&pad(0x5c), inner.as_ref()].concat())
        .as_ref()
        .to_vec()
}

/// What HubSpot's page says: these characters are written plainly, all other escapes stay.
fn plain(url: &str) -> String {
    let (bytes, mut out, mut at) = (url.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
        let value = (bytes[at] == b'%')
            .then(|| Some(digit(at + 1)? * 16 + digit(at + 2)?))
            .flatten()
            .and_then(|value| u8::try_from(value).ok())
            .filter(|value| b":/?@!$'()*,;".contains(value));
        out.push(value.unwrap_or(bytes[at]));
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap()
}

fn url() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        select(vec![
            "%", "%2", "%%", "%é", "%3é", "%25", "3A", "2f", "?", "a", "🎁"
        ])
        .prop_map(str::to_owned),
        select(b":/?@!$'()*,;".as_slice()).prop_map(|byte| format!("%{byte:02X}")),
        select(b":/?@!$'()*,;".as_slice()).prop_map(|byte| format!("%{byte:02x}")),
        any::<u8>().prop_map(|byte| format!("%{byte:02x}")),
        any::<char>().prop_map(String::from),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn a_secret() -> impl Strategy<Value = String> {
    any::<u128>().prop_map(|number| format!("{number:032x}"))
}

fn a_request() -> impl Strategy<Value = Sent> {
    let method = select(vec!["GET", "POST", "PUT", "PATCH", "DELETE"]);
    let body = vec(any::<u8>(), 0..24);
    (method, url(), body, -60_000..=300_000_i64).prop_map(|(method, url, body, age)| Sent {
        method: method.to_owned(),
        url: format!("https://thnks.example/{url}"),
        body,
        timestamp: (NOW_MS - age).to_string(),
        signature: String::new(),
    })
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(NOW_MS).unwrap()
}

/// `items` with one replaced, put in or taken out.
fn edited<T: Clone>(items: &[T], how: usize, at: Index, item: T) -> Vec<T> {
    let mut edited = items.to_vec();
    let at = at.index(items.len() + 1);
    match how {
        _ if at == items.len() => edited.push(item),
        0 => edited[at] = item,
        1 => edited.insert(at, item),
        _ => drop(edited.remove(at)),
    }
    edited
}

fn edited_text(text: &str, how: usize, at: Index, item: char) -> String {
    let letters: Vec<char> = text.chars().collect();
    edited(&letters, how, at, item).into_iter().collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_signed_is_accepted_and_no_change_of_it(
        secret in a_secret(),
        another in a_secret(),
        mut sent in a_request(),
        signs_plain in any::<bool>(),
        part in 0..5_usize,
        how in 0..3_usize,
        at in any::<Index>(),
        letter in prop_oneof![
            any::<char>(),
            any::<u8>().prop_map(char::from),
            select("0123456789ABCDEFabcdef%=".chars().collect::<Vec<_>>()),
        ],
        byte in any::<u8>(),
    ) {
        let signed = if signs_plain { plain(&sent.url) } else { sent.url.clone() };
        sent.sign(&secret, &signed);
        prop_assert_eq!(sent.check(&secret, now()), Ok(()));
        prop_assert_eq!(sent.check(&another, now()), Err(SignatureError::Mismatch));

        let mut changed = sent.clone();
        let (same, field) = match part {
            0 => (&sent.method, &mut changed.method),
            1 => (&sent.url, &mut changed.url),
            2 => (&sent.timestamp, &mut changed.timestamp),
            3 => (&sent.signature, &mut changed.signature),
            _ => {
                changed.body = edited(&sent.body, how, at, byte);
                if changed.body != sent.body {
                    prop_assert_eq!(changed.check(&secret, now()), Err(SignatureError::Mismatch));
                }
                return Ok(());
            }
        };
        *field = edited_text(same, how, at, letter);
        if field == same {
            return Ok(());
        }
        // Another spelling of the URL that was signed is the same URL; nothing else is.
        let means_the_same = part == 1 && [plain(&changed.url), changed.url.clone()].contains(&signed);
        prop_assert_eq!(changed.check(&secret, now()).is_ok(), means_the_same);
    }

    #[test]
    fn a_right_signature_is_taken_only_at_its_time(
        secret in a_secret(),
        mut sent in a_request(),
        age in prop_oneof![-70_000..400_000_i64, any::<i32>().prop_map(i64::from)],
    ) {
        sent.timestamp = (NOW_MS - age).to_string();
        let url = sent.url.clone();
        sent.sign(&secret, &url);
        let expected = if (-60_000..=300_000).contains(&age) { Ok(()) } else { Err(SignatureError::Stale) };
        prop_assert_eq!(sent.check(&secret, now()), expected);
    }

    #[test]
    fn headers_without_the_secret_are_refused_whatever_they_say(
        secret in a_secret(),
        mut sent in a_request(),
        timestamp in prop_oneof![
            any_text(),
            any::<i64>().prop_map(|number| number.to_string()),
            any::<u128>().prop_map(|number| number.to_string()),
            Just(NOW_MS.to_string()),
        ],
        signature in prop_oneof![
            any_text(),
            vec(any::<u8>(), 0..40).prop_map(|bytes| STANDARD.encode(bytes)),
            any::<[u8; 32]>().prop_map(|bytes| STANDARD.encode(bytes)),
        ],
        now in select(vec![DateTime::<Utc>::MIN_UTC, DateTime::UNIX_EPOCH, now(), DateTime::<Utc>::MAX_UTC]),
    ) {
        sent.timestamp = timestamp;
        sent.signature = signature;
        prop_assert!(sent.check(&secret, now).is_err());
    }

    #[test]
    fn the_listed_escapes_and_no_others_are_undone_and_only_once(url in url()) {
        let undone = undo_escapes(&url);
        prop_assert_eq!(&undone, &plain(&url));
        prop_assert_eq!(undo_escapes(&undone), undone, "what is undone makes no new escape");
    }

    #[test]
    fn a_text_without_escapes_stays(text in any_text()) {
        let text = text.replace('%', "");
        prop_assert_eq!(undo_escapes(&text), text);
    }
}
