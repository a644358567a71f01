//! The portal's rules for linking, on real parts; the rules themselves stand as a table in `domain::matching`.

use std::collections::BTreeMap;

use app::session::Session;
use chrono::TimeDelta;
use domain::matching::{Companies, DealLabel, Deals, Rules, Several};
use domain::run::RunKind;
use sandbox::control::{Contact, Link, Sent};
use serde_json::{Value, json};

use crate::harness::crm::{company, contact, deal, gift, link, sms};
use crate::harness::{HUB, ORGANIZATION, World, empty_world, scope};

async fn set(world: &World, session: &Session, rules: Rules) {
    app::rules::save(&world.app, session, &rules).await.unwrap();
    world.drain().await;
}

fn with_phone(world: &World, phone: &str) -> u64 {
    let contact = Contact {
        phone: Some(phone.into()),
        ..Contact::default()
    };
    world.control.add_contact(HUB, &contact).unwrap()
}

/// A contact property of the portal's own.
async fn own_property(world: &World, name: &str) {
    let property = json!({"name": name, "label": name, "type": "string", "fieldType": "text",
        "groupName": "contactinformation"});
    world
        .by_hand("POST", "/crm/properties/2026-09/contacts", &property)
        .await;
}

#[tokio::test]
async fn gifts_by_text_message_are_matched_by_number_where_the_portal_wants_it() {
    let world = empty_world().await;
    let ana = with_phone(&world, "(202) 555-0123");
    let mobile = Contact {
        mobile_phone: Some("+44 20 7946 0018".into()),
        ..Contact::default()
    };
    let bo = world.control.add_contact(HUB, &mobile).unwrap();
    with_phone(&world, "+44 202 555 0123");
    let (to_ana, to_bo, to_nobody) = (
        sms(&world, "+1 202-555-0123"),
        sms(&world, "+442079460018"),
        sms(&world, "+12025550199"),
    );
    let session = world.backfilled().await;
    assert_eq!(world.outcome(&to_ana).await, "no_identifier");
    assert_eq!(world.calls("objects.search"), 0);
    world.let_pass(TimeDelta::seconds(60));
    let rules = Rules {
        phone: true,
        ..Rules::default()
    };
    set(&world, &session, rules).await;
    assert_eq!(world.links(&to_ana, "contacts").await, [ana]);
    assert_eq!(world.links(&to_bo, "contacts").await, [bo]);
    assert_eq!(world.outcome(&to_nobody).await, "no_contact");
    assert_eq!(world.calls("objects.search"), 1);
    world.end().await;
}

#[tokio::test]
async fn a_contact_that_is_created_with_a_number_gets_its_gifts_before_any_search_knows_it() {
    let world = empty_world().await;
    let id = sms(&world, "+12025550123");
    let session = world.backfilled().await;
    let rules = Rules {
        phone: true,
        ..Rules::default()
    };
    set(&world, &session, rules).await;
    world.listen().await;
    let searches = world.calls("objects.search");
    let ana = with_phone(&world, "202.555.0123");
    world.follow().await;
    assert_eq!(world.links(&id, "contacts").await, [ana]);
    // The search that looks for others with the number knows nothing of it yet.
    assert_eq!(world.calls("objects.search"), searches + 1);
    world.end().await;
}

#[tokio::test]
async fn a_property_that_the_portal_names_is_compared_where_no_address_is_known() {
    let world = empty_world().await;
    let (own, known) = (
        gift(&world, Some("ANA@work.example")),
        gift(&world, Some("bo@client.example")),
    );
    let session = world.backfilled().await;
    own_property(&world, "work_email").await;
    let values = BTreeMap::from([("work_email".to_owned(), json!("Ana@Work.example"))]);
    let ana = world.control.add_record(HUB, "contacts", &values).unwrap();
    let bo = contact(&world, "bo@client.example", &[], None);
    world.let_pass(TimeDelta::seconds(60));
    let rules = Rules {
        email_property: Some("work_email".into()),
        ..Rules::default()
    };
    set(&world, &session, rules).await;
    assert_eq!(world.links(&own, "contacts").await, [ana]);
    assert_eq!(world.links(&known, "contacts").await, [bo]);
    world.end().await;
}

#[tokio::test]
async fn a_property_that_is_gone_is_named_as_the_reason_and_hides_nothing_else() {
    let world = empty_world().await;
    let bo = contact(&world, "bo@client.example", &[], None);
    let lost = gift(&world, Some("ana@work.example"));
    let session = world.backfilled().await;
    let rules = Rules {
        email_property: Some("no_such_property".into()),
        ..Rules::default()
    };
    set(&world, &session, rules).await;
    let found = gift(&world, Some("bo@client.example"));
    world.sync().await;
    assert_eq!(world.links(&found, "contacts").await, [bo]);
    assert_eq!(world.outcome(&lost).await, "refused");
    let reason = world.row(&lost).await["decision"]["refusals"][0].to_string();
    assert!(reason.contains("no_such_property"), "{reason}");
    world.end().await;
}

#[tokio::test]
async fn of_several_contacts_the_portals_rule_takes_one_or_leaves_it_to_a_person() {
    let world = empty_world().await;
    let phone = "+12025550123";
    let mut contacts = Vec::new();
    for _ in 0..3 {
        contacts.push(with_phone(&world, phone));
        world.let_pass(TimeDelta::hours(1));
    }
    world
        .control
        .note_activity(HUB, contacts[1], world.now())
        .unwrap();
    let session = world.backfilled().await;
    for (several, expected) in [
        (Several::Oldest, Some(contacts[0])),
        (Several::Newest, Some(contacts[2])),
        (Several::MostRecentlyActive, Some(contacts[1])),
        (Several::Nobody, None),
    ] {
        let rules = Rules {
            phone: true,
            several,
            ..Rules::default()
        };
        set(&world, &session, rules).await;
        let id = sms(&world, phone);
        world.sync().await;
        let row = world.row(&id).await;
        assert_eq!(row["contact_id"], json!(expected), "{several:?}");
        let seen = row["decision"]["candidates"].as_array().unwrap();
        let seen: Vec<&Value> = seen.iter().map(|candidate| &candidate["id"]).collect();
        assert_eq!(
            seen,
            contacts
                .iter()
                .map(|id| json!(id))
                .collect::<Vec<_>>()
                .iter()
                .collect::<Vec<_>>()
        );
        assert_eq!(world.links(&id, "contacts").await, Vec::from_iter(expected));
        if several == Several::Nobody {
            assert_eq!(world.outcome(&id).await, "several");
            app::trace::choose(
                &world.app,
                &session,
                &domain::TransactionId(id.clone()),
                Some(domain::RecordId(contacts[2].cast_signed())),
            )
            .await
            .unwrap();
            world.drain().await;
            let rows = world.rows("transactions").await;
            // The choice is about the recipient: all of their gifts follow it, and leave the contact they had.
            for row in rows {
                let id = row["transaction_id"].as_str().unwrap();
                assert_eq!(world.links(id, "contacts").await, [contacts[2]]);
            }
        }
    }
    world.end().await;
}

#[tokio::test]
async fn all_companies_are_linked_where_the_portal_wants_it() {
    let world = empty_world().await;
    let session = world.backfilled().await;
    let rules = Rules {
        companies: Companies::All,
        ..Rules::default()
    };
    set(&world, &session, rules).await;
    let (primary, other) = (company(&world, "Primary"), company(&world, "Other"));
    let ana = contact(&world, "ana@client.example", &[], Some(primary));
    link(&world, ("contacts", ana), ("companies", other));
    let id = gift(&world, Some("ana@client.example"));
    world.sync().await;
    assert_eq!(world.links(&id, "companies").await, [primary, other]);
    world.end().await;
}

#[tokio::test]
async fn deals_are_linked_as_the_portal_wants_them() {
    let world = empty_world().await;
    let session = world.backfilled().await;
    let path = "/crm/associations/2026-09/contacts/deals/labels";
    let label = json!({"label": "Champion", "name": "champion"});
    let made = world.by_hand("POST", path, &label).await;
    let type_id = made["results"][0]["typeId"].as_i64().unwrap();
    let ana = contact(&world, "ana@client.example", &[], None);
    let first = deal(&world, ana, "default", "contractsent");
    world.let_pass(TimeDelta::hours(1));
    let second = deal(&world, ana, "default", "qualifiedtobuy");
    let labelled = Link {
        from_type: "contacts".into(),
        from: ana,
        to_type: "deals".into(),
        to: first,
        label: Some("Champion".into()),
    };
    world.control.link(HUB, &labelled).unwrap();
    let champion = DealLabel {
        category: "USER_DEFINED".into(),
        type_id,
        label: "Champion".into(),
    };
    for (deals, labels, expected) in [
        (Deals::Open, vec![], vec![first, second]),
        (Deals::Newest, vec![], vec![second]),
        (Deals::Open, vec![champion.clone()], vec![first]),
        (Deals::Newest, vec![champion], vec![first]),
        (Deals::Off, vec![], vec![]),
    ] {
        let rules = Rules {
            deals,
            deal_labels: labels,
            ..Rules::default()
        };
        set(&world, &session, rules).await;
        let id = gift(&world, Some("ana@client.example"));
        world.sync().await;
        assert_eq!(world.links(&id, "deals").await, expected, "{deals:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_corrected_recipient_takes_the_links_of_the_wrong_one_away() {
    let world = empty_world().await;
    let (wrong_company, right_company) = (company(&world, "Wrong"), company(&world, "Right"));
    let wrong = contact(&world, "wrong@client.example", &[], Some(wrong_company));
    let right = contact(&world, "right@client.example", &[], Some(right_company));
    deal(&world, wrong, "default", "contractsent");
    let shared = deal(&world, right, "default", "contractsent");
    link(&world, ("contacts", wrong), ("deals", shared));
    let id = gift(&world, Some("wrong@client.example"));
    world.backfilled().await;
    let correct = |email: &str| {
        let change = json!({"recipient": {"name": "Sam", "email": email, "phone": null}});
        world
            .control
            .edit_transaction(ORGANIZATION, &id, &change)
            .unwrap();
    };
    correct("right@client.example");
    world.sync().await;
    assert_eq!(world.links(&id, "contacts").await, [right]);
    assert_eq!(world.links(&id, "companies").await, [right_company]);
    assert_eq!(world.links(&id, "deals").await, [shared]);
    correct("nobody@client.example");
    world.sync().await;
    for kind in ["contacts", "companies", "deals"] {
        assert!(world.links(&id, kind).await.is_empty(), "{kind}");
    }
    assert_eq!(world.outcome(&id).await, "no_contact");
    world.end().await;
}

#[tokio::test]
async fn another_address_of_the_same_contact_takes_nothing_away() {
    let world = empty_world().await;
    let ana = contact(&world, "ana@client.example", &["ana@home.example"], None);
    let won = deal(&world, ana, "default", "contractsent");
    let id = gift(&world, Some("ana@client.example"));
    world.backfilled().await;
    let closed = BTreeMap::from([("dealstage".to_owned(), json!("closedwon"))]);
    world
        .control
        .change_record(HUB, "deals", won, &closed)
        .unwrap();
    let change = json!({"recipient": {"name": "Ana", "email": "ana@home.example", "phone": null}});
    world
        .control
        .edit_transaction(ORGANIZATION, &id, &change)
        .unwrap();
    world.sync().await;
    assert_eq!(world.links(&id, "contacts").await, [ana]);
    assert_eq!(world.links(&id, "deals").await, [won]);
    world.end().await;
}

#[tokio::test]
async fn an_alias_leads_from_one_address_to_another_also_when_the_contact_comes_later() {
    let world = empty_world().await;
    let ana = contact(&world, "ana@client.example", &[], None);
    let (one, two) = (
        gift(&world, Some("ana@private.example")),
        gift(&world, Some("bo@private.example")),
    );
    let session = world.backfilled().await;
    world.listen().await;
    let alias = |gift: &str, alias: &'static str| {
        let (app, session, gift) = (world.app.clone(), session.clone(), gift.to_owned());
        async move { app::trace::add_alias(&app, &session, &domain::TransactionId(gift), alias).await }
    };
    alias(&one, " ANA@client.example ").await.unwrap();
    world.drain().await;
    assert_eq!(world.links(&one, "contacts").await, [ana]);
    alias(&two, "bo@client.example").await.unwrap();
    world.drain().await;
    assert_eq!(world.outcome(&two).await, "no_contact");
    let bo = contact(&world, "bo@client.example", &[], None);
    world.follow().await;
    assert_eq!(world.links(&two, "contacts").await, [bo]);
    for bad in ["", "  ", "not an address", "bo@private.example"] {
        assert!(alias(&two, bad).await.is_err(), "{bad:?}");
    }
    world.end().await;
}

#[tokio::test]
async fn the_preview_says_what_a_re_association_would_do() {
    let world = empty_world().await;
    for n in 0..5 {
        gift(&world, Some(&format!("ana{n}@client.example")));
    }
    gift(&world, Some("ana0@client.example"));
    gift(&world, None);
    sms(&world, "+12025550123");
    let session = world.backfilled().await;
    for n in 0..2 {
        contact(&world, &format!("ana{n}@client.example"), &[], None);
    }
    let preview = app::orphans::preview(&world.app, &session).await.unwrap();
    assert_eq!(preview.orphans, 8);
    assert_eq!((preview.lookable, preview.recipients), (6, 5));
    assert_eq!((preview.looked_at, preview.would_link), (5, 3));
    assert!(preview.is_whole);
    let calls = world.all_calls();
    let run = {
        world.run(&session, RunKind::Reassociate).await;
        world.runs().await.pop().unwrap()
    };
    assert_eq!(run["counts"]["contacts"], preview.would_link);
    assert_eq!(world.all_calls() - calls, preview.calls);
    let again = app::orphans::preview(&world.app, &session).await.unwrap();
    assert_eq!((again.orphans, again.would_link), (5, 0));
    world.end().await;
}

#[tokio::test]
async fn try_now_looks_at_one_recipient_and_at_what_a_person_unlinked() {
    let world = empty_world().await;
    let ana = contact(&world, "ana@client.example", &[], None);
    let id = gift(&world, Some("ana@client.example"));
    let session = world.backfilled().await;
    world.listen().await;
    let by_hand = crate::harness::crm::hand_link(&world, &id, ana).await;
    world.control.unlink(HUB, &by_hand).unwrap();
    world.follow().await;
    assert_eq!(world.outcome(&id).await, "unlinked_by_hand");
    app::trace::look_now(&world.app, &session, &domain::TransactionId(id.clone()))
        .await
        .unwrap();
    world.drain().await;
    assert_eq!(world.links(&id, "contacts").await, [ana]);
    let trace = app::trace::find(&world.app, scope(), &domain::TransactionId(id.clone()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(trace.next_look, app::trace::NextLook::Never);
    world.end().await;
}

#[tokio::test]
async fn gifts_with_an_address_and_a_number_keep_to_the_address() {
    let world = empty_world().await;
    let sent = Sent {
        email: Some("ana@client.example".into()),
        phone: Some("+12025550123".into()),
        ..Sent::default()
    };
    let id = world.control.send_gift(ORGANIZATION, sent).unwrap();
    with_phone(&world, "+12025550123");
    let session = world.backfilled().await;
    let rules = Rules {
        phone: true,
        ..Rules::default()
    };
    set(&world, &session, rules).await;
    let row = world.row(&id).await;
    let delivery = row["delivery_type"].as_str().unwrap_or_default().to_owned();
    // Sent by e-mail, the number is not looked for; by text message it is.
    assert_eq!(
        row["recipient_phone_key"].is_string(),
        delivery == "sms",
        "{delivery}"
    );
    world.end().await;
}
