//! Associations between records: both directions of every link, each with its types.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::Kind;

/// Who defined an association type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Category {
    HubspotDefined,
    UserDefined,
    IntegratorDefined,
    Work,
}

/// One direction of an association type.
#[derive(Debug, Clone)]
pub(crate) struct AssociationKind {
    pub(crate) from: Kind,
    pub(crate) to: Kind,
    pub(crate) category: Category,
    pub(crate) id: u32,
    /// The same link seen from the other end.
    pub(crate) inverse: u32,
    pub(crate) label: Option<String>,
    pub(crate) name: String,
}

/// One end of an association.
pub(crate) type End = (Kind, u64);
/// Category and number: numbers alone repeat between categories.
pub(crate) type TypeKey = (Category, u32);

/// What links two records.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link {
    pub(crate) types: BTreeSet<TypeKey>,
    /// The portal's change count when the link was made; 0 for one that came over in a merge.
    pub(crate) since: u64,
}

/// All associations of a portal.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    links: HashMap<End, BTreeMap<Kind, BTreeMap<u64, Link>>>,
}

impl Graph {
    /// What `from` is linked to, of one type, by id.
    pub(crate) fn of(&self, from: End, to: Kind) -> Option<&BTreeMap<u64, Link>> {
        self.links
            .get(&from)?
            .get(&to)
            .filter(|links| !links.is_empty())
    }

    pub(crate) fn link(&self, from: End, to: End) -> Option<&Link> {
        self.links.get(&from)?.get(&to.0)?.get(&to.1)
    }

    pub(crate) fn add(&mut self, from: End, to: End, key: TypeKey, since: u64) {
        let link = self
            .links
            .entry(from)
            .or_default()
            .entry(to.0)
            .or_default()
            .entry(to.1)
            .or_insert_with(|| Link {
                types: BTreeSet::new(),
                since,
            });
        link.types.insert(key);
    }

    /// Marks a link as one that came over in a merge: its reasons are those of another record.
    pub(crate) fn inherit(&mut self, from: End, to: End) {
        for (from, to) in [(from, to), (to, from)] {
            let links = self.links.get_mut(&from).and_then(|of| of.get_mut(&to.0));
            if let Some(link) = links.and_then(|links| links.get_mut(&to.1)) {
                link.since = 0;
            }
        }
    }

    /// Removes one type of a link; the link goes with its last type.
    pub(crate) fn remove_type(&mut self, from: End, to: End, key: TypeKey) {
        let Some(links) = self.links.get_mut(&from).and_then(|of| of.get_mut(&to.0)) else {
            return;
        };
        if let Some(link) = links.get_mut(&to.1) {
            link.types.remove(&key);
            if link.types.is_empty() {
                links.remove(&to.1);
            }
        }
    }

    /// Removes a link in both directions.
    pub(crate) fn remove(&mut self, a: End, b: End) {
        for (from, to) in [(a, b), (b, a)] {
            if let Some(links) = self.links.get_mut(&from).and_then(|of| of.get_mut(&to.0)) {
                links.remove(&to.1);
            }
        }
    }

    /// Takes all links of a record out, in both directions, and returns its own side.
    pub(crate) fn detach(&mut self, end: End) -> Vec<(End, Link)> {
        let mut out = Vec::new();
        for (kind, links) in self.links.remove(&end).unwrap_or_default() {
            for (id, link) in links {
                if let Some(back) = self
                    .links
                    .get_mut(&(kind, id))
                    .and_then(|of| of.get_mut(&end.0))
                {
                    back.remove(&end.1);
                }
                out.push(((kind, id), link));
            }
        }
        out
    }
}
