//! What properties are tried with, and how often.

use proptest::collection::vec;
use proptest::prelude::*;

/// 100,000 cases, or as many more as the variable `PROPTEST_CASES` says, which proptest reads.
pub fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig {
        cases: asked.cases.max(100_000),
        failure_persistence: None,
        ..asked
    }
}

/// Short texts of any characters, control characters among them.
pub fn any_text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..6).prop_map(String::from_iter)
}
