//! Links between records: reading and creating them, 207 answers included.

use std::collections::{HashMap, HashSet};

use domain::RecordId;
use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::batch::{Parts, is_about_rows};
use crate::client::segment;
use crate::error::{Error, Fault};
use crate::retry::Effect;
use crate::wire::{self, Batch, Id};
use crate::{API_VERSION, Portal, limits};

/// Who defined a type of association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AssociationCategory {
    /// HubSpot: the same number in every account.
    HubspotDefined,
    /// The account, also by a custom object's definition: numbers differ.
    UserDefined,
    /// An app.
    IntegratorDefined,
    /// HubSpot, for tasks and the like.
    Work,
    /// One that is newer than this code; never sent.
    #[serde(other, skip_serializing)]
    Unknown,
}

/// A type of association, in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssociationType {
    /// Who defined it.
    pub category: AssociationCategory,
    /// Its number within the category.
    pub type_id: i64,
}

impl AssociationType {
    /// From a contact to its primary company (facts/hubspot.md §5).
    pub const PRIMARY_COMPANY: Self = Self {
        category: AssociationCategory::HubspotDefined,
        type_id: 1,
    };
}

/// A type with its label; the unlabelled one is the plain link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociationLabel {
    /// The type.
    pub association_type: AssociationType,
    /// What people read, for example `Decision maker`.
    pub label: Option<String>,
}

/// A record at the other end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociatedRecord {
    /// Its id.
    pub id: RecordId,
    /// Whether it is a contact's primary company.
    pub primary: bool,
    /// The types of the link.
    pub types: Vec<AssociationLabel>,
}

/// What a batch of records is linked to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Associated {
    /// Every asked id that was answered; an empty list for one without links.
    pub rows: HashMap<RecordId, Vec<AssociatedRecord>>,
    /// Asked ids without an answer, with HubSpot's reason.
    pub failed: HashMap<RecordId, String>,
}

/// How the creation of links ended: what is not refused is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssociateAnswer {
    /// Links that HubSpot did not make.
    pub refused: Vec<RefusedLink>,
}

/// A link that HubSpot did not make. An end that HubSpot does not name is `None`: then any asked link of the other end,
/// or of the whole batch, may be the one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLink {
    /// The record the link starts at.
    pub from: Option<RecordId>,
    /// The record it leads to.
    pub to: Option<RecordId>,
    /// HubSpot's category, for example `OBJECT_NOT_FOUND`.
    pub category: String,
    /// HubSpot's sentence.
    pub message: String,
}

#[derive(Serialize)]
struct ReadInput {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    from: RowFrom,
    #[serde(default)]
    to: Vec<RowTo>,
    paging: Option<Paging>,
}

#[derive(Deserialize)]
struct RowFrom {
    #[serde(deserialize_with = "wire::record_id")]
    id: RecordId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RowTo {
    #[serde(deserialize_with = "wire::record_id")]
    to_object_id: RecordId,
    #[serde(default)]
    association_types: Vec<TypeWithLabel>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypeWithLabel {
    category: AssociationCategory,
    #[serde(deserialize_with = "wire::number")]
    type_id: i64,
    label: Option<String>,
}

#[derive(Deserialize)]
struct Paging {
    next: Option<Next>,
}

#[derive(Deserialize)]
struct Next {
    after: String,
}

impl From<TypeWithLabel> for AssociationLabel {
    fn from(label: TypeWithLabel) -> Self {
        Self {
            association_type: AssociationType {
                category: label.category,
                type_id: label.type_id,
            },
            label: label.label.filter(|text| !text.is_empty()),
        }
    }
}

impl From<RowTo> for AssociatedRecord {
    fn from(to: RowTo) -> Self {
        let types: Vec<AssociationLabel> =
            to.association_types.into_iter().map(Into::into).collect();
        Self {
            id: to.to_object_id,
            primary: types
                .iter()
                .any(|held| held.association_type == AssociationType::PRIMARY_COMPANY),
            types,
        }
    }
}

fn batch_path(from: &str, to: &str, what: &str) -> String {
    let (from, to) = (segment(from), segment(to));
    format!("/crm/associations/{API_VERSION}/{from}/{to}/batch/{what}")
}

/// The one subcategory that means "none", not "failed".
const NO_ASSOCIATIONS: &str = "crm.associations.NO_ASSOCIATIONS_FOUND";

/// The ids that an error's context has under `names`.
fn context_ids(fault: &Fault, names: &[&str]) -> Vec<RecordId> {
    fault
        .context_values(names)
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect()
}

impl Portal {
    /// What each of `ids` (at most 1,000, each once) is linked to among the records of type `to`. Long rows are read to
    /// their end.
    pub async fn associated(
        &self,
        from: &str,
        to: &str,
        ids: &[RecordId],
    ) -> Result<Associated, Error> {
        debug_assert!(ids.len() <= limits::ASSOCIATIONS_PER_READ);
        let path = batch_path(from, to, "read");
        let mut answer = Associated::default();
        let mut pending: Vec<(RecordId, Option<String>)> =
            ids.iter().map(|id| (*id, None)).collect();
        let mut pages = 0;
        while !pending.is_empty() {
            pages += 1;
            if pages > limits::ASSOCIATION_PAGES {
                return Err(Error::Unreadable("a row of associations has no end".into()));
            }
            let inputs: Vec<_> = pending
                .iter()
                .map(|(id, after)| ReadInput {
                    id: id.to_string(),
                    after: after.clone(),
                })
                .collect();
            let body = serde_json::json!({ "inputs": inputs });
            let bytes = self
                .send(
                    "associations.read",
                    Method::POST,
                    path.clone(),
                    &body,
                    Effect::Read,
                )
                .await?;
            let batch: Batch<Row> = Batch::from_slice(&bytes)?;
            pending = answer.add_page(&pending, batch);
        }
        Ok(answer)
    }

    /// Makes the links `pairs` (at most 2,000, from and to), each of `association_type`. A link that is there already
    /// stays. A batch that is refused as a whole is halved until the bad pairs stand alone.
    pub async fn associate(
        &self,
        from: &str,
        to: &str,
        association_type: AssociationType,
        pairs: &[(RecordId, RecordId)],
    ) -> Result<AssociateAnswer, Error> {
        debug_assert!(pairs.len() <= limits::ASSOCIATIONS_PER_CREATE);
        let path = batch_path(from, to, "create");
        let input = |(from, to): &(RecordId, RecordId)| {
            serde_json::json!({
                "from": Id::from(*from),
                "to": Id::from(*to),
                "types": [{
                    "associationCategory": association_type.category,
                    "associationTypeId": association_type.type_id,
                }],
            })
        };
        self.change_links("associations.create", &path, pairs, input)
            .await
    }

    /// Removes the links `pairs` (at most 1,000, from and to) with all their labels. A link that is not there is no error. A
    /// batch that is refused as a whole is halved until the bad pairs stand alone.
    pub async fn dissociate(
        &self,
        from: &str,
        to: &str,
        pairs: &[(RecordId, RecordId)],
    ) -> Result<AssociateAnswer, Error> {
        debug_assert!(pairs.len() <= limits::ASSOCIATIONS_PER_ARCHIVE);
        let path = batch_path(from, to, "archive");
        let input = |(from, to): &(RecordId, RecordId)| serde_json::json!({"from": Id::from(*from), "to": [Id::from(*to)]});
        self.change_links("associations.archive", &path, pairs, input)
            .await
    }

    async fn change_links(
        &self,
        kind: &'static str,
        path: &str,
        pairs: &[(RecordId, RecordId)],
        input: impl Fn(&(RecordId, RecordId)) -> serde_json::Value,
    ) -> Result<AssociateAnswer, Error> {
        let mut answer = AssociateAnswer::default();
        let mut parts = Parts::new(pairs);
        while let Some(part) = parts.next() {
            let inputs: Vec<_> = part.iter().map(&input).collect();
            let body = serde_json::json!({ "inputs": inputs });
            let (method, effect) = (Method::POST, Effect::Idempotent);
            match self
                .send(kind, method, path.to_owned(), &body, effect)
                .await
            {
                // 204: nothing to say.
                Ok(bytes) if bytes.is_empty() => parts.accepted(true),
                Ok(bytes) => {
                    let batch: Batch<serde::de::IgnoredAny> = Batch::from_slice(&bytes)?;
                    parts.accepted(batch.faults.is_empty());
                    let refused = batch.faults.iter().flat_map(refused_links);
                    answer.refused.extend(refused);
                }
                Err(error) if is_about_rows(&error) => {
                    let refused = parts.refused(part);
                    answer.refused.extend(refused_part(&error, refused));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(answer)
    }

    /// The types of association from one object type to another; the plain one has no label.
    pub async fn association_types(
        &self,
        from: &str,
        to: &str,
    ) -> Result<Vec<AssociationLabel>, Error> {
        let path = format!(
            "/crm/associations/{API_VERSION}/{}/{}/labels",
            segment(from),
            segment(to)
        );
        let labels: wire::Results<TypeWithLabel> =
            wire::read(&self.read("associations.labels", path).await?)?;
        Ok(labels.results.into_iter().map(Into::into).collect())
    }
}

impl Associated {
    /// Takes a page in; answers with the rows that go on, and where.
    fn add_page(
        &mut self,
        asked: &[(RecordId, Option<String>)],
        batch: Batch<Row>,
    ) -> Vec<(RecordId, Option<String>)> {
        let asked_ids: HashSet<RecordId> = asked.iter().map(|(id, _)| *id).collect();
        let mut answered = HashSet::new();
        let mut pending = Vec::new();
        for row in batch.results {
            let id = row.from.id;
            if !asked_ids.contains(&id) || !answered.insert(id) {
                continue;
            }
            let records = row.to.into_iter().map(AssociatedRecord::from);
            self.rows.entry(id).or_default().extend(records);
            if let Some(next) = row.paging.and_then(|paging| paging.next) {
                pending.push((id, Some(next.after)));
            }
        }
        for fault in batch.faults {
            let ids = context_ids(&fault, &["fromObjectId", "ids"]);
            for id in ids.into_iter().filter(|id| asked_ids.contains(id)) {
                if !answered.insert(id) {
                    continue;
                }
                if fault.sub_category == NO_ASSOCIATIONS {
                    self.rows.entry(id).or_default();
                } else {
                    self.fail(id, &fault.message);
                }
            }
        }
        for id in asked_ids.difference(&answered) {
            self.fail(*id, "HubSpot's answer leaves this record out");
        }
        pending
    }

    /// Half a row is no row.
    fn fail(&mut self, id: RecordId, reason: &str) {
        self.rows.remove(&id);
        self.failed.insert(id, reason.to_owned());
    }
}

/// The links of a part that was refused as a whole.
fn refused_part(error: &Error, part: &[(RecordId, RecordId)]) -> Vec<RefusedLink> {
    let fault = error.refusal().map(|refusal| refusal.fault.clone());
    let fault = fault.unwrap_or_default();
    part.iter()
        .map(|(from, to)| RefusedLink {
            from: Some(*from),
            to: Some(*to),
            category: fault.category.clone(),
            message: fault.message.clone(),
        })
        .collect()
}

/// The links that one error is about: every pair of the ids it names.
fn refused_links(fault: &Fault) -> Vec<RefusedLink> {
    let ends = |names: &[&str]| {
        let ids = context_ids(fault, names);
        if ids.is_empty() {
            vec![None]
        } else {
            ids.into_iter().map(Some).collect()
        }
    };
    let to = ends(&["toObjectId", "toObjectIds"]);
    let from = ends(&["fromObjectId", "fromObjectIds"]);
    let pairs = from
        .iter()
        .flat_map(|from| to.iter().map(move |to| (*from, *to)));
    pairs
        .map(|(from, to)| RefusedLink {
            from,
            to,
            category: fault.category.clone(),
            message: fault.message.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(ids: &[i64]) -> Vec<(RecordId, Option<String>)> {
        ids.iter().map(|id| (RecordId(*id), None)).collect()
    }

    #[test]
    fn a_partial_answer_is_sorted_into_links_none_and_failures() {
        let body = br#"{"status":"COMPLETE","results":[
            {"from":{"id":"1"},"to":[
                {"toObjectId":11,"associationTypes":[{"category":"HUBSPOT_DEFINED","typeId":1,"label":"Primary"},
                    {"category":"HUBSPOT_DEFINED","typeId":279,"label":null}]},
                {"toObjectId":"12","associationTypes":[{"category":"USER_DEFINED","typeId":1,"label":"Other"}]}],
             "paging":{"next":{"after":"x"}}}],
            "numErrors":2,"errors":[
            {"status":"error","category":"OBJECT_NOT_FOUND","subCategory":"crm.associations.NO_ASSOCIATIONS_FOUND",
             "message":"No company is associated with contact 2.","context":{"fromObjectId":["2"]}},
            {"status":"error","category":"OBJECT_NOT_FOUND","message":"no such contact","context":{"fromObjectId":[3]}}]}"#;
        let mut answer = Associated::default();
        let pending = answer.add_page(&asked(&[1, 2, 3, 4]), Batch::from_slice(body).unwrap());
        assert_eq!(pending, [(RecordId(1), Some("x".into()))]);
        let found: Vec<_> = answer.rows[&RecordId(1)]
            .iter()
            .map(|record| (record.id.0, record.primary))
            .collect();
        assert_eq!(found, [(11, true), (12, false)]);
        assert_eq!(answer.rows[&RecordId(2)], []);
        let mut failed: Vec<_> = answer.failed.keys().map(|id| id.0).collect();
        failed.sort_unstable();
        assert_eq!(failed, [3, 4]);
    }

    #[test]
    fn a_row_that_breaks_off_counts_as_failed() {
        let mut answer = Associated::default();
        let first = br#"{"results":[{"from":{"id":1},"to":[{"toObjectId":11,"associationTypes":[]}],"paging":{"next":{"after":"x"}}}]}"#;
        let pending = answer.add_page(&asked(&[1]), Batch::from_slice(first).unwrap());
        answer.add_page(&pending, Batch::from_slice(br#"{"results":[]}"#).unwrap());
        assert!(answer.rows.is_empty());
        assert!(answer.failed.contains_key(&RecordId(1)));
    }

    #[test]
    fn a_refused_link_names_the_ends_that_hubspot_names() {
        let fault = Fault::from_json(&serde_json::json!({
            "category": "VALIDATION_ERROR", "message": "no",
            "context": {"fromObjectId": ["5"], "toObjectId": [6]},
        }));
        let links = refused_links(&fault);
        assert_eq!(
            (links.len(), links[0].from, links[0].to),
            (1, Some(RecordId(5)), Some(RecordId(6)))
        );
        let links = refused_links(&Fault::default());
        assert_eq!((links[0].from, links[0].to), (None, None));
    }
}

#[cfg(test)]
#[path = "associations_tests.rs"]
mod properties;
