//! The records of one object type, with the indexes that uniqueness needs.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

/// One record. Values are as HubSpot answers them; a cleared property is absent.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) values: BTreeMap<String, String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// In the recycle bin since.
    pub(crate) archived_at: Option<DateTime<Utc>>,
}

impl Record {
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A contact's e-mails, the primary one first, in lower case.
    pub(crate) fn emails(&self) -> impl Iterator<Item = String> {
        let more = self.value("hs_additional_emails").unwrap_or_default();
        self.value("email")
            .into_iter()
            .chain(more.split(';'))
            .map(|email| email.trim().to_lowercase())
            .filter(|email| !email.is_empty())
    }
}

/// All records of one type.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) records: BTreeMap<u64, Record>,
    /// Live records by unique property and value. For contacts, `email` lists additional e-mails too.
    unique: HashMap<String, HashMap<String, u64>>,
    /// The newest record in the recycle bin by unique property and value.
    recycled: HashMap<String, HashMap<String, u64>>,
    /// Ids that were merged away, and where they went.
    merged: HashMap<u64, u64>,
}

impl Store {
    /// The live record of that id, following merges.
    pub(crate) fn find(&self, id: u64) -> Option<&Record> {
        self.records
            .get(&self.resolve(id))
            .filter(|record| record.archived_at.is_none())
    }

    /// The id that `id` ended up as.
    pub(crate) fn resolve(&self, mut id: u64) -> u64 {
        while let Some(winner) = self.merged.get(&id) {
            id = *winner;
        }
        id
    }

    /// Whether `id` was merged into another record.
    pub(crate) fn was_merged(&self, id: u64) -> bool {
        self.merged.contains_key(&id)
    }

    pub(crate) fn merge(&mut self, from: u64, into: u64) {
        self.merged.insert(from, into);
    }

    /// The live record with this unique value.
    pub(crate) fn owner(&self, property: &str, value: &str) -> Option<u64> {
        self.unique.get(property)?.get(value).copied()
    }

    /// The newest record in the recycle bin with this unique value.
    pub(crate) fn recycled(&self, property: &str, value: &str) -> Option<u64> {
        let id = self.recycled.get(property)?.get(value).copied()?;
        let record = self.records.get(&id)?;
        record.archived_at.is_some().then_some(id)
    }

    /// Notes that a record with this unique value goes to the recycle bin.
    pub(crate) fn recycle(&mut self, property: &str, value: &str, id: u64) {
        let values = self.recycled.entry(property.to_owned()).or_default();
        values.insert(value.to_owned(), id);
    }

    pub(crate) fn index(&mut self, property: &str, value: &str, id: u64) {
        self.unique
            .entry(property.to_owned())
            .or_default()
            .insert(value.to_owned(), id);
    }

    pub(crate) fn unindex(&mut self, property: &str, value: &str, id: u64) {
        if let Some(values) = self.unique.get_mut(property)
            && values.get(value) == Some(&id)
        {
            values.remove(value);
        }
    }

    /// Live records in order of their ids.
    pub(crate) fn live(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.records.values().filter(|r| r.archived_at.is_none())
    }
}
