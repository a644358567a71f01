//! The first import: every transaction one record, bad rows kept apart.

use sandbox::control::{Change, Sent};
use serde_json::json;
use store::rejected_rows;

use crate::harness::{ORGANIZATION, World, empty_world, scope, with, world};

#[tokio::test]
async fn every_transaction_becomes_one_record_with_its_links() {
    let world = world(300).await;
    world.backfilled().await;
    let verdict = world.assert_good().await;
    assert_eq!((verdict.records, verdict.malformed), (300, 0));
    assert!(
        verdict.associations.contact > 200,
        "{:?}",
        verdict.associations
    );
    assert!(verdict.associations.company > 0 && verdict.associations.deal > 0);
    assert!(verdict.orphans > 0);
    let status = world.status().await;
    assert_eq!((status.transactions, status.failed), (300, 0));
    let run = &world.runs().await[0];
    assert_eq!((&run["done"], &run["total"]), (&json!(300), &json!(300)));
    world.end().await;
}

#[tokio::test]
async fn what_people_wrote_reaches_hubspot_as_they_wrote_it() {
    const WRITTEN: [(&str, &str); 10] = [
        // What a template of HubSpot's would fill in, a browser run and a spreadsheet compute is text for them too.
        ("{{ contact.email }}", "{{ contact.email }}"),
        (
            "{% if true %}{{ 7*7 }}{% endif %}",
            "{% if true %}{{ 7*7 }}{% endif %}",
        ),
        (
            "<b onclick=alert(1)>&amp;</b>",
            "<b onclick=alert(1)>&amp;</b>",
        ),
        (
            "=HYPERLINK(\"https://evil.example\")",
            "=HYPERLINK(\"https://evil.example\")",
        ),
        ("' OR '1'='1'; --", "' OR '1'='1'; --"),
        ("\u{202e}backwards", "\u{202e}backwards"),
        ("👩‍👩‍👧‍👦 🇩🇪 e\u{301}", "👩‍👩‍👧‍👦 🇩🇪 e\u{301}"),
        ("two\nlines and a\ttab", "two\nlines and a\ttab"),
        // Only NUL and other controls go.
        ("a\0b", "ab"),
        ("\u{1b}[31mred\u{7}", "[31mred"),
    ];
    let world = empty_world().await;
    let mut gifts = Vec::new();
    for (written, _) in WRITTEN {
        let sent = Sent {
            name: Some(written.into()),
            message: Some(written.into()),
            ..Sent::default()
        };
        let id = world.control.send_gift(ORGANIZATION, sent).unwrap();
        let named = json!({"gift_name": written});
        world
            .control
            .edit_transaction(ORGANIZATION, &id, &named)
            .unwrap();
        gifts.push(id);
    }
    world.backfilled().await;
    for (id, (written, kept)) in gifts.iter().zip(WRITTEN) {
        let record = world.record(id).await;
        for name in ["gift_name", "recipient_name", "message"] {
            assert_eq!(record[name], kept, "{name} of {written:?}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_second_backfill_writes_nothing_again() {
    let world = world(150).await;
    let session = world.backfilled().await;
    let calls = world.all_calls();
    world.run(&session, domain::run::RunKind::Backfill).await;
    assert_eq!(world.all_calls(), calls);
    assert_eq!(world.assert_good().await.records, 150);
    world.end().await;
}

#[tokio::test]
async fn malformed_rows_are_kept_with_field_and_reason_and_stop_nothing() {
    let world = with(|config| {
        config.world = sandbox::WorldSpec::small(config.world.now, 120);
        config.world.bad_rows = 8;
    })
    .await;
    world.backfilled().await;
    let verdict = world.assert_good().await;
    assert_eq!((verdict.records, verdict.malformed), (120, 8));
    let status = world.status().await;
    assert_eq!(
        (status.failed, status.transactions, status.synced),
        (8, 128, 120)
    );
    let mut tx = world.db.begin(scope()).await.unwrap();
    let kept = rejected_rows::list(&mut tx, scope(), 100).await.unwrap();
    drop(tx);
    let mut fields: Vec<&str> = kept.iter().map(|row| row.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "amount",
            "amount",
            "created_at",
            "gift_name",
            "id",
            "recipient",
            "status",
            "status_history[0].at"
        ]
    );
    assert!(kept.iter().all(|row| !row.reason.is_empty()));
    // Seen again they are the same rows.
    world.sync().await;
    assert_eq!(world.status().await.failed, 8);
    world.end().await;
}

#[tokio::test]
async fn a_malformed_change_of_a_known_gift_is_failed_until_a_sound_one_comes() {
    let world = world(20).await;
    world.backfilled().await;
    let id = world.gifts().await[0]["id"].as_str().unwrap().to_owned();
    world
        .control
        .edit_transaction(ORGANIZATION, &id, &json!({"amount": "lots"}))
        .unwrap();
    world.sync().await;
    let status = world.status().await;
    assert_eq!((status.failed, status.transactions), (1, 20));
    world
        .control
        .edit_transaction(ORGANIZATION, &id, &json!({"amount": "31.50"}))
        .unwrap();
    world.sync().await;
    assert_eq!(world.status().await.failed, 0);
    assert_eq!(world.record(&id).await["gift_amount"], "31.50");
    assert_eq!(world.assert_good().await.records, 20);
    world.end().await;
}

#[tokio::test]
async fn a_page_that_repeats_rows_makes_no_second_record() {
    let world = with(|config| {
        config.world = sandbox::WorldSpec::small(config.world.now, 1_020);
        config.rules.thnks_repeats_rows = true;
    })
    .await;
    world.backfilled().await;
    let run = &world.runs().await[0]["counts"];
    assert_eq!((&run["read"], &run["new"]), (&json!(1_022), &json!(1_020)));
    assert_eq!(world.assert_good().await.records, 1_020);
    world.end().await;
}

#[tokio::test]
async fn a_row_that_hubspot_refuses_stays_with_its_reason_and_the_next_run_tries_again() {
    let world = world(120).await;
    world.backfilled().await;
    let (poison, sound) = poison_one(&world).await;
    let calls = world.all_calls();
    world.sync().await;
    // One row of two was taken: the object is not to blame, and nobody looks at it.
    assert_eq!(world.all_calls() - calls, 1);
    let status = world.status().await;
    assert_eq!((status.failed, status.synced), (1, 119));
    let row = world.row(&poison).await;
    assert_eq!(row["failure_code"], "INVALID_EMAIL", "{row}");
    assert_eq!(row["failure_field"], "recipient_email");
    assert!(
        row["failure_reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty())
    );
    assert_eq!(world.record(&sound).await["status"], "redeemed");

    let rules = json!({"upsert_refuses": []});
    world.control.merge_rules(&rules).unwrap();
    world.sync().await;
    assert_eq!(world.status().await.failed, 0);
    assert_eq!(world.record(&poison).await["status"], "donated");
    assert_eq!(world.assert_good().await.records, 120);
    world.end().await;
}

/// Of two changes that come in the same batch HubSpot refuses one.
async fn poison_one(world: &World) -> (String, String) {
    let gifts = world.gifts().await;
    let mut ids: Vec<&str> = gifts
        .iter()
        .filter(|gift| {
            !["scheduled", "donated", "redeemed"].contains(&gift["status"].as_str().unwrap())
        })
        .map(|gift| gift["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    for (id, status) in [(ids[0], "donated"), (ids[1], "redeemed")] {
        let change = Change {
            id: Some(id.to_owned()),
            count: 1,
            status: Some(status.into()),
            at: None,
        };
        world.control.advance(ORGANIZATION, &change).unwrap();
    }
    let rules = json!({"upsert_refuses": [ids[0]]});
    world.control.merge_rules(&rules).unwrap();
    (ids[0].to_owned(), ids[1].to_owned())
}
