//! Merging two records: the survivor takes the loser's e-mails, empty values and links; the loser's id leads to it.

use chrono::{DateTime, Utc};

use super::writes::Changes;
use super::{COMPANY, CONTACT, Kind, PortalState};

impl PortalState {
    /// Merges `loser` into `primary`; both are live and different. Returns the surviving id.
    pub(crate) fn merge(
        &mut self,
        kind: Kind,
        primary: u64,
        loser: u64,
        new_record: bool,
        now: DateTime<Utc>,
    ) -> Option<u64> {
        let store = self.stores.get(&kind)?;
        let winner = store.find(primary)?.clone();
        let lost = store.find(loser)?.clone();
        let mut values: Changes = lost.values.clone();
        values.extend(winner.values.clone());
        for computed in [
            "hs_object_id",
            "hs_createdate",
            "createdate",
            "associatedcompanyid",
        ] {
            values.remove(computed);
        }
        if kind == CONTACT {
            let mut emails: Vec<String> = winner.emails().chain(lost.emails()).collect();
            if !emails.is_empty() {
                values.insert("email".into(), emails.remove(0));
            }
            if !emails.is_empty() {
                values.insert("hs_additional_emails".into(), emails.join(";"));
            }
        }
        // Times of one spelling: the later one is the greater text.
        let activity = [&winner, &lost].map(|record| record.value("notes_last_updated"));
        if let Some(last) = activity.into_iter().flatten().max() {
            values.insert("notes_last_updated".into(), last.to_owned());
        }
        let mut merged: Vec<String> = [&winner, &lost]
            .iter()
            .filter_map(|record| record.value("hs_merged_object_ids"))
            .map(str::to_owned)
            .collect();
        merged.push(loser.to_string());
        if new_record {
            merged.push(primary.to_string());
        }
        values.insert("hs_merged_object_ids".into(), merged.join(";"));

        let main_company = self
            .primary_company(primary)
            .or(self.primary_company(loser));
        let mut links = self.links_of(kind, loser);
        self.purge(kind, loser, now);
        let survivor = if new_record {
            links.extend(self.links_of(kind, primary));
            self.purge(kind, primary, now);
            self.create(kind, &values, now).ok()?
        } else {
            self.update(kind, primary, &values, now).ok()?;
            primary
        };
        if let Some(store) = self.stores.get_mut(&kind) {
            store.merge(loser, survivor);
            if survivor != primary {
                store.merge(primary, survivor);
            }
        }
        for (other, types) in links {
            let own = self.graph.link((kind, survivor), other).is_some();
            for key in types {
                self.link((kind, survivor), other, key);
            }
            if !own {
                self.graph.inherit((kind, survivor), other);
            }
        }
        if kind == CONTACT
            && let Some(company) = main_company
        {
            let key = super::writes::PRIMARY_COMPANY;
            self.link((CONTACT, survivor), (COMPANY, company), key);
        }
        Some(survivor)
    }

    fn links_of(
        &self,
        kind: Kind,
        id: u64,
    ) -> Vec<(super::graph::End, Vec<super::graph::TypeKey>)> {
        self.definitions
            .keys()
            .filter_map(|other| Some((*other, self.graph.of((kind, id), *other)?)))
            .flat_map(|(other, links)| {
                links.iter().map(move |(id, link)| {
                    ((other, *id), link.types.iter().copied().collect::<Vec<_>>())
                })
            })
            .collect()
    }
}
