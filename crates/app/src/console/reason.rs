//! Why an operator does something, in their own words. It is kept for good, and for a look the portal's people read it.

use std::fmt;

/// The shortest reason, in characters: “support ticket”, not “x”.
const SHORTEST: usize = 10;
/// The longest.
const LONGEST: usize = 500;

/// A reason: one line of 10 to 500 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

/// What is wrong with a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It says too little.
    TooShort,
    /// It says too much.
    TooLong,
}

impl Reason {
    /// A reason as it was typed: runs of blanks and line ends become one blank, other control characters go.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let words: Vec<String> = text
            .split_whitespace()
            .map(|word| word.chars().filter(|char| !char.is_control()).collect())
            .collect();
        let text = words.join(" ");
        match text.chars().count() {
            ..SHORTEST => Err(Fault::TooShort),
            SHORTEST..=LONGEST => Ok(Self(text)),
            _ => Err(Fault::TooLong),
        }
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_says_something() {
        let parsed = Reason::parse(" ticket\r\n 4711\t: gifts\u{7} missing ").unwrap();
        assert_eq!(parsed.as_str(), "ticket 4711 : gifts missing");
        for short in [
            "",
            "ticket 47",
            "x         y",
            "\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}",
        ] {
            assert_eq!(Reason::parse(short), Err(Fault::TooShort), "{short:?}");
        }
        assert!(Reason::parse(&"ü".repeat(500)).is_ok());
        assert_eq!(Reason::parse(&"ü".repeat(501)), Err(Fault::TooLong));
    }
}
