//! How deep JSON goes, seen before it is read: a parser that follows it would use its stack for whoever wrote it.

/// Whether a text of JSON opens more than `most` lists and objects inside one another. Of a text that is no JSON it says
/// something, which does not matter: whoever reads it refuses it.
pub(crate) fn is_deeper_than(json: &[u8], most: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > most {
                    return true;
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    /// The same by what was read.
    fn depth(value: &Value) -> usize {
        let inside = |depths: &mut dyn Iterator<Item = usize>| 1 + depths.max().unwrap_or(0);
        match value {
            Value::Array(values) => inside(&mut values.iter().map(depth)),
            Value::Object(fields) => inside(&mut fields.values().map(depth)),
            _ => 0,
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            // Brackets, quotes and backslashes in texts are no nesting.
            r#"[\[\]{}"\\a]{0,8}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(8, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((r#"[\[{"\\b]{0,4}"#, inner), 0..4)
                    .prop_map(|fields| Value::from(Map::from_iter(fields))),
            ]
        })
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn depth_is_seen_as_a_parser_sees_it(value in any_json(), most in 0_usize..10) {
            let text = value.to_string();
            prop_assert_eq!(is_deeper_than(text.as_bytes(), most), depth(&value) > most, "{}", text);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), most in 0_usize..4) {
            is_deeper_than(&bytes, most);
        }
    }
}
