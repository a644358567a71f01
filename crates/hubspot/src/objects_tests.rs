//! Properties of batch upserts' answers: whatever HubSpot answers, each row ends in exactly one list.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::properties::{any_json, any_text, config};

/// How a row ends at HubSpot.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Written { new: bool },
    RefusedByTrace(&'static str),
    RefusedByKey(&'static str),
    LeftOut,
}

fn fate() -> impl Strategy<Value = Fate> {
    let code = || select(vec!["VALIDATION_ERROR", "CONFLICT", "OBJECT_NOT_FOUND"]);
    prop_oneof![
        3 => any::<bool>().prop_map(|new| Fate::Written { new }),
        1 => code().prop_map(Fate::RefusedByTrace),
        1 => code().prop_map(Fate::RefusedByKey),
        1 => Just(Fate::LeftOut),
    ]
}

fn trace(at: usize) -> String {
    format!("t{at}")
}

fn key(at: usize) -> String {
    format!("k{at}")
}

fn all_values(count: usize) -> Vec<(String, Values)> {
    let values = |at| Values::from([(KEY_PROPERTY, key(at))]);
    (0..count).map(|at| (trace(at), values(at))).collect()
}

fn rows(values: &[(String, Values)]) -> Vec<UpsertRow<'_>> {
    values
        .iter()
        .map(|(trace_id, values)| UpsertRow { trace_id, values })
        .collect()
}

/// The answer to `count` rows, taken in.
fn sorted(count: usize, body: &Value) -> UpsertAnswer {
    let values = all_values(count);
    let mut answer = UpsertAnswer::default();
    let batch = Batch::from_slice(body.to_string().as_bytes()).unwrap();
    answer.add(&rows(&values), batch);
    answer
}

/// An entry of `errors` that can name any rows, in any of HubSpot's ways.
fn any_error() -> impl Strategy<Value = Value> {
    let name = select(vec!["objectWriteTraceId", "ids", "id"]);
    let row = prop_oneof![
        (0..6_usize).prop_map(trace),
        (0..6_usize).prop_map(key),
        any_text(),
    ];
    let context = (name, vec(row, 0..3));
    prop_oneof![
        3 => (context, any::<bool>()).prop_map(|((name, rows), is_nested)| {
            let error = json!({"category": "CONFLICT", "message": "no", "context": {name: rows}});
            if is_nested { json!({"errors": [error]}) } else { error }
        }),
        1 => any_json(),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn each_row_of_a_207_is_written_refused_with_its_reason_or_unanswered(
        fates in vec((fate(), any::<u16>()), 1..7),
        strangers in 0..3_i64,
        nameless in 0..3_usize,
        are_together in any::<bool>(),
        are_numbers in any::<bool>(),
    ) {
        let mut results = Vec::new();
        let mut errors = Vec::new();
        let mut together: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut written = BTreeSet::new();
        let mut refused = BTreeSet::new();
        let mut unanswered = Vec::new();
        for (at, (fate, rank)) in fates.iter().enumerate() {
            let id = 1_000 + i64::try_from(at).unwrap();
            match *fate {
                Fate::Written { new } => {
                    let id_sent = if are_numbers { json!(id) } else { json!(id.to_string()) };
                    results.push((rank, json!({"id": id_sent, "new": new, "properties": {KEY_PROPERTY: key(at)}})));
                    written.insert((key(at), id, new));
                }
                Fate::RefusedByTrace(code) if are_together => {
                    together.entry(code).or_default().push(trace(at));
                    refused.insert((trace(at), code.to_owned(), format!("{code} of some")));
                }
                Fate::RefusedByTrace(code) | Fate::RefusedByKey(code) => {
                    let context = match fate {
                        Fate::RefusedByTrace(_) => json!({"objectWriteTraceId": [trace(at)]}),
                        _ => json!({"ids": [key(at)]}),
                    };
                    let message = format!("{code} of {at}");
                    errors.push((rank, json!({"category": code, "message": message, "context": context})));
                    refused.insert((trace(at), code.to_owned(), message));
                }
                Fate::LeftOut => unanswered.push(key(at)),
            }
        }
        results.sort_by_key(|(rank, _)| *rank);
        errors.sort_by_key(|(rank, _)| *rank);
        let mut results: Vec<Value> = results.into_iter().map(|(_, result)| result).collect();
        let mut errors: Vec<Value> = errors.into_iter().map(|(_, error)| error).collect();
        for id in 0..strangers {
            results.insert(0, json!({"id": id, "properties": {KEY_PROPERTY: format!("stranger{id}")}}));
        }
        for (code, traces) in together {
            errors.push(json!({"category": code, "message": format!("{code} of some"), "context": {"objectWriteTraceId": traces}}));
        }
        errors.extend(vec![json!({"category": "INTERNAL", "message": "of nobody"}); nameless]);

        let answer = sorted(fates.len(), &json!({"status": "COMPLETE", "results": results, "errors": errors}));
        let found: BTreeSet<_> = answer.written.into_iter().map(|row| (row.key, row.record_id.0, row.new)).collect();
        prop_assert_eq!(found, written);
        prop_assert_eq!(answer.refused.iter().filter(|row| row.trace_id.is_none()).count(), nameless);
        let found: BTreeSet<_> =
            answer.refused.into_iter().filter_map(|row| Some((row.trace_id?, row.code, row.message))).collect();
        prop_assert_eq!(found, refused);
        prop_assert_eq!(answer.unanswered, unanswered);
    }

    #[test]
    fn a_contradictory_207_still_leaves_each_row_in_exactly_one_list(
        count in 1..6_usize,
        keys in vec(0..7_usize, 0..6),
        errors in vec(any_error(), 0..4),
    ) {
        let results: Vec<Value> = keys.iter().map(|at| json!({"id": at, "properties": {KEY_PROPERTY: key(*at)}})).collect();
        let answer = sorted(count, &json!({"results": results, "errors": errors}));
        let mut ends: Vec<String> = answer.written.into_iter().map(|row| row.key).collect();
        let traces = answer.refused.into_iter().filter_map(|row| row.trace_id);
        ends.extend(traces.map(|trace| trace.replace('t', "k")));
        ends.extend(answer.unanswered);
        ends.sort();
        prop_assert_eq!(ends, (0..count).map(key).collect::<Vec<_>>());
    }

    #[test]
    fn the_values_that_hubspot_names_are_read_and_no_sentence_panics(
        property in any_text(),
        code in any_text(),
        words in any_text(),
        tail in any_text(),
        value in any_json(),
    ) {
        let named = json!([{"isValid": false, "name": property, "error": code, "message": words}]);
        let fault = |message: String| Fault { message, category: "VALIDATION_ERROR".into(), ..Fault::default() };
        let row = RefusedRow::new(None, &fault(format!("Property values were not valid: {named}")));
        prop_assert_eq!((row.field, row.code, row.message), (Some(property), code, words));
        for list in [value.to_string(), format!("{named}{tail}"), tail] {
            let row = RefusedRow::new(Some("t"), &fault(format!("Property values were not valid: {list}")));
            prop_assert_eq!(row.trace_id.as_deref(), Some("t"));
        }
    }
}
