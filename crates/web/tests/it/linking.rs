//! Why gifts are linked as they are, and what people can do about it: pages, JSON, forms.

use axum::http::{Method, StatusCode};
use domain::association::{Decision, Outcome};
use domain::matching::{Identifier, IdentifierKind};
use domain::status::StatusEntry;
use domain::transaction::Person;
use domain::{RecordId, RunId, Transaction, TransactionId};
use serde_json::Value;
use store::transactions::{LedgerRow, Written};

use crate::harness::{Answer, HUB, MEMBER, OWNER, World, now, scope, world};

const RUN: &str = "01a20000-0000-7000-8000-000000000000";

/// A gift to sam@client.example whose contact nobody found.
async fn orphan(world: &World, id: &str) {
    let transaction = Transaction {
        id: TransactionId(id.to_owned()),
        gift_name: Some("Coffee on us".into()),
        gift_type: None,
        amount: None,
        currency: None,
        message: None,
        tracking_url: None,
        delivery_type: None,
        sender: Person::default(),
        recipient: Person {
            name: Some("Sam Okafor".into()),
            email: Some("Sam@client.example".into()),
            phone: None,
        },
        reported_status: "sent".into(),
        history: vec![StatusEntry {
            status: "sent".into(),
            at: now(),
        }],
        created_at: now(),
        updated_at: now(),
    };
    let row = LedgerRow {
        transaction: &transaction,
        desired_hash: vec![1],
        is_erased: false,
    };
    let written = Written {
        id: transaction.id.clone(),
        applied_hash: vec![1],
        record_id: RecordId(77),
    };
    let run = RunId(RUN.parse().unwrap());
    let decision = Decision {
        tried: vec![Identifier {
            kind: IdentifierKind::Email,
            value: "sam@client.example".into(),
        }],
        ..Decision::new(Outcome::NoContact, now(), Some(run))
    };
    let scope = scope();
    let mut tx = world.db.begin(scope).await.unwrap();
    store::transactions::upsert_batch(&mut tx, scope, &[row], now())
        .await
        .unwrap();
    store::transactions::save_written(
        &mut tx,
        scope,
        RunId(uuid::Uuid::now_v7()),
        &[written],
        now(),
    )
    .await
    .unwrap();
    let decided = store::associations::Decided {
        id: transaction.id.clone(),
        version: 0,
        former: None,
        decision,
    };
    store::associations::save(&mut tx, scope, run, &[decided])
        .await
        .unwrap();
    store::schedule::save_next_sync(&mut tx, scope, Some(now() + chrono::TimeDelta::minutes(5)))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn post(world: &World, path: &str, fields: &str, json: bool) -> Answer {
    let body = format!("csrf_token={}{fields}", world.csrf_token(OWNER.0).await);
    let accept = if json {
        "application/json"
    } else {
        "text/html"
    };
    world
        .post(path, OWNER.0, &[("accept", accept)], &body)
        .await
}

#[tokio::test]
async fn a_gift_says_in_plain_words_why_it_is_not_linked_and_when_it_is_looked_at_next() {
    let world = world().await;
    orphan(&world, "txn_1").await;
    let path = format!("/portals/{HUB}/thnks/txn_1");
    let page = world.get(&path, MEMBER.0).await;
    assert_eq!(page.status, StatusCode::OK);
    // Berlin is an hour ahead of UTC in November.
    for words in [
        "No contact in HubSpot has sam@client.example.",
        "It is checked again when such a contact is created, or at 11:05 on 23 Nov 2026.",
        "Coffee on us",
        RUN,
    ] {
        assert!(page.body.contains(words), "{words}");
    }
    assert!(
        !page.body.contains("/alias\""),
        "members see, and do not change"
    );
    let cookie = format!("session={}", OWNER.0);
    let headers = [("cookie", cookie.as_str()), ("accept", "application/json")];
    let answer = world.send(&Method::GET, &path, &headers, "").await;
    let trace: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        trace["explanation"],
        "No contact in HubSpot has sam@client.example."
    );
    assert_eq!(trace["outcome"], "no_contact");
    assert_eq!(trace["tried"][0]["value"], "sam@client.example");
    assert_eq!(trace["next"]["look"]["when"], "at");
    assert_eq!(trace["run_id"], RUN);
    let unknown = format!("/portals/{HUB}/thnks/txn_2");
    assert_eq!(
        world.get(&unknown, OWNER.0).await.status,
        StatusCode::NOT_FOUND
    );
    let nul = format!("/portals/{HUB}/thnks/txn%00");
    assert_eq!(world.get(&nul, OWNER.0).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn remedies_are_kept_and_bad_ones_come_back_with_what_is_wrong() {
    let world = world().await;
    orphan(&world, "txn_1").await;
    let path = format!("/portals/{HUB}/thnks/txn_1");
    for (name, fields, words) in [
        ("alias", "&email=sam", "Enter an e-mail address"),
        (
            "alias",
            "&email=SAM%40client.example",
            "The gift has this address already",
        ),
        ("contact", "&contact=sam", "record ID"),
        ("contact", "&contact=-5", "record ID"),
    ] {
        let back = post(&world, &format!("{path}/{name}"), fields, false).await;
        assert_eq!(back.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields}");
        assert!(
            back.body.contains(words) && back.body.contains("aria-invalid"),
            "{fields}"
        );
        let json = post(&world, &format!("{path}/{name}"), fields, true).await;
        assert_eq!(json.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields}");
        assert!(json.body.contains("invalid_remedy"), "{}", json.body);
    }
    let back = post(
        &world,
        &format!("{path}/alias"),
        "&email=sam%40home.example",
        false,
    )
    .await;
    assert_eq!(
        (back.status, back.header("location")),
        (StatusCode::SEE_OTHER, path.as_str())
    );
    assert!(
        world
            .get(&path, OWNER.0)
            .await
            .body
            .contains("value=\"sam@home.example\"")
    );
    for (name, fields) in [("contact", "&contact=512"), ("look", "")] {
        let answer = post(&world, &format!("{path}/{name}"), fields, true).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{name}");
    }
    assert_eq!(world.status().await["current_run"]["kind"], "link");
    let gone = format!("/portals/{HUB}/thnks/txn_9/look");
    assert_eq!(
        post(&world, &gone, "", true).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn orphans_are_listed_by_why_and_page_by_page() {
    let world = world().await;
    let path = format!("/portals/{HUB}/orphans");
    let empty = world.get(&path, OWNER.0).await;
    assert!(empty.body.contains("No orphans"));
    for n in 0..51 {
        orphan(&world, &format!("txn_{n:02}")).await;
    }
    let first = world.get(&path, MEMBER.0).await;
    assert!(first.body.contains("txn_50") && !first.body.contains("thnks/txn_00\""));
    let second = world.get(&format!("{path}?after=txn_01"), OWNER.0).await;
    assert!(second.body.contains("thnks/txn_00\"") && !second.body.contains("thnks/txn_01\""));
    let none = world.get(&format!("{path}?why=several"), OWNER.0).await;
    assert!(none.body.contains("None of these"));
    let wrong = world.get(&format!("{path}?why=moon"), OWNER.0).await;
    assert_eq!(wrong.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_preview_shows_its_numbers_and_says_when_hubspot_cannot_be_asked() {
    let world = world().await;
    orphan(&world, "txn_1").await;
    let path = format!("/portals/{HUB}/reassociate");
    let page = world.get(&path, OWNER.0).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("HubSpot could not be asked"));
    assert!(page.body.contains("Re-associate now"));
    assert_eq!(
        world.status().await["current_run"],
        Value::Null,
        "looking starts nothing"
    );
}

#[tokio::test]
async fn rules_are_shown_stored_and_refused() {
    let world = world().await;
    let path = format!("/portals/{HUB}/settings");
    let page = world.get(&path, MEMBER.0).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Only an owner can change these"));
    let fields = "&email_property=work_email&phone=on&several=nobody&companies=all&deals=off";
    let saved = post(&world, &path, fields, false).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER);
    let page = world.get(saved.header("location"), OWNER.0).await;
    assert!(page.body.contains("Saved") && page.body.contains("value=\"work_email\""));
    assert!(page.body.contains("value=\"nobody\" checked"));
    let refused = post(&world, &path, "&email_property=Work+email", false).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.body.contains("internal name") && refused.body.contains("value=\"Work email\"")
    );
    let json = post(&world, &path, "&several=newest", true).await;
    let rules: Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(
        (&rules["several"], &rules["phone"]),
        (&"newest".into(), &false.into())
    );
}

#[tokio::test]
async fn a_trial_of_rules_shows_them_as_they_were_entered_and_stores_nothing() {
    let world = world().await;
    orphan(&world, "txn_1").await;
    let path = format!("/portals/{HUB}/settings");
    let form = world.get(&path, OWNER.0).await;
    assert!(
        form.body
            .contains(&format!("formaction=\"{path}/preview\""))
    );
    let fields = "&email_property=work_email&several=nobody&companies=all";
    let preview = format!("{path}/preview");
    let page = post(&world, &preview, fields, false).await;
    assert_eq!(page.status, StatusCode::OK);
    // Nobody answers in this world.
    assert!(page.body.contains("HubSpot could not be asked just now"));
    assert!(
        page.body.contains("value=\"work_email\"")
            && page.body.contains("value=\"nobody\" checked")
    );
    let kept = app::rules::load(&world.app, crate::harness::scope())
        .await
        .unwrap();
    assert_eq!(kept, domain::matching::Rules::default());
    let json = post(&world, &preview, fields, true).await;
    let trial: Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(
        (&trial["is_same"], &trial["orphans"]["is_asked"]),
        (&false.into(), &false.into())
    );
    let refused = post(&world, &preview, "&email_property=Work+email", false).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("internal name"));
}
