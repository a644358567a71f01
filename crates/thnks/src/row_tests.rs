//! Rules for rows, each with a row that keeps it and one that breaks it.

use proptest::prelude::*;
use serde_json::json;

use super::*;

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

/// Any JSON, with names and texts that lead deep into the rules.
fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        Just("2026-11-02T15:04:05Z".to_owned()),
        Just("-5.00".to_owned()),
        Just("99999-01-01T00:00:00Z".to_owned()),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let name = prop_oneof![
            any::<String>(),
            Just("status".to_owned()),
            Just("at".to_owned()),
            Just("email".to_owned()),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_panics_and_what_passes_keeps_the_rules(
        name in proptest::sample::select(good().as_object().unwrap().keys().cloned().collect::<Vec<_>>()),
        value in any_json(),
    ) {
        let mut row = good();
        row[&name] = value;
        match read(&row.to_string()) {
            Ok(row) => {
                prop_assert!(row.amount.is_none_or(|amount| !amount.is_sign_negative()));
                prop_assert!(row.currency.is_none_or(|code| code.len() == 3));
                prop_assert!(row.message.is_none_or(|text| !text.contains('\0')));
                prop_assert!(!row.reported_status.trim().is_empty());
            }
            Err(bad) => prop_assert!(bad.malformed.field.starts_with(&name), "{}", bad.malformed.field),
        }
    }

    #[test]
    fn no_text_panics(json in any::<String>()) {
        prop_assert!(read(&json).is_err());
    }
}
