//! Rules for rows, each with a row that keeps it and one that breaks it.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::json;

use super::*;
use crate::properties::{any_json, any_text, config};

fn good() -> Value {
    json!({
        "id": "txn_1", "gift_id": 5659, "gift_name": "Coffee on us", "gift_type": "Coffee",
        "amount": "5.00", "currency": " usd ", "message": "Thank you\u{0} 🎁", "tracking_url": "https://app.thnks.com/t/1",
        "delivery_type": "Email", "sender": {"name": "Dana Reyes", "email": "dana@acme.example"},
        "recipient": {"name": "", "email": " Sam@Client.example ", "phone": null}, "status": "Delivered",
        "status_history": [{"status": "sent", "at": "2026-11-02T15:04:05Z"},
            {"status": "delivered", "at": "2026-11-02T17:04:09.123456789+02:00"}],
        "created_at": "2026-11-02T15:04:05Z", "updated_at": "2026-11-02T15:04:09Z",
    })
}

fn with(path: &str, value: Value) -> Row {
    let mut row = good();
    *row.pointer_mut(path).expect("a path of the good row") = value;
    read(&row.to_string())
}

fn field_of(row: Row) -> String {
    let bad = row.expect_err("a malformed row");
    assert_eq!(bad.malformed.id, Some(TransactionId("txn_1".into())));
    bad.malformed.field
}

#[test]
fn a_full_row_is_read_and_cleaned() {
    let row = read(&good().to_string()).unwrap();
    assert_eq!(row.message.as_deref(), Some("Thank you 🎁"));
    assert_eq!(row.currency.as_deref(), Some("USD"));
    assert_eq!(row.amount, Some(Decimal::new(500, 2)));
    assert_eq!(row.delivery_type, Some(DeliveryType::Email));
    assert_eq!(row.recipient.name, None);
    assert_eq!(row.recipient.email.as_deref(), Some("Sam@Client.example"));
    assert_eq!(row.reported_status, "Delivered");
    let at: DateTime<Utc> = "2026-11-02T15:04:09.123456Z".parse().unwrap();
    assert_eq!(row.history[1].at, at);
}

#[test]
fn four_fields_suffice() {
    let least = json!({"id": "t", "status": "sent", "created_at": "2026-11-02T15:04:05Z",
        "updated_at": "2026-11-02T15:04:05Z", "sender": null, "amount": null, "status_history": null});
    let row = read(&least.to_string()).unwrap();
    assert_eq!(row.sender, Person::default());
    assert!(row.history.is_empty());
    for name in ["id", "status", "created_at", "updated_at"] {
        for without in [None, Some(Value::Null)] {
            let mut row = least.clone();
            match without {
                None => drop(row.as_object_mut().unwrap().remove(name)),
                Some(null) => row[name] = null,
            }
            assert_eq!(read(&row.to_string()).unwrap_err().malformed.field, name);
        }
    }
}

#[test]
fn the_wrong_field_is_named_by_its_path() {
    for (path, value, field) in [
        (
            "/status_history/1/at",
            json!("yesterday"),
            "status_history[1].at",
        ),
        (
            "/status_history/0/status",
            json!(7),
            "status_history[0].status",
        ),
        ("/status_history/0", json!([]), "status_history[0]"),
        ("/status_history", json!({}), "status_history"),
        ("/sender", json!("Dana"), "sender"),
        ("/recipient/email", json!(["a"]), "recipient.email"),
        ("/currency", json!("US"), "currency"),
        ("/currency", json!("€€€"), "currency"),
        ("/gift_name", json!(5), "gift_name"),
        ("/updated_at", json!(1_700_000_000), "updated_at"),
        ("/status", json!(" "), "status"),
    ] {
        assert_eq!(field_of(with(path, value)), field);
    }
}

#[test]
fn amounts_are_exact_decimals_within_bounds() {
    for (value, amount) in [
        (json!("0"), "0"),
        (json!(" 12.50 "), "12.50"),
        (json!(12.5), "12.5"),
        (json!(7), "7"),
        (json!("000000000000000000001.5"), "1.5"),
        (json!("999999999999999999"), "999999999999999999"),
    ] {
        let row = with("/amount", value).unwrap();
        assert_eq!(row.amount, Some(amount.parse().unwrap()));
    }
    assert_eq!(with("/amount", json!("")).unwrap().amount, None);
    for value in [
        json!("-1"),
        json!(-1),
        json!("1,50"),
        json!("1_0"),
        json!("+1"),
        json!("."),
        json!("5."),
        json!("NaN"),
        json!("1e3"),
        json!(1e300),
        json!("1000000000000000000"),
        json!("0.1234567890123456789"),
        json!(true),
        json!([]),
    ] {
        assert_eq!(field_of(with("/amount", value)), "amount");
    }
}

#[test]
fn ids_are_bounded_and_plain() {
    let id = |id: &str| with("/id", json!(id));
    assert!(id(&"é".repeat(255)).is_ok());
    for bad in ["", " ", "a\nb", " a", "a\u{85}", &"é".repeat(256)] {
        let row = id(bad).unwrap_err().malformed;
        assert_eq!((row.id, row.field.as_str()), (None, "id"));
    }
    assert!(with("/id", json!(5)).is_err());
}

#[test]
fn an_unknown_delivery_type_is_none_and_an_unknown_status_is_kept() {
    assert_eq!(
        with("/delivery_type", json!("pigeon"))
            .unwrap()
            .delivery_type,
        None
    );
    assert_eq!(
        with("/status", json!("Sparkled")).unwrap().reported_status,
        "Sparkled"
    );
}

#[test]
fn what_is_no_object_or_no_json_is_kept_without_id() {
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    for (json, field) in [
        ("null", ""),
        ("[1]", ""),
        (r#"{"id":"t","amount":1e999}"#, ""),
        (r#"{"id":"\ud800"}"#, ""),
        (deep.as_str(), ""),
    ] {
        let bad = read(json).unwrap_err();
        assert_eq!(
            (bad.malformed.id, bad.malformed.field.as_str()),
            (None, field)
        );
    }
}

#[test]
fn the_raw_row_is_kept_without_nul() {
    let bad = read(r#"{"id":"t","a\u0000b":["x\u0000y"]}"#).unwrap_err();
    assert_eq!(bad.raw, json!({"id": "t", "ab": ["xy"]}));
}

#[test]
fn a_leap_second_is_the_next_second() {
    let row = with("/created_at", json!("2016-12-31T23:59:60Z")).unwrap();
    let expected: DateTime<Utc> = "2017-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(row.created_at, expected);
}

/// The good row with some of its fields taken away or replaced.
fn any_row() -> impl Strategy<Value = Value> {
    let good = good();
    let names: Vec<String> = good.as_object().unwrap().keys().cloned().collect();
    let change = (select(names), option::weighted(0.8, any_json()));
    vec(change, 0..3).prop_map(move |changes| {
        let mut row = good.clone();
        for (name, value) in changes {
            match value {
                Some(value) => row[name] = value,
                None => drop(row.as_object_mut().unwrap().remove(&name)),
            }
        }
        row
    })
}

/// What every transaction keeps to, whatever it was read from.
fn keeps_the_rules(row: &Transaction) -> bool {
    let texts = [&row.gift_name, &row.gift_type, &row.message];
    let id = row.id.as_str();
    row.amount
        .is_none_or(|amount| !amount.is_sign_negative() && amount.scale() <= 18)
        && row.currency.as_ref().is_none_or(|code| {
            code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase())
        })
        && texts
            .into_iter()
            .flatten()
            .all(|text| !text.contains('\0') && !text.trim().is_empty())
        && !row.reported_status.trim().is_empty()
        && !id.is_empty()
        && id.chars().count() <= 255
        && !id.contains(char::is_control)
        && id.trim() == id
        && [row.created_at, row.updated_at]
            .into_iter()
            .chain(row.history.iter().map(|entry| entry.at))
            .all(|at| (1..=9_999).contains(&at.year()) && at.timestamp_subsec_nanos() % 1_000 == 0)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_json_panics_and_what_passes_keeps_the_rules(
        name in select(good().as_object().unwrap().keys().cloned().collect::<Vec<_>>()),
        value in any_json(),
    ) {
        let mut row = good();
        row[&name] = value;
        match read(&row.to_string()) {
            Ok(row) => prop_assert!(keeps_the_rules(&row), "{row:?}"),
            Err(bad) => prop_assert!(bad.malformed.field.starts_with(&name), "{}", bad.malformed.field),
        }
    }

    #[test]
    fn every_json_is_a_transaction_or_a_rejection_with_field_and_reason(
        value in prop_oneof![3 => any_row(), 1 => any_json()],
    ) {
        let json = value.to_string();
        let bad = match read(&json) {
            Ok(row) => {
                prop_assert!(keeps_the_rules(&row), "{row:?}");
                prop_assert_eq!(value["id"].as_str(), Some(row.id.as_str()));
                return Ok(());
            }
            Err(bad) => bad,
        };
        let Malformed { id, field, reason } = bad.malformed;
        prop_assert!(!reason.is_empty());
        // Only what is no object at all has no field to name.
        prop_assert_eq!(field.is_empty(), !value.is_object());
        let root = field.split(['.', '[']).next().unwrap();
        prop_assert!(field.is_empty() || good().get(root).is_some(), "{field}");
        if let Some(id) = id {
            prop_assert_eq!(value["id"].as_str(), Some(id.as_str()));
        }
        prop_assert!(!bad.raw.to_string().contains("\\u0000"));
        if !json.contains("\\u0000") {
            prop_assert_eq!(bad.raw, serde_json::from_str::<Value>(&json).unwrap());
        }
    }

    #[test]
    fn no_text_panics(json in prop_oneof![any_text(), a_cut_row()]) {
        prop_assert!(read(&json).is_err());
    }
}

/// A row's JSON that breaks off.
fn a_cut_row() -> impl Strategy<Value = String> {
    (any_row(), any::<Index>()).prop_map(|(row, at)| {
        let mut json = row.to_string();
        json.truncate(json.floor_char_boundary(at.index(json.len())));
        json
    })
}
