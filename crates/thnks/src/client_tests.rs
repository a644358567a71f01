//! Properties of a page and of the cursor in it, which is Thnks' own and goes back as it came.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::properties::{any_json, any_text, config};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_page_has_all_its_rows_and_the_cursor_as_it_came(
        values in vec(any_json(), 0..3),
        next in option::of(any_text()),
        cursor in option::of(any_text()),
        is_same in any::<bool>(),
    ) {
        let cursor = if is_same { next.clone() } else { cursor };
        let body = json!({"transactions": values, "next_cursor": next, "more": 1}).to_string();
        match page(body.as_bytes(), cursor.as_deref()) {
            Ok(page) => {
                prop_assert_eq!(&page.next_cursor, &next);
                prop_assert!(next.is_none_or(|next| !next.is_empty() && Some(next) != cursor));
                let alone: Vec<Row> = values.iter().map(|value| row::read(&value.to_string())).collect();
                prop_assert_eq!(page.rows, alone);
            }
            Err(error) => {
                prop_assert!(matches!(error, Error::CursorStuck), "{error:?}");
                prop_assert!(next.is_some_and(|next| next.is_empty() || Some(next) == cursor));
            }
        }
    }

    #[test]
    fn a_page_without_a_readable_cursor_is_no_page(value in any_json(), is_there in any::<bool>()) {
        let mut envelope = json!({"transactions": []});
        if is_there {
            envelope["next_cursor"] = value.clone();
        }
        let end = page(envelope.to_string().as_bytes(), None);
        let is_readable = is_there && (value.is_null() || value.as_str().is_some_and(|next| !next.is_empty()));
        prop_assert_eq!(end.is_ok(), is_readable);
    }

    #[test]
    fn any_bytes_are_a_page_or_unreadable(
        begin in any::<bool>(),
        bytes in vec(any::<u8>(), 0..24),
        end in any::<bool>(),
    ) {
        // Broken characters inside a row leave its page readable.
        let mut body = Vec::new();
        if begin {
            body.extend_from_slice(br#"{"next_cursor":null,"transactions":[{"id":""#);
        }
        body.extend(bytes);
        if end {
            body.extend_from_slice(br#""}]}"#);
        }
        match page(&body, None) {
            Ok(page) => prop_assert!(!page.rows.is_empty() && page.rows.iter().all(Result::is_err)),
            Err(error) => prop_assert!(matches!(error, Error::Unreadable(_)), "{error:?}"),
        }
    }
}
