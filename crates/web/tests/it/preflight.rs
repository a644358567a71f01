//! The list of what must be in place, and the sync's card.

use axum::http::StatusCode;
use domain::portal::{Need, NeedCode};
use domain::scopes;
use store::connections::Grant;
use store::portals::{AssociationType, AssociationTypes};

use crate::harness::{HUB, MEMBER, OWNER, World, now, scope, world};

fn path() -> String {
    format!("/portals/{HUB}/settings/setup")
}

/// The portal as a look at it leaves it.
async fn looked_at(world: &World, needs: &[Need]) {
    let (scope, sealed) = (scope(), store::Sealed(vec![0; 32]));
    let granted: Vec<String> = scopes::REQUIRED.map(str::to_owned).into();
    let grant = Grant {
        access_token: &sealed,
        refresh_token: &sealed,
        refresh_at: now() + chrono::TimeDelta::hours(1),
        expires_at: now() + chrono::TimeDelta::hours(1),
        scopes: &granted,
    };
    let held = |type_id| {
        Some(AssociationType {
            category: "USER_DEFINED".into(),
            type_id,
        })
    };
    let types = AssociationTypes {
        contact: held(1),
        company: held(2),
        deal: None,
    };
    let mut tx = world.db.begin(scope).await.unwrap();
    store::connections::upsert(&mut tx, scope, &grant)
        .await
        .unwrap();
    store::portals::save_object(&mut tx, scope, "2-4711", &types)
        .await
        .unwrap();
    store::portals::save_needs(&mut tx, scope, needs, None, now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_is_missing_stands_there_with_what_helps() {
    let world = world().await;
    let before = world.get(&path(), OWNER.0).await;
    assert_eq!(before.status, StatusCode::OK);
    assert!(before.body.contains("Not looked at") && before.body.contains("Northwind"));
    looked_at(&world, &[]).await;
    let page = world.get(&path(), MEMBER.0).await;
    for text in [
        "2-4711",
        "just now",
        "HubSpot names no association of the Thnks object with deals",
        "Without it gifts are not linked to companies",
    ] {
        assert!(page.body.contains(text), "{text}");
    }
    for button in ["/check", "/pause", "/resync", "/connect", "/sync\""] {
        assert!(!page.body.contains(button), "{button} is for owners");
    }
    let need = Need {
        code: NeedCode::PropertyMissing,
        detail: "The property \"Message\" (message) is missing on the Thnks object.".into(),
        remedy: "Create it & check.".into(),
    };
    looked_at(&world, &[need]).await;
    let page = world.get(&path(), OWNER.0).await;
    assert!(page.body.contains("Create it &#38; check."));
    assert!(
        page.body
            .contains("2 things are to do before gifts can be synced")
    );
}

#[tokio::test]
async fn buttons_lead_back_to_where_they_were_pressed() {
    let world = world().await;
    let body = format!("csrf_token={}", world.csrf_token(OWNER.0).await);
    let from = format!("http://localhost:3000{}", path());
    for name in ["check", "sync", "pause", "resume"] {
        let button = format!("/portals/{HUB}/{name}");
        let back = world
            .post(&button, OWNER.0, &[("referer", &from)], &body)
            .await;
        assert_eq!(back.header("location"), path(), "{name}");
        let elsewhere = [("referer", "http://localhost:3000/elsewhere")];
        let back = world.post(&button, OWNER.0, &elsewhere, &body).await;
        assert_eq!(back.header("location"), format!("/portals/{HUB}"), "{name}");
    }
    let paused = world.get(&path(), OWNER.0).await;
    assert!(paused.body.contains("Sync now") && paused.body.contains("Replace the key"));
}
