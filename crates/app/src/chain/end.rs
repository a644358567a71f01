//! The end of a chain, and the same signed with the operator's key: noted where the database's owner cannot change it, it
//! tells a chain that was made anew, and nobody without the key can note another.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac;
use domain::HubId;

use crate::cipher::KeyRing;

/// The end of a chain: `NUMBER:HASH`, the hash in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The number of its last line or batch; 0 of an empty chain.
    pub number: i64,
    /// Its hash, 32 bytes; none of an empty chain.
    pub hash: Vec<u8>,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.number)?;
        hexadecimal(f, &self.hash)
    }
}

/// A chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A portal's acts.
    Acts(HubId),
    /// A portal's writes to HubSpot.
    Writes(HubId),
    /// The operators' own trail.
    Operator,
}

impl Of {
    fn signed_text(self, head: &Head) -> String {
        match self {
            Self::Acts(hub_id) => format!("acts|{hub_id}|{head}"),
            Self::Writes(hub_id) => format!("writes|{hub_id}|{head}"),
            Self::Operator => format!("operator||{head}"),
        }
    }
}

/// A signed end: `NUMBER:HASH:SIGNATURE`, the HMAC-SHA-256 of the chain and its end with a key derived from the operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The end.
    pub head: Head,
    signature: Vec<u8>,
}

impl End {
    /// Signs the end of a chain with the first key.
    pub(crate) fn sign(keys: &KeyRing, of: Of, head: Head) -> Self {
        let key = keys.end_keys().next().expect("a ring has a key");
        let signature = hmac::sign(key, of.signed_text(&head).as_bytes());
        Self {
            signature: signature.as_ref().to_vec(),
            head,
        }
    }

    /// Whether one of the ring's keys has signed this as the end of this chain.
    pub(crate) fn is_of(&self, keys: &KeyRing, of: Of) -> bool {
        let text = of.signed_text(&self.head);
        keys.end_keys()
            .any(|key| hmac::verify(key, text.as_bytes(), &self.signature).is_ok())
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.head)?;
        hexadecimal(f, &self.signature)
    }
}

/// What was given is no signed end of a chain.
#[derive(Debug, thiserror::Error)]
#[error("an end of a chain is NUMBER:HASH:SIGNATURE, as `audit verify` and the log print it")]
pub struct EndError;

impl FromStr for End {
    type Err = EndError;

    fn from_str(text: &str) -> Result<Self, EndError> {
        let mut parts = text.splitn(3, ':');
        let mut part = || parts.next().ok_or(EndError);
        let number = part()?.parse().ok().filter(|number| *number > 0);
        Ok(Self {
            head: Head {
                number: number.ok_or(EndError)?,
                hash: bytes(part()?).ok_or(EndError)?,
            },
            signature: bytes(part()?).ok_or(EndError)?,
        })
    }
}

fn hexadecimal(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// The 32 bytes that 64 hexadecimal digits are.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let is_whole = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).ok();
    is_whole.then(|| (0..64).step_by(2).map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn ring(keys: &[u8]) -> KeyRing {
        let entry = |byte: &u8| format!("k{byte}:{}", STANDARD.encode([*byte; 32]));
        let entries: Vec<String> = keys.iter().map(entry).collect();
        KeyRing::parse(&entries.join(",").into()).unwrap()
    }

    fn head() -> Head {
        Head {
            number: 41,
            hash: vec![0xa5; 32],
        }
    }

    #[test]
    fn a_signed_end_is_of_its_chain_alone_and_of_the_keys_that_are_in_the_ring() {
        let of = Of::Acts(HubId(7));
        let end = End::sign(&ring(&[1]), of, head());
        assert!(end.is_of(&ring(&[1]), of) && end.is_of(&ring(&[2, 1]), of));
        assert!(!end.is_of(&ring(&[2]), of));
        for other in [Of::Acts(HubId(8)), Of::Writes(HubId(7)), Of::Operator] {
            assert!(!end.is_of(&ring(&[1]), other), "{other:?}");
        }
        let number = Head {
            number: 42,
            ..head()
        };
        let hash = Head {
            hash: vec![0xa4; 32],
            ..head()
        };
        for head in [number, hash] {
            let forged = End {
                head,
                ..end.clone()
            };
            assert!(!forged.is_of(&ring(&[1]), of), "{forged}");
        }
    }

    #[test]
    fn a_signed_end_is_read_as_it_is_printed_and_nothing_else_is() {
        let end = End::sign(&ring(&[1]), Of::Operator, head());
        let text = end.to_string();
        assert_eq!(text.parse::<End>().unwrap(), end);
        let (_, tail) = text.split_once(':').unwrap();
        for wrong in [
            String::new(),
            head().to_string(),
            text.replace("a5", "€"),
            text.replace("a5", "+5"),
            format!("{text}0"),
            format!("{text}:"),
            text[..text.len() - 1].to_owned(),
            format!("0:{tail}"),
            format!("-1:{tail}"),
            format!(":{tail}"),
        ] {
            assert!(wrong.parse::<End>().is_err(), "{wrong}");
        }
    }
}
