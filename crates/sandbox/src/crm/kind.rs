//! Object types as HubSpot numbers them: `0-1` is a contact, `2-…` a portal's own definition.

use std::fmt;
use std::str::FromStr;

/// An object type id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Kind {
    family: u32,
    number: u64,
}

/// `0-1`.
pub(crate) const CONTACT: Kind = Kind::standard(1);
/// `0-2`.
pub(crate) const COMPANY: Kind = Kind::standard(2);
/// `0-3`.
pub(crate) const DEAL: Kind = Kind::standard(3);

impl Kind {
    const fn standard(number: u64) -> Self {
        Self { family: 0, number }
    }

    /// A portal's own type.
    pub(crate) const fn custom(number: u64) -> Self {
        Self { family: 2, number }
    }

    /// Whether a portal defined it.
    pub(crate) const fn is_custom(self) -> bool {
        self.family == 2
    }

    /// The standard type of that name, singular or plural, in any case.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "contact" | "contacts" => Some(CONTACT),
            "company" | "companies" => Some(COMPANY),
            "deal" | "deals" => Some(DEAL),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.family, self.number)
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (family, number) = text.split_once('-').ok_or(())?;
        let family = family.parse().map_err(|_| ())?;
        let number = number.parse().map_err(|_| ())?;
        matches!(family, 0 | 2)
            .then_some(Self { family, number })
            .ok_or(())
    }
}
