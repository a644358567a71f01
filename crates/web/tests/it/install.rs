//! The way to HubSpot and back, as far as it goes without HubSpot.

use axum::http::{Method, StatusCode};

use crate::harness::{Answer, World, world};

/// The state in the address of HubSpot's consent page, and the cookie that goes with it.
async fn begin(world: &World, path: &str) -> (String, String) {
    let answer = world.get(path, "").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let url: url::Url = answer.header("location").parse().unwrap();
    assert_eq!(url.host_str(), Some("app.hubspot.com"));
    let state = url
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1
        .into_owned();
    let cookie = answer
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    assert!(cookie.starts_with("install="));
    (state, cookie)
}

async fn come_back(world: &World, query: &str, cookie: &str) -> Answer {
    let path = format!("/oauth/callback?{query}");
    world
        .send(&Method::GET, &path, &[("cookie", cookie)], "")
        .await
}

#[tokio::test]
async fn install_and_sign_in_lead_to_hubspot() {
    let world = world().await;
    begin(&world, "/install").await;
    begin(&world, "/login").await;
}

#[tokio::test]
async fn a_refused_consent_says_so_and_uses_up_its_state() {
    let world = world().await;
    let (state, cookie) = begin(&world, "/install").await;
    let query = format!("error=access_denied&state={state}");
    let answer = come_back(&world, &query, &cookie).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.body.contains("HubSpot was not connected"));
    assert!(answer.body.contains("href=\"/install\""));
    let removal = answer.header("set-cookie");
    assert!(
        removal.starts_with("install=;") && removal.contains("Max-Age=0"),
        "{removal}"
    );
    let again = come_back(&world, &query, &cookie).await;
    assert!(again.body.contains("This attempt is over"));
}

#[tokio::test]
async fn an_unknown_state_or_another_browser_is_refused_with_a_way_to_start_again() {
    let world = world().await;
    let (state, _) = begin(&world, "/install").await;
    for (query, cookie) in [
        ("code=c&state=never-given".to_owned(), "install=x"),
        (format!("code=c&state={state}"), ""),
        (
            format!("code=c&state={state}"),
            "install=of-another-browser",
        ),
        ("code=c".to_owned(), "install=x"),
        (String::new(), ""),
    ] {
        let answer = come_back(&world, &query, cookie).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.body.contains("This attempt is over"), "{query}");
        assert!(answer.body.contains("Start again"), "{query}");
    }
}

#[tokio::test]
async fn hubspot_away_is_said_plainly_and_nobody_is_signed_in() {
    let world = world().await;
    let (state, cookie) = begin(&world, "/install").await;
    let answer = come_back(&world, &format!("code=c&state={state}"), &cookie).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains("HubSpot does not answer"));
    assert!(!answer.header("set-cookie").contains("session="));
}

#[tokio::test]
async fn a_setup_link_that_is_not_ours_leads_nowhere() {
    let world = world().await;
    let answer = world.get("/install?setup=AAAA", "").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.body.contains("not one of ours"));
}
