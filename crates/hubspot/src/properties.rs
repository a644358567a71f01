//! Properties of HubSpot's answers, whatever comes; what the properties of other files are tried with stands here too.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::client::Answer;
use crate::error::{Error, Fault};
use crate::limits::KEPT_BODY_BYTES;
use crate::wire::{Batch, Object};

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

/// The names that the readers look for.
const NAMES: &[&str] = &[
    "results",
    "errors",
    "id",
    "new",
    "properties",
    "transaction_id",
    "category",
    "code",
    "subCategory",
    "message",
    "context",
    "correlationId",
    "policyName",
    "in",
    "objectWriteTraceId",
    "ids",
    "fromObjectId",
    "toObjectId",
    "from",
    "to",
    "paging",
    "next",
    "after",
    "requiredScopes",
];

/// Any JSON, with names and texts that lead deep into the readers.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let known = select(vec![
        "",
        "1",
        "-9223372036854775809",
        "t1",
        "k1",
        "OBJECT_NOT_FOUND",
        "MISSING_SCOPES",
        "crm.associations.NO_ASSOCIATIONS_FOUND",
        "Property values were not valid: [{\"name\":\"a\",\"error\":\"b\"}]",
        "Property values were not valid: [",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        known.prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof![
            4 => select(NAMES).prop_map(str::to_owned),
            1 => any_text(),
        ];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((name, inner), 0..5).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// An object with the readers' names.
fn an_object() -> impl Strategy<Value = Value> {
    let field = (select(NAMES), any_json());
    vec(field, 0..6).prop_map(|fields| {
        let named = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        Value::Object(named.collect())
    })
}

/// Statuses that mean something, and others.
fn a_status() -> impl Strategy<Value = u16> {
    let meant = select(vec![200, 204, 207, 301, 400, 401, 403, 404, 409, 500]);
    prop_oneof![meant, 100..600_u16]
}

/// Any bytes, any JSON, and JSON that is cut off or has a byte changed.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let hurt = (an_object(), any::<Index>(), any::<u8>(), any::<bool>()).prop_map(
        |(value, at, byte, is_cut)| {
            let mut body = value.to_string().into_bytes();
            let at = at.index(body.len());
            if is_cut {
                body.truncate(at);
            } else {
                body[at] = byte;
            }
            body
        },
    );
    prop_oneof![
        1 => vec(any::<u8>(), 0..40),
        1 => any_json().prop_map(|value| value.to_string().into_bytes()),
        4 => an_object().prop_map(|value| value.to_string().into_bytes()),
        2 => hurt,
    ]
}

/// What a customer may have written, and HubSpot quotes.
const PRIVATE: &str = "sam@client.example";

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_answer_is_a_body_or_an_error_of_its_status(status in a_status(), body in any_body()) {
        let answer = Answer { status, body: body.clone(), in_doubt: false };
        let error = match answer.into_body() {
            Ok(given) => {
                prop_assert!((200..300).contains(&status));
                prop_assert_eq!(given, body);
                return Ok(());
            }
            Err(unanswered) => Error::from(unanswered),
        };
        match (&error, status) {
            (Error::Unreadable(_), 300..400) => {}
            (Error::MissingScopes { scopes }, 403) => prop_assert!(scopes.is_sorted()),
            (Error::Unauthorized(refusal), 401)
            | (Error::Missing(refusal), 404)
            | (Error::Conflict(refusal), 409) => prop_assert_eq!(refusal.status, status),
            (Error::Rejected(refusal), 100..200 | 400..600) => {
                prop_assert!(![401, 404, 409].contains(&status));
                prop_assert_eq!(refusal.status, status);
                prop_assert!(refusal.body.text().len() <= 3 * KEPT_BODY_BYTES);
            }
            _ => prop_assert!(false, "{status}: {error:?}"),
        }
        prop_assert!(!error.to_string().is_empty());
        prop_assert!(!error.is_in_doubt(), "an answer came");
    }

    #[test]
    fn what_hubspot_quotes_stays_out_of_every_text_for_logs(
        status in 300..600_u16,
        category in select(vec!["VALIDATION_ERROR", "MISSING_SCOPES", "CONFLICT", ""]),
        name in any_text(),
        before in any_text(),
        after in any_text(),
    ) {
        let quote = format!("{before}{PRIVATE}{after}");
        let inner = json!({"message": quote, "code": category, "in": quote, "context": {name.clone(): quote}});
        let body = json!({
            "category": category, "message": quote, "policyName": quote, "in": quote, "context": {name: [quote]}, "errors": [inner],
        });
        let answer = Answer { status, body: body.to_string().into_bytes(), in_doubt: false };
        let error = Error::from(answer.into_body().unwrap_err());
        let logged = format!("{error} {error:?} {:?}", error.refusal());
        prop_assert!(!logged.contains(PRIVATE));
        if let Some(refusal) = error.refusal() {
            prop_assert_eq!(&refusal.fault.message, &quote);
            prop_assert_eq!(&refusal.fault.details[0].message, &quote);
        }
    }

    #[test]
    fn every_batch_answer_is_read_or_unreadable(body in any_body()) {
        match Batch::<Object>::from_slice(&body) {
            Ok(batch) => {
                // Broken characters in what nobody reads are no trouble of the answer.
                let value: Value = serde_json::from_slice(&body).unwrap_or_default();
                let count = |name| value.get(name).and_then(Value::as_array).map_or(0, Vec::len);
                // An array would be read by position, as serde reads structs.
                if value.is_object() {
                    prop_assert_eq!(batch.results.len(), count("results"));
                    prop_assert_eq!(batch.faults.len(), count("errors"));
                }
            }
            Err(error) => prop_assert!(matches!(error, Error::Unreadable(_)), "{error:?}"),
        }
    }

    #[test]
    fn a_fault_has_what_the_body_says_and_nothing_else(value in prop_oneof![any_json(), an_object()]) {
        let fault = Fault::from_json(&value);
        let text = |name| value.get(name).and_then(Value::as_str).unwrap_or_default();
        prop_assert_eq!(fault.message.as_str(), text("message"));
        prop_assert_eq!(fault.sub_category.as_str(), text("subCategory"));
        prop_assert!([text("category"), text("code")].contains(&fault.category.as_str()));
        let context = value.get("context").and_then(Value::as_object);
        prop_assert_eq!(fault.context.len(), context.map_or(0, serde_json::Map::len));
        let details = value.get("errors").and_then(Value::as_array);
        prop_assert_eq!(fault.details.len(), details.map_or(0, Vec::len));
    }

    #[test]
    fn an_id_is_the_same_number_in_either_spelling(id in any::<i64>()) {
        let body = json!({"results": [{"id": id}, {"id": id.to_string()}]}).to_string();
        let batch = Batch::<Object>::from_slice(body.as_bytes()).unwrap();
        prop_assert!(batch.results.iter().all(|object| object.id.0 == id));
        let fraction = json!({"results": [{"id": format!("{id}.0")}]}).to_string();
        prop_assert!(Batch::<Object>::from_slice(fraction.as_bytes()).is_err());
    }
}
