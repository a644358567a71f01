//! HubSpot's events: signed deliveries over HTTP to the real web server, followed up by the engine.

use domain::run::RunKind;
use sandbox::control::Contact;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::Level;

use crate::harness::crm::{change, company, contact, deal, gift, hand_link, link};
use crate::harness::{HUB, ORGANIZATION, World, empty_world, hearing, scope, with};

/// Calls for contacts that HubSpot has had.
fn reads(world: &World) -> u64 {
    world.calls("objects.batch_read")
}

#[tokio::test]
async fn a_contact_that_is_created_gets_its_gifts_and_nobody_elses() {
    let world = empty_world().await;
    let (one, two, other) = (
        gift(&world, Some("ana@client.example")),
        gift(&world, Some(" ANA@client.example")),
        gift(&world, Some("bo@client.example")),
    );
    world.backfilled().await;
    world.listen().await;
    let calls = world.all_calls();
    let acme = company(&world, "Acme");
    let ana = contact(&world, "ana@client.example", &[], Some(acme));
    world.follow().await;
    // The contact, its companies, its deals, a link to the contact and one to the company.
    let spent = world.all_calls() - calls;
    println!("calls from contact created to two gifts linked: {spent}");
    assert!(spent <= 5, "{spent} calls");
    for id in [&one, &two] {
        assert_eq!(world.links(id, "contacts").await, [ana]);
        assert_eq!(world.links(id, "companies").await, [acme]);
        assert_eq!(world.outcome(id).await, "linked");
    }
    assert_eq!(world.outcome(&other).await, "no_contact");
    let deliveries = world.control.deliveries();
    assert!(
        deliveries.iter().all(|one| one.status == Some(204)),
        "{deliveries:?}"
    );
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn events_cost_no_call_while_there_is_no_orphan_and_no_link_to_care_for() {
    let world = empty_world().await;
    let ana = contact(&world, "ana@client.example", &[], None);
    let id = gift(&world, Some("ana@client.example"));
    world.backfilled().await;
    world.listen().await;
    let calls = world.all_calls();
    for n in 0..20 {
        let bo = contact(&world, &format!("bo{n}@client.example"), &[], None);
        change(&world, bo, &[("email", &format!("new{n}@client.example"))]);
        world
            .control
            .delete_record(HUB, "contacts", bo, false)
            .unwrap();
        world.control.restore_record(HUB, "contacts", bo).unwrap();
    }
    change(&world, ana, &[("email", "ana@new.example")]);
    world.follow().await;
    assert_eq!(world.all_calls(), calls);
    assert!(world.rows("hubspot_events").await.is_empty());
    assert_eq!(world.links(&id, "contacts").await, [ana]);
    // What led to nothing is no news for the history.
    let kinds: Vec<String> = app::runs::list(&world.app, &scope(), None)
        .await
        .unwrap()
        .iter()
        .map(|run| run.kind.as_str().to_owned())
        .collect();
    assert_eq!(kinds, ["backfill"]);
    world.end().await;
}

#[tokio::test]
async fn an_address_that_a_contact_gets_brings_it_its_gifts() {
    let world = empty_world().await;
    let (primary, additional) = (
        gift(&world, Some("ana@new.example")),
        gift(&world, Some("ana@more.example")),
    );
    let ana = contact(&world, "ana@client.example", &[], None);
    world.backfilled().await;
    world.listen().await;
    change(&world, ana, &[("email", "ana@new.example")]);
    world.follow().await;
    assert_eq!(world.links(&primary, "contacts").await, [ana]);
    change(
        &world,
        ana,
        &[("hs_additional_emails", "ana@old.example;Ana@More.example")],
    );
    world.follow().await;
    assert_eq!(world.links(&additional, "contacts").await, [ana]);
    // Its gifts stay with it when it gets another address.
    change(&world, ana, &[("email", "ana@third.example")]);
    world.follow().await;
    assert_eq!(world.links(&primary, "contacts").await, [ana]);
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn after_a_merge_the_survivor_has_the_gifts_of_both() {
    for makes_new in [false, true] {
        let world = with(|config| config.rules.merge_makes_new_record = makes_new).await;
        let (ana, old) = (
            contact(&world, "ana@client.example", &[], None),
            contact(&world, "ana@old.example", &[], None),
        );
        let (one, two) = (
            gift(&world, Some("ana@client.example")),
            gift(&world, Some("ana@old.example")),
        );
        let session = world.backfilled().await;
        world.listen().await;
        let survivor = world
            .control
            .merge_records(HUB, "contacts", ana, old)
            .unwrap();
        world.follow().await;
        for id in [&one, &two] {
            assert_eq!(world.links(id, "contacts").await, [survivor]);
            assert_eq!(world.row(id).await["contact_id"], survivor);
        }
        let calls = world.all_calls();
        world.run(&session, RunKind::Reassociate).await;
        assert_eq!(world.all_calls(), calls, "nobody is an orphan");
        world.assert_good().await;
        world.end().await;
    }
}

#[tokio::test]
async fn a_deleted_contact_leaves_orphans_and_a_restored_one_gets_them_back() {
    let world = empty_world().await;
    let ana = contact(&world, "ana@client.example", &[], None);
    let id = gift(&world, Some("ana@client.example"));
    world.backfilled().await;
    world.listen().await;
    world
        .control
        .delete_record(HUB, "contacts", ana, false)
        .unwrap();
    world.follow().await;
    assert_eq!(world.outcome(&id).await, "no_contact");
    assert_eq!(world.status().await.orphans, 1);
    world.control.restore_record(HUB, "contacts", ana).unwrap();
    world.follow().await;
    assert_eq!(world.links(&id, "contacts").await, [ana]);
    assert_eq!(world.status().await.orphans, 0);
    // Both told at once, after all has happened: HubSpot dropped the link, although the contact is there.
    world
        .control
        .delete_record(HUB, "contacts", ana, false)
        .unwrap();
    world.control.restore_record(HUB, "contacts", ana).unwrap();
    assert!(world.links(&id, "contacts").await.is_empty());
    world.follow().await;
    assert_eq!(world.links(&id, "contacts").await, [ana]);
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn what_a_person_links_and_unlinks_by_hand_is_left_alone() {
    let world = empty_world().await;
    let (ana, bo) = (
        contact(&world, "ana@client.example", &[], None),
        contact(&world, "bo@client.example", &[], None),
    );
    let (known, orphan) = (
        gift(&world, Some("ana@client.example")),
        gift(&world, Some("nobody@client.example")),
    );
    let session = world.backfilled().await;
    world.listen().await;
    world
        .control
        .unlink(HUB, &hand_link(&world, &known, ana).await)
        .unwrap();
    world
        .control
        .link(HUB, &hand_link(&world, &orphan, bo).await)
        .unwrap();
    world.follow().await;
    assert_eq!(world.outcome(&known).await, "unlinked_by_hand");
    assert_eq!(world.outcome(&orphan).await, "linked_by_hand");
    // One record has no contact, whoever took it away.
    assert_eq!(world.status().await.orphans, 1);
    let again = contact(&world, "nobody@client.example", &[], None);
    world.run(&session, RunKind::Reassociate).await;
    world.run(&session, RunKind::Resync).await;
    world.follow().await;
    assert!(world.links(&known, "contacts").await.is_empty());
    assert_eq!(world.links(&orphan, "contacts").await, [bo]);
    assert_ne!(again, bo);
    assert_eq!(world.verdict().wrong_link_count, 0);
    world.end().await;
}

#[tokio::test]
async fn the_echo_of_our_own_links_costs_no_call() {
    let mut calls = Vec::new();
    for listens in [false, true] {
        let world = empty_world().await;
        for n in 0..30 {
            let email = format!("ana{n}@client.example");
            contact(&world, &email, &[], None);
            gift(&world, Some(&email));
        }
        world.install_from_link().await;
        if listens {
            world.listen().await;
        }
        world.drain().await;
        world.follow().await;
        calls.push(world.all_calls());
        let told: usize = world
            .control
            .deliveries()
            .iter()
            .map(|one| one.events)
            .sum();
        assert_eq!(told, if listens { 30 } else { 0 });
        assert!(world.rows("hubspot_events").await.is_empty());
        world.end().await;
    }
    assert_eq!(calls[0], calls[1]);
}

#[tokio::test]
async fn the_echo_of_a_stride_that_was_not_stored_is_no_persons_act() {
    let world = empty_world().await;
    let id = gift(&world, Some("ana@client.example"));
    let session = world.backfilled().await;
    let ana = contact(&world, "ana@client.example", &[], None);
    let open = deal(&world, ana, "default", "contractsent");
    // The worker made the link and was killed before it could note it; HubSpot tells of it.
    let record = world.record_id(&id).await;
    let object = world.object().await;
    let path =
        format!("/crm/objects/2026-09/{object}/{record}/associations/default/contacts/{ana}");
    world.hubspot_call("PUT", &path, &Value::Null).await;
    let mut tx = world.db.begin_unscoped().await.unwrap();
    let echo = domain::event::ContactEvent {
        hub_id: domain::HubId(HUB),
        change: domain::event::Change::Linked,
        contact: domain::RecordId(ana.cast_signed()),
        record: Some(domain::RecordId(record.cast_signed())),
    };
    store::hubspot_events::insert(&mut tx, &[echo])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    world.run(&session, RunKind::Reassociate).await;
    assert_eq!(world.outcome(&id).await, "linked");
    assert_eq!(world.links(&id, "deals").await, [open]);
    world.assert_good().await;
    world.end().await;
}

/// Delivers events as HubSpot does, to the web server itself; returns the status.
async fn deliver(target: &url::Url, secret: &str, at: i64, body: &str) -> u16 {
    let (path, time) = (target.as_str(), at.to_string());
    let signature = sandbox::webhooks::sign(secret, "POST", path, body, &time);
    let http = hubspot::http_client().build().unwrap();
    let answer = http
        .post(target.clone())
        .header("x-hubspot-signature-v3", signature)
        .header("x-hubspot-request-timestamp", time)
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    answer.status().as_u16()
}

fn event(kind: &str, contact: u64, more: &Value) -> Value {
    let mut event = json!({"eventId": 1, "subscriptionId": 5, "portalId": HUB, "appId": sandbox::APP_ID, "occurredAt": 1,
        "subscriptionType": format!("contact.{kind}"), "attemptNumber": 0, "objectId": contact});
    let more = more.as_object().cloned().unwrap_or_default();
    event.as_object_mut().unwrap().extend(more);
    event
}

#[tokio::test]
async fn duplicates_and_any_order_are_harmless() {
    let world = empty_world().await;
    let (ana, bo) = (
        contact(&world, "ana@client.example", &[], None),
        contact(&world, "bo@client.example", &[], None),
    );
    let (one, two) = (
        gift(&world, Some("ana@client.example")),
        gift(&world, Some("bo@client.example")),
    );
    world.backfilled().await;
    let target = world.listen().await;
    world.control.set_webhook_target(None);
    let survivor = world
        .control
        .merge_records(HUB, "contacts", ana, bo)
        .unwrap();
    let merge = json!({"primaryObjectId": ana, "mergedObjectIds": [bo], "newObjectId": survivor});
    // A story that is not what happened, in the wrong order, twice.
    let told = [
        event("deletion", ana, &Value::Null),
        event("restore", bo, &Value::Null),
        event("merge", survivor, &merge),
        event("creation", ana, &Value::Null),
        event("deletion", bo, &Value::Null),
    ];
    let now = world.now().timestamp_millis();
    for round in 0..2 {
        for event in &told {
            let events = json!([event, event]).to_string();
            let status = deliver(&target, sandbox::CLIENT_SECRET, now + round, &events).await;
            assert_eq!(status, 204);
        }
        let all: Vec<&Value> = told.iter().rev().collect();
        let events = json!(all).to_string();
        assert_eq!(
            deliver(&target, sandbox::CLIENT_SECRET, now, &events).await,
            204
        );
        world.follow().await;
        for id in [&one, &two] {
            assert_eq!(world.links(id, "contacts").await, [survivor]);
            assert_eq!(world.outcome(id).await, "linked");
        }
    }
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn what_is_not_ours_is_acknowledged_or_refused_and_leaves_nothing() {
    let world = empty_world().await;
    world.backfilled().await;
    let target = world.listen().await;
    let now = world.now().timestamp_millis();
    let strangers = json!([
        event("creation", 5, &json!({"portalId": 4_711})),
        event("privacyDeletion", 5, &json!({"portalId": 4_711})),
        event("propertyChange", 5, &json!({"propertyName": "lastname", "propertyValue": "x"})),
        {"subscriptionType": "deal.creation", "portalId": HUB, "objectId": 5},
        {"what": "is this"},
    ])
    .to_string();
    let secret = sandbox::CLIENT_SECRET;
    assert_eq!(deliver(&target, secret, now, &strangers).await, 204);
    let good = json!([event("creation", 5, &Value::Null)]).to_string();
    assert_eq!(deliver(&target, "another secret", now, &good).await, 401);
    assert_eq!(deliver(&target, secret, now - 301_000, &good).await, 401);
    assert_eq!(deliver(&target, secret, now + 90_000, &good).await, 401);
    let bare = hubspot::http_client().build().unwrap();
    let answer = bare
        .post(target.clone())
        .body(good.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(deliver(&target, secret, now, "{}").await, 400);
    assert!(world.rows("hubspot_events").await.is_empty());
    world.end().await;
}

#[tokio::test]
async fn of_a_mixed_delivery_only_our_apps_events_of_known_portals_are_stored() {
    let world = empty_world().await;
    world.backfilled().await;
    let target = world.listen().await;
    let now = world.now().timestamp_millis();
    let others = json!({"appId": sandbox::APP_ID + 1});
    let unknown = json!({"portalId": 4_711});
    let mixed: Vec<Value> = (1..=25)
        .flat_map(|contact| {
            [
                event("creation", contact, &Value::Null),
                event("creation", contact + 100, &others),
                event("creation", contact + 200, &unknown),
                event("somethingNew", contact + 300, &Value::Null),
            ]
        })
        .collect();
    let heard = hearing::listen(Level::INFO);
    let secret = sandbox::CLIENT_SECRET;
    let status = deliver(&target, secret, now, &json!(mixed).to_string()).await;
    assert_eq!(status, 204);
    assert_eq!(heard.count("events of another app were dropped"), 1);
    let stored = world.scratch.rows_of_all("hubspot_events").await;
    let mut contacts: Vec<i64> = stored
        .iter()
        .inspect(|row| assert_eq!(row["hub_id"], HUB))
        .map(|row| row["contact_id"].as_i64().unwrap())
        .collect();
    contacts.sort_unstable();
    assert!(contacts.into_iter().eq(1..=25));
    // Alone they are acknowledged as well.
    let foreign = json!([event("privacyDeletion", 7, &others)]).to_string();
    assert_eq!(deliver(&target, secret, now, &foreign).await, 204);
    assert_eq!(world.scratch.rows_of_all("hubspot_events").await, stored);
    drop(heard);
    world.follow().await;
    world.end().await;
}

#[tokio::test]
async fn an_import_of_contacts_costs_no_more_than_looking_for_the_orphans() {
    let world = empty_world().await;
    let id = gift(&world, Some("ana150@client.example"));
    world.backfilled().await;
    world.listen().await;
    let before = reads(&world);
    let contacts: Vec<u64> = (0..300)
        .map(|n| contact(&world, &format!("ana{n}@client.example"), &[], None))
        .collect();
    world.follow().await;
    assert_eq!(reads(&world) - before, 1);
    assert_eq!(world.links(&id, "contacts").await, [contacts[150]]);
    world.end().await;
}

#[tokio::test]
async fn an_event_goes_before_a_backfill_that_is_under_way() {
    let world = empty_world().await;
    let ana = contact(&world, "ana@client.example", &[], None);
    let first = gift(&world, Some("ana@client.example"));
    let session = world.backfilled().await;
    world.listen().await;
    world
        .control
        .delete_record(HUB, "contacts", ana, false)
        .unwrap();
    world.follow().await;
    for n in 0..1_200 {
        gift(&world, Some(&format!("bo{n}@client.example")));
    }
    app::runs::request(&world.app, &session, RunKind::Backfill)
        .await
        .unwrap();
    world.control.restore_record(HUB, "contacts", ana).unwrap();
    world.delivered().await;
    // The backfill is taken first, and gives way after its first step.
    world.let_pass(chrono::TimeDelta::seconds(2));
    let due = app::schedule::take_due(&world.app, 1).await.unwrap();
    app::schedule::take_events(&world.app).await.unwrap();
    let outcome = app::engine::work(&world.app, due[0], &CancellationToken::new()).await;
    assert_eq!(outcome.unwrap(), app::engine::Outcome::Yielded);
    let due = app::schedule::take_due(&world.app, 1).await.unwrap();
    app::engine::work(&world.app, due[0], &CancellationToken::new())
        .await
        .unwrap();
    assert_eq!(world.links(&first, "contacts").await, [ana]);
    assert_eq!(
        world
            .runs()
            .await
            .iter()
            .filter(|run| run["state"] == "queued")
            .count(),
        1
    );
    world.drain().await;
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn events_of_a_paused_portal_wait_for_it() {
    let world = empty_world().await;
    let id = gift(&world, Some("ana@client.example"));
    let session = world.backfilled().await;
    world.listen().await;
    app::pause::pause(&world.app, &session).await.unwrap();
    let ana = contact(&world, "ana@client.example", &[], None);
    world.follow().await;
    assert_eq!(world.outcome(&id).await, "no_contact");
    app::pause::resume(&world.app, &session).await.unwrap();
    world.follow().await;
    assert_eq!(world.links(&id, "contacts").await, [ana]);
    world.end().await;
}

#[tokio::test]
async fn recent_orphans_are_looked_at_after_every_sync_and_all_of_them_at_night() {
    let world = empty_world().await;
    let old = gift(&world, Some("old@client.example"));
    world.let_pass(chrono::TimeDelta::days(30));
    let recent = gift(&world, Some("recent@client.example"));
    world.backfilled().await;
    let (a, b) = (
        contact(&world, "old@client.example", &[], None),
        contact(&world, "recent@client.example", &[], None),
    );
    let night = world.rows("sync_schedule").await[0]["next_reassociate_at"].clone();
    let night: chrono::DateTime<chrono::Utc> = night.as_str().unwrap().parse().unwrap();
    let away = night - world.now();
    assert!(away <= chrono::TimeDelta::days(1), "{away}");
    if away > chrono::TimeDelta::hours(2) {
        world.sync().await;
        assert_eq!(world.links(&recent, "contacts").await, [b]);
        assert_eq!(world.outcome(&old).await, "no_contact");
    }
    world.let_pass(night - world.now() + chrono::TimeDelta::seconds(1));
    app::schedule::insert_due_runs(&world.app).await.unwrap();
    world.drain().await;
    assert_eq!(world.links(&old, "contacts").await, [a]);
    let runs = world.runs().await;
    let nightly: Vec<&Value> = runs
        .iter()
        .filter(|run| run["kind"] == "reassociate")
        .collect();
    assert_eq!(nightly.len(), 1);
    assert_eq!(nightly[0]["requested_by"], "schedule");
    // Nobody is left: no run the next night.
    world.let_pass(chrono::TimeDelta::days(1));
    app::schedule::insert_due_runs(&world.app).await.unwrap();
    world.drain().await;
    let runs = world.runs().await;
    assert_eq!(
        runs.iter()
            .filter(|run| run["kind"] == "reassociate")
            .count(),
        1
    );
    world.end().await;
}

#[tokio::test]
async fn a_contact_with_deals_and_a_second_portal_beside_it() {
    let world = empty_world().await;
    let id = gift(&world, Some("ana@client.example"));
    world.backfilled().await;
    world.listen().await;
    let bo = Contact {
        email: Some("bo@client.example".into()),
        ..Contact::default()
    };
    world.control.add_contact(HUB, &bo).unwrap();
    let ana = contact(&world, "ana@client.example", &[], None);
    let open = deal(&world, ana, "default", "contractsent");
    deal(&world, ana, "default", "closedlost");
    let acme = company(&world, "Acme");
    link(&world, ("contacts", ana), ("companies", acme));
    world.follow().await;
    assert_eq!(world.links(&id, "deals").await, [open]);
    let facts = world.rows("deal_facts").await;
    assert_eq!(facts.len(), 1);
    assert_eq!(
        (
            &facts[0]["deal_id"],
            &facts[0]["stage"],
            &facts[0]["pipeline"]
        ),
        (&json!(open), &json!("contractsent"), &json!("default"))
    );
    // Closed afterwards: the link and what was known of the deal stay.
    world
        .control
        .change_record(
            HUB,
            "deals",
            open,
            &[("dealstage".to_owned(), json!("closedwon"))].into(),
        )
        .unwrap();
    world
        .control
        .edit_transaction(ORGANIZATION, &id, &json!({"message": "Changed"}))
        .unwrap();
    world.sync().await;
    assert_eq!(world.links(&id, "deals").await, [open]);
    assert_eq!(world.rows("deal_facts").await, facts);
    world.assert_good().await;
    world.end().await;
}
