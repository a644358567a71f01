//! A person's own sessions: seen under People, ended one by one.

use axum::http::{Method, StatusCode};
use serde_json::Value;

use crate::harness::{Answer, HUB, MEMBER, OTHER, OWNER, World, world};
use crate::headers::{beside_hubspot, cookie, sign_in};

const JSON: [(&str, &str); 1] = [("accept", "application/json")];

async fn end(world: &World, by: &str, id: &str, more: &[(&str, &str)]) -> Answer {
    let csrf = world.csrf_token(by).await;
    let body = format!("csrf_token={csrf}&session={id}");
    let path = format!("/portals/{HUB}/settings/sessions/end");
    world.post(&path, by, more, &body).await
}

async fn is_in(world: &World, token: &str) -> bool {
    world.get("/portals", token).await.status == StatusCode::OK
}

#[tokio::test]
async fn the_list_names_the_browser_and_nothing_that_opens_a_session() {
    let (world, sandbox) = beside_hubspot().await;
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
    let signed_in = sign_in(&world, firefox).await;
    let kept = cookie(&signed_in, "__Host-session").split(';').next();
    let headers = [("cookie", kept.unwrap())];
    let hub = sandbox::DEMO_HUB_ID;
    let path = format!("/portals/{hub}/settings/members");
    let page = world.send(&Method::GET, &path, &headers, "").await;
    for text in [
        "Your own sessions",
        "Firefox on Linux",
        "This browser",
        "Sign out everywhere",
    ] {
        assert!(page.body.contains(text), "{text}");
    }
    let sessions = world.rows("sessions").await;
    let mine = sessions.iter().find(|row| row["hub_id"] == hub).unwrap();
    assert_eq!(mine["browser"], "Firefox on Linux");
    assert!(page.body.contains(mine["session_id"].as_str().unwrap()));
    let hash = mine["token_hash"].as_str().unwrap();
    let hash = hash.trim_start_matches("\\x");
    let token = kept.unwrap().split_once('=').unwrap().1;
    assert!(!page.body.contains(hash) && !page.body.contains(token));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_member_sees_and_ends_their_own_sessions_only() {
    let world = world().await;
    let (owners, mine) = (world.session_id(1).await, world.session_id(2).await);
    let path = format!("/portals/{HUB}/settings/members");
    let page = world.get(&path, MEMBER.0).await.body;
    assert!(page.contains(&mine) && !page.contains(&owners));
    let others = world.session_id(3).await;
    for id in [owners.as_str(), &others, "moon", "", "%00"] {
        let answer = end(&world, MEMBER.0, id, &[]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{id}");
        assert_eq!(answer.header("location"), format!("{path}#sessions"));
        let data = end(&world, MEMBER.0, id, &JSON).await;
        let data: Value = serde_json::from_str(&data.body).unwrap();
        assert_eq!(data["ended"], false, "{id}");
    }
    for token in [OWNER.0, MEMBER.0, OTHER.0] {
        assert!(is_in(&world, token).await, "{token}");
    }
    // The owner may not end a member's either: who is to go is removed.
    end(&world, OWNER.0, &mine, &[]).await;
    assert!(is_in(&world, MEMBER.0).await);
}

#[tokio::test]
async fn ending_the_session_of_this_browser_signs_out() {
    let world = world().await;
    let mine = world.session_id(1).await;
    let out = end(&world, OWNER.0, &mine, &[]).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert_eq!(out.header("location"), "/");
    assert!(cookie(&out, "session").starts_with("session=;"));
    assert_ne!(out.header("clear-site-data"), "");
    assert!(!is_in(&world, OWNER.0).await);
    let audit = world.rows("audit").await;
    assert!(audit.iter().any(|act| act["action"] == "session.end"));

    let mine = world.session_id(2).await;
    let out = end(&world, MEMBER.0, &mine, &JSON).await;
    assert_eq!(out.status, StatusCode::ACCEPTED);
    assert!(out.body.contains("\"ended\":true"));
    assert!(!is_in(&world, MEMBER.0).await);
}
