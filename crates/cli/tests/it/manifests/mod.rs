//! What is deployed with, held to the code: `deploy/kubernetes/` and `docker-compose.yml` are read, since neither a cluster nor a container
//! engine is at hand, and the binary is started with exactly what they give it.

mod cluster;
mod compose;
mod pod;
mod selectors;
mod starting;
mod variables;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

/// How long a process takes to end at most, as `crates/cli/src/serve.rs` says, in seconds. `SHUTDOWN_DELAY` is within it.
fn stop_bound() -> u64 {
    let source = include_str!("../../../src/serve.rs");
    let bound = source.split_once("const STOP_BOUND: Duration = Duration::from_secs(");
    let (seconds, _) = bound.unwrap().1.split_once(')').unwrap();
    seconds.parse().unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The documents of a file.
fn parse(name: &str, text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The text at a place; nothing where there is none.
fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// What a list has at a place; nothing where there is none.
fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// The names that a mapping has at a place.
fn names(value: &Value, pointer: &str) -> BTreeSet<String> {
    let mapping = value.pointer(pointer).and_then(Value::as_object);
    mapping
        .map(|mapping| mapping.keys().cloned().collect())
        .unwrap_or_default()
}

/// Asserts that a file which was changed as said is found fault with, in words that say where.
fn assert_is_found(what: &str, faults: &[String], words: &str) {
    assert!(
        faults.iter().any(|fault| fault.contains(words)),
        "{what}: nobody says {words:?}, but {faults:#?}"
    );
}

/// The text with one thing changed.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not there");
    text.replacen(from, to, 1)
}
