//! Words that stand nowhere else, and finding them however they are written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Forms are told apart by so many bytes first; what is shorter is not looked for.
const START: usize = 8;
/// So much of the text around a find is shown.
const AROUND: usize = 80;

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A key, token or password.
    Secret,
    /// What tells of somebody, or what somebody has written: of the portal with this number.
    Person(i64),
}

/// A word that is looked for.
#[derive(Debug, Clone)]
pub struct Canary {
    pub name: String,
    pub kind: Kind,
    word: String,
}

impl Canary {
    pub fn new(name: &str, kind: Kind, word: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            word: word.to_owned(),
        }
    }

    pub fn word(&self) -> &str {
        &self.word
    }
}

/// A word that was found.
#[derive(Debug)]
pub struct Hit<'a> {
    pub canary: &'a Canary,
    /// How it was written.
    pub form: &'static str,
    pub around: String,
}

/// All words in all forms. Upper and lower case are the same.
pub struct Needles {
    canaries: Vec<Canary>,
    forms: Vec<Form>,
    /// Which forms begin so.
    starts: BTreeMap<[u8; START], Vec<usize>>,
    /// Whether any form begins with these two bytes: most places of a text are passed over by this alone.
    pairs: Vec<bool>,
}

struct Form {
    text: Vec<u8>,
    name: &'static str,
    canary: usize,
}

fn pair(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

impl Needles {
    pub fn new(canaries: Vec<Canary>) -> Self {
        let mut needles = Self {
            forms: Vec::new(),
            starts: BTreeMap::new(),
            pairs: vec![false; 1 << 16],
            canaries,
        };
        for (canary, one) in needles.canaries.iter().enumerate() {
            let mut known = BTreeSet::new();
            for (name, text) in forms(&one.word) {
                let text = text.to_ascii_lowercase();
                if text.len() < START || !known.insert(text.clone()) {
                    continue;
                }
                let start = text[..START].try_into().unwrap();
                needles.pairs[pair(&text)] = true;
                let here = needles.starts.entry(start).or_default();
                here.push(needles.forms.len());
                needles.forms.push(Form { text, name, canary });
            }
        }
        needles
    }

    /// Every word in every form in which it stands in the text, each once.
    pub fn find(&self, text: &[u8]) -> Vec<Hit<'_>> {
        let text = text.to_ascii_lowercase();
        let mut found = BTreeMap::new();
        for at in 0..text.len().saturating_sub(START - 1) {
            if !self.pairs[pair(&text[at..])] {
                continue;
            }
            let start: [u8; START] = text[at..at + START].try_into().unwrap();
            for &form in self.starts.get(&start).into_iter().flatten() {
                if text[at..].starts_with(&self.forms[form].text) {
                    found.entry(form).or_insert(at);
                }
            }
        }
        let hit = |(form, at): (usize, usize)| {
            let form = &self.forms[form];
            let end = (at + form.text.len() + AROUND).min(text.len());
            Hit {
                canary: &self.canaries[form.canary],
                form: form.name,
                around: String::from_utf8_lossy(&text[at.saturating_sub(AROUND)..end]).into_owned(),
            }
        };
        found.into_iter().map(hit).collect()
    }
}

fn each(bytes: &[u8], write: impl Fn(u8) -> String) -> Vec<u8> {
    bytes.iter().copied().map(write).collect::<String>().into()
}

/// The ways in which a word may be written, by name.
fn forms(word: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = word.as_bytes();
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escaped = |write: fn(&mut String, u16)| {
        let mut text = String::new();
        for unit in word.encode_utf16() {
            match u8::try_from(unit) {
                Ok(byte) if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
                _ => write(&mut text, unit),
            }
        }
        text.into_bytes()
    };
    let json = serde_json::to_string(word).unwrap();
    let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let mut forms = vec![
        ("plain", bytes.to_vec()),
        ("hexadecimal", each(bytes, |byte| format!("{byte:02x}"))),
        (
            "percent-encoded",
            each(bytes, |byte| {
                if unreserved(byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02x}")
                }
            }),
        ),
        (
            "percent-encoded throughout",
            each(bytes, |byte| format!("%{byte:02x}")),
        ),
        ("JSON-escaped", json[1..json.len() - 1].into()),
        (
            "JSON-escaped to ASCII",
            escaped(|text, unit| write!(text, "\\u{unit:04x}").unwrap()),
        ),
        (
            "JSON-escaped throughout",
            word.encode_utf16()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect::<Vec<_>>()
                .concat()
                .into(),
        ),
        (
            "HTML-escaped",
            escaped(|text, unit| write!(text, "&#{unit};").unwrap()),
        ),
        (
            "escaped as Redis and Debug do",
            each(bytes, |byte| {
                if byte.is_ascii_graphic() {
                    char::from(byte).to_string()
                } else {
                    format!("\\x{byte:02x}")
                }
            }),
        ),
        ("a list of numbers", numbers.join(", ").into()),
        ("a JSON list of numbers", numbers.join(",").into()),
    ];
    for before in 0..3 {
        // Wherever it stands in what was encoded; what it shares a letter with at its edges is left out.
        let padded = [vec![0; before], bytes.to_vec()].concat();
        let from = (before * 8_usize).div_ceil(6);
        let until = padded.len() * 8 / 6;
        for text in [
            STANDARD_NO_PAD.encode(&padded),
            URL_SAFE_NO_PAD.encode(&padded),
        ] {
            forms.push(("base64", text[from..until].into()));
        }
    }
    // Random tokens are mostly base64 themselves: what they stand for may be kept as bytes.
    let encoded = word.trim_start_matches("whsec_");
    let decoded = [STANDARD.decode(encoded), URL_SAFE_NO_PAD.decode(encoded)];
    for decoded in decoded.into_iter().flatten() {
        forms.push(("decoded", decoded.clone()));
        forms.push((
            "decoded, hexadecimal",
            each(&decoded, |byte| format!("{byte:02x}")),
        ));
    }
    forms
}

#[test]
fn the_searcher_finds_a_word_in_every_form_and_nothing_else() {
    let (token, name) = ("Kanarek7Forms+/token=", "Kanarek7 Ünsal <O'Brien> \"🎂\"");
    let secret = "aGVsbG8gd29ybGQsIGhlbGxv";
    let needles = Needles::new(vec![
        Canary::new("token", Kind::Secret, token),
        Canary::new("name", Kind::Person(1), name),
        Canary::new("secret", Kind::Secret, secret),
    ]);
    let found = |text: &[u8], canary: &str| {
        let hits = needles.find(&[b"before ", text, b" after"].concat());
        hits.iter().any(|hit| hit.canary.name == canary)
    };
    for (canary, word) in [("token", token), ("name", name)] {
        let encoded = url::form_urlencoded::byte_serialize(word.as_bytes()).collect::<String>();
        for text in [
            word.to_owned(),
            word.to_ascii_uppercase(),
            encoded.replace('+', "%20"),
            serde_json::json!({ "a": word }).to_string(),
            format!("{:?}", word.as_bytes()),
            format!("{word:?}").replace("\\'", "'"),
        ] {
            assert!(found(text.as_bytes(), canary), "{canary}: {text}");
        }
        for before in ["", "a", "ab", "user:"] {
            let text = format!("{before}{word}");
            for text in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                assert!(found(text.as_bytes(), canary), "{canary}: {text}");
            }
        }
        let hex = each(word.as_bytes(), |byte| format!("{byte:02X}"));
        assert!(found(&hex, canary), "{canary}");
        for (form, text) in forms(word) {
            assert!(found(&text, canary), "{canary}: {form}");
        }
    }
    assert!(found(b"hello world, hello", "secret"));
    let bytes = each(b"hello world, hello", |byte| format!("{byte:02x}"));
    assert!(found(&bytes, "secret"));
    assert!(
        needles
            .find(b"Kanarek7 and Kanarek7Form and nothing else")
            .is_empty()
    );
    assert!(needles.find(b"").is_empty());
}
