//! Properties of batch reads' answers: no record that may exist passes for an absent one.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::properties::{any_json, config};

fn name(at: usize) -> String {
    format!("Sam{at}@client.example")
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_error_names_what_it_hides_or_ends_the_read(
        count in 1..8_usize,
        faults in vec((any::<bool>(), vec(0..10_usize, 0..3), any::<bool>()), 0..5),
        ids in vec(any::<i64>(), 0..5),
    ) {
        let part: Vec<String> = (0..count).map(name).collect();
        let results: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        let mut hidden = BTreeSet::new();
        let mut has_nameless = false;
        let errors: Vec<Value> = faults
            .into_iter()
            .map(|(is_absence, rows, in_small)| {
                if !is_absence {
                    let known: Vec<usize> = rows.iter().copied().filter(|at| *at < count).collect();
                    has_nameless |= known.is_empty();
                    hidden.extend(known.into_iter().map(name));
                }
                let spelt = |at| if in_small { name(at).to_lowercase() } else { name(at) };
                let rows: Vec<String> = rows.into_iter().map(spelt).collect();
                let category = if is_absence { "OBJECT_NOT_FOUND" } else { "VALIDATION_ERROR" };
                json!({"category": category, "context": {"ids": rows}})
            })
            .collect();
        let body = json!({"results": results, "errors": errors}).to_string();
        let mut found = Found::default();
        let end = found.add(&part, Batch::from_slice(body.as_bytes()).unwrap());
        prop_assert_eq!(end.is_err(), has_nameless);
        if end.is_ok() {
            prop_assert_eq!(found.objects.len(), ids.len());
            prop_assert!(found.unreadable.values().all(|words| words == "VALIDATION_ERROR"));
            prop_assert_eq!(found.unreadable.into_keys().collect::<BTreeSet<_>>(), hidden);
        }
    }

    #[test]
    fn no_error_and_no_value_panics(
        error in any_json(),
        properties in vec((
            proptest::sample::select(CONTACT_PROPERTIES.iter().chain(DEAL_PROPERTIES).copied().collect::<Vec<_>>()),
            proptest::option::of(crate::properties::any_text()),
        ), 0..8),
    ) {
        let part = [name(0)];
        let properties: HashMap<String, Option<String>> =
            properties.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let object = || Object { id: RecordId(1), new: false, properties: properties.clone() };
        let batch = Batch { results: vec![object(), object()], faults: vec![Fault::from_json(&error)] };
        let mut found = Found::default();
        if found.add(&part, batch).is_ok() {
            prop_assert_eq!(found.into_contacts(None).contacts.len(), 1);
        }
        prop_assert_eq!(Deal::from(object()).id, RecordId(1));
    }
}
