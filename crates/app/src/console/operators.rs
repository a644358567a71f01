//! Who may sign in to the console, from `OPERATORS`: `name:hash[,name:hash…]`.
//!
//! A hash is a PHC string of argon2id in base64url, because as it is written it holds commas and dollars, which shells, compose
//! files and this list read as something else. `thnks-hubspot operator hash` makes an entry.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use store::console::OperatorSession;
use tokio::sync::Semaphore;

use crate::tokens;

/// The shortest password, in characters: NIST SP 800-63B-4 asks for 15 where a password is all there is.
pub const PASSWORD_CHARS: usize = 15;
/// The longest name.
const NAME_CHARS: usize = 40;
/// Passwords that are tried at once: each takes 19 MiB for some milliseconds.
const AT_ONCE: usize = 2;
/// The least that a hash must have cost, and the most that one may cost us: KiB of memory, and rounds. The least is OWASP's and what the
/// library does by itself.
const MEMORY_KIB: std::ops::RangeInclusive<u32> = Params::DEFAULT_M_COST..=262_144;
const ROUNDS: std::ops::RangeInclusive<u32> = Params::DEFAULT_T_COST..=16;

/// Who may sign in; at least one.
pub struct Operators {
    entries: Vec<Entry>,
    turns: Semaphore,
}

#[derive(Clone)]
struct Entry {
    name: String,
    hash: Arc<str>,
    /// A fingerprint of the hash, which an open session keeps.
    credential: Vec<u8>,
}

// Without hashes: they can be tried elsewhere.
impl std::fmt::Debug for Operators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.entries.iter().map(|entry| &entry.name);
        f.debug_list().entries(names).finish()
    }
}

/// Why a list, or a new entry, cannot be. Numbers count from one; what was written is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperatorsError {
    /// Nobody could sign in.
    #[error("it names nobody: take it away, or put in what `thnks-hubspot operator hash` prints")]
    Nobody,
    /// An entry has no colon.
    #[error("entry {0} is not name:hash, as `thnks-hubspot operator hash` prints it")]
    NotAnEntry(usize),
    /// A name has other characters, or is too long.
    #[error(
        "the name of entry {0} must have 1 to 40 characters of a-z, 0-9, dot, dash and underscore"
    )]
    BadName(usize),
    /// A name twice.
    #[error("the name of entry {0} stands there twice")]
    Twice(usize),
    /// A hash that `operator hash` has not made.
    #[error("the hash of entry {0} is not one that `thnks-hubspot operator hash` prints")]
    BadHash(usize),
    /// A hash that is too cheap to try, or too dear.
    #[error(
        "the hash of entry {0} must be argon2id with 19456 to 262144 KiB and 2 to 16 rounds: make it with `thnks-hubspot operator hash`"
    )]
    BadCost(usize),
    /// A password that is too short.
    #[error("the password must have at least {PASSWORD_CHARS} characters")]
    ShortPassword,
    /// The machine could not make one.
    #[error("the password could not be hashed")]
    NotHashed,
}

impl Operators {
    /// The list that `OPERATORS` holds.
    pub fn parse(list: &SecretString) -> Result<Self, OperatorsError> {
        let mut entries: Vec<Entry> = Vec::new();
        let texts = list.expose_secret().split(',').map(str::trim);
        for (number, text) in (1..).zip(texts.filter(|text| !text.is_empty())) {
            let entry = Entry::parse(number, text)?;
            if entries.iter().any(|known| known.name == entry.name) {
                return Err(OperatorsError::Twice(number));
            }
            entries.push(entry);
        }
        if entries.is_empty() {
            return Err(OperatorsError::Nobody);
        }
        Ok(Self {
            entries,
            turns: Semaphore::new(AT_ONCE),
        })
    }

    /// The session that this name and password open; `None` when either is wrong, after the same work.
    pub(super) async fn verify(
        &self,
        name: &str,
        password: SecretString,
    ) -> Option<OperatorSession> {
        let known = self.entries.iter().find(|entry| entry.name == name);
        // For a name that nobody has somebody's hash is tried, and what comes of it does not count.
        let tried = known.or(self.entries.first())?.clone();
        let _turn = self.turns.acquire().await.ok()?;
        let hash = Arc::clone(&tried.hash);
        let fits = tokio::task::spawn_blocking(move || is_password(&hash, &password))
            .await
            .unwrap_or(false);
        (fits && known.is_some()).then_some(OperatorSession {
            operator: tried.name,
            credential: tried.credential,
        })
    }

    /// Whether this is somebody's name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name == name)
    }

    /// Whether the session's operator is in the list, with the password it was opened with.
    pub(super) fn still_has(&self, session: &OperatorSession) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.name == session.operator && entry.credential == session.credential)
    }
}

impl Entry {
    fn parse(number: usize, text: &str) -> Result<Self, OperatorsError> {
        let (name, encoded) = text
            .split_once(':')
            .ok_or(OperatorsError::NotAnEntry(number))?;
        if !is_name(name) {
            return Err(OperatorsError::BadName(number));
        }
        let hash = URL_SAFE_NO_PAD
            .decode(encoded)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or(OperatorsError::BadHash(number))?;
        let phc = PasswordHash::new(&hash).map_err(|_| OperatorsError::BadHash(number))?;
        let params = Params::try_from(&phc).map_err(|_| OperatorsError::BadHash(number))?;
        if phc.hash.is_none() || phc.salt.is_none() {
            return Err(OperatorsError::BadHash(number));
        }
        let is_argon2id = matches!(
            Algorithm::new(phc.algorithm.as_str()),
            Ok(Algorithm::Argon2id)
        );
        let in_bounds = MEMORY_KIB.contains(&params.m_cost()) && ROUNDS.contains(&params.t_cost());
        if !is_argon2id || !in_bounds {
            return Err(OperatorsError::BadCost(number));
        }
        Ok(Self {
            name: name.to_owned(),
            credential: tokens::fingerprint(hash.as_bytes()),
            hash: hash.into(),
        })
    }
}

/// An entry for `OPERATORS`.
pub fn entry(name: &str, password: &SecretString) -> Result<String, OperatorsError> {
    if !is_name(name) {
        return Err(OperatorsError::BadName(1));
    }
    let password = password.expose_secret();
    if password.chars().count() < PASSWORD_CHARS {
        return Err(OperatorsError::ShortPassword);
    }
    let hash: PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|_| OperatorsError::NotHashed)?;
    Ok(format!(
        "{name}:{}",
        URL_SAFE_NO_PAD.encode(hash.to_string())
    ))
}

fn is_name(name: &str) -> bool {
    let is_letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    (1..=NAME_CHARS).contains(&name.len()) && name.bytes().all(is_letter)
}

/// Compares in constant time, after the hash's own work.
fn is_password(hash: &str, password: &SecretString) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else {
        return false;
    };
    let password = password.expose_secret().as_bytes();
    Argon2::default().verify_password(password, &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "correct horse battery";

    fn made(name: &str) -> String {
        entry(name, &PASSWORD.into()).unwrap()
    }

    fn parse(list: &str) -> Result<Operators, OperatorsError> {
        Operators::parse(&list.into())
    }

    #[tokio::test]
    async fn the_password_opens_its_own_name_and_no_other() {
        let list = parse(&format!(
            "{}, {}",
            made("ana"),
            entry("ben", &"another long word".into()).unwrap()
        ))
        .unwrap();
        let opened = list.verify("ana", PASSWORD.into()).await.unwrap();
        assert_eq!(opened.operator, "ana");
        assert!(list.still_has(&opened));
        for (name, password) in [
            ("ben", PASSWORD),
            ("ana", "correct horse batterz"),
            ("ana", ""),
            // The hash that is tried in place of a missing one is the first, whose password this is.
            ("cleo", PASSWORD),
            ("", PASSWORD),
            ("Ana", PASSWORD),
        ] {
            assert_eq!(list.verify(name, password.into()).await, None, "{name}");
        }
    }

    #[test]
    fn another_password_or_a_name_that_is_gone_ends_what_was_open() {
        let before = parse(&made("ana")).unwrap();
        let entry = &before.entries[0];
        let open = OperatorSession {
            operator: entry.name.clone(),
            credential: entry.credential.clone(),
        };
        assert!(before.still_has(&open));
        // The same password hashed again has another salt: whoever wants everybody out writes it anew.
        assert!(!parse(&made("ana")).unwrap().still_has(&open));
        assert!(!parse(&made("ben")).unwrap().still_has(&open));
    }

    #[test]
    fn a_malformed_list_says_which_entry_and_repeats_nothing_of_it() {
        let good = made("ana");
        let phc = |text: &str| format!("x:{}", URL_SAFE_NO_PAD.encode(text));
        let salted = "c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b4dWRWJTmaaJObG4cnPbI2vb3Y";
        for (list, error) in [
            (String::new(), OperatorsError::Nobody),
            (" , ".to_owned(), OperatorsError::Nobody),
            ("ana".to_owned(), OperatorsError::NotAnEntry(1)),
            (format!("{good},Ben:x"), OperatorsError::BadName(2)),
            (format!("{good},:x"), OperatorsError::BadName(2)),
            (format!("{good},{good}"), OperatorsError::Twice(2)),
            ("ana:secret-word".to_owned(), OperatorsError::BadHash(1)),
            (
                phc("$argon2id$v=19$m=19456,t=2,p=1"),
                OperatorsError::BadHash(1),
            ),
            (
                phc(&format!("$argon2i$v=19$m=19456,t=2,p=1${salted}")),
                OperatorsError::BadCost(1),
            ),
            (
                phc(&format!("$argon2id$v=19$m=64,t=2,p=1${salted}")),
                OperatorsError::BadCost(1),
            ),
            (
                phc(&format!("$argon2id$v=19$m=4194304,t=2,p=1${salted}")),
                OperatorsError::BadCost(1),
            ),
        ] {
            let refused = parse(&list).unwrap_err();
            assert_eq!(refused, error, "{list}");
            assert!(!refused.to_string().contains("secret-word"));
        }
        assert!(parse(&phc(&format!("$argon2id$v=19$m=19456,t=2,p=1${salted}"))).is_ok());
    }

    #[test]
    fn a_new_entry_has_a_long_password_and_a_plain_name() {
        assert_eq!(
            entry("ana", &"fourteen chars".into()),
            Err(OperatorsError::ShortPassword)
        );
        assert!(entry("ana", &"fifteen chars!!".into()).is_ok());
        assert_eq!(
            entry("a,b", &PASSWORD.into()),
            Err(OperatorsError::BadName(1))
        );
        let made = made("ana");
        assert!(!made.contains(['$', ',', '=', ' ']), "{made}");
    }

    #[test]
    fn a_list_is_shown_without_its_hashes() {
        assert_eq!(format!("{:?}", parse(&made("ana")).unwrap()), "[\"ana\"]");
    }
}
