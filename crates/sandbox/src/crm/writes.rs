//! Changes to a portal's records: create, update, archive, merge, link. Every change keeps indexes, computed
//! properties and [`super::truths`] in step.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};

use super::graph::{Category, End, TypeKey};
use super::{COMPANY, CONTACT, DEAL, Kind, PortalState, Record, phones};

/// A unique value that another live record has.
#[derive(Debug, Clone)]
pub(crate) struct Conflict {
    pub(crate) property: String,
    pub(crate) value: String,
    pub(crate) existing: u64,
}

/// Checked values by property; `""` clears.
pub(crate) type Changes = BTreeMap<String, String>;

/// Contact → primary company.
pub(crate) const PRIMARY_COMPANY: TypeKey = (Category::HubspotDefined, 1);

/// A time as HubSpot answers it.
pub(crate) fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

impl PortalState {
    /// Makes a record of checked values.
    pub(crate) fn create(
        &mut self,
        kind: Kind,
        values: &Changes,
        now: DateTime<Utc>,
    ) -> Result<u64, Conflict> {
        self.check_unique(kind, None, values)?;
        let id = self.next_id();
        let mut record = Record {
            id,
            values: BTreeMap::new(),
            created_at: now,
            updated_at: now,
            archived_at: None,
        };
        record.values.insert("hs_object_id".into(), id.to_string());
        record.values.insert("hs_createdate".into(), moment(now));
        record.values.insert("createdate".into(), moment(now));
        if kind == DEAL {
            record.values.insert("pipeline".into(), "default".into());
        }
        let store = self.stores.entry(kind).or_default();
        store.records.insert(id, record);
        self.apply(kind, id, values, now);
        Ok(id)
    }

    /// Changes a live record by checked values.
    pub(crate) fn update(
        &mut self,
        kind: Kind,
        id: u64,
        values: &Changes,
        now: DateTime<Utc>,
    ) -> Result<(), Conflict> {
        self.check_unique(kind, Some(id), values)?;
        self.apply(kind, id, values, now);
        Ok(())
    }

    /// Looks for live records, other than `but`, that have one of the unique values.
    pub(crate) fn check_unique(
        &self,
        kind: Kind,
        but: Option<u64>,
        values: &Changes,
    ) -> Result<(), Conflict> {
        let (Some(definition), Some(store)) = (self.definitions.get(&kind), self.stores.get(&kind))
        else {
            return Ok(());
        };
        for (property, value) in values.iter().filter(|(_, value)| !value.is_empty()) {
            let more = kind == CONTACT && property == "hs_additional_emails";
            let index = if more { "email" } else { property.as_str() };
            if !definition
                .property(index)
                .is_some_and(|p| p.has_unique_value)
            {
                continue;
            }
            for value in value.split(if more { ';' } else { '\0' }) {
                let key = if index == "email" {
                    value.to_lowercase()
                } else {
                    value.to_owned()
                };
                if let Some(existing) = store.owner(index, &key).filter(|id| but != Some(*id)) {
                    return Err(Conflict {
                        property: property.clone(),
                        value: value.to_owned(),
                        existing,
                    });
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, kind: Kind, id: u64, values: &Changes, now: DateTime<Utc>) {
        self.reindex(kind, id, false);
        let Some(record) = self
            .stores
            .get_mut(&kind)
            .and_then(|s| s.records.get_mut(&id))
        else {
            return;
        };
        for (name, value) in values {
            if value.is_empty() {
                record.values.remove(name);
            } else {
                record.values.insert(name.clone(), value.clone());
            }
        }
        if kind == CONTACT {
            for (computed, source) in phones::SEARCHABLE {
                match record.value(source).and_then(phones::searchable) {
                    Some(digits) => record.values.insert(computed.into(), digits),
                    None => record.values.remove(computed),
                };
            }
        }
        record.updated_at = now;
        for stamp in ["hs_lastmodifieddate", "lastmodifieddate"] {
            record.values.insert(stamp.into(), moment(now));
        }
        self.reindex(kind, id, true);
        if kind == DEAL {
            self.recompute_deal(id);
        }
    }

    /// Puts a live record's unique values into the indexes, or takes them out.
    fn reindex(&mut self, kind: Kind, id: u64, add: bool) {
        self.changes += 1;
        let changes = self.changes;
        let (Some(definition), Some(store)) =
            (self.definitions.get(&kind), self.stores.get_mut(&kind))
        else {
            return;
        };
        let Some(record) = store.records.get(&id).filter(|r| r.archived_at.is_none()) else {
            return;
        };
        let mut entries: Vec<(String, String)> = Vec::new();
        for property in definition
            .properties
            .values()
            .filter(|p| p.has_unique_value)
        {
            if kind == CONTACT && property.name == "email" {
                entries.extend(record.emails().map(|email| ("email".to_owned(), email)));
            } else if let Some(value) = record.value(&property.name) {
                entries.push((property.name.clone(), value.to_owned()));
            }
        }
        for (property, value) in entries {
            if !add {
                store.unindex(&property, &value, id);
                continue;
            }
            if kind == CONTACT {
                self.truths.email(value.clone(), id, changes);
            }
            store.index(&property, &value, id);
        }
    }

    /// Puts the values of a property that has become unique into the index.
    pub(crate) fn index_all(&mut self, kind: Kind) {
        let ids: Vec<u64> = self
            .store(kind)
            .map(|store| store.live().map(|record| record.id).collect())
            .unwrap_or_default();
        for id in ids {
            self.reindex(kind, id, true);
        }
    }

    fn recompute_deal(&mut self, id: u64) {
        let Some(deal) = self.stores.get(&DEAL).and_then(|s| s.find(id)) else {
            return;
        };
        let pipeline = deal.value("pipeline").unwrap_or("default");
        let stage = deal.value("dealstage").unwrap_or_default();
        let (closed, won) = self
            .stage(pipeline, stage)
            .map_or((false, false), |s| (s.closed, s.probability == "1.0"));
        if let Some(deal) = self
            .stores
            .get_mut(&DEAL)
            .and_then(|s| s.records.get_mut(&id))
        {
            deal.values
                .insert("hs_is_closed".into(), closed.to_string());
            deal.values
                .insert("hs_is_closed_won".into(), (closed && won).to_string());
        }
        if !closed {
            let contacts: Vec<u64> = self
                .graph
                .of((DEAL, id), CONTACT)
                .map(|links| links.keys().copied().collect())
                .unwrap_or_default();
            for contact in contacts {
                self.truths.open_deal(contact, id, self.changes);
            }
        }
    }

    /// Whether a live deal is open.
    pub(crate) fn is_open_deal(&self, id: u64) -> bool {
        self.stores
            .get(&DEAL)
            .and_then(|store| store.find(id))
            .is_some_and(|deal| deal.value("hs_is_closed") != Some("true"))
    }

    /// Moves a record to the recycle bin; its links go with it. `false` when it is not there.
    pub(crate) fn archive(&mut self, kind: Kind, id: u64, now: DateTime<Utc>) -> bool {
        if self.stores.get(&kind).and_then(|s| s.find(id)).is_none() {
            return false;
        }
        self.reindex(kind, id, false);
        let unique: Vec<String> = self.definitions.get(&kind).map_or_else(Vec::new, |d| {
            let unique = d.properties.values().filter(|p| p.has_unique_value);
            unique.map(|p| p.name.clone()).collect()
        });
        if let Some(store) = self.stores.get_mut(&kind)
            && let Some(record) = store.records.get_mut(&id)
        {
            record.archived_at = Some(now);
            let values = unique
                .into_iter()
                .filter_map(|name| Some((record.value(&name)?.to_owned(), name)));
            for (value, name) in values.collect::<Vec<_>>() {
                store.recycle(&name, &value, id);
            }
        }
        self.detach((kind, id));
        true
    }

    /// Takes a record out of the recycle bin, without its links.
    pub(crate) fn restore(&mut self, kind: Kind, id: u64) {
        if let Some(record) = self
            .stores
            .get_mut(&kind)
            .and_then(|s| s.records.get_mut(&id))
        {
            record.archived_at = None;
        }
        self.reindex(kind, id, true);
    }

    /// Forgets a record altogether (privacy deletion, or a merge's loser).
    pub(crate) fn purge(&mut self, kind: Kind, id: u64, now: DateTime<Utc>) -> bool {
        let was_there = self.archive(kind, id, now);
        if let Some(store) = self.stores.get_mut(&kind) {
            store.records.remove(&id);
        }
        was_there
    }

    fn detach(&mut self, end: End) -> Vec<(End, super::graph::Link)> {
        self.changes += 1;
        let links = self.graph.detach(end);
        for (other, link) in &links {
            self.lose_primary(end, *other, link.types.contains(&PRIMARY_COMPANY));
            self.lose_primary(*other, end, end.0 == COMPANY);
        }
        links
    }

    fn lose_primary(&mut self, contact: End, company: End, primary: bool) {
        if primary && contact.0 == CONTACT && company.0 == COMPANY {
            let gone = company.1.to_string();
            let contacts = self.stores.entry(CONTACT).or_default();
            if let Some(record) = contacts.records.get_mut(&contact.1)
                && record.value("associatedcompanyid") == Some(&gone)
            {
                record.values.remove("associatedcompanyid");
            }
        }
    }

    /// Links two live records by a type that exists, in both directions. The pair also gets the unlabelled type, and
    /// a contact or deal has at most one primary company.
    pub(crate) fn link(&mut self, from: End, to: End, key: TypeKey) {
        self.changes += 1;
        let primary = key.0 == Category::HubspotDefined;
        match (from.0, to.0, key.1) {
            (CONTACT, COMPANY, 1) | (DEAL, COMPANY, 5) if primary => {
                self.set_primary(from, to, key);
            }
            (COMPANY, CONTACT, 2) if primary => self.set_primary(to, from, PRIMARY_COMPANY),
            (COMPANY, DEAL, 6) if primary => {
                self.set_primary(to, from, (Category::HubspotDefined, 5));
            }
            _ => self.add_both(from, to, key),
        }
        let default = self
            .default_association(from.0, to.0)
            .map(|d| (d.category, d.id));
        if let Some(default) = default.filter(|default| *default != key) {
            self.add_both(from, to, default);
        }
        for (contact, deal) in [(from, to), (to, from)] {
            if contact.0 == CONTACT && deal.0 == DEAL && self.is_open_deal(deal.1) {
                self.truths.open_deal(contact.1, deal.1, self.changes);
            }
        }
    }

    fn add_both(&mut self, from: End, to: End, key: TypeKey) {
        let inverse = self
            .kinds
            .iter()
            .find(|k| k.from == from.0 && k.to == to.0 && (k.category, k.id) == key)
            .map(|k| (k.category, k.inverse));
        self.graph.add(from, to, key, self.changes);
        if let Some(inverse) = inverse {
            self.graph.add(to, from, inverse, self.changes);
        }
    }

    fn set_primary(&mut self, from: End, company: End, key: TypeKey) {
        let before: Vec<u64> = self
            .graph
            .of(from, COMPANY)
            .map(|links| {
                let primary = links.iter().filter(|(_, link)| link.types.contains(&key));
                primary.map(|(id, _)| *id).collect()
            })
            .unwrap_or_default();
        for old in before.into_iter().filter(|old| *old != company.1) {
            let back = (Category::HubspotDefined, key.1 + 1);
            self.graph.remove_type(from, (COMPANY, old), key);
            self.graph.remove_type((COMPANY, old), from, back);
        }
        self.add_both(from, company, key);
        if from.0 == CONTACT {
            self.truths.primary_company(from.1, company.1, self.changes);
            let contacts = self.stores.entry(CONTACT).or_default();
            if let Some(record) = contacts.records.get_mut(&from.1) {
                let id = company.1.to_string();
                record.values.insert("associatedcompanyid".into(), id);
            }
        }
    }

    /// Removes a link with all its types.
    pub(crate) fn unlink(&mut self, from: End, to: End) {
        self.changes += 1;
        self.graph.remove(from, to);
        self.lose_primary(from, to, true);
        self.lose_primary(to, from, true);
    }

    /// The contact's primary company.
    pub(crate) fn primary_company(&self, contact: u64) -> Option<u64> {
        self.graph
            .of((CONTACT, contact), COMPANY)?
            .iter()
            .find(|(_, link)| link.types.contains(&PRIMARY_COMPANY))
            .map(|(id, _)| *id)
    }
}
