//! What did not get through: where it was stopped, by which reason it is grouped, and how people name some of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Where something was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Thnks' row cannot be a transaction.
    Row,
    /// HubSpot refused the record.
    Record,
    /// HubSpot refused one of its links.
    Link,
}

impl Stage {
    /// All stages.
    pub const ALL: [Self; 3] = [Self::Row, Self::Record, Self::Link];

    /// The value in queries, addresses and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Record => "record",
            Self::Link => "link",
        }
    }

    /// The stage that a text means.
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }
}

/// Failures of one reason: the same code about the same field at the same stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Where.
    pub stage: Stage,
    /// HubSpot's code, or ours.
    pub code: String,
    /// The field at fault, when it is known.
    pub field: Option<String>,
    /// The words about the latest of them.
    pub reason: String,
    /// How many.
    pub rows: i64,
    /// When the one that has waited longest was tried last.
    pub since: DateTime<Utc>,
    /// When the latest of them was tried.
    pub last_at: DateTime<Utc>,
}

impl Group {
    /// All of this group.
    pub fn selection(&self) -> Selection {
        Selection {
            stage: Some(self.stage),
            code: Some(self.code.clone()),
            field: Some(self.field.clone().unwrap_or_default()),
            key: None,
        }
    }
}

/// One failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Where.
    pub stage: Stage,
    /// What names it within its stage: the transaction's id, or a fingerprint of a row without one.
    pub key: String,
    /// The transaction, when it is known.
    pub transaction_id: Option<String>,
    /// HubSpot's code, or ours.
    pub code: String,
    /// The field at fault, when it is known.
    pub field: Option<String>,
    /// The words about it.
    pub reason: String,
    /// When it was tried last.
    pub at: DateTime<Utc>,
}

impl Failure {
    /// Where it stands in a list: a gift can fail at two stages, so its key alone does not say.
    pub fn place(&self) -> String {
        format!("{}:{}", self.stage.as_str(), self.key)
    }
}

/// Some of the failures; what is `None` may be anything. An empty `field` means those about no field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Where.
    pub stage: Option<Stage>,
    /// Code.
    pub code: Option<String>,
    /// Field.
    pub field: Option<String>,
    /// Which one.
    pub key: Option<String>,
}

/// The failures of one run by reason, kept with its account: at most fifty reasons and a few examples each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally(Vec<Tallied>);

/// The failures of one run and one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tallied {
    /// Where.
    pub stage: Stage,
    /// HubSpot's code, or ours.
    pub code: String,
    /// The field at fault, when it is known.
    pub field: Option<String>,
    /// The words about the first of them.
    pub reason: String,
    /// How many.
    pub rows: i64,
    /// The first of them, by their keys.
    pub examples: Vec<String>,
}

/// Reasons that one run's account names; the rest is counted under the last.
const TALLY_REASONS: usize = 50;
/// Examples of each.
const EXAMPLES: usize = 10;

impl Tally {
    /// Counts one failure.
    pub fn add(&mut self, stage: Stage, code: &str, field: Option<&str>, reason: &str, key: &str) {
        let known = self.0.iter().position(|known| {
            (known.stage, known.code.as_str(), known.field.as_deref()) == (stage, code, field)
        });
        let place = known.unwrap_or_else(|| {
            if self.0.len() < TALLY_REASONS {
                self.0.push(Tallied {
                    stage,
                    code: code.to_owned(),
                    field: field.map(str::to_owned),
                    reason: reason.to_owned(),
                    rows: 0,
                    examples: Vec::new(),
                });
            }
            self.0.len() - 1
        });
        let tallied = &mut self.0[place];
        tallied.rows += 1;
        if tallied.examples.len() < EXAMPLES {
            tallied.examples.push(key.to_owned());
        }
    }

    /// The reasons, the most frequent first.
    pub fn reasons(&self) -> Vec<&Tallied> {
        let mut reasons: Vec<&Tallied> = self.0.iter().collect();
        reasons.sort_by_key(|tallied| std::cmp::Reverse(tallied.rows));
        reasons
    }

    /// How many failures were counted, by stage.
    pub fn rows(&self) -> BTreeMap<Stage, i64> {
        let mut rows = BTreeMap::new();
        for tallied in &self.0 {
            *rows.entry(tallied.stage).or_default() += tallied.rows;
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_groups_by_reason_and_stays_small() {
        let mut tally = Tally::default();
        for n in 0..1_000 {
            let field = format!("field_{}", n % 70);
            tally.add(
                Stage::Record,
                "INVALID_OPTION",
                Some(&field),
                "no",
                &format!("txn_{n}"),
            );
        }
        assert_eq!(tally.rows()[&Stage::Record], 1_000);
        let reasons = tally.reasons();
        assert_eq!(reasons.len(), TALLY_REASONS);
        assert!(
            reasons
                .iter()
                .all(|reason| reason.examples.len() <= EXAMPLES)
        );
        assert!(reasons[0].rows >= reasons[1].rows);
    }
}
