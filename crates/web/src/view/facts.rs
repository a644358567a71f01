//! Names with values, one under the other.

use super::format::{self, Moment};

/// A name with a value.
#[derive(Debug, Clone)]
pub struct Fact {
    /// The name.
    pub name: &'static str,
    /// The value.
    pub value: FactValue,
}

/// What stands beside a name.
#[derive(Debug, Clone)]
pub enum FactValue {
    /// Words.
    Text(String),
    /// Words that lead somewhere: words and address.
    Link(String, String),
    /// A moment, by its distance from now.
    At(Moment),
    /// A moment, to the second.
    Exactly(Moment),
}

impl Fact {
    /// Words.
    pub fn text(name: &'static str, text: impl Into<String>) -> Self {
        Self {
            name,
            value: FactValue::Text(text.into()),
        }
    }

    /// A number.
    pub fn number(name: &'static str, number: i64) -> Self {
        Self::text(name, format::number(number))
    }

    /// Words that lead to `href`.
    pub fn link(name: &'static str, text: impl Into<String>, href: impl Into<String>) -> Self {
        Self {
            name,
            value: FactValue::Link(text.into(), href.into()),
        }
    }

    /// A moment, by its distance from now.
    pub fn at(name: &'static str, moment: Moment) -> Self {
        Self {
            name,
            value: FactValue::At(moment),
        }
    }

    /// A moment, to the second.
    pub fn exactly(name: &'static str, moment: Moment) -> Self {
        Self {
            name,
            value: FactValue::Exactly(moment),
        }
    }
}
