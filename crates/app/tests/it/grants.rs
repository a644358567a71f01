//! Tokens: refreshed by one at a time, rotated, lost, and taken up again.

use std::collections::BTreeSet;

use app::disconnect::Refused;
use chrono::TimeDelta;
use domain::HubId;
use domain::portal::{NeedCode, PortalState};
use sandbox::{Action, Fault};
use secrecy::ExposeSecret;
use tokio::task::JoinSet;

use crate::harness::{HUB, World, with, world};

const REFRESH: &str = "oauth.refresh";

#[tokio::test]
async fn a_token_that_expires_in_mid_run_is_refreshed_once() {
    let world = world(120).await;
    world.install_from_link().await;
    world.control.inject(Fault {
        nth: 2,
        ..Fault::once("objects.batch_upsert", Action::ExpireTokens)
    });
    world.drain().await;
    assert_eq!(world.refreshes(), 1);
    assert_eq!(world.assert_good().await.records, 120);
    world.end().await;
}

#[tokio::test]
async fn many_callers_share_one_refresh() {
    let world = world(10).await;
    world.backfilled().await;
    for round in 1..=3 {
        world.let_pass(TimeDelta::minutes(28));
        let mut callers = JoinSet::new();
        for _ in 0..8 {
            let tokens = app::access::tokens(&world.app);
            callers.spawn(async move { tokens.current(HubId(HUB)).await.unwrap() });
        }
        let tokens = callers.join_all().await;
        assert_eq!(world.refreshes(), round);
        // While one refreshes, the old token still serves the others.
        let different: BTreeSet<&str> = tokens.iter().map(ExposeSecret::expose_secret).collect();
        assert!(different.len() <= 2);
    }
    world.end().await;
}

#[tokio::test]
async fn callers_with_a_refused_token_share_one_refresh() {
    let world = world(10).await;
    world.backfilled().await;
    let refused = app::access::tokens(&world.app)
        .current(HubId(HUB))
        .await
        .unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let (tokens, refused) = (app::access::tokens(&world.app), refused.clone());
        callers.spawn(async move { tokens.replace(HubId(HUB), &refused).await.unwrap() });
    }
    let tokens = callers.join_all().await;
    assert_eq!(world.refreshes(), 1);
    let different: BTreeSet<&str> = tokens.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(different.len(), 1);
    assert!(!different.contains(refused.expose_secret()));
    world.end().await;
}

#[tokio::test]
async fn refresh_tokens_that_rotate_are_kept() {
    let world = with(|config| {
        config.world = sandbox::WorldSpec::small(config.world.now, 20);
        config.rules.rotate_refresh_tokens = true;
    })
    .await;
    world.backfilled().await;
    // From here on an hour lies between two syncs: longer than a token lives.
    world.sync().await;
    let before = world.refreshes();
    for _ in 0..3 {
        world
            .control
            .advance(crate::harness::ORGANIZATION, &change())
            .unwrap();
        world.sync().await;
    }
    assert_eq!(world.refreshes() - before, 3);
    assert_eq!(world.status().await.state, PortalState::Active);
    world.assert_good().await;
    world.end().await;
}

fn change() -> sandbox::control::Change {
    sandbox::control::Change {
        id: None,
        count: 1,
        status: None,
        at: None,
    }
}

#[tokio::test]
async fn a_grant_that_is_revoked_in_mid_run_ends_the_connection_and_keeps_the_data() {
    let world = world(300).await;
    world.install_from_link().await;
    world.control.inject(Fault {
        nth: 2,
        ..Fault::once("objects.batch_upsert", Action::RevokeGrant)
    });
    world.drain().await;
    let calls = world.all_calls();
    assert_disconnected(&world).await;
    // Two refusals, spaced; nothing is asked after them.
    assert_eq!(world.refreshes(), 2);
    world.let_pass(TimeDelta::hours(3));
    app::schedule::insert_due_runs(&world.app).await.unwrap();
    world.drain().await;
    assert_eq!((world.all_calls(), world.refreshes()), (calls, 2));
    let kept = world.rows("transactions").await;
    assert_eq!(kept.len(), 300);
    assert!(kept.iter().any(|row| row["record_id"].is_i64()));

    // Installed again it goes on and finishes.
    world.install(None).await;
    world.drain().await;
    assert_eq!(world.status().await.state, PortalState::Active);
    assert_eq!(world.assert_good().await.records, 300);
    world.end().await;
}

async fn assert_disconnected(world: &World) {
    assert_eq!(world.status().await.state, PortalState::Disconnected);
    assert_eq!(world.needs().await, [NeedCode::AuthorizationLost]);
    assert_eq!(world.rows("connections").await.len(), 0);
    assert_eq!(world.rows("sessions").await.len(), 0);
    let runs = world.runs().await;
    assert!(
        runs.iter().all(|run| run["finished_at"].is_string()),
        "{runs:?}"
    );
}

#[tokio::test]
async fn an_uninstall_is_noticed_by_the_hourly_sync() {
    let world = world(20).await;
    world.backfilled().await;
    world.sync().await;
    world.control.uninstall(HUB).unwrap();
    world.sync().await;
    assert_disconnected(&world).await;
    assert_eq!(world.rows("transactions").await.len(), 20);
    world.end().await;
}

#[tokio::test]
async fn one_refusal_does_not_end_the_connection() {
    let world = world(20).await;
    world.backfilled().await;
    let action = Action::Status {
        status: 400,
        body: sandbox::FaultBody::Json,
        retry_after: None,
    };
    world.control.inject(Fault::once(REFRESH, action));
    world
        .control
        .advance(crate::harness::ORGANIZATION, &change())
        .unwrap();
    world.sync().await;
    assert_eq!(world.status().await.state, PortalState::Active);
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn disconnecting_takes_the_app_out_of_the_portal() {
    let world = world(20).await;
    let session = world.backfilled().await;
    let told = app::disconnect::disconnect(&world.app, *session.scope(), "user:1")
        .await
        .unwrap();
    assert!(told);
    assert!(!world.is_installed(HUB));
    assert_disconnected(&world).await;
    assert_eq!(world.verdict().records, 20);
    world.end().await;
}

#[tokio::test]
async fn an_owner_disconnects_by_typing_which_portal() {
    let world = world(20).await;
    let session = world.backfilled().await;
    let parting = app::disconnect::load(&world.app, session.scope())
        .await
        .unwrap();
    assert_eq!((parting.status.synced, parting.sessions), (20, 1));
    for typed in ["", "yes", "48"] {
        let refused = app::disconnect::disconnect_by_owner(&world.app, &session, typed).await;
        assert!(matches!(refused, Err(Refused::NotConfirmed)), "{typed}");
    }
    assert!(world.is_installed(HUB));
    let typed = format!(" {HUB} ");
    let told = app::disconnect::disconnect_by_owner(&world.app, &session, &typed)
        .await
        .unwrap();
    assert!(told && !world.is_installed(HUB));
    assert_disconnected(&world).await;
    let audit = world.rows("audit").await;
    let act = audit
        .iter()
        .find(|row| row["action"] == "portal.disconnect");
    assert_eq!(act.unwrap()["actor"], format!("user:{}", session.user_id));
    world.end().await;
}

#[tokio::test]
async fn a_hubspot_that_does_not_answer_does_not_keep_the_portal_connected() {
    let world = world(20).await;
    let session = world.backfilled().await;
    for kind in ["account.*", "oauth.*"] {
        let action = Action::Status {
            status: 503,
            body: sandbox::FaultBody::Json,
            retry_after: None,
        };
        world.control.inject(Fault {
            times: u64::MAX,
            ..Fault::once(kind, action)
        });
    }
    let typed = HUB.to_string();
    let told = app::disconnect::disconnect_by_owner(&world.app, &session, &typed)
        .await
        .unwrap();
    assert!(!told);
    world.control.clear_faults();
    assert_disconnected(&world).await;
    world.end().await;
}

#[tokio::test]
async fn after_an_uninstall_at_most_one_more_call_is_made() {
    let world = world(2_400).await;
    world.install_from_link().await;
    world.control.inject(Fault {
        nth: 8,
        ..Fault::once("objects.batch_upsert", Action::RevokeGrant)
    });
    // Slow enough that all calls that a run makes at a time are under way.
    world.control.inject(Fault {
        times: u64::MAX,
        ..Fault::once("objects.batch_upsert", Action::Delay { millis: 30 })
    });
    world.drain().await;
    assert_disconnected(&world).await;
    let log = world.control.log(None, None, 0, 10_000);
    let of_hubspot: Vec<_> = log
        .iter()
        .filter(|call| call.portal == Some(HUB) || call.kind == REFRESH)
        .collect();
    let first_refusal = of_hubspot
        .iter()
        .position(|call| call.kind == REFRESH && call.status >= 400);
    let (before, after) = of_hubspot.split_at(first_refusal.unwrap());
    // What was under way when the grant was revoked came back, and nothing was begun.
    let refused = before.iter().filter(|call| call.status == 401).count();
    assert!((1..=5).contains(&refused), "{refused}");
    let kinds: Vec<&str> = after.iter().map(|call| call.kind).collect();
    let calls = kinds.iter().filter(|kind| **kind != REFRESH).count();
    assert!(calls <= 1, "{kinds:?}");
    assert_eq!(kinds.len() - calls, 2, "{kinds:?}");
    world.end().await;
}

#[tokio::test]
async fn a_grant_that_is_only_revoked_leaves_the_app_listed_and_says_so() {
    let world = world(20).await;
    let session = world.backfilled().await;
    world.control.inject(Fault {
        times: u64::MAX,
        ..Fault::once(
            "account.uninstall",
            Action::Status {
                status: 503,
                body: sandbox::FaultBody::Json,
                retry_after: None,
            },
        )
    });
    let told = app::disconnect::disconnect(&world.app, *session.scope(), "user:1")
        .await
        .unwrap();
    assert!(!told, "HubSpot still lists the app");
    assert_disconnected(&world).await;
    world.control.clear_faults();
    world.end().await;
}
