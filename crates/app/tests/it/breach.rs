//! After a breach: every grant is revoked by one command, which may be killed and called again.

use std::collections::BTreeSet;

use app::chain::{self, Noted};
use app::disconnect::disconnect_all;
use domain::HubId;
use sandbox::control::NewPortal;
use sandbox::{Action, Fault};
use serde_json::json;

use crate::harness::{World, empty_world};

const REVOKE: &str = "oauth.revoke";

/// Portals of which all are connected and each has a session.
async fn connected(world: &World, numbers: std::ops::Range<i64>) {
    for hub_id in numbers {
        let new: NewPortal = serde_json::from_value(json!({"hub_id": hub_id})).unwrap();
        world.control.add_portal(&new).unwrap();
        let started = world.begin(None).await;
        let back = world.consent(&started, hub_id, None).await;
        world.complete(&back).await.unwrap();
    }
}

/// Portals whose refresh token HubSpot was told to revoke and did.
fn revoked(world: &World) -> BTreeSet<i64> {
    let calls = world.control.log(None, Some(REVOKE), 0, 1_000);
    let answered = calls.iter().filter(|call| call.status < 300);
    answered.filter_map(|call| call.portal).collect()
}

#[tokio::test]
async fn every_grant_is_revoked_and_a_call_that_was_killed_goes_on() {
    let world = empty_world().await;
    connected(&world, 1_000..1_012).await;
    let before = world.scratch.rows_of_all("portal_keys").await;
    let before: Vec<_> = before.iter().map(|key| key["key_id"].clone()).collect();
    let app = world.app.clone();
    let killed = tokio::spawn(async move { disconnect_all(&app).await });
    while revoked(&world).len() < 4 {
        tokio::task::yield_now().await;
    }
    killed.abort();
    killed.await.unwrap_err();

    let rest = disconnect_all(&world.app).await.unwrap();
    assert_eq!(rest.left, []);
    assert!((1..=9).contains(&rest.ended), "{rest:?}");
    assert_eq!(revoked(&world), (1_000..1_012).collect());
    let keys = world.scratch.rows_of_all("portal_keys").await;
    assert!(
        keys.iter().all(|key| !before.contains(&key["key_id"])),
        "a key is the old one"
    );
    for table in ["connections", "sessions"] {
        assert_eq!(world.scratch.rows_of_all(table).await.len(), 0, "{table}");
    }
    let calls = world.control.counters(None).total;
    assert_eq!(disconnect_all(&world.app).await.unwrap().ended, 0);
    assert_eq!(world.control.counters(None).total, calls);
    let acts = chain::verify_operator(&world.app, &Noted::default())
        .await
        .unwrap();
    // The one that was killed has begun and not ended.
    assert!(acts.broken.is_none() && acts.lines == 5, "{acts:?}");
    world.end().await;
}

#[tokio::test]
async fn what_hubspot_was_not_told_keeps_its_tokens_for_the_next_call() {
    let world = empty_world().await;
    connected(&world, 1_000..1_006).await;
    let action = Action::Status {
        status: 400,
        body: sandbox::FaultBody::Json,
        retry_after: None,
    };
    world.control.inject(Fault {
        times: 2,
        ..Fault::once(REVOKE, action)
    });
    let some = disconnect_all(&world.app).await.unwrap();
    assert_eq!((some.ended, some.left.len()), (4, 2));
    let kept = world.scratch.rows_of_all("connections").await;
    let kept: BTreeSet<_> = kept
        .iter()
        .map(|row| HubId(row["hub_id"].as_i64().unwrap()))
        .collect();
    assert_eq!(kept, some.left.iter().copied().collect());
    let rest = disconnect_all(&world.app).await.unwrap();
    assert_eq!((rest.ended, rest.left.len()), (2, 0));
    assert_eq!(world.scratch.rows_of_all("connections").await.len(), 0);
    world.end().await;
}
