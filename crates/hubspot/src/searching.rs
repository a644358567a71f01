//! Searching contacts: for what no batch read can find. Searches are few, short, and have a budget of their own.

use domain::matching::Contact;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Error;
use crate::reading::{contact_properties, contacts};
use crate::retry::Effect;
use crate::wire::{self, Object};
use crate::{API_VERSION, CONTACTS, Portal, limits};

impl Portal {
    /// The contacts of which any of `properties` has one of `values`, compared in lower case. Searches are few: for what no
    /// batch read can find. HubSpot's index lags by seconds.
    pub async fn contacts_having(
        &self,
        properties: &[&str],
        values: &[String],
        email_property: Option<&str>,
    ) -> Result<Vec<Contact>, Error> {
        let path = format!("/crm/objects/{API_VERSION}/{CONTACTS}/search");
        let mut found = Vec::new();
        for part in search_parts(values, properties.len()) {
            let groups: Vec<_> = properties
                .iter()
                .map(|name| {
                    json!({"filters": [{"propertyName": name, "operator": "IN", "values": part}]})
                })
                .collect();
            let (mut after, mut reached) = (None, 0);
            loop {
                let mut body = json!({
                    "filterGroups": groups, "properties": contact_properties(email_property),
                    "limit": limits::SEARCH_PAGE,
                });
                if let Some(after) = after {
                    body["after"] = after;
                }
                let bytes = self
                    .send(
                        "contacts.search",
                        Method::POST,
                        path.clone(),
                        &body,
                        Effect::Read,
                    )
                    .await?;
                let page: SearchPage = wire::read(&bytes)?;
                reached += page.results.len();
                found.extend(page.results);
                // Searches have a budget of their own, of a second.
                tokio::time::sleep(limits::SEARCH_SPACING).await;
                after = page.paging.map(|paging| paging.next.after);
                if after.is_none() || reached >= limits::SEARCH_REACH {
                    break;
                }
            }
        }
        Ok(contacts(found, email_property))
    }
}

/// A page of a search.
#[derive(Deserialize)]
struct SearchPage {
    results: Vec<Object>,
    paging: Option<SearchPaging>,
}

#[derive(Deserialize)]
struct SearchPaging {
    next: SearchNext,
}

#[derive(Deserialize)]
struct SearchNext {
    after: Value,
}

/// The values in parts that fit into a search with `groups` groups of filters: HubSpot counts its characters.
fn search_parts(values: &[String], groups: usize) -> Vec<&[String]> {
    let room = limits::SEARCH_VALUE_CHARS / groups.max(1);
    let mut parts = Vec::new();
    let (mut begin, mut used) = (0, 0);
    for (at, value) in values.iter().enumerate() {
        // Quotes and comma stand around each.
        let size = value.len() + 3;
        if at > begin && (used + size > room || at - begin >= limits::SEARCH_VALUES) {
            parts.push(&values[begin..at]);
            (begin, used) = (at, 0);
        }
        used += size;
    }
    if begin < values.len() {
        parts.push(&values[begin..]);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_cut_where_hubspot_would_refuse_it() {
        let values: Vec<String> = (0..250)
            .map(|n| format!("someone{n:03}@client.example"))
            .collect();
        for groups in [1, 2] {
            let parts = search_parts(&values, groups);
            assert_eq!(parts.concat(), values);
            for part in parts {
                let chars: usize = part.iter().map(|value| value.len() + 3).sum();
                assert!(
                    chars * groups <= limits::SEARCH_VALUE_CHARS
                        && part.len() <= limits::SEARCH_VALUES
                );
            }
        }
        assert!(search_parts(&[], 1).is_empty());
    }
}
