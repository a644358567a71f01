//! Properties of the places in addresses: the way to a page leads to the place that it was made for, and no address leads
//! further than that.

use app::gifts::Place;
use axum::extract::Query;
use axum::http::Uri;
use domain::TransactionId;
use domain::association::Outcome;
use domain::failure::{Selection, Stage};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde::de::DeserializeOwned;

use super::*;
use crate::handlers::{audit, failures, gifts, orphans};
use crate::properties::{any_text, config};
use crate::view::asked::Asked;
use crate::view::{self, reasons};

/// What an address asks for, as the handlers get it; `None` where they are not even called.
fn asked<T: DeserializeOwned>(address: &str) -> Option<T> {
    let address: Uri = address.parse().ok()?;
    let Query(asked) = Query::try_from_uri(&address).ok()?;
    Some(asked)
}

/// An id as gifts have it: what addresses treat as special, and anything else but control characters.
fn an_id() -> impl Strategy<Value = TransactionId> {
    let special = select("a1_-%&=?#+/; é🎁\"'<".chars().collect::<Vec<_>>());
    let letter = prop_oneof![3 => special, 1 => any::<char>()];
    vec(letter, 1..8).prop_map(|letters| {
        let kept: String = letters
            .into_iter()
            .filter(|letter| !letter.is_control())
            .collect();
        TransactionId(format!("x{kept}x"))
    })
}

/// A query that has something to do with ours, or not.
fn any_query() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        select(vec![
            "after=",
            "before=",
            "why=",
            "stage=",
            "code=",
            "key=",
            "from=",
            "&",
            "=",
            "+",
            "%",
            "%0",
            "%00",
            "%FF",
            "%26",
            "-1",
            "9223372036854775808",
            "record",
            "no_contact",
            "txn_1",
            ";",
            "[]",
        ])
        .prop_map(str::to_owned),
        any::<u8>().prop_map(|byte| format!("%{byte:02x}")),
        any_text(),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_way_to_more_gifts_leads_beside_the_gift_with_the_same_filters(
        id in an_id(),
        is_after in any::<bool>(),
        (q, sender, gift_type) in (any_text(), any_text(), any_text()),
    ) {
        // A form's fields are trimmed on their way into an address.
        let trimmed = |text: String| text.trim().to_owned();
        let wanted = Asked { q: trimmed(q), sender: trimmed(sender), gift_type: trimmed(gift_type), ..Asked::default() };
        let (name, place) = if is_after { ("after", Place::After(id.clone())) } else { ("before", Place::Before(id.clone())) };
        let address = wanted.href_with("/portals/1", name, id.as_str());
        prop_assert_eq!(asked::<gifts::Where>(&address).unwrap().read(), place);
        prop_assert_eq!(asked::<Asked>(&address).unwrap(), wanted);
    }

    #[test]
    fn the_way_to_more_orphans_leads_after_the_gift_with_the_same_outcome(
        id in option::of(an_id()),
        why in option::of(select(Outcome::ALL.as_slice())),
    ) {
        let address = view::orphans::address("/portals/1", why, id.as_ref());
        prop_assert_eq!(asked::<orphans::Which>(&address).unwrap().read().ok(), Some((why, id)));
    }

    #[test]
    fn the_way_to_more_failures_leads_after_the_failure_with_the_same_reason(
        stage in option::of(select(Stage::ALL.as_slice())),
        (code, field, key) in (option::of(an_id()), option::of(any_text()), option::of(an_id())),
        after in option::of(an_id()),
    ) {
        let selection = Selection {
            stage,
            code: code.map(|text| text.0),
            field: field.map(|text| text.replace('\0', "")),
            key: key.map(|text| text.0),
        };
        let after = after.map(|id| id.0);
        let address = reasons::address("/portals/1", &selection, after.as_deref());
        let mut fields: failures::Fields = asked(&address).unwrap();
        prop_assert_eq!(fields.after(), after);
        prop_assert_eq!(fields.selection().ok(), Some(selection));
    }

    #[test]
    fn the_way_to_more_acts_leads_before_the_act_with_the_same_filters(
        before in option::of(any::<i64>()),
        (who, action) in (any_text(), any_text()),
    ) {
        let plain = |text: String| text.replace('\0', "");
        let wanted = view::audit::Asked { who: plain(who), action: plain(action), ..view::audit::Asked::default() };
        let address = wanted.address("/portals/1/audit", before);
        let which: audit::Which = asked(&address).unwrap();
        prop_assert_eq!(which.before().ok(), Some(before));
        prop_assert_eq!(which.read(chrono_tz::UTC).ok().map(|(asked, _)| asked), Some(wanted));
    }

    #[test]
    fn any_address_names_a_key_that_a_row_can_have_or_is_refused(query in any_query()) {
        let can_be = |key: &str| !key.is_empty() && !key.contains('\0');
        let address = format!("/portals/1/list?{query}");
        match asked::<gifts::Where>(&address).map(gifts::Where::read) {
            Some(Place::After(id) | Place::Before(id)) => prop_assert!(can_be(id.as_str())),
            Some(Place::Start) | None => {}
        }
        if let Some(Ok((_, Some(id)))) = asked::<orphans::Which>(&address).map(orphans::Which::read) {
            prop_assert!(can_be(id.as_str()));
        }
        if let Some(mut fields) = asked::<failures::Fields>(&address) {
            prop_assert!(fields.after().is_none_or(|key| can_be(&key)));
            if let Ok(selection) = fields.selection() {
                let texts = [selection.code, selection.field, selection.key];
                prop_assert!(texts.into_iter().flatten().all(|text| !text.contains('\0')));
            }
        }
        if let Some(which) = asked::<audit::Which>(&address) {
            // A number, no number, or refused; the rest is read without a panic too.
            let _ = (which.before().is_ok(), which.read(chrono_tz::Tz::Pacific__Apia).is_ok());
        }
    }

    #[test]
    fn a_key_is_kept_as_it_is_or_not_at_all(text in option::of(any_text())) {
        let kept = key(text.clone());
        prop_assert!(kept.is_none() || kept == text);
        let can_be = text.is_some_and(|text| !text.is_empty() && !text.contains('\0'));
        prop_assert_eq!(kept.is_some(), can_be);
    }
}
