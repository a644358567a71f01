//! A portal: its account, users, definitions, pipelines and records, behind one lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::graph::{AssociationKind, Category, End, Graph};
use super::truths::Truths;
use super::{COMPANY, CONTACT, DEAL, Definition, Kind, Store, standard};
use crate::hubspot::rate::Windows;

/// A portal of the sandbox.
#[derive(Debug)]
pub(crate) struct Portal {
    pub(crate) hub_id: i64,
    state: Mutex<PortalState>,
    windows: Mutex<Windows>,
}

impl Portal {
    pub(crate) fn new(state: PortalState) -> Self {
        Self {
            hub_id: state.hub_id,
            state: Mutex::new(state),
            windows: Mutex::default(),
        }
    }

    /// The portal's state; a panic elsewhere does not take the sandbox down.
    pub(crate) fn state(&self) -> MutexGuard<'_, PortalState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A HubSpot user of a portal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// HubSpot's user id.
    pub id: i64,
    /// The user's e-mail.
    pub email: String,
    /// First and last name.
    pub name: String,
    /// Super admins may install apps; others only with the Marketplace access permission, which nobody has here.
    pub super_admin: bool,
}

/// A stage of a deal pipeline.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) probability: &'static str,
    pub(crate) closed: bool,
}

/// A deal pipeline.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) stages: Vec<Stage>,
}

/// Everything of a portal that calls read and change.
#[derive(Debug)]
pub(crate) struct PortalState {
    pub(crate) hub_id: i64,
    pub(crate) name: String,
    /// Whether a hub of the account has the Enterprise edition, which custom objects need.
    pub(crate) enterprise: bool,
    pub(crate) time_zone: String,
    pub(crate) currency: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) users: Vec<User>,
    pub(crate) definitions: BTreeMap<Kind, Definition>,
    pub(crate) stores: HashMap<Kind, Store>,
    pub(crate) kinds: Vec<AssociationKind>,
    pub(crate) graph: Graph,
    pub(crate) truths: Truths,
    /// Pairs that a person linked or unlinked by hand; the judge leaves them out.
    pub(crate) manual: BTreeSet<(End, End)>,
    pub(crate) pipelines: Vec<Pipeline>,
    /// Counts changes; orders what became true when.
    pub(crate) changes: u64,
    last_id: u64,
    last_kind: u64,
    last_association: u32,
}

/// From, to, id, inverse, label, name.
type Standard = (Kind, Kind, u32, u32, Option<&'static str>, &'static str);

/// HubSpot's own association types (facts §5).
const STANDARD: [Standard; 10] = [
    (
        CONTACT,
        COMPANY,
        279,
        280,
        None,
        "contact_to_company_unlabeled",
    ),
    (
        COMPANY,
        CONTACT,
        280,
        279,
        None,
        "company_to_contact_unlabeled",
    ),
    (
        CONTACT,
        COMPANY,
        1,
        2,
        Some("Primary"),
        "contact_to_company",
    ),
    (
        COMPANY,
        CONTACT,
        2,
        1,
        Some("Primary"),
        "company_to_contact",
    ),
    (CONTACT, DEAL, 4, 3, None, "contact_to_deal"),
    (DEAL, CONTACT, 3, 4, None, "deal_to_contact"),
    (DEAL, COMPANY, 341, 342, None, "deal_to_company_unlabeled"),
    (COMPANY, DEAL, 342, 341, None, "company_to_deal_unlabeled"),
    (DEAL, COMPANY, 5, 6, Some("Primary"), "deal_to_company"),
    (COMPANY, DEAL, 6, 5, Some("Primary"), "company_to_deal"),
];

impl PortalState {
    /// An empty portal with HubSpot's own types, the default deal pipeline and no records.
    pub(crate) fn new(hub_id: i64, name: String, enterprise: bool, now: DateTime<Utc>) -> Self {
        let definitions: BTreeMap<Kind, Definition> = standard::definitions(now)
            .map(|definition| (definition.kind, definition))
            .into();
        let kinds = STANDARD
            .iter()
            .map(|&(from, to, id, inverse, label, name)| AssociationKind {
                from,
                to,
                category: Category::HubspotDefined,
                id,
                inverse,
                label: label.map(str::to_owned),
                name: name.to_owned(),
            })
            .collect();
        Self {
            hub_id,
            name,
            enterprise,
            time_zone: "America/New_York".to_owned(),
            currency: "USD".to_owned(),
            created_at: now,
            users: Vec::new(),
            stores: definitions.keys().map(|k| (*k, Store::default())).collect(),
            definitions,
            kinds,
            graph: Graph::default(),
            truths: Truths::default(),
            manual: BTreeSet::new(),
            pipelines: vec![default_pipeline()],
            changes: 0,
            // Ids of a portal do not begin at 1, and no two types share one by accident of order.
            last_id: 100_000_000 + hub_id.unsigned_abs() % 10_000 * 1_000,
            last_kind: 20_000_000 + hub_id.unsigned_abs() % 100_000,
            // Labels that a portal defines are numbered from 1, as HubSpot's own are: only the category tells them apart.
            last_association: 0,
        }
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        // Irregular steps, so that nobody relies on neighbours.
        self.last_id += 1 + self.last_id % 7;
        self.last_id
    }

    pub(crate) fn next_kind(&mut self) -> Kind {
        self.last_kind += 1;
        Kind::custom(self.last_kind)
    }

    /// Defines an association type in both directions and returns the ids (there, back).
    pub(crate) fn define_association(
        &mut self,
        from: Kind,
        to: Kind,
        label: Option<&str>,
        name: &str,
    ) -> (u32, u32) {
        let id = self.last_association + 1;
        let inverse = id + 1;
        self.last_association = inverse;
        for (from, to, id, inverse) in [(from, to, id, inverse), (to, from, inverse, id)] {
            self.kinds.push(AssociationKind {
                from,
                to,
                category: Category::UserDefined,
                id,
                inverse,
                label: label.map(str::to_owned),
                name: name.to_owned(),
            });
        }
        (id, inverse)
    }

    /// The unlabelled type between two object types.
    pub(crate) fn default_association(&self, from: Kind, to: Kind) -> Option<&AssociationKind> {
        self.kinds
            .iter()
            .find(|kind| kind.from == from && kind.to == to && kind.label.is_none())
    }

    /// The portal's own definition of that name, not deleted.
    pub(crate) fn custom(&self, name: &str) -> Option<&Definition> {
        self.definitions
            .values()
            .find(|d| d.kind.is_custom() && !d.archived && d.name == name)
    }

    pub(crate) fn store(&self, kind: Kind) -> Option<&Store> {
        self.stores.get(&kind)
    }

    /// Reads an object type as paths name it: a standard name, an id, `p{hub}_{name}` or `p_{name}`.
    ///
    /// The bare name of a portal's own type has not worked since 2025-06-24 (facts §3).
    pub(crate) fn resolve_kind(&self, text: &str) -> Result<Kind, UnknownKind> {
        if let Some(kind) = Kind::from_name(text) {
            return Ok(kind);
        }
        if let Ok(kind) = text.parse::<Kind>() {
            return match self.definitions.get(&kind) {
                Some(found) if !found.archived => Ok(kind),
                _ => Err(UnknownKind::NotFound),
            };
        }
        let own = format!("p{}_", self.hub_id);
        let name = text
            .strip_prefix(&own)
            .or_else(|| text.strip_prefix("p_"))
            .ok_or(UnknownKind::Malformed)?;
        self.custom(name)
            .map(|d| d.kind)
            .ok_or(UnknownKind::NotFound)
    }

    /// Whether a stage is a closed one; `None` for an unknown stage.
    pub(crate) fn stage(&self, pipeline: &str, stage: &str) -> Option<&Stage> {
        self.pipelines
            .iter()
            .find(|found| found.id == pipeline)?
            .stages
            .iter()
            .find(|found| found.id == stage)
    }
}

/// Why an object type in a path is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnknownKind {
    /// Not a form that paths take, such as a bare custom name.
    Malformed,
    /// A form that paths take, but this portal has no such type.
    NotFound,
}

fn stage(id: &str, label: &str, probability: &'static str, closed: bool) -> Stage {
    Stage {
        id: id.to_owned(),
        label: label.to_owned(),
        probability,
        closed,
    }
}

/// The pipeline every portal has.
fn default_pipeline() -> Pipeline {
    Pipeline {
        id: "default".to_owned(),
        label: "Sales Pipeline".to_owned(),
        stages: vec![
            stage(
                "appointmentscheduled",
                "Appointment Scheduled",
                "0.2",
                false,
            ),
            stage("qualifiedtobuy", "Qualified To Buy", "0.4", false),
            stage(
                "presentationscheduled",
                "Presentation Scheduled",
                "0.6",
                false,
            ),
            stage("contractsent", "Contract Sent", "0.9", false),
            stage("closedwon", "Closed Won", "1.0", true),
            stage("closedlost", "Closed Lost", "0.0", true),
        ],
    }
}

/// A second pipeline, whose stage ids are numbers, as those that people make are.
pub(crate) fn renewal_pipeline() -> Pipeline {
    Pipeline {
        id: "76043211".to_owned(),
        label: "Renewals".to_owned(),
        stages: vec![
            stage("148830011", "Up for renewal", "0.5", false),
            stage("148830012", "In negotiation", "0.7", false),
            stage("148830013", "Renewed", "1.0", true),
            stage("148830014", "Churned", "0.0", true),
        ],
    }
}
