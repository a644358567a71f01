//! The Thnks side: organizations, their transactions and gifts, and the API of contracts/thnks-api.md.

pub(crate) mod api;
pub(crate) mod catalogue;
pub(crate) mod gift_requests;
pub(crate) mod names;
pub(crate) mod row;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};
use serde_json::Value;

pub(crate) use row::{Person, Row, Step};

/// An organization at Thnks.
#[derive(Debug)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) key: String,
    state: Mutex<OrganizationState>,
}

impl Organization {
    pub(crate) fn new(id: String, key: String, name: String) -> Self {
        let state = OrganizationState {
            name,
            enabled: true,
            ..OrganizationState::default()
        };
        Self {
            id,
            key,
            state: Mutex::new(state),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, OrganizationState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of an organization can change.
#[derive(Debug, Default)]
pub(crate) struct OrganizationState {
    pub(crate) name: String,
    /// Whether its plan has the HubSpot integration.
    pub(crate) enabled: bool,
    /// Whether its key was revoked.
    pub(crate) revoked: bool,
    rows: BTreeMap<String, Entry>,
    order: BTreeSet<(DateTime<Utc>, String)>,
    /// Cursors of earlier epochs have expired.
    pub(crate) cursor_epoch: u64,
    pub(crate) window: VecDeque<Instant>,
    made: u64,
}

/// What the API serves at one place of the order.
#[derive(Debug, Clone)]
enum Entry {
    Sound(Box<Row>),
    /// A row that breaks the contract, as it goes out.
    Malformed(Value),
}

impl OrganizationState {
    /// Adds a row or replaces the one with its id.
    pub(crate) fn put(&mut self, row: Row) {
        if let Some(Entry::Sound(old)) = self.rows.get(&row.id) {
            self.order.remove(&(old.updated_at, old.id.clone()));
        }
        self.order.insert((row.updated_at, row.id.clone()));
        self.rows
            .insert(row.id.clone(), Entry::Sound(Box::new(row)));
    }

    /// Adds a malformed row at a place of the order.
    pub(crate) fn put_malformed(&mut self, at: DateTime<Utc>, place: &str, value: Value) {
        self.order.insert((at, place.to_owned()));
        self.rows.insert(place.to_owned(), Entry::Malformed(value));
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Row> {
        match self.rows.get(id)? {
            Entry::Sound(row) => Some(row),
            Entry::Malformed(_) => None,
        }
    }

    /// All rows that keep the contract, in order of their ids.
    pub(crate) fn sound(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().filter_map(|entry| match entry {
            Entry::Sound(row) => Some(row.as_ref()),
            Entry::Malformed(_) => None,
        })
    }

    /// How many rows the API serves, malformed ones too.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// The rows from a place on, in the API's order: their places and what goes out.
    pub(crate) fn page(
        &self,
        from: std::ops::Bound<(DateTime<Utc>, String)>,
        limit: usize,
    ) -> Vec<((DateTime<Utc>, String), Value)> {
        self.order
            .range((from, std::ops::Bound::Unbounded))
            .take(limit)
            .filter_map(|place| {
                let value = match self.rows.get(&place.1)? {
                    Entry::Sound(row) => row.to_json(),
                    Entry::Malformed(value) => value.clone(),
                };
                Some((place.clone(), value))
            })
            .collect()
    }

    /// A number that no other row of this organization was made with.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }
}
