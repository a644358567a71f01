//! The referee's own judgement: what a portal should hold for an organization, computed from the sandbox's stores and
//! contracts/app.md alone, and how it differs. It shares no code with the product.

pub(crate) mod expected;
mod links;

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;
use serde::Serialize;

use crate::crm::{Kind, PortalState, Store};
use crate::log::Counters;
use crate::thnks::OrganizationState;

/// Examples listed of each kind of fault; counts are exact.
const EXAMPLES: usize = 50;
/// The object's name in contracts/app.md.
const OBJECT: &str = "thnks";
/// The property that names the transaction.
const KEY: &str = "transaction_id";

/// The judgement of one portal.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verdict {
    /// Whether every sound transaction is there once, with the right values and links, and nothing else is.
    pub ok: bool,
    /// Transactions that keep the contract.
    pub transactions: usize,
    /// Rows that break it; they are expected to have no record.
    pub malformed: usize,
    /// Live records of the object.
    pub records: usize,
    /// Transactions without a record (examples).
    pub missing: Vec<String>,
    /// How many.
    pub missing_count: usize,
    /// Transactions with more than one record (examples).
    pub doubled: Vec<String>,
    /// How many.
    pub doubled_count: usize,
    /// Records of no transaction (examples: their transaction ids).
    pub unknown: Vec<String>,
    /// How many.
    pub unknown_count: usize,
    /// Values that differ (examples).
    pub wrong_values: Vec<WrongValue>,
    /// How many.
    pub wrong_value_count: usize,
    /// Links that were made.
    pub associations: Links,
    /// Links that there should be now at least.
    pub expected: Links,
    /// Links that should be there and are not (examples).
    pub missing_links: Vec<LinkExample>,
    /// How many.
    pub missing_link_count: usize,
    /// Links that were never right (examples).
    pub wrong_links: Vec<LinkExample>,
    /// How many.
    pub wrong_link_count: usize,
    /// Records of transactions that have no contact.
    pub orphans: usize,
    /// Transactions whose recipient is no contact.
    pub expected_orphans: usize,
    /// Calls to HubSpot for this portal.
    pub calls: Calls,
    /// The most calls, searches and OAuth excluded, within any sliding 10 s.
    pub max_calls_in_10s: usize,
    /// Calls answered with 429.
    pub throttled: u64,
}

/// A value that differs from what the contract asks for; `""` is no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrongValue {
    /// The transaction.
    pub id: String,
    /// The property.
    pub property: &'static str,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub actual: String,
}

/// Numbers of links by the type of the linked record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Links {
    /// To contacts.
    pub contact: usize,
    /// To companies.
    pub company: usize,
    /// To deals.
    pub deal: usize,
}

/// One link, missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkExample {
    /// The transaction.
    pub id: String,
    /// `contact`, `company` or `deal`.
    pub to: &'static str,
    /// The linked record.
    pub record: u64,
}

/// Calls of a portal.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Calls {
    /// All of them.
    pub total: u64,
    /// By endpoint.
    pub by_kind: BTreeMap<String, u64>,
    /// Per 1,000 transactions; nothing without transactions.
    pub per_1000_transactions: Option<f64>,
}

/// Judges a portal. Both stores are locked by the caller, so the picture is one moment's.
pub(crate) fn judge(
    portal: &PortalState,
    organization: &OrganizationState,
    counters: &Counters,
) -> Verdict {
    let kind = portal.custom(OBJECT).map(|definition| definition.kind);
    let records = records_by_transaction(portal, kind);
    let mut verdict = Verdict {
        records: kind
            .and_then(|kind| portal.store(kind))
            .map_or(0, |store| store.live().count()),
        max_calls_in_10s: counters.max_calls_in_10s,
        throttled: counters.by_status.get(&429).copied().unwrap_or_default(),
        ..Verdict::default()
    };
    let mut known = 0;
    for row in organization.sound() {
        verdict.transactions += 1;
        let email = row.matching_email();
        let contact = email
            .as_deref()
            .and_then(|email| links::contact_of(portal, email));
        if contact.is_none() {
            verdict.expected_orphans += 1;
        }
        let found = records.get(row.id.as_str()).map_or(&[][..], Vec::as_slice);
        known += found.len();
        if found.len() > 1 {
            note(
                &mut verdict.doubled,
                &mut verdict.doubled_count,
                row.id.clone(),
            );
        }
        let (Some(kind), Some(id)) = (kind, found.first()) else {
            note(
                &mut verdict.missing,
                &mut verdict.missing_count,
                row.id.clone(),
            );
            continue;
        };
        let Some(record) = portal.store(kind).and_then(|store| store.find(*id)) else {
            continue;
        };
        for (property, expected) in expected::values(row) {
            let actual = record.value(property).unwrap_or_default();
            if !same(property, &expected, actual) {
                let wrong = WrongValue {
                    id: row.id.clone(),
                    property,
                    expected,
                    actual: actual.to_owned(),
                };
                note(
                    &mut verdict.wrong_values,
                    &mut verdict.wrong_value_count,
                    wrong,
                );
            }
        }
        links::judge(
            portal,
            (kind, *id),
            &row.id,
            email.as_deref(),
            contact,
            &mut verdict,
        );
    }
    verdict.malformed = organization.len() - verdict.transactions;
    let strangers = records
        .iter()
        .filter(|(id, _)| organization.find(id).is_none())
        .flat_map(|(id, found)| found.iter().map(move |_| (*id).to_owned()));
    for id in strangers {
        note(&mut verdict.unknown, &mut verdict.unknown_count, id);
    }
    // Records without a transaction id are strangers too.
    verdict.unknown_count = verdict
        .unknown_count
        .max(verdict.records.saturating_sub(known));
    #[expect(clippy::cast_precision_loss, reason = "counts of calls are small")]
    let per_1000 = (verdict.transactions > 0)
        .then(|| counters.total as f64 * 1_000.0 / verdict.transactions as f64);
    verdict.calls = Calls {
        total: counters.total,
        by_kind: counters.by_kind.clone(),
        per_1000_transactions: per_1000.map(|calls| (calls * 10.0).round() / 10.0),
    };
    verdict.ok = verdict.missing_count == 0
        && verdict.doubled_count == 0
        && verdict.unknown_count == 0
        && verdict.wrong_value_count == 0
        && verdict.missing_link_count == 0
        && verdict.wrong_link_count == 0;
    verdict
}

/// The ids of a portal's live records of the object, by transaction.
pub(crate) fn records(portal: &PortalState) -> BTreeMap<String, Vec<u64>> {
    let kind = portal.custom(OBJECT).map(|definition| definition.kind);
    let found = records_by_transaction(portal, kind).into_iter();
    found
        .map(|(id, records)| (id.to_owned(), records))
        .collect()
}

fn note<T>(examples: &mut Vec<T>, count: &mut usize, example: T) {
    *count += 1;
    if examples.len() < EXAMPLES {
        examples.push(example);
    }
}

fn records_by_transaction(portal: &PortalState, kind: Option<Kind>) -> HashMap<&str, Vec<u64>> {
    let mut all: HashMap<&str, Vec<u64>> = HashMap::new();
    for record in kind
        .and_then(|kind| portal.store(kind))
        .into_iter()
        .flat_map(Store::live)
    {
        if let Some(id) = record.value(KEY) {
            all.entry(id).or_default().push(record.id);
        }
    }
    all
}

/// Amounts are compared as numbers, times as moments, everything else as text.
fn same(property: &str, expected: &str, actual: &str) -> bool {
    if expected == actual {
        return true;
    }
    if property == "gift_amount" {
        let numbers = (expected.parse::<Decimal>(), actual.parse::<Decimal>());
        return matches!(numbers, (Ok(a), Ok(b)) if a == b);
    }
    property.ends_with("_date") && {
        let moments = (
            chrono::DateTime::parse_from_rfc3339(expected),
            chrono::DateTime::parse_from_rfc3339(actual),
        );
        matches!(moments, (Ok(a), Ok(b)) if a == b)
    }
}
