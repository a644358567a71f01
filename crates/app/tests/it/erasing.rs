//! Erasure: after a contact asked for it nothing of the person is left, here or in HubSpot's records, and no later read
//! brings it back. What was given and what it cost stays.

use std::fmt::Write;

use domain::event::{Change, ContactEvent};
use domain::{HubId, RecordId};
use sandbox::control::{Contact, Sent};
use serde_json::{Value, json};

use crate::harness::crm::{contact, gift};
use crate::harness::{HUB, ORGANIZATION, World, empty_world, with};

const TABLES: [&str; 12] = [
    "transactions",
    "status_events",
    "rejected_rows",
    "runs",
    "audit",
    "recipient_remedies",
    "deal_facts",
    "erased_recipients",
    "hubspot_events",
    "portals",
    "daily_totals",
    "portal_totals",
];
/// What must not be found anywhere, in lower case.
const PERSON: [&str; 5] = [
    "zoe.quill@client.example",
    "zoe quill",
    "+12025550123",
    "202) 555-0123",
    "only between us",
];

pub fn to_zoe(world: &World) -> String {
    let sent = Sent {
        email: Some("Zoe.Quill@client.example".into()),
        name: Some("Zoe Quill".into()),
        phone: Some("+1 (202) 555-0123".into()),
        message: Some("This stays only between us".into()),
        ..Sent::default()
    };
    world.control.send_gift(ORGANIZATION, sent).unwrap()
}

pub fn zoe(world: &World) -> u64 {
    let contact = Contact {
        email: Some("zoe.quill@client.example".into()),
        first_name: Some("Zoe".into()),
        last_name: Some("Quill".into()),
        ..Contact::default()
    };
    world.control.add_contact(HUB, &contact).unwrap()
}

/// Every row of every table, as text.
pub async fn everything(world: &World) -> String {
    let mut all = String::new();
    for table in TABLES {
        for row in world.rows(table).await {
            writeln!(all, "{table}: {row}").unwrap();
        }
    }
    all.to_lowercase()
}

pub async fn assert_nothing_of_the_person(world: &World, gifts: &[&String]) {
    let all = everything(world).await;
    for words in PERSON {
        let found: Vec<&str> = all.lines().filter(|line| line.contains(words)).collect();
        assert!(found.is_empty(), "{words}: {found:?}");
    }
    for id in gifts {
        let record = world.record(id).await;
        for name in [
            "recipient_name",
            "recipient_email",
            "recipient_phone",
            "message",
            "tracking_url",
        ] {
            let value = record[name].as_str().unwrap_or_default();
            assert_eq!(value, "", "{name} of {id}");
        }
    }
}

/// HubSpot tells that a contact asked to be forgotten, whatever has become of it since.
pub async fn tell_forgotten(world: &World, contact: u64) {
    let event = ContactEvent {
        hub_id: HubId(HUB),
        change: Change::Forgotten,
        contact: RecordId(contact.cast_signed()),
        record: None,
    };
    let db = world.scratch.db();
    let mut tx = db.begin_unscoped().await.unwrap();
    store::hubspot_events::insert(&mut tx, &[event])
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn nothing_of_the_person_is_left_and_the_money_stays() {
    let world = empty_world().await;
    let zoe = zoe(&world);
    let bo = contact(&world, "bo@client.example", &[], None);
    let (one, two, other) = (
        to_zoe(&world),
        to_zoe(&world),
        gift(&world, Some("bo@client.example")),
    );
    let session = world.backfilled().await;
    world.listen().await;
    assert!(everything(&world).await.contains("zoe quill"));
    let before = world.row(&one).await;
    let totals = world.rows("daily_totals").await;
    world
        .control
        .delete_record(HUB, "contacts", zoe, true)
        .unwrap();
    world.follow().await;
    assert_nothing_of_the_person(&world, &[&one, &two]).await;
    let after = world.row(&one).await;
    for kept in [
        "gift_name",
        "gift_type",
        "amount",
        "currency",
        "sender_name",
        "status",
        "counted_at",
        "history",
    ] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    assert_eq!(world.rows("daily_totals").await, totals);
    assert_eq!(
        world.record(&one).await["gift_amount"],
        world.record(&two).await["gift_amount"]
    );
    assert_eq!(world.outcome(&one).await, "erased");
    assert_eq!(world.links(&other, "contacts").await, [bo]);
    assert_eq!(
        world.row(&other).await["recipient_email"],
        "bo@client.example"
    );
    let audit = world.rows("audit").await;
    let erased: Vec<&Value> = audit
        .iter()
        .filter(|line| line["action"] == "recipient.erase")
        .collect();
    assert_eq!(erased.len(), 1);
    assert_eq!(erased[0]["detail"], json!({"transactions": 2, "rows": 0}));

    // Thnks still knows the person: neither a change, nor a sweep of everything, nor a new gift brings them back.
    world
        .control
        .edit_transaction(ORGANIZATION, &one, &json!({"gift_name": "Renamed"}))
        .unwrap();
    let new = to_zoe(&world);
    world.sync().await;
    world.run(&session, domain::run::RunKind::Resync).await;
    world.run(&session, domain::run::RunKind::Reassociate).await;
    assert_eq!(world.record(&one).await["gift_name"], "Renamed");
    assert_eq!(world.outcome(&new).await, "erased");
    assert_nothing_of_the_person(&world, &[&one, &two, &new]).await;
    world.end().await;
}

#[tokio::test]
async fn an_erasure_that_is_told_after_the_deletion_finds_the_gifts_all_the_same() {
    for told_before in [false, true] {
        let world = empty_world().await;
        let zoe = zoe(&world);
        let id = to_zoe(&world);
        world.backfilled().await;
        world.listen().await;
        if told_before {
            // The deletion is followed up first: the row is an orphan when the erasure comes.
            world
                .control
                .delete_record(HUB, "contacts", zoe, false)
                .unwrap();
            world.follow().await;
            assert_eq!(world.outcome(&id).await, "no_contact");
            tell_forgotten(&world, zoe).await;
        } else {
            world
                .control
                .delete_record(HUB, "contacts", zoe, true)
                .unwrap();
        }
        world.follow().await;
        assert_nothing_of_the_person(&world, &[&id]).await;
        world.end().await;
    }
}

#[tokio::test]
async fn an_erasure_that_is_told_after_the_gifts_went_to_another_contact_finds_them_all_the_same() {
    let world = empty_world().await;
    let (before, id) = (zoe(&world), to_zoe(&world));
    let session = world.backfilled().await;
    world
        .control
        .delete_record(HUB, "contacts", before, true)
        .unwrap();
    let after = zoe(&world);
    world.run(&session, domain::run::RunKind::Resync).await;
    assert_eq!(world.links(&id, "contacts").await, [after]);
    tell_forgotten(&world, before).await;
    world.follow().await;
    assert_nothing_of_the_person(&world, &[&id]).await;
    world.end().await;
}

#[tokio::test]
async fn who_gave_an_address_away_takes_nothing_of_its_new_owner_along() {
    let world = empty_world().await;
    let (before, id) = (zoe(&world), to_zoe(&world));
    let session = world.backfilled().await;
    world
        .control
        .change_record(
            HUB,
            "contacts",
            before,
            &[("email".to_owned(), json!("jo@client.example"))].into(),
        )
        .unwrap();
    let after = zoe(&world);
    world.run(&session, domain::run::RunKind::Resync).await;
    assert_eq!(world.row(&id).await["contact_id"], json!(after));
    world
        .control
        .delete_record(HUB, "contacts", before, true)
        .unwrap();
    tell_forgotten(&world, before).await;
    world.follow().await;
    assert_eq!(world.outcome(&id).await, "linked");
    assert_eq!(world.row(&id).await["recipient_name"], "Zoe Quill");
    world.end().await;
}

#[tokio::test]
async fn who_gets_a_gift_that_was_somebody_elses_keeps_it_when_they_ask_to_be_forgotten() {
    let world = empty_world().await;
    let zoe = zoe(&world);
    let bo = contact(&world, "bo@client.example", &[], None);
    let (given_away, own) = (to_zoe(&world), gift(&world, Some("bo@client.example")));
    world.backfilled().await;
    world.listen().await;
    world
        .control
        .delete_record(HUB, "contacts", zoe, false)
        .unwrap();
    world.follow().await;
    let to_bo =
        json!({"recipient": {"name": "Bo Diaz", "email": "bo@client.example", "phone": null}});
    world
        .control
        .edit_transaction(ORGANIZATION, &given_away, &to_bo)
        .unwrap();
    world.sync().await;
    tell_forgotten(&world, zoe).await;
    world.follow().await;
    for id in [&given_away, &own] {
        assert_eq!(world.links(id, "contacts").await, [bo], "{id}");
        let row = world.row(id).await;
        assert_eq!(row["recipient_email"], "bo@client.example", "{id}");
    }
    world.end().await;
}

#[tokio::test]
async fn failed_rows_and_what_hubspot_said_of_them_are_wiped_too() {
    let world = with(|config| config.rules.upsert_partial = true).await;
    let zoe = zoe(&world);
    let known = to_zoe(&world);
    world.backfilled().await;
    world.listen().await;
    // A row that cannot be a transaction, and one that HubSpot refuses for its address.
    let (broken, refused) = (to_zoe(&world), to_zoe(&world));
    world
        .control
        .edit_transaction(ORGANIZATION, &broken, &json!({"amount": "a lot"}))
        .unwrap();
    world
        .control
        .merge_rules(&json!({"upsert_refuses": [refused]}))
        .unwrap();
    world.sync().await;
    let all = everything(&world).await;
    assert!(
        all.lines()
            .any(|line| line.starts_with("rejected_rows") && line.contains("zoe quill"))
    );
    assert!(all.contains("zoe.quill@client.example"));
    assert_eq!(world.status().await.failed, 2);
    world
        .control
        .delete_record(HUB, "contacts", zoe, true)
        .unwrap();
    world
        .control
        .merge_rules(&json!({"upsert_refuses": []}))
        .unwrap();
    world.follow().await;
    assert_nothing_of_the_person(&world, &[&known, &refused]).await;
    // The malformed row comes again with every change, without the person.
    world
        .control
        .edit_transaction(ORGANIZATION, &broken, &json!({"gift_name": "Again"}))
        .unwrap();
    world.sync().await;
    assert_nothing_of_the_person(&world, &[&known, &refused]).await;
    world.end().await;
}

#[tokio::test]
async fn a_paused_portal_erases_at_once_and_writes_when_it_goes_on() {
    let world = empty_world().await;
    let zoe = zoe(&world);
    let id = to_zoe(&world);
    let session = world.backfilled().await;
    world.listen().await;
    app::pause::pause(&world.app, &session).await.unwrap();
    world
        .control
        .delete_record(HUB, "contacts", zoe, true)
        .unwrap();
    world.delivered().await;
    app::schedule::take_events(&world.app).await.unwrap();
    assert_nothing_of_the_person(&world, &[]).await;
    app::pause::resume(&world.app, &session).await.unwrap();
    world.drain().await;
    assert_nothing_of_the_person(&world, &[&id]).await;
    world.end().await;
}

#[tokio::test]
async fn what_a_worker_read_before_the_erasure_does_not_come_back_after_it() {
    let world = empty_world().await;
    let zoe = zoe(&world);
    let one = to_zoe(&world);
    world.backfilled().await;
    let target = world.listen().await;
    // A change is stored and not yet written or linked; then the erasure comes in between.
    world
        .control
        .edit_transaction(ORGANIZATION, &one, &json!({"recipient": {"name": "Zoe Quill", "email": "zoe.quill@client.example", "phone": null}}))
        .unwrap();
    let second = to_zoe(&world);
    let planned = world.status().await.next_sync_at.unwrap();
    world.let_pass(planned - world.now() + chrono::TimeDelta::seconds(1));
    app::schedule::insert_due_runs(&world.app).await.unwrap();
    world
        .control
        .delete_record(HUB, "contacts", zoe, true)
        .unwrap();
    world.delivered().await;
    let due = app::schedule::take_due(&world.app, 1).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    // Told to stop at once, the run yields after its first step: it has read.
    stop.cancel();
    app::engine::work(&world.app, due[0], &stop).await.unwrap();
    assert!(everything(&world).await.contains("zoe quill"));
    world.follow().await;
    assert_nothing_of_the_person(&world, &[&one, &second]).await;
    let _ = target;
    world.end().await;
}

#[tokio::test]
async fn a_colleague_with_the_same_number_stays() {
    let world = empty_world().await;
    let zoe = zoe(&world);
    let kim = contact(&world, "kim@client.example", &[], None);
    let hers = to_zoe(&world);
    let sent = Sent {
        email: Some("kim@client.example".into()),
        name: Some("Kim Lee".into()),
        phone: Some("+1 (202) 555-0123".into()),
        ..Sent::default()
    };
    let theirs = world.control.send_gift(ORGANIZATION, sent).unwrap();
    let session = world.backfilled().await;
    world.listen().await;
    world
        .control
        .delete_record(HUB, "contacts", zoe, true)
        .unwrap();
    world.follow().await;
    world
        .control
        .edit_transaction(ORGANIZATION, &theirs, &json!({"gift_name": "Renamed"}))
        .unwrap();
    world.sync().await;
    world.run(&session, domain::run::RunKind::Resync).await;
    assert_eq!(world.record(&theirs).await["recipient_name"], "Kim Lee");
    assert_eq!(world.links(&theirs, "contacts").await, [kim]);
    assert_eq!(world.outcome(&hers).await, "erased");
    world.end().await;
}

#[tokio::test]
async fn a_merge_that_nobody_has_followed_does_not_hide_the_gifts() {
    let world = empty_world().await;
    let zoe = zoe(&world);
    let other = contact(&world, "zoe@home.example", &[], None);
    let id = to_zoe(&world);
    let session = world.backfilled().await;
    world.listen().await;
    app::pause::pause(&world.app, &session).await.unwrap();
    let survivor = world
        .control
        .merge_records(HUB, "contacts", other, zoe)
        .unwrap();
    world
        .control
        .delete_record(HUB, "contacts", survivor, true)
        .unwrap();
    world.delivered().await;
    app::schedule::take_events(&world.app).await.unwrap();
    assert_nothing_of_the_person(&world, &[]).await;
    app::pause::resume(&world.app, &session).await.unwrap();
    world.drain().await;
    assert_nothing_of_the_person(&world, &[&id]).await;
    world.end().await;
}
