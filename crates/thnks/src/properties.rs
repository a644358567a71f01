//! What properties are tried with, and how often.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

/// 100,000 cases, or as many more as the variable `PROPTEST_CASES` says, which proptest reads.
pub(crate) fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig {
        cases: asked.cases.max(100_000),
        failure_persistence: None,
        ..asked
    }
}

/// Short texts of any characters, control characters among them.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..6).prop_map(String::from_iter)
}

/// Any JSON, with names and texts that lead deep into the rules.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let known = select(vec![
        "2026-11-02T15:04:05Z",
        "99999-01-01T00:00:00Z",
        "0000-12-31T23:59:59-23:59",
        "9999-12-31T23:59:60.999999999-23:59",
        "-5.00",
        "12.50",
        "usd",
        "a\0b",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        known.prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        let name = prop_oneof![
            any_text(),
            select(vec!["status", "at", "email", "name", "id", "updated_at"])
                .prop_map(str::to_owned),
        ];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((name, inner), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}
