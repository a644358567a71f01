//! The pages of runs, and the buttons that pause, resume and read again.

use axum::http::StatusCode;
use serde_json::Value;

use crate::harness::{HUB, MEMBER, OTHER, OWNER, World, scope, world};

const JSON: [(&str, &str); 1] = [("accept", "application/json")];

async fn press(world: &World, name: &str, fields: &str) -> (StatusCode, Value) {
    let body = format!("csrf_token={}{fields}", world.csrf_token(OWNER.0).await);
    let path = format!("/portals/{HUB}/{name}");
    let answer = world.post(&path, OWNER.0, &JSON, &body).await;
    (
        answer.status,
        serde_json::from_str(&answer.body).unwrap_or_default(),
    )
}

#[tokio::test]
async fn the_history_is_empty_then_names_each_run_and_leads_to_its_account() {
    let world = world().await;
    let path = format!("/portals/{HUB}/runs");
    let empty = world.get(&path, OWNER.0).await;
    assert_eq!(empty.status, StatusCode::OK);
    let (_, run) = press(&world, "reassociate", "").await;
    let id = run["id"].as_str().unwrap();
    let listed = world.get(&path, MEMBER.0).await;
    assert!(
        listed.body.contains(&format!("{path}/{id}")),
        "{}",
        listed.body
    );
    let account = world.get(&format!("{path}/{id}"), MEMBER.0).await;
    assert_eq!(account.status, StatusCode::OK);
    // Those before it are none; what is no run is nowhere, and another portal's neither.
    let before = world.get(&format!("{path}?before={id}"), OWNER.0).await;
    assert_eq!(before.status, StatusCode::OK);
    assert!(!before.body.contains(&format!("{path}/{id}")));
    for nowhere in ["nonsense", "01a20000-0000-7000-8000-000000000000"] {
        let answer = world.get(&format!("{path}/{nowhere}"), OWNER.0).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{nowhere}");
    }
    let foreign = world.get(&format!("{path}/{id}"), OTHER.0).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pause_and_resume_do_what_they_say() {
    let world = world().await;
    press(&world, "sync", "").await;
    let (status, _) = press(&world, "pause", "").await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let paused = world.status().await;
    assert_eq!(paused["state"], "paused");
    assert_eq!(paused["next_sync_at"], Value::Null);
    let page = world.get(&format!("/portals/{HUB}"), OWNER.0).await;
    assert!(page.body.contains("/resume"), "{}", page.body);
    assert!(!page.body.contains("Waiting for a worker"));
    let (status, _) = press(&world, "sync", "").await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (status, _) = press(&world, "resume", "").await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let resumed = world.status().await;
    assert_eq!(resumed["state"], "active");
    assert_ne!(resumed["next_sync_at"], Value::Null);
}

#[tokio::test]
async fn a_re_sync_begins_at_the_portals_midnight_and_says_what_is_wrong_with_a_day() {
    let world = world().await;
    let (status, run) = press(&world, "resync", "&since=2026-11-01").await;
    assert_eq!(
        (status, &run["kind"]),
        (StatusCode::ACCEPTED, &"resync".into())
    );
    let runs = app::runs::list(&world.app, &scope(), None).await.unwrap();
    // Berlin is an hour ahead.
    let since = runs[0].since.unwrap().to_rfc3339();
    assert_eq!(since, "2026-10-31T23:00:00+00:00");
    for wrong in ["2026-12-24", "soon"] {
        let (status, _) = press(&world, "resync", &format!("&since={wrong}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        let body = format!(
            "csrf_token={}&since={wrong}",
            world.csrf_token(OWNER.0).await
        );
        let page = world
            .post(&format!("/portals/{HUB}/resync"), OWNER.0, &[], &body)
            .await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.body.contains("aria-invalid=\"true\""), "{}", page.body);
        assert!(page.body.contains(&format!("value=\"{wrong}\"")));
    }
}

#[tokio::test]
async fn an_owner_cancels_a_run_and_is_led_to_what_became_of_it() {
    let world = world().await;
    let (_, run) = press(&world, "sync", "").await;
    let path = format!("/portals/{HUB}/runs/{}", run["id"].as_str().unwrap());
    for (page, token, has_it) in [
        (&path, OWNER.0, true),
        (&format!("/portals/{HUB}/runs"), OWNER.0, true),
        (&path, MEMBER.0, false),
    ] {
        let page = world.get(page, token).await;
        assert_eq!(page.body.contains(&format!("{path}/cancel")), has_it);
    }
    let body = format!("csrf_token={}", world.csrf_token(OWNER.0).await);
    let cancel = format!("{path}/cancel");
    let back = world.post(&cancel, OWNER.0, &[], &body).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    let page = world.get(back.header("location"), OWNER.0).await;
    assert!(page.body.contains("Cancelled") && page.body.contains("goes on where it stopped"));
    assert!(!page.body.contains(&cancel));
    assert_eq!(world.status().await["last_run"]["state"], "cancelled");
    assert_eq!(world.status().await["current_run"], Value::Null);
    let again = world.post(&cancel, OWNER.0, &JSON, &body).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    let run: Value = serde_json::from_str(&again.body).unwrap();
    assert_eq!(run["state"], "cancelled");
    for nowhere in ["01a20000-0000-7000-8000-000000000000", "moon"] {
        let nowhere = format!("/portals/{HUB}/runs/{nowhere}/cancel");
        let answer = world.post(&nowhere, OWNER.0, &JSON, &body).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    let dashboard = world.get(&format!("/portals/{HUB}"), OWNER.0).await;
    assert!(dashboard.body.contains("The last run was cancelled"));
}
