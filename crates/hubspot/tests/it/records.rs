//! Batches: what is sent, and how partial answers are read.

use std::collections::HashMap;

use domain::RecordId;
use domain::record::Values;
use hubspot::{
    AssociationCategory, AssociationType, CallClass, ContactsRead, DealsRead, Error, UpsertRow,
};
use serde_json::{Value, json};

use crate::harness::{Reply, json as reply, world};

fn values(key: &str) -> Values {
    Values::from([
        ("transaction_id", key.to_owned()),
        ("gift_name", String::new()),
    ])
}

fn written(keys: &[&str]) -> Reply {
    let results: Vec<Value> = keys
        .iter()
        .zip(100..)
        .map(|(key, id)| json!({"id": id.to_string(), "new": true, "properties": {"transaction_id": key}}))
        .collect();
    reply(200, &json!({"status": "COMPLETE", "results": results}))
}

/// Rows with these trace ids.
fn rows<'a, const N: usize>(traces: [&'a str; N], values: &'a [Values; N]) -> Vec<UpsertRow<'a>> {
    let rows = traces.iter().zip(values);
    rows.map(|(trace_id, values)| UpsertRow { trace_id, values })
        .collect()
}

#[tokio::test]
async fn an_upsert_names_key_and_trace_of_every_row() {
    let world = world(CallClass::Backfill, vec![written(&["a"])]).await;
    let values = values("a");
    let rows = [UpsertRow {
        trace_id: "t-a",
        values: &values,
    }];
    let answer = world.portal.upsert("2-77", &rows).await.unwrap();
    assert_eq!(answer.written[0].record_id, RecordId(100));
    let asked = &world.server.asked()[0];
    assert_eq!(
        asked.line,
        "POST /crm/objects/2026-09/2-77/batch/upsert HTTP/1.1"
    );
    assert_eq!(
        asked.json(),
        json!({"inputs": [{"id": "a", "idProperty": "transaction_id", "objectWriteTraceId": "t-a",
            "properties": {"transaction_id": "a", "gift_name": ""}}]})
    );
}

#[tokio::test]
async fn an_upsert_whose_answer_is_lost_is_sent_again() {
    let world = world(CallClass::Backfill, vec![Reply::HangUp, written(&["a"])]).await;
    let values = values("a");
    let rows = [UpsertRow {
        trace_id: "t-a",
        values: &values,
    }];
    let answer = world.portal.upsert("2-77", &rows).await.unwrap();
    assert_eq!(answer.written.len(), 1);
    assert_eq!(world.portal.calls().by_kind["objects.upsert"], 2);
}

#[tokio::test]
async fn an_upsert_that_never_gets_an_answer_is_in_doubt() {
    let script = vec![Reply::HangUp, Reply::HangUp, Reply::HangUp];
    let world = world(CallClass::Interactive, script).await;
    let values = values("a");
    let rows = [UpsertRow {
        trace_id: "t-a",
        values: &values,
    }];
    let failure = world.portal.upsert("2-77", &rows).await.unwrap_err();
    assert!(failure.error.is_in_doubt(), "{failure}");
    assert_eq!(failure.keys, ["a"]);
}

#[tokio::test]
async fn what_one_half_has_brought_is_kept_when_the_other_half_gets_no_answer() {
    let refusal = reply(
        400,
        &json!({"category": "VALIDATION_ERROR", "message": "bad row"}),
    );
    let gone = reply(404, &json!({"category": "OBJECT_NOT_FOUND"}));
    let script = vec![refusal, written(&["a"]), gone];
    let world = world(CallClass::Backfill, script).await;
    let values = ["a", "b", "c", "d"].map(values);
    let rows = rows(["ta", "tb", "tc", "td"], &values);
    let failure = world.portal.upsert("2-77", &rows).await.unwrap_err();
    assert!(matches!(failure.error, Error::Missing(_)));
    let written: Vec<_> = failure.answer.written.iter().map(|row| &row.key).collect();
    assert_eq!(written, ["a"]);
    assert!(failure.answer.unanswered.is_empty());
    // One was left out, one got no answer; what was never sent is told of by nobody.
    assert_eq!(failure.keys, ["b", "c"]);
}

#[tokio::test]
async fn rows_that_an_answer_left_out_stay_in_doubt_when_they_are_asked_for_in_vain() {
    let gone = reply(404, &json!({"category": "OBJECT_NOT_FOUND"}));
    let world = world(CallClass::Backfill, vec![written(&["a"]), gone]).await;
    let values = ["a", "b"].map(values);
    let rows = rows(["ta", "tb"], &values);
    let failure = world.portal.upsert("2-77", &rows).await.unwrap_err();
    assert_eq!(failure.answer.written.len(), 1);
    assert!(failure.answer.unanswered.is_empty());
    assert_eq!(failure.keys, ["b"]);
}

#[tokio::test]
async fn a_batch_that_was_lost_and_then_refused_stays_in_doubt_until_an_answer_tells() {
    let conflict = reply(409, &json!({"category": "CONFLICT", "message": "bad row"}));
    let gone = reply(404, &json!({"category": "OBJECT_NOT_FOUND"}));
    let script = vec![Reply::HangUp, conflict, written(&["a", "b"]), gone];
    let world = world(CallClass::Backfill, script).await;
    let values = ["a", "b", "c", "d"].map(values);
    let rows = rows(["ta", "tb", "tc", "td"], &values);
    let failure = world.portal.upsert("2-77", &rows).await.unwrap_err();
    assert_eq!(failure.answer.written.len(), 2);
    assert_eq!(failure.keys, ["c", "d"]);
}

#[tokio::test]
async fn a_batch_that_is_refused_as_a_whole_is_halved_around_the_bad_row() {
    let refusal = || {
        reply(
            400,
            &json!({"category": "VALIDATION_ERROR", "message": "bad row"}),
        )
    };
    let script = vec![
        refusal(),            // a b c d
        written(&["a", "b"]), // a b, so the bad row is one of c d
        refusal(),            // c
        written(&["d"]),      // d
    ];
    let world = world(CallClass::Backfill, script).await;
    let values = ["a", "b", "c", "d"].map(values);
    let rows = rows(["ta", "tb", "tc", "td"], &values);
    let answer = world.portal.upsert("2-77", &rows).await.unwrap();
    assert_eq!(answer.written.len(), 3);
    assert_eq!(answer.refused.len(), 1);
    assert_eq!(answer.refused[0].trace_id.as_deref(), Some("tc"));
    assert_eq!(answer.refused[0].message, "bad row");
    assert!(answer.unanswered.is_empty());
}

#[tokio::test]
async fn a_missing_object_type_is_not_taken_for_bad_rows() {
    let gone = reply(404, &json!({"category": "OBJECT_NOT_FOUND"}));
    let world = world(CallClass::Backfill, vec![gone]).await;
    let values = values("a");
    let rows = [UpsertRow {
        trace_id: "t",
        values: &values,
    }; 2];
    let failure = world.portal.upsert("2-77", &rows).await.unwrap_err();
    assert!(matches!(failure.error, Error::Missing(_)));
}

#[tokio::test]
async fn contacts_that_are_not_there_are_no_error() {
    let partial = reply(
        207,
        &json!({"status": "COMPLETE", "results": [{"id": "5", "properties":
            {"email": "sam@a.example", "hs_additional_emails": null}}],
            "numErrors": 1, "errors": [{"status": "error", "category": "OBJECT_NOT_FOUND",
            "message": "Could not get some CONTACT objects", "context": {"ids": ["x@y.example"]}}]}),
    );
    let world = world(CallClass::Backfill, vec![partial]).await;
    let emails = ["sam@a.example".to_owned(), "x@y.example".to_owned()];
    let found = world.portal.contacts_by_email(&emails, None).await.unwrap();
    let [contact] = &found.contacts[..] else {
        panic!("{found:?}");
    };
    assert_eq!(contact.id, RecordId(5));
    assert!(found.unreadable.is_empty());
    let asked = world.server.asked()[0].json();
    assert_eq!(asked["idProperty"], "email");
    assert_eq!(asked["propertiesWithHistory"], json!([]));
}

#[tokio::test]
async fn a_batch_read_with_another_error_does_not_pass_for_absence() {
    let partial = reply(
        207,
        &json!({"results": [], "errors": [{"category": "INTERNAL_ERROR"}]}),
    );
    let world = world(CallClass::Backfill, vec![partial]).await;
    let error = world
        .portal
        .contacts_by_id(&[RecordId(1)], None)
        .await
        .unwrap_err();
    assert!(error.is_transient());
}

#[tokio::test]
async fn an_invalid_address_is_isolated_and_named_and_the_others_are_read() {
    let refusal = || {
        reply(
            400,
            &json!({"category": "VALIDATION_ERROR", "message": "not an address"}),
        )
    };
    let contact = |id: &str, email: &str| json!({"id": id, "properties": {"email": email}});
    let both = [contact("1", "a@x.example"), contact("2", "b@x.example")];
    // Both halves lead to contact 1, by its two addresses.
    let again = contact("1", "a@x.example");
    let script = vec![
        refusal(),                                // a b bad d
        reply(200, &json!({"results": both})),    // a b, so it is one of bad d
        refusal(),                                // bad
        reply(200, &json!({"results": [again]})), // d
    ];
    let world = world(CallClass::Sync, script).await;
    let emails = ["a@x.example", "b@x.example", "bad@", "d@x.example"].map(str::to_owned);
    let found = world.portal.contacts_by_email(&emails, None).await.unwrap();
    let ids: Vec<_> = found.contacts.iter().map(|contact| contact.id.0).collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(
        found.unreadable,
        HashMap::from([("bad@".to_owned(), "not an address".to_owned())])
    );
    assert_eq!(
        world.server.asked()[2].json()["inputs"],
        json!([{"id": "bad@"}])
    );
}

#[tokio::test]
async fn a_partial_read_names_the_inputs_that_it_refuses() {
    let partial = || {
        reply(
            207,
            &json!({"results": [{"id": "1", "properties": {"hs_is_closed": "true"}}], "numErrors": 2, "errors": [
                {"category": "OBJECT_NOT_FOUND", "message": "gone", "context": {"ids": ["2"]}},
                {"category": "VALIDATION_ERROR", "context": {"ids": ["3"]}}]}),
        )
    };
    let world = world(CallClass::Sync, vec![partial(), partial()]).await;
    let ids = [RecordId(1), RecordId(2), RecordId(3)];
    let found = world.portal.deals(&ids).await.unwrap();
    assert_eq!(
        (found.deals.len(), found.deals[0].is_closed),
        (1, Some(true))
    );
    assert_eq!(
        found.unreadable,
        HashMap::from([(RecordId(3), "VALIDATION_ERROR".to_owned())])
    );
    let found = world.portal.contacts_by_id(&ids, None).await.unwrap();
    assert_eq!(found.contacts.len(), 1);
    assert!(found.unreadable.contains_key("3"), "{found:?}");
}

#[tokio::test]
async fn a_fault_about_a_stranger_does_not_pass_for_absence() {
    let partial = reply(
        207,
        &json!({"results": [], "errors": [{"category": "VALIDATION_ERROR", "context": {"ids": ["99"]}}]}),
    );
    let world = world(CallClass::Sync, vec![partial]).await;
    let error = world.portal.deals(&[RecordId(1)]).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_deal_that_is_refused_alone_is_left_out_and_named() {
    let refusal = || {
        reply(
            400,
            &json!({"category": "VALIDATION_ERROR", "message": "no"}),
        )
    };
    let script = vec![
        refusal(),
        refusal(),
        reply(200, &json!({"results": [{"id": "2", "properties": {}}]})),
    ];
    let world = world(CallClass::Sync, script).await;
    let found = world.portal.deals(&[RecordId(1), RecordId(2)]).await;
    let found = found.unwrap();
    assert_eq!(found.deals[0].id, RecordId(2));
    assert_eq!(
        found.unreadable,
        HashMap::from([(RecordId(1), "no".to_owned())])
    );
}

#[tokio::test]
async fn nothing_is_asked_for_nothing() {
    let world = world(CallClass::Backfill, vec![]).await;
    assert_eq!(world.portal.deals(&[]).await.unwrap(), DealsRead::default());
    let contacts = world.portal.contacts_by_email(&[], None).await.unwrap();
    assert_eq!(contacts, ContactsRead::default());
    let answer = world.portal.upsert("2-77", &[]).await.unwrap();
    assert_eq!(answer, hubspot::UpsertAnswer::default());
    let answer = world.portal.associated("contacts", "deals", &[]).await;
    assert_eq!(answer.unwrap(), hubspot::Associated::default());
    assert_eq!(world.portal.calls().total(), 0);
}

#[tokio::test]
async fn a_long_row_of_associations_is_followed_to_its_end() {
    let none = json!({"category": "OBJECT_NOT_FOUND", "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "context": {"fromObjectId": ["2"]}});
    let first = json!({"results": [{"from": {"id": "1"}, "to": [{"toObjectId": 11}],
        "paging": {"next": {"after": "p2"}}}], "numErrors": 1, "errors": [none]});
    let second = json!({"results": [{"from": {"id": 1}, "to": [{"toObjectId": "12"}]}]});
    let world = world(
        CallClass::Backfill,
        vec![reply(207, &first), reply(200, &second)],
    )
    .await;
    let answer = world
        .portal
        .associated("contacts", "deals", &[RecordId(1), RecordId(2)])
        .await
        .unwrap();
    let ids: Vec<_> = answer.rows[&RecordId(1)]
        .iter()
        .map(|record| record.id.0)
        .collect();
    assert_eq!(ids, [11, 12]);
    assert_eq!(answer.rows[&RecordId(2)], []);
    assert!(answer.failed.is_empty());
    assert_eq!(
        world.server.asked()[1].json(),
        json!({"inputs": [{"id": "1", "after": "p2"}]})
    );
}

#[tokio::test]
async fn links_carry_their_type_and_refused_ones_are_named() {
    let partial = json!({"results": [{}], "numErrors": 1, "errors": [{"category": "OBJECT_NOT_FOUND",
        "message": "gone", "context": {"fromObjectId": ["2"], "toObjectId": ["22"]}}]});
    let world = world(CallClass::Backfill, vec![reply(207, &partial)]).await;
    let pairs = [(RecordId(1), RecordId(21)), (RecordId(2), RecordId(22))];
    let kind = AssociationType {
        category: AssociationCategory::UserDefined,
        type_id: 9,
    };
    let answer = world
        .portal
        .associate("2-77", "contacts", kind, &pairs)
        .await
        .unwrap();
    assert_eq!(answer.refused.len(), 1);
    assert_eq!(
        (answer.refused[0].from, answer.refused[0].to),
        (Some(RecordId(2)), Some(RecordId(22)))
    );
    let asked = &world.server.asked()[0];
    assert_eq!(
        asked.line,
        "POST /crm/associations/2026-09/2-77/contacts/batch/create HTTP/1.1"
    );
    assert_eq!(
        asked.json()["inputs"][0],
        json!({"from": {"id": "1"}, "to": {"id": "21"},
            "types": [{"associationCategory": "USER_DEFINED", "associationTypeId": 9}]})
    );
}
