//! The way out. HubSpot does not answer in these tests: that does not stop it.

use axum::http::StatusCode;
use serde_json::Value;

use crate::harness::{HUB, MEMBER, OTHER, OTHER_HUB, OWNER, world};

#[tokio::test]
async fn the_page_says_what_ends_and_asks_for_the_portals_name() {
    let world = world().await;
    let path = format!("/portals/{HUB}/disconnect");
    let page = world.get(&path, OWNER.0).await;
    assert_eq!(page.status, StatusCode::OK);
    for text in [
        "2 open sessions",
        "0 records",
        "northwind.example",
        "What stays",
    ] {
        assert!(page.body.contains(text), "{text}");
    }
    let token = world.csrf_token(OWNER.0).await;
    for typed in ["", "yes", "1002"] {
        let body = format!("csrf_token={token}&confirm={typed}");
        let page = world.post(&path, OWNER.0, &[], &body).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{typed}");
        assert!(
            page.body.contains("aria-invalid=\"true\"") && page.body.contains("Error: Disconnect")
        );
        let json = [("accept", "application/json")];
        let data = world.post(&path, OWNER.0, &json, &body).await;
        assert_eq!(data.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(data.body.contains("\"not_confirmed\""));
    }
    assert_eq!(world.status().await["state"], "active");
}

#[tokio::test]
async fn disconnecting_signs_everybody_of_the_portal_out_and_says_what_is_left() {
    let world = world().await;
    let path = format!("/portals/{HUB}/disconnect");
    let body = format!(
        "csrf_token={}&confirm=+Northwind.Example+",
        world.csrf_token(OWNER.0).await
    );
    let done = world.post(&path, OWNER.0, &[], &body).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    // There was no grant in this world, so there was nothing to tell HubSpot.
    assert_eq!(done.header("location"), "/?disconnected");
    assert!(done.header("set-cookie").contains("Max-Age=0"));
    for token in [OWNER.0, MEMBER.0] {
        assert_eq!(
            world.get("/portals", token).await.header("location"),
            "/login"
        );
    }
    let other = world.get(&format!("/portals/{OTHER_HUB}"), OTHER.0).await;
    assert_eq!(other.status, StatusCode::OK);
    let said = world.get("/?disconnected", "").await;
    assert!(said.body.contains("Your records stay in HubSpot"));
    let untold = world.get("/?disconnected=untold", "").await;
    assert!(untold.body.contains("HubSpot may still list the app"));
    assert!(!world.get("/", "").await.body.contains("Disconnected</h2>"));
}

#[tokio::test]
async fn a_script_hears_whether_hubspot_was_told() {
    let world = world().await;
    grant(&world).await;
    let body = format!(
        "csrf_token={}&confirm={HUB}",
        world.csrf_token(OWNER.0).await
    );
    let json = [("accept", "application/json")];
    let path = format!("/portals/{HUB}/disconnect");
    let done = world.post(&path, OWNER.0, &json, &body).await;
    assert_eq!(done.status, StatusCode::ACCEPTED);
    let answer: Value = serde_json::from_str(&done.body).unwrap();
    assert_eq!(answer["state"], "disconnected");
    assert_eq!(answer["hubspot_told"], false);
}

/// Stores a grant whose tokens mean nothing to anybody.
async fn grant(world: &crate::harness::World) {
    let sealed = store::Sealed(vec![0; 32]);
    let later = crate::harness::now() + chrono::TimeDelta::hours(1);
    let grant = store::connections::Grant {
        access_token: &sealed,
        refresh_token: &sealed,
        refresh_at: later,
        expires_at: later,
        scopes: &[],
    };
    let scope = crate::harness::scope();
    let mut tx = world.db.begin(scope).await.unwrap();
    store::connections::upsert(&mut tx, scope, &grant)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}
