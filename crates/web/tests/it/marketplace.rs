//! The marketplace's calls of the callback, as far as they go without HubSpot.

use axum::http::{Method, StatusCode};

use crate::harness::{Answer, World, world, world_at};

const BACK: &str = "https%3A%2F%2Fapp-eu1.hubspot.com%2Fmarketplace%2Finstall%3Fa%3Db";

async fn call(world: &World, query: &str, cookie: &str) -> Answer {
    let path = format!("/oauth/callback?{query}");
    world
        .send(&Method::GET, &path, &[("cookie", cookie)], "")
        .await
}

fn state(answer: &Answer) -> String {
    let (_, state) = answer.header("location").split_once("&state=").unwrap();
    state.to_owned()
}

#[tokio::test]
async fn the_first_step_returns_with_a_state_and_keeps_a_cookie() {
    for (at, name, same_site) in [
        ("http://localhost:3000", "marketplace=", "; SameSite=Lax"),
        (
            "https://gifts.example",
            "__Host-marketplace=",
            "; SameSite=None; Secure",
        ),
    ] {
        let world = world_at(at).await;
        let query = format!("step=authorize&returnUrl={BACK}");
        let (first, second) = (
            call(&world, &query, "").await,
            call(&world, &query, "").await,
        );
        assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.body);
        let location = first.header("location");
        assert!(
            location.starts_with("https://app-eu1.hubspot.com/marketplace/install?a=b&state="),
            "{location}"
        );
        assert!(state(&first).len() >= 43 && state(&first) != state(&second));
        let cookies: Vec<_> = first.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies.len(), 1);
        let cookie = first.header("set-cookie");
        assert!(cookie.starts_with(name), "{cookie}");
        for part in [same_site, "; HttpOnly", "; Path=/", "; Max-Age=600"] {
            assert!(cookie.contains(part), "{part} is not in {cookie}");
        }
        assert!(!cookie.contains("Domain"));
        assert_eq!(cookie.contains("Secure"), at.starts_with("https"));
        assert_eq!(first.header("referrer-policy"), "same-origin");
        assert_eq!(first.header("cache-control"), "no-store");
        assert!(
            first
                .header("content-security-policy")
                .contains("default-src 'none'")
        );
    }
}

#[tokio::test]
async fn an_address_that_is_not_hubspots_is_refused_at_every_step_with_a_way_on() {
    let world = world().await;
    for wrong in [
        "https%3A%2F%2Fevil.example%2F",
        "https%3A%2F%2Fapp.hubspot.com.evil.example%2F",
        "https%3A%2F%2Fapp.hubspot.com%40evil.example%2F",
        "https%3A%2F%2Fapp.hubspot.com%3A443%2F",
        "https%3A%2F%2Fapp.hubspot.com%5C%40evil.example%2F",
        "https%3A%2F%2Fapp-.hubspot.com%2F",
        "http%3A%2F%2Fapp.hubspot.com%2F",
        "%2F%2Fevil.example%2F",
        "%2Fportals",
        "javascript%3Aalert(1)",
        "https%3A%2F%2Fapp.hubspot.com%2F%0D%0ASet-Cookie%3A%20session%3Dx",
        "",
    ] {
        for rest in ["code=c", "step=authorize", "step=finalize&code=c&state=s"] {
            let answer = call(&world, &format!("{rest}&returnUrl={wrong}"), "").await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{rest} {wrong}");
            assert_eq!(answer.header("location"), "", "{rest} {wrong}");
            assert_eq!(answer.header("set-cookie"), "", "{rest} {wrong}");
            assert!(answer.body.contains("does not lead back to HubSpot"));
            assert!(answer.body.contains("href=\"/install\""));
            assert_eq!(answer.header("x-frame-options"), "DENY");
        }
    }
    for without in ["step=authorize", "step=finalize&code=c&state=s"] {
        let answer = call(&world, without, "").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{without}");
        assert!(answer.body.contains("does not lead back to HubSpot"));
    }
}

#[tokio::test]
async fn two_addresses_or_a_step_that_is_none_are_not_guessed_at() {
    let world = world().await;
    for query in [
        format!("code=c&returnUrl={BACK}&returnUrl=https%3A%2F%2Fevil.example%2F"),
        format!("code=c&returnUrl={BACK}&step=authorise"),
        format!("code=c&returnUrl={BACK}&step="),
        format!("code=c&code=d&returnUrl={BACK}"),
        format!("step=finalize&code=c&state=s&state=t&returnUrl={BACK}"),
    ] {
        let answer = call(&world, &query, "").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.header("location"), "", "{query}");
    }
}

#[tokio::test]
async fn a_call_with_a_state_is_never_taken_for_one_without() {
    let world = world().await;
    for query in ["code=c&state=", "code=c&state=of-nobody", "state=s", ""] {
        let answer = call(&world, &format!("{query}&returnUrl={BACK}"), "install=x").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.body.contains("This attempt is over"), "{query}");
    }
}

#[tokio::test]
async fn the_second_step_wants_the_state_of_the_first() {
    let world = world().await;
    let first = call(&world, &format!("step=authorize&returnUrl={BACK}"), "").await;
    let (given, cookie) = (state(&first), first.header("set-cookie").to_owned());
    let cookie = cookie.split(';').next().unwrap();
    for query in ["state=never-given", "state=", "x=1"] {
        let query = format!("step=finalize&code=c&{query}&returnUrl={BACK}");
        let answer = call(&world, &query, cookie).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.body.contains("This attempt is over"), "{query}");
        let removal = answer.header("set-cookie");
        assert!(removal.starts_with("marketplace=;") && removal.contains("Max-Age=0"));
    }
    // An install that is called off at HubSpot uses it up; without a state there is nothing to use up.
    let query = format!("error=access_denied&returnUrl={BACK}");
    let refused = call(&world, &query, cookie).await;
    assert!(
        refused.body.contains("HubSpot was not connected"),
        "{}",
        refused.body
    );
    let query = format!("step=finalize&error=access_denied&state={given}&returnUrl={BACK}");
    let refused = call(&world, &query, cookie).await;
    assert!(
        refused.body.contains("HubSpot was not connected"),
        "{}",
        refused.body
    );
    let again = call(&world, &query, cookie).await;
    assert!(again.body.contains("This attempt is over"));
}

#[tokio::test]
async fn hubspot_away_is_said_plainly_and_nobody_is_signed_in_or_sent_on() {
    let world = world().await;
    let direct = call(&world, &format!("code=c&returnUrl={BACK}"), "install=x").await;
    assert_eq!(direct.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(direct.body.contains("HubSpot does not answer"));
    assert_eq!(
        (direct.header("set-cookie"), direct.header("location")),
        ("", "")
    );
    let first = call(&world, &format!("step=authorize&returnUrl={BACK}"), "").await;
    let query = format!(
        "step=finalize&code=c&state={}&returnUrl={BACK}",
        state(&first)
    );
    let second = call(&world, &query, "").await;
    assert_eq!(second.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!second.header("set-cookie").contains("session="));
    assert_eq!(second.header("location"), "");
}

#[tokio::test]
async fn calls_of_the_callback_are_as_few_as_sign_ins() {
    let world = world().await;
    let query = format!("step=authorize&returnUrl={BACK}");
    let mut taken = 0;
    while call(&world, &query, "").await.status == StatusCode::SEE_OTHER {
        taken += 1;
        assert!(taken < 1_000, "there is no limit");
    }
    assert!(taken >= 60, "only {taken}");
}
