//! Properties of reads of links: whatever HubSpot answers, each asked record has its links or a reason.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::properties::{any_json, config};

/// How an asked record is answered.
#[derive(Debug, Clone)]
enum Fate {
    Links(Vec<u8>),
    LinksAndMore(Vec<u8>),
    NoneFound,
    Failed,
    LeftOut,
}

fn fate() -> impl Strategy<Value = Fate> {
    let links = || vec(any::<u8>(), 0..3);
    prop_oneof![
        links().prop_map(Fate::Links),
        links().prop_map(Fate::LinksAndMore),
        Just(Fate::NoneFound),
        Just(Fate::Failed),
        Just(Fate::LeftOut),
    ]
}

fn asked(count: usize) -> Vec<(RecordId, Option<String>)> {
    (0..count).map(|at| (record(at), None)).collect()
}

fn record(at: usize) -> RecordId {
    RecordId(i64::try_from(at).unwrap())
}

fn row(at: usize, links: &[u8], after: Option<&str>) -> Value {
    let to: Vec<Value> = links
        .iter()
        .map(|id| {
            let types = json!([{"category": "HUBSPOT_DEFINED", "typeId": 279, "label": null}]);
            json!({"toObjectId": id, "associationTypes": types})
        })
        .collect();
    let mut row = json!({"from": {"id": at.to_string()}, "to": to});
    if let Some(after) = after {
        row["paging"] = json!({"next": {"after": after}});
    }
    row
}

fn read(body: &Value) -> Batch<Row> {
    Batch::from_slice(body.to_string().as_bytes()).unwrap()
}

/// An entry of `errors` that can name any records.
fn any_error() -> impl Strategy<Value = Value> {
    let name = select(vec!["fromObjectId", "ids", "toObjectId", "toObjectIds"]);
    let sub_category = select(vec![NO_ASSOCIATIONS, "", "else"]);
    prop_oneof![
        3 => (name, vec(0..6_i64, 0..3), sub_category).prop_map(|(name, ids, sub_category)| {
            json!({"category": "OBJECT_NOT_FOUND", "subCategory": sub_category, "message": "no", "context": {name: ids}})
        }),
        1 => any_json(),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn each_record_of_a_207_has_its_links_goes_on_or_failed_with_its_reason(
        fates in vec((fate(), any::<u16>()), 1..6),
        strangers in 0..3_usize,
    ) {
        let mut results: Vec<(u16, Value)> = Vec::new();
        let mut errors: Vec<(u16, Value)> = Vec::new();
        for (at, (fate, rank)) in fates.iter().enumerate() {
            let fault = |sub_category: &str| {
                let context = json!({"fromObjectId": [at.to_string()]});
                json!({"subCategory": sub_category, "message": format!("no {at}"), "context": context})
            };
            match fate {
                Fate::Links(links) => results.push((*rank, row(at, links, None))),
                Fate::LinksAndMore(links) => results.push((*rank, row(at, links, Some(&format!("page {at}"))))),
                Fate::NoneFound => errors.push((*rank, fault(NO_ASSOCIATIONS))),
                Fate::Failed => errors.push((*rank, fault("crm.associations.ELSE"))),
                Fate::LeftOut => {}
            }
        }
        results.extend((0..strangers).map(|at| (7, row(100 + at, &[1], Some("never")))));
        results.sort_by_key(|(rank, _)| *rank);
        errors.sort_by_key(|(rank, _)| *rank);
        let only = |list: Vec<(u16, Value)>| list.into_iter().map(|(_, value)| value).collect::<Vec<_>>();
        let body = json!({"results": only(results), "errors": only(errors)});

        let mut answer = Associated::default();
        let mut pending = answer.add_page(&asked(fates.len()), read(&body));
        pending.sort();
        let mut goes_on = Vec::new();
        for (at, (fate, _)) in fates.iter().enumerate() {
            let found = answer.rows.remove(&record(at));
            let found = found.map(|links| links.into_iter().map(|link| link.id.0).collect::<Vec<_>>());
            let reason = answer.failed.remove(&record(at));
            let ids = |links: &[u8]| links.iter().map(|id| i64::from(*id)).collect::<Vec<_>>();
            match fate {
                Fate::Links(links) => prop_assert_eq!((found, reason), (Some(ids(links)), None)),
                Fate::LinksAndMore(links) => {
                    prop_assert_eq!((found, reason), (Some(ids(links)), None));
                    goes_on.push((record(at), Some(format!("page {at}"))));
                }
                Fate::NoneFound => prop_assert_eq!((found, reason), (Some(Vec::new()), None)),
                Fate::Failed => prop_assert_eq!((found, reason), (None, Some(format!("no {at}")))),
                Fate::LeftOut => prop_assert!(found.is_none() && reason.is_some_and(|reason| !reason.is_empty())),
            }
        }
        prop_assert_eq!(pending, goes_on);
        prop_assert!(answer.rows.is_empty() && answer.failed.is_empty(), "strangers");
    }

    #[test]
    fn contradictory_pages_still_leave_each_record_with_links_or_a_reason(
        count in 1..5_usize,
        pages in vec((vec((0..6_usize, any::<bool>()), 0..5), vec(any_error(), 0..3)), 1..3),
    ) {
        let mut answer = Associated::default();
        let mut pending = asked(count);
        for (rows, errors) in pages {
            let before: HashSet<RecordId> = pending.iter().map(|(id, _)| *id).collect();
            let results: Vec<Value> = rows.iter().map(|(at, more)| row(*at, &[1], more.then_some("x"))).collect();
            pending = answer.add_page(&pending, read(&json!({"results": results, "errors": errors})));
            let after: HashSet<RecordId> = pending.iter().map(|(id, _)| *id).collect();
            prop_assert_eq!(after.len(), pending.len(), "a record goes on in one place");
            prop_assert!(after.is_subset(&before));
            prop_assert!(after.iter().all(|id| answer.rows.contains_key(id)));
            prop_assert_eq!(answer.rows.len() + answer.failed.len(), count);
            for at in 0..count {
                prop_assert!(answer.rows.contains_key(&record(at)) != answer.failed.contains_key(&record(at)));
            }
        }
    }

    #[test]
    fn every_error_about_links_refuses_at_least_one(error in any_error()) {
        let fault = Fault::from_json(&error);
        let links = refused_links(&fault);
        prop_assert!(!links.is_empty());
        for link in links {
            prop_assert_eq!((&link.category, &link.message), (&fault.category, &fault.message));
        }
    }
}
