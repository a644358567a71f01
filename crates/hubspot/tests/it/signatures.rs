//! HubSpot's own Python and Node clients as a second opinion on signatures; `tests/clients/setup` installs them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use hubspot::{Client, SignatureError, SignedRequest};
use serde_json::json;

use crate::harness::client_with_secret;

const SECRET: &str = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
const HOOK: &str = "https://www.example.com/webhook_uri";
const SINGLE: &str = "{'example_field':'example_value'}";
const DOUBLE: &str = r#"{"example_field":"example_value"}"#;
const MOMENT: &str = "1693657560000";

/// A request that was signed, and the signature that HubSpot publishes for it, if it does.
#[derive(Debug, Clone)]
struct Sample {
    method: &'static str,
    url: String,
    body: String,
    timestamp: &'static str,
    published: Option<&'static str>,
}

impl Sample {
    fn new(url: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            method: "POST",
            url: url.into(),
            body: body.into(),
            timestamp: MOMENT,
            published: None,
        }
    }

    fn published(body: &str, timestamp: &'static str, signature: &'static str) -> Self {
        Self {
            timestamp,
            published: Some(signature),
            ..Self::new(HOOK, body)
        }
    }

    /// The signature over another spelling of the URL.
    fn signed_over(&self, url: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let text = [self.method, url, &self.body, self.timestamp].concat();
        STANDARD.encode(hmac::sign(&key, text.as_bytes()))
    }

    /// What the client says when this request arrives with that signature at the moment it was sent.
    fn verdict(&self, client: &Client, signature: &str) -> Result<(), SignatureError> {
        let request = SignedRequest {
            method: self.method,
            url: &self.url,
            body: self.body.as_bytes(),
            timestamp: self.timestamp,
            signature,
        };
        let now = DateTime::from_timestamp_millis(self.timestamp.parse().unwrap()).unwrap();
        client.verify(&request, now)
    }
}

/// HubSpot's list of escapes that are undone (facts §7.4), each with what it stands for.
const LISTED: [(&str, &str); 12] = [
    ("%3A", ":"),
    ("%2F", "/"),
    ("%3F", "?"),
    ("%40", "@"),
    ("%21", "!"),
    ("%24", "$"),
    ("%27", "'"),
    ("%28", "("),
    ("%29", ")"),
    ("%2A", "*"),
    ("%2C", ","),
    ("%3B", ";"),
];
/// Escapes that stay, although other decoders undo them.
const UNLISTED: [&str; 4] = ["%23", "%26", "%20", "%25"];

/// A URL with that escape between letters, so that a wrong length of it would show.
fn escaped(escape: &str) -> String {
    format!("{HOOK}?a=b{escape}c&d=e{escape}")
}

fn corpus() -> Vec<Sample> {
    let mut all = vec![
        Sample::published(
            SINGLE,
            MOMENT,
            "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=",
        ),
        Sample::published(
            SINGLE,
            "1700000300000",
            "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw=",
        ),
        Sample::published(
            DOUBLE,
            MOMENT,
            "oaA3M5dEtt6kFsseJD/Hv/x+JNl1vsoxFj4oxmwP6Go=",
        ),
        Sample::published(
            DOUBLE,
            "1700000300000",
            "ZEux4lGY4urKtKJ9fqGCQDJ0FasZeSunWHlJMEoU3Bg=",
        ),
        Sample::new(HOOK, r#"[{"propertyValue":"Žofie Müller 🎁 ありがとう"}]"#),
        Sample::new(HOOK, ""),
        Sample {
            method: "GET",
            ..Sample::new(format!("{HOOK}?userId=1&portalId=4242"), "")
        },
        Sample {
            method: "DELETE",
            ..Sample::new(HOOK, "")
        },
        Sample::new(HOOK, format!("[{}]", vec![DOUBLE; 20_000].join(",\n"))),
    ];
    for (escape, _) in LISTED {
        all.push(Sample::new(escaped(escape), DOUBLE));
        all.push(Sample::new(escaped(&escape.to_lowercase()), DOUBLE));
    }
    all.extend(UNLISTED.map(|escape| Sample::new(escaped(escape), DOUBLE)));
    // Each listed escape after an escaped per cent sign is text, not an escape.
    all.push(Sample::new(format!("{HOOK}?a=%253A%25%3a%252f"), DOUBLE));
    all
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The signatures that a client's script computes for the corpus.
fn signed_by(program: &Path, installed: &Path, script: &str) -> Vec<String> {
    assert!(
        installed.exists(),
        "HubSpot's clients are not installed ({} is missing): run tests/clients/setup once",
        installed.display()
    );
    let mut child = Command::new(program)
        .arg(root().join("tests/clients").join(script))
        .env("NODE_PATH", root().join(".dev/clients/node/node_modules"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the client's script starts");
    let mut input = child.stdin.take().expect("a pipe");
    // Answers are a line per request, far less than a pipe holds: writing all first cannot block.
    for sample in corpus() {
        let line = json!({"secret": SECRET, "method": sample.method, "url": sample.url,
            "body": sample.body, "timestamp": sample.timestamp});
        writeln!(input, "{line}").expect("the script reads");
    }
    drop(input);
    let output = child.wait_with_output().expect("the script ends");
    assert!(
        output.status.success(),
        "{script} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answers = String::from_utf8(output.stdout).expect("text");
    answers.lines().map(str::to_owned).collect()
}

/// What a client signed is what HubSpot publishes, what we compute without undoing escapes, and what we accept.
fn agree(signatures: &[String]) {
    let client = client_with_secret(SECRET);
    let corpus = corpus();
    assert_eq!(signatures.len(), corpus.len());
    for (sample, signature) in corpus.iter().zip(signatures) {
        if let Some(published) = sample.published {
            assert_eq!(signature, published);
        }
        assert_eq!(
            *signature,
            sample.signed_over(&sample.url),
            "{}",
            sample.url
        );
        assert_eq!(sample.verdict(&client, signature), Ok(()), "{}", sample.url);
    }
}

#[test]
fn what_the_python_client_signs_is_accepted() {
    let python = root().join(".dev/clients/python/bin/python");
    agree(&signed_by(&python, &python, "sign.py"));
}

#[test]
fn what_the_node_client_signs_is_accepted() {
    let installed = root().join(".dev/clients/node/node_modules/@hubspot/api-client");
    agree(&signed_by(Path::new("node"), &installed, "sign.mjs"));
}

#[test]
fn a_signature_over_the_url_with_listed_escapes_undone_is_accepted() {
    let client = client_with_secret(SECRET);
    for (escape, plain) in LISTED {
        for escape in [escape.to_owned(), escape.to_lowercase()] {
            let sample = Sample::new(escaped(&escape), DOUBLE);
            let signature = sample.signed_over(&escaped(plain));
            assert_eq!(sample.verdict(&client, &signature), Ok(()), "{escape}");
        }
    }
    let both = Sample::new(escaped("%3a%26"), DOUBLE);
    let signature = both.signed_over(&escaped(":%26"));
    assert_eq!(both.verdict(&client, &signature), Ok(()));
}

#[test]
fn a_signature_over_the_url_with_other_escapes_undone_is_refused() {
    let client = client_with_secret(SECRET);
    for (escape, plain) in UNLISTED.into_iter().zip(["#", "&", " ", "%"]) {
        let sample = Sample::new(escaped(escape), DOUBLE);
        let signature = sample.signed_over(&escaped(plain));
        let verdict = sample.verdict(&client, &signature);
        assert_eq!(verdict, Err(SignatureError::Mismatch), "{escape}");
    }
}

/// The text with its byte at `index` replaced by another character.
fn flipped(text: &str, index: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[index] ^= 1;
    String::from_utf8(bytes).expect("plain characters stay plain")
}

#[test]
fn a_flipped_byte_of_any_part_is_refused() {
    let client = client_with_secret(SECRET);
    for sample in corpus() {
        let signature = sample.signed_over(&sample.url);
        let mut forged = vec![
            Sample {
                url: flipped(&sample.url, 30),
                ..sample.clone()
            },
            Sample {
                url: flipped(&sample.url, sample.url.len() - 1),
                ..sample.clone()
            },
            Sample {
                method: "PUT",
                ..sample.clone()
            },
            Sample {
                timestamp: "1693657560001",
                ..sample.clone()
            },
        ];
        if !sample.body.is_empty() {
            for index in [0, sample.body.len() - 1] {
                forged.push(Sample {
                    body: flipped(&sample.body, index),
                    ..sample.clone()
                });
            }
        }
        for forged in forged {
            let verdict = forged.verdict(&client, &signature);
            assert_eq!(verdict, Err(SignatureError::Mismatch), "{}", sample.url);
        }
        let mut bytes = STANDARD.decode(&signature).unwrap();
        bytes[31] ^= 1;
        let verdict = sample.verdict(&client, &STANDARD.encode(bytes));
        assert_eq!(verdict, Err(SignatureError::Mismatch));
    }
}

#[test]
fn signatures_of_older_versions_are_refused() {
    let client = client_with_secret(SECRET);
    let hash = |text: String| digest::digest(&digest::SHA256, text.as_bytes());
    let hex = |hash: &digest::Digest| {
        let bytes = hash.as_ref().iter();
        let pairs: Vec<String> = bytes.map(|byte| format!("{byte:02x}")).collect();
        pairs.concat()
    };
    let sample = Sample::new(HOOK, DOUBLE);
    let first = hash(format!("{SECRET}{DOUBLE}"));
    let second = hash(format!("{SECRET}POST{HOOK}{DOUBLE}"));
    assert_eq!(
        hex(&second),
        "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900",
        "the published one"
    );
    for hash in [first, second] {
        // In hex as HubSpot sends it, and in the spelling of version 3.
        for signature in [hex(&hash), STANDARD.encode(hash)] {
            let verdict = sample.verdict(&client, &signature);
            assert_eq!(verdict, Err(SignatureError::Mismatch));
        }
    }
    // Nor does a request without the timestamp of version 3 fall back to them.
    let request = SignedRequest {
        method: sample.method,
        url: &sample.url,
        body: sample.body.as_bytes(),
        timestamp: "",
        signature: &hex(&second),
    };
    let now = DateTime::from_timestamp_millis(1_693_657_560_000).unwrap();
    let verdict = client.verify(&request, now);
    assert_eq!(verdict, Err(SignatureError::Malformed));
}
