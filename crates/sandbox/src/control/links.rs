//! Verbs on links between a portal's records: what people link and unlink in HubSpot's own pages.

use serde::{Deserialize, Serialize};

use super::crm::kind_named;
use super::{Control, Refused};
use crate::crm::graph::{End, TypeKey};
use crate::crm::portal::PortalState;
use crate::webhooks::{self, Source, Touched};

/// A link between two records.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Object type of the first record, as paths name it.
    pub from_type: String,
    /// Its id.
    pub from: u64,
    /// Object type of the second record.
    pub to_type: String,
    /// Its id.
    pub to: u64,
    /// The label of the link, such as `Primary`; none is the unlabelled type.
    #[serde(default)]
    pub label: Option<String>,
}

impl Control {
    /// Links two records by hand.
    pub fn link(&self, hub_id: i64, link: &Link) -> Result<(), Refused> {
        let portal = self.portal(hub_id)?;
        let mut state = portal.state();
        let (from, to) = ends(&state, link)?;
        let found = state
            .kinds
            .iter()
            .find(|k| k.from == from.0 && k.to == to.0 && k.label == link.label)
            .map(|k| (k.category, k.id));
        let key: TypeKey = found.ok_or_else(|| Refused("there is no such label".to_owned()))?;
        let mut touched = Touched::default();
        touched.note(&state, from, to);
        state.link(from, to, key);
        by_hand(&mut state, from, to);
        let told = touched.into_happenings(&state, Source::Person);
        drop(state);
        webhooks::send(&self.universe, hub_id, &told);
        Ok(())
    }

    /// Removes a link by hand.
    pub fn unlink(&self, hub_id: i64, link: &Link) -> Result<(), Refused> {
        let portal = self.portal(hub_id)?;
        let mut state = portal.state();
        let (from, to) = ends(&state, link)?;
        let mut touched = Touched::default();
        touched.note(&state, from, to);
        state.unlink(from, to);
        by_hand(&mut state, from, to);
        let told = touched.into_happenings(&state, Source::Person);
        drop(state);
        webhooks::send(&self.universe, hub_id, &told);
        Ok(())
    }
}

fn ends(state: &PortalState, link: &Link) -> Result<(End, End), Refused> {
    let from = (kind_named(state, &link.from_type)?, link.from);
    let to = (kind_named(state, &link.to_type)?, link.to);
    for (kind, id) in [from, to] {
        if state
            .store(kind)
            .is_none_or(|store| store.find(id).is_none())
        {
            return Err(Refused(format!("there is no record {id}")));
        }
    }
    Ok((from, to))
}

fn by_hand(state: &mut PortalState, from: End, to: End) {
    if from.0.is_custom() || to.0.is_custom() {
        state.manual.insert((from, to));
        state.manual.insert((to, from));
    }
}
