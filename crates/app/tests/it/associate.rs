//! Linking: the contact by e-mail, its primary company, its open deals; what is linked stays.

use std::collections::BTreeMap;

use app::session::Session;
use domain::run::RunKind;
use sandbox::control::Link;
use serde_json::{Value, json};

use crate::harness::crm::{company, contact, deal, gift, link};
use crate::harness::{HUB, ORGANIZATION, World, empty_world, with, world};

async fn reassociate(world: &World, session: &Session) -> Value {
    world.run(session, RunKind::Reassociate).await;
    let runs = world.runs().await;
    runs.into_iter()
        .rfind(|run| run["kind"] == "reassociate")
        .unwrap()
}

#[tokio::test]
async fn an_address_is_matched_whatever_its_case_and_spaces_and_written_as_it_came() {
    let world = empty_world().await;
    let ana = contact(&world, "ana@client.example", &[], None);
    let id = gift(&world, Some("  Ana@Client.Example "));
    world.backfilled().await;
    assert_eq!(world.links(&id, "contacts").await, [ana]);
    assert_eq!(
        world.record(&id).await["recipient_email"],
        "Ana@Client.Example"
    );
    assert_eq!(world.row(&id).await["association_outcome"], "linked");
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn an_additional_address_leads_to_its_contact() {
    let world = empty_world().await;
    let ana = contact(&world, "ana@client.example", &["ana@private.example"], None);
    let id = gift(&world, Some("ANA@private.example"));
    world.backfilled().await;
    assert_eq!(world.links(&id, "contacts").await, [ana]);
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn a_gift_without_an_address_and_one_without_a_contact_say_why_they_are_orphans() {
    let world = empty_world().await;
    let by_phone = gift(&world, None);
    let unknown = gift(&world, Some("nobody@client.example"));
    world.backfilled().await;
    assert_eq!(
        world.row(&by_phone).await["association_outcome"],
        "no_identifier"
    );
    assert_eq!(
        world.row(&unknown).await["association_outcome"],
        "no_contact"
    );
    assert_eq!(world.status().await.orphans, 2);
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn of_several_companies_only_the_primary_one_is_linked() {
    let world = empty_world().await;
    let (primary, other) = (company(&world, "Primary"), company(&world, "Other"));
    let ana = contact(&world, "ana@client.example", &[], Some(primary));
    link(&world, ("contacts", ana), ("companies", other));
    let id = gift(&world, Some("ana@client.example"));
    world.backfilled().await;
    assert_eq!(world.links(&id, "companies").await, [primary]);
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn open_deals_of_every_pipeline_are_linked_and_closed_ones_are_not() {
    let world = world(10).await;
    let ana = contact(&world, "ana@client.example", &[], None);
    let mut open = vec![
        deal(&world, ana, "default", "qualifiedtobuy"),
        deal(&world, ana, "76043211", "148830012"),
    ];
    open.sort_unstable();
    deal(&world, ana, "default", "closedwon");
    deal(&world, ana, "default", "closedlost");
    deal(&world, ana, "76043211", "148830013");
    let id = gift(&world, Some("ana@client.example"));
    world.backfilled().await;
    assert_eq!(world.links(&id, "deals").await, open);
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn what_is_linked_stays_when_a_deal_closes_and_a_company_changes() {
    let world = empty_world().await;
    let (before, after) = (company(&world, "Before"), company(&world, "After"));
    let ana = contact(&world, "ana@client.example", &[], Some(before));
    let open = deal(&world, ana, "default", "contractsent");
    let id = gift(&world, Some("ana@client.example"));
    let session = world.backfilled().await;
    let won = BTreeMap::from([("dealstage".to_owned(), json!("closedwon"))]);
    world
        .control
        .change_record(HUB, "deals", open, &won)
        .unwrap();
    let primary = Link {
        from_type: "contacts".into(),
        from: ana,
        to_type: "companies".into(),
        to: after,
        label: Some("Primary".into()),
    };
    world.control.link(HUB, &primary).unwrap();
    world
        .control
        .edit_transaction(ORGANIZATION, &id, &json!({"message": "Changed"}))
        .unwrap();
    world.sync().await;
    reassociate(&world, &session).await;
    assert_eq!(world.links(&id, "deals").await, [open]);
    assert!(world.links(&id, "companies").await.contains(&before));
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn a_contact_that_was_merged_leads_to_the_survivor() {
    let world = empty_world().await;
    let (ana, old) = (
        contact(&world, "ana@client.example", &[], None),
        contact(&world, "ana@old.example", &[], None),
    );
    let before = gift(&world, Some("ana@old.example"));
    let session = world.backfilled().await;
    assert_eq!(world.links(&before, "contacts").await, [old]);
    let survivor = world
        .control
        .merge_records(HUB, "contacts", ana, old)
        .unwrap();
    let after = gift(&world, Some("ana@old.example"));
    world.sync().await;
    reassociate(&world, &session).await;
    for id in [&before, &after] {
        assert_eq!(world.links(id, "contacts").await, [survivor]);
    }
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn without_the_scopes_for_companies_and_deals_contacts_are_linked_all_the_same() {
    const LEFT_OUT: [&str; 2] = ["crm.objects.companies.read", "crm.objects.deals.read"];
    let world = with(|config| {
        config.world = sandbox::WorldSpec::small(config.world.now, 100);
    })
    .await;
    let link = world.setup_link().await;
    let mut started = world.begin(Some(&link)).await;
    let mut url = started.authorize_url.to_string();
    for scope in LEFT_OUT {
        url = url.replace(&format!("{scope}%20"), "");
    }
    started.authorize_url = url.parse().unwrap();
    let back = world.consent(&started, HUB, None).await;
    world.complete(&back).await.unwrap();
    world.drain().await;
    let verdict = world.verdict();
    assert_eq!((verdict.records, verdict.wrong_link_count), (100, 0));
    assert_eq!(verdict.associations.contact, verdict.expected.contact);
    assert_eq!(
        (verdict.associations.company, verdict.associations.deal),
        (0, 0)
    );
    assert!(
        verdict
            .missing_links
            .iter()
            .all(|link| link.to != "contact")
    );
    let dashboard = app::dashboard::load(
        &world.app,
        &crate::harness::scope(),
        domain::statistics::Range::default(),
    )
    .await
    .unwrap();
    let names: Vec<&str> = dashboard.optional_missing.iter().map(|s| s.name).collect();
    assert_eq!(names, LEFT_OUT);
    world.end().await;
}

#[tokio::test]
async fn the_button_links_those_whose_contact_was_added_meanwhile_and_says_how_many() {
    let world = world(200).await;
    let session = world.backfilled().await;
    let orphans = world.status().await.orphans;
    let adopted = world.control.adopt_orphans(HUB, None, 4).unwrap();
    // How many orphans have an address depends on the day: gifts of the small world lie around now.
    assert!(!adopted.is_empty());
    let gifts = world.gifts().await;
    let of_adopted = |gift: &&Value| {
        let email = gift["recipient"]["email"].as_str().unwrap_or_default();
        adopted.contains(&email.trim().to_lowercase())
    };
    let linked = gifts.iter().filter(of_adopted).count();
    assert!(linked >= adopted.len());
    let writes = world.calls("objects.batch_upsert");
    // Those without an address can have no contact: they are not looked at.
    let ledger = world.rows("transactions").await;
    let asked = ledger
        .iter()
        .filter(|row| row["contact_id"].is_null() && row["recipient_key"].is_string())
        .count();
    let run = reassociate(&world, &session).await;
    assert_eq!(run["counts"]["contacts"], json!(linked));
    assert_eq!(
        (&run["done"], &run["total"]),
        (&json!(asked), &json!(asked))
    );
    assert_eq!(
        world.status().await.orphans,
        orphans - i64::try_from(linked).unwrap()
    );
    assert_eq!(
        world.calls("objects.batch_upsert"),
        writes,
        "no record is written again"
    );
    world.assert_good().await;
    // Once more there is nothing to link.
    let again = reassociate(&world, &session).await;
    assert_eq!(again["counts"]["contacts"], 0);
    world.end().await;
}

#[tokio::test]
async fn orphans_whose_contact_did_not_come_cost_few_calls() {
    let world = world(200).await;
    let session = world.backfilled().await;
    let calls = world.all_calls();
    reassociate(&world, &session).await;
    let spent = world.all_calls() - calls;
    println!(
        "calls for a re-association of {} orphans: {spent}",
        world.status().await.orphans
    );
    assert_eq!(spent, 1);
    world.end().await;
}
