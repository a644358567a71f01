//! What users of other sync engines complain of (facts/peers.md C2), by its number there.
//!
//! | trouble | named in |
//! |---|---|
//! | 1, 4, 5 | here |
//! | 2, 7b | `backfill::a_row_that_hubspot_refuses_stays_with_its_reason_and_the_next_run_tries_again` |
//! | 3 | `faults::rows_that_an_answer_leaves_out_are_sent_once_more` |
//! | 6 | here |
//! | 7 | `failures::a_row_that_was_given_up_is_left_alone_until_it_changes` |
//! | 8, 9, 10 | here: search is never asked |
//! | 11 | `worker::budget`, and `crashes::two_workers_share_a_portal_without_doubling_anything` of `cli` |
//! | 12 | `outages::patience_that_hubspot_asks_for_is_no_failure` |
//! | 13 | does not apply: no add-on raises the limit of a marketplace app (facts/hubspot.md §6) |
//! | 14 | `grants::many_callers_share_one_refresh` |
//! | 15 | `grants::a_token_that_expires_in_mid_run_is_refreshed_once` |
//! | 16 | `grants::a_grant_that_is_revoked_in_mid_run_ends_the_connection_and_keeps_the_data` |
//! | 17 | `associate::an_additional_address_leads_to_its_contact` |
//! | 18 | `matching::the_table_of_rules` of `domain` |
//! | 19 | `backfill::every_transaction_becomes_one_record_with_its_links` |
//! | 20 | does not apply: HubSpot is never polled for what changed |
//! | 21 | `setup::an_object_that_is_there_is_adopted`, and all of `drift` |
//! | 22, 23 | here |
//! | 24 | `associate::without_the_scopes_for_companies_and_deals_contacts_are_linked_all_the_same` |
//! | 25 | `sync::a_value_that_thnks_takes_away_is_cleared` |

use domain::portal::{NeedCode, PortalState};
use sandbox::control::Change;
use sandbox::{Action, Fault};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::harness::{HUB, ORGANIZATION, World, scope, with, world};

/// A world whose HubSpot refuses a batch as a whole for one bad record.
async fn all_or_nothing(gifts: usize) -> World {
    with(|config| {
        config.world = sandbox::WorldSpec::small(config.world.now, gifts);
        config.rules.upsert_partial = false;
    })
    .await
}

/// HubSpot refuses the records of these gifts from now on.
fn refuse(world: &World, ids: &[&str]) {
    let rules = json!({"upsert_refuses": ids});
    world.control.merge_rules(&rules).unwrap();
}

fn status_calls(world: &World, status: u16) -> u64 {
    let counters = world.control.counters(Some(HUB));
    counters.by_status.get(&status).copied().unwrap_or(0)
}

/// C2 1, 4 and 5: a whole batch is refused for one record, and the answer names only the first.
#[tokio::test]
async fn trouble_1_one_bad_record_does_not_take_its_batch_along() {
    let world = all_or_nothing(100).await;
    world.install_from_link().await;
    let stopped = CancellationToken::new();
    stopped.cancel();
    while world.status().await.transactions < 100 {
        let due = app::schedule::take_due(&world.app, 1).await.unwrap();
        app::engine::work(&world.app, due[0], &stopped)
            .await
            .unwrap();
    }
    let rows = world.rows("transactions").await;
    let poison: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["transaction_id"].as_str())
        .take(2)
        .collect();
    refuse(&world, &poison);
    let before = world.calls("objects.batch_upsert");
    world.drain().await;
    let calls = world.calls("objects.batch_upsert") - before;
    let status = world.status().await;
    assert_eq!((status.synced, status.failed), (98, 2));
    // One call for the batch, and at most 2·log2(100) more for each culprit.
    assert!((2..=1 + 2 * 13).contains(&calls), "{calls}");
    assert!(status_calls(&world, 400) > 0);
    for id in poison {
        let row = world.row(id).await;
        assert_eq!(row["failure_code"], "INVALID_EMAIL", "{row}");
        assert_eq!(row["failure_field"], "recipient_email");
    }
    refuse(&world, &[]);
    world.sync().await;
    assert_eq!(world.assert_good().await.records, 100);
    world.end().await;
}

/// C2 6: the same id twice in a batch.
#[tokio::test]
async fn trouble_6_a_gift_that_comes_twice_is_sent_once() {
    let world = with(|config| {
        config.world = sandbox::WorldSpec::small(config.world.now, 1_200);
        config.rules.thnks_repeats_rows = true;
        config.rules.upsert_partial = false;
    })
    .await;
    world.backfilled().await;
    assert_eq!(status_calls(&world, 400), 0);
    assert_eq!(world.calls("objects.batch_upsert"), 12);
    assert_eq!(world.assert_good().await.records, 1_200);
    world.end().await;
}

/// C2 8, 9 and 10: search knows new records late, ends at 10,000 and has a limit of its own.
#[tokio::test]
async fn trouble_8_search_is_never_asked() {
    let world = world(300).await;
    let session = world.backfilled().await;
    let change = Change {
        id: None,
        count: 20,
        status: None,
        at: None,
    };
    world.control.advance(ORGANIZATION, &change).unwrap();
    world.sync().await;
    world.run(&session, domain::run::RunKind::Reassociate).await;
    let counters = world.control.counters(Some(HUB));
    assert!(
        counters.by_kind.keys().all(|kind| !kind.contains("search")),
        "{:?}",
        counters.by_kind
    );
    world.end().await;
}

/// C2 22: what changes while a long run reads is found, whatever page it was on.
#[tokio::test]
async fn trouble_22_a_gift_that_changes_during_a_run_is_not_lost() {
    let world = world(1_200).await;
    world.install_from_link().await;
    let stopped = CancellationToken::new();
    stopped.cancel();
    // One that is scheduled for a day to come cannot be redeemed today.
    let mut gifts = world.gifts().await;
    gifts.retain(|gift| gift["status"] != "scheduled");
    let mut changed = Vec::new();
    // After each page one gift of the first page and one of the last change.
    for turn in 0..4 {
        let due = app::schedule::take_due(&world.app, 1).await.unwrap();
        app::engine::work(&world.app, due[0], &stopped)
            .await
            .unwrap();
        for place in [turn, gifts.len() - 1 - turn] {
            let id = gifts[place]["id"].as_str().unwrap().to_owned();
            let change = Change {
                id: Some(id.clone()),
                count: 1,
                status: Some("redeemed".into()),
                at: None,
            };
            world.control.advance(ORGANIZATION, &change).unwrap();
            changed.push(id);
        }
    }
    world.drain().await;
    world.sync().await;
    for id in changed {
        assert_eq!(world.row(&id).await["status"], "redeemed", "{id}");
    }
    assert_eq!(world.assert_good().await.records, 1_200);
    world.end().await;
}

/// C2 23: a refusal says which permission is missing and what to do.
#[tokio::test]
async fn trouble_23_a_missing_permission_is_named_with_its_remedy_and_nobody_hammers() {
    let world = world(60).await;
    world.backfilled().await;
    world
        .control
        .set_scopes(
            HUB,
            &["oauth".to_owned(), "crm.objects.contacts.read".to_owned()],
        )
        .unwrap();
    let change = Change {
        id: None,
        count: 1,
        status: None,
        at: None,
    };
    world.control.advance(ORGANIZATION, &change).unwrap();
    world.sync().await;
    let status = world.status().await;
    assert_eq!(status.state, PortalState::NeedsSetup);
    assert!(world.needs().await.contains(&NeedCode::ScopeMissing));
    let need = &status.needs[0];
    assert!(need.detail.contains("crm."), "{need:?}");
    assert!(!need.remedy.is_empty());
    // One look a minute, and no run besides.
    let runs = world.runs().await.len();
    let calls = world.all_calls();
    for _ in 0..5 {
        world.let_pass(chrono::TimeDelta::seconds(61));
        app::schedule::insert_due_runs(&world.app).await.unwrap();
        world.drain().await;
    }
    assert!(world.all_calls() - calls <= 5);
    let failed = world.runs().await;
    let failed = failed.iter().filter(|run| run["state"] == "failed").count();
    assert_eq!(failed, 1, "of {runs} runs the sync alone failed");
    let last = app::runs::list(&world.app, &scope(), None).await.unwrap();
    assert!(last[0].error.as_ref().unwrap().contains("crm."));
    world.end().await;
}

/// C2 23, where HubSpot shows the definition and refuses the records: the look at the needs tries one.
#[tokio::test]
async fn trouble_23_a_portal_that_may_read_and_not_write_stays_parked_without_failing_runs() {
    let world = world(60).await;
    let session = world.backfilled().await;
    let all = sandbox::App::default();
    let all = [all.required_scopes, all.optional_scopes].concat();
    let without: Vec<String> = all
        .iter()
        .filter(|scope| *scope != "crm.objects.custom.write")
        .cloned()
        .collect();
    world.control.set_scopes(HUB, &without).unwrap();
    let change = Change {
        id: None,
        count: 1,
        status: None,
        at: None,
    };
    world.control.advance(ORGANIZATION, &change).unwrap();
    // Within the life of the token that was granted everything.
    world.run(&session, domain::run::RunKind::Sync).await;
    for _ in 0..5 {
        assert_eq!(world.needs().await, [NeedCode::ScopeMissing]);
        world.let_pass(chrono::TimeDelta::seconds(61));
        app::schedule::insert_due_runs(&world.app).await.unwrap();
        world.drain().await;
    }
    let runs = world.runs().await;
    let failed = runs.iter().filter(|run| run["state"] == "failed").count();
    assert_eq!(failed, 1, "{runs:?}");
    world.control.set_scopes(HUB, &all).unwrap();
    world.run(&session, domain::run::RunKind::Check).await;
    assert_eq!(world.status().await.needs, []);
    assert_eq!(world.assert_good().await.records, 60);
    world.end().await;
}

/// C2 3, at the moment when everything seems to go well: nothing at all is written, and the answer is 200.
#[tokio::test]
async fn trouble_3_an_empty_success_is_no_success() {
    let world = world(100).await;
    world.install_from_link().await;
    world.control.inject(Fault {
        times: 2,
        ..Fault::once("objects.batch_upsert", Action::EmptyResults)
    });
    world.drain().await;
    let status = world.status().await;
    assert_eq!((status.synced, status.failed), (0, 100));
    world.sync().await;
    assert_eq!(world.assert_good().await.records, 100);
    world.end().await;
}
