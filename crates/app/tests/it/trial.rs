//! Rules tried out: what is foretold is what they do, and trying changes nothing.

use std::collections::BTreeMap;

use app::rules::Error;
use app::session::Session;
use app::trial::{self, Trial};
use domain::matching::{Companies, Deals, Rules, Several};
use sandbox::{Action, Fault};
use serde_json::{Value, json};

use crate::harness::crm::{company, contact, deal, gift, link, sms};
use crate::harness::{HUB, World, empty_world};

/// Gifts, acts and runs, and what there is at HubSpot.
async fn everything(world: &World) -> (Vec<Value>, String) {
    let mut rows = Vec::new();
    for table in ["transactions", "audit", "runs", "portals"] {
        rows.extend(world.rows(table).await);
    }
    rows.sort_by_key(Value::to_string);
    (rows, format!("{:?}", world.verdict().associations))
}

async fn try_out(world: &World, session: &Session, rules: Rules) -> Trial {
    let before = everything(world).await;
    let calls = world.all_calls();
    let trial = trial::run(&world.app, session, &rules).await.unwrap();
    assert_eq!(
        world.all_calls() - calls,
        trial.calls,
        "it says what it took"
    );
    assert!(before == everything(world).await, "nothing is changed");
    let kept = app::rules::load(&world.app, *session.scope())
        .await
        .unwrap();
    assert_eq!(kept == rules, trial.is_same);
    trial
}

#[tokio::test]
async fn orphans_that_would_be_linked_are_those_that_are_once_the_rules_are_stored() {
    let world = empty_world().await;
    let phone = sandbox::control::Contact {
        phone: Some("(202) 555-0123".into()),
        ..sandbox::control::Contact::default()
    };
    world.control.add_contact(HUB, &phone).unwrap();
    for _ in 0..2 {
        sms(&world, "+1 202-555-0123");
    }
    sms(&world, "+12025550199");
    gift(&world, Some("nobody@client.example"));
    let session = world.backfilled().await;
    world.let_pass(chrono::TimeDelta::seconds(60));
    let same = try_out(&world, &session, Rules::default()).await;
    let orphans = same.orphans.unwrap();
    assert_eq!(
        (orphans.orphans, orphans.lookable, orphans.would_link),
        (4, 1, 0)
    );
    assert_eq!(same.linked.unwrap().gifts, 0);
    let rules = Rules {
        phone: true,
        ..Rules::default()
    };
    let trial = try_out(&world, &session, rules.clone()).await;
    let orphans = trial.orphans.unwrap();
    assert_eq!((orphans.lookable, orphans.would_link), (4, 2));
    assert!(orphans.is_whole && trial.trouble.is_none());
    app::rules::save(&world.app, &session, &rules)
        .await
        .unwrap();
    let acts = world.rows("audit").await;
    let change = acts.iter().find(|act| act["action"] == "rules.change");
    let detail = &change.unwrap()["detail"];
    assert_eq!(
        (&detail["was"]["phone"], &detail["rules"]["phone"]),
        (&false.into(), &true.into())
    );
    world.drain().await;
    assert_eq!(world.status().await.orphans, 4 - orphans.would_link);
    world.end().await;
}

#[tokio::test]
async fn linked_gifts_are_told_apart_by_what_would_be_otherwise_and_stay_as_they_are() {
    let world = empty_world().await;
    let (acme, other) = (company(&world, "Acme"), company(&world, "Other"));
    let ana = contact(&world, "ana@client.example", &[], Some(acme));
    link(&world, ("contacts", ana), ("companies", other));
    let bo = contact(&world, "bo@client.example", &[], None);
    deal(&world, bo, "default", "qualifiedtobuy");
    let won = deal(&world, bo, "default", "contractsent");
    let cy = contact(&world, "cy@client.example", &[], None);
    let (to_ana, to_bo, to_cy) = (
        gift(&world, Some("ana@client.example")),
        gift(&world, Some("bo@client.example")),
        gift(&world, Some("cy@client.example")),
    );
    let session = world.backfilled().await;
    // What changes in HubSpot is no doing of the rules.
    let closed = BTreeMap::from([("dealstage".to_owned(), json!("closedwon"))]);
    world
        .control
        .change_record(HUB, "deals", won, &closed)
        .unwrap();
    let same = try_out(&world, &session, Rules::default())
        .await
        .linked
        .unwrap();
    assert_eq!((same.gifts, same.unchanged, same.is_whole), (3, 3, true));
    let rules = Rules {
        companies: Companies::All,
        deals: Deals::Off,
        ..Rules::default()
    };
    let linked = try_out(&world, &session, rules.clone())
        .await
        .linked
        .unwrap();
    assert_eq!((linked.other_contact, linked.no_contact), (0, 0));
    assert_eq!(
        (linked.other_companies, linked.other_deals, linked.unchanged),
        (1, 1, 1)
    );
    let named: Vec<&str> = linked.examples.iter().map(|id| id.0.as_str()).collect();
    assert!(named.contains(&to_ana.as_str()) && named.contains(&to_bo.as_str()));
    // Stored, they leave linked gifts alone, as the page says.
    app::rules::save(&world.app, &session, &rules)
        .await
        .unwrap();
    world.drain().await;
    assert_eq!(world.links(&to_ana, "companies").await, [acme]);
    assert_eq!(world.links(&to_bo, "deals").await.len(), 2);
    assert_eq!(world.links(&to_cy, "contacts").await, [cy]);
    world.end().await;
}

#[tokio::test]
async fn another_choice_among_several_contacts_is_counted() {
    let world = empty_world().await;
    let named = |value: &str| BTreeMap::from([("phone".to_owned(), json!(value))]);
    for _ in 0..2 {
        world
            .control
            .add_record(HUB, "contacts", &named("+12025550123"))
            .unwrap();
    }
    sms(&world, "+12025550123");
    let session = world.backfilled().await;
    world.let_pass(chrono::TimeDelta::seconds(60));
    let by = |several| Rules {
        phone: true,
        several,
        ..Rules::default()
    };
    app::rules::save(&world.app, &session, &by(Several::Oldest))
        .await
        .unwrap();
    world.drain().await;
    let newest = try_out(&world, &session, by(Several::Newest))
        .await
        .linked
        .unwrap();
    assert_eq!((newest.gifts, newest.other_contact), (1, 1));
    let nobody = try_out(&world, &session, by(Several::Nobody))
        .await
        .linked
        .unwrap();
    assert_eq!((nobody.other_contact, nobody.no_contact), (0, 1));
    world.end().await;
}

#[tokio::test]
async fn what_hubspot_does_not_have_or_does_not_say_is_told() {
    let world = empty_world().await;
    contact(&world, "bo@client.example", &[], None);
    gift(&world, Some("bo@client.example"));
    gift(&world, Some("ana@client.example"));
    let session = world.backfilled().await;
    let rules = |name: &str| Rules {
        email_property: Some(name.into()),
        ..Rules::default()
    };
    let trial = try_out(&world, &session, rules("no_such_property")).await;
    assert!(trial.trouble.unwrap().contains("no_such_property"));
    assert_eq!(trial.orphans.unwrap().would_link, 0);
    let refused = trial::run(&world.app, &session, &rules("Work e-mail")).await;
    assert!(matches!(refused, Err(Error::NotAProperty)));
    let action = Action::Status {
        status: 500,
        body: sandbox::FaultBody::Json,
        retry_after: None,
    };
    world.control.inject(Fault {
        times: u64::MAX,
        ..Fault::once("objects.*", action)
    });
    let trial = trial::run(&world.app, &session, &Rules::default())
        .await
        .unwrap();
    assert!(!trial.orphans.is_some_and(|orphans| orphans.is_asked));
    assert_eq!(trial.linked, None);
    world.control.clear_faults();
    world.forget_outages().await;
    world.end().await;
}
