//! Statements are text of ours. The driver takes a `&'static str`, and anything else only when it is called safe by name:
//! where that happens, and what a query that is put together is put together from, stands here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where text is called safe, and how often.
const CALLED_SAFE: [(&str, usize); 4] = [
    // The portal's number, an integer, before everything else in a transaction.
    ("db.rs", 1),
    // The owner's statements: the app's role, quoted, and names of tables from a constant.
    ("migrate.rs", 3),
    // Table and column of a secret, from an enum.
    ("portal_keys.rs", 2),
    // Names of tables from a constant.
    ("retention.rs", 1),
];

/// The only file in which a query is put together from parts.
const BUILDING: &str = "gifts/listing.rs";
/// What is put in there as text and is no literal: aliases of tables, columns and directions, all from enums and literals.
const PARTS: [&str; 7] = [
    "format!(\" AND ({table}.{column}, {table}.transaction_id) {sign} (SELECT {column}, transaction_id FROM transactions WHERE hub_id = \")",
    "format!(\" AND t.{} AND t.status <> 'scheduled'\", step.as_str())",
    "format!(\" AND {table}counted_at < \")",
    "format!(\" AND {table}counted_at >= \")",
    "if at == 0 { \"\" } else { \" INTERSECT \" }",
    "if nth == 0 { \"(\" } else { \" UNION ALL (\" }",
    "ordered(…)",
];

/// The sources without what tests alone use, by their path.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name != "testing.rs" {
                sources.insert(name, std::fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}

/// The arguments of every call of `name` in a source, on one line each.
fn arguments(source: &str, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices(name) {
        let rest = &source[at + name.len()..];
        let (mut depth, mut in_text, mut escaped) = (1, false, false);
        let end = rest.char_indices().find(|(_, letter)| {
            match letter {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_text = !in_text,
                '(' if !in_text => depth += 1,
                ')' if !in_text => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let (end, _) = end.unwrap();
        let argument = rest[..end].split_whitespace().collect::<Vec<_>>().join(" ");
        found.push(argument.trim_end_matches(',').to_owned());
    }
    found
}

#[test]
fn no_statement_is_made_of_text_from_outside() {
    let sources = sources();
    assert!(sources.len() > 30, "{:?}", sources.keys());
    let called_safe: Vec<(&str, usize)> = sources
        .iter()
        .map(|(name, source)| (name.as_str(), source.matches("AssertSqlSafe(").count()))
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(called_safe, CALLED_SAFE);
    let building: Vec<&String> = sources
        .iter()
        .filter(|(_, source)| source.contains("QueryBuilder"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(building, [BUILDING]);
}

#[test]
fn what_a_query_is_put_together_from_is_text_of_ours() {
    let source = &sources()[BUILDING];
    let parts = arguments(source, ".push(");
    assert!(parts.len() > 40, "{parts:?}");
    let made: BTreeSet<String> = parts
        .into_iter()
        .filter(|part| !part.starts_with('"'))
        .map(|part| {
            if part.starts_with("ordered(") {
                "ordered(…)".to_owned()
            } else {
                part.replace("( ", "(").replace(" )", ")")
            }
        })
        .collect();
    assert_eq!(Vec::from_iter(made), PARTS);
}
