//! Whether it is a portal that HubSpot refuses, or us: many portals, and credentials that are wrong for a while.

use chrono::{DateTime, TimeDelta, Utc};
use domain::HubId;
use sandbox::control::{NewOrganization, NewPortal};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::Level;

use crate::harness::{HUB, World, empty_world, hearing};

const REFUSED: &str = "HubSpot refuses many portals at once";
const BAD_SECRET: &str = "no portal's tokens are renewed";

/// So many portals in step, each with an organization of its own; their numbers.
async fn portals(count: i64) -> (World, Vec<i64>) {
    let world = empty_world().await;
    world.backfilled().await;
    let others: Vec<i64> = (1..count).map(|nth| 1_000 + nth).collect();
    for hub_id in &others {
        let key = format!("thnks_key_of_{hub_id}");
        let organization = NewOrganization {
            id: format!("org_{hub_id}"),
            key: key.clone(),
        };
        let new = NewPortal {
            hub_id: *hub_id,
            name: format!("Portal {hub_id}"),
            enterprise: true,
            users: Vec::new(),
            organization: Some(organization),
            transactions: 0,
            recipients: None,
        };
        world.control.add_portal(&new).unwrap();
        let link = world.setup_link_of(&key, None).await;
        let started = world.begin(Some(&link)).await;
        let back = world.consent(&started, *hub_id, None).await;
        world.complete(&back).await.unwrap();
        world.drain().await;
    }
    (world, [vec![HUB], others].concat())
}

/// Lets an hour pass, with everything that is due in it, each at its time.
async fn an_hour(world: &World) {
    let until = world.now() + TimeDelta::hours(1);
    while world.now() < until {
        app::schedule::insert_due_runs(&world.app).await.unwrap();
        world.work_what_is_due(&CancellationToken::new()).await;
        if !world.skip_wait().await {
            let planned = app::schedule::next_planned(&world.app).await.unwrap();
            let wait = planned.map_or(TimeDelta::hours(1), |wait| {
                TimeDelta::from_std(wait).unwrap()
            });
            let left = (until - world.now()).max(TimeDelta::zero());
            world.let_pass(wait.min(left) + TimeDelta::milliseconds(1));
        }
    }
    world.drain().await;
}

/// Lets an uninstall be noticed: its token ends within the first hour, it is refused in the next, and by the third another portal
/// has been served.
async fn until_noticed(world: &World) {
    for _ in 0..3 {
        an_hour(world).await;
    }
}

/// All grants, in the order of their portals.
async fn grants(world: &World) -> Vec<Value> {
    let mut rows = world.scratch.rows_of_all("connections").await;
    rows.sort_by_key(|row| row["hub_id"].as_i64());
    rows
}

/// Which portals have one.
async fn connected(world: &World) -> Vec<i64> {
    let rows = grants(world).await;
    rows.iter()
        .map(|row| row["hub_id"].as_i64().unwrap())
        .collect()
}

/// Which of them HubSpot gives fresh ones.
async fn served(world: &World, portals: &[i64]) -> usize {
    let tokens = app::access::tokens(&world.app);
    let mut served = 0;
    for hub_id in portals {
        served += usize::from(tokens.current(HubId(*hub_id)).await.is_ok());
    }
    served
}

fn refuse_all(world: &World, refuse: bool) {
    let rules = json!({"refuse_refresh_tokens": refuse});
    world.control.merge_rules(&rules).unwrap();
}

/// The log has an error in it, and not more than one in ten minutes.
fn assert_told_now_and_then(world: &World, told: usize, began: DateTime<Utc>) {
    let most = (world.now() - began).num_minutes() / 10 + 1;
    let told = i64::try_from(told).unwrap();
    assert!((1..=most).contains(&told), "{told} in {most}0 minutes");
}

fn sorted(mut portals: Vec<i64>) -> Vec<i64> {
    portals.sort_unstable();
    portals
}

#[tokio::test]
async fn hours_with_a_wrong_client_secret_disconnect_nobody_and_are_an_error_in_the_log() {
    let (mut world, portals) = portals(3).await;
    an_hour(&world).await;
    let tokens = grants(&world).await;
    assert_eq!(tokens.len(), 3);
    world.restart_with("another secret");
    let (heard, began) = (hearing::listen(Level::ERROR), world.now());
    for _ in 0..5 {
        an_hour(&world).await;
    }
    let told = heard.count(BAD_SECRET);
    assert_told_now_and_then(&world, told, began);
    assert_eq!(heard.count("BAD_CLIENT_SECRET"), told);
    drop(heard);
    let kept = grants(&world).await;
    assert_eq!(kept.len(), 3);
    for (row, now) in tokens.iter().zip(&kept) {
        assert_eq!(row["refresh_token"], now["refresh_token"]);
        assert_eq!(now["refusals"], 0);
    }
    world.restart_with(sandbox::CLIENT_SECRET);
    an_hour(&world).await;
    assert_eq!(served(&world, &portals).await, 3);
    world.end().await;
}

#[tokio::test]
async fn one_portal_of_ten_that_uninstalls_is_disconnected_and_the_others_go_on() {
    let (world, portals) = portals(10).await;
    an_hour(&world).await;
    let gone = portals[4];
    world.control.uninstall(gone).unwrap();
    let heard = hearing::listen(Level::ERROR);
    until_noticed(&world).await;
    assert_eq!(heard.count(REFUSED), 0);
    drop(heard);
    let others: Vec<i64> = portals.into_iter().filter(|hub| *hub != gone).collect();
    assert_eq!(connected(&world).await, sorted(others.clone()));
    assert_eq!(served(&world, &others).await, 9);
    world.end().await;
}

#[tokio::test]
async fn ten_portals_that_are_refused_at_once_keep_their_connections_and_go_on_when_all_is_right() {
    let (world, portals) = portals(10).await;
    an_hour(&world).await;
    refuse_all(&world, true);
    let (heard, began) = (hearing::listen(Level::ERROR), world.now());
    for _ in 0..5 {
        an_hour(&world).await;
    }
    assert_told_now_and_then(&world, heard.count(REFUSED), began);
    drop(heard);
    assert_eq!(connected(&world).await, sorted(portals.clone()));
    refuse_all(&world, false);
    an_hour(&world).await;
    an_hour(&world).await;
    assert_eq!(served(&world, &portals).await, 10);
    let schedule = world.scratch.rows_of_all("sync_schedule").await;
    assert!(schedule.iter().all(|row| row["refused_at"].is_null()));

    // A single uninstall is one again.
    world.control.uninstall(portals[0]).unwrap();
    until_noticed(&world).await;
    assert_eq!(connected(&world).await, sorted(portals[1..].to_vec()));
    world.end().await;
}
