//! What holds for many rows of the router's table: forms, files, sizes, limits, and what is no row. Who gets in where is
//! `matrix`, what every answer carries is `headers`.

use axum::http::{Method, StatusCode};
use futures::future::join_all;
use web::router::{Kind, ROUTES, Route, Who};

use crate::harness::{HUB, MEMBER, OWNER, address, world};

fn forms() -> impl Iterator<Item = &'static Route> {
    ROUTES
        .iter()
        .filter(|route| route.method != Method::GET && route.who != Who::Anyone)
}

#[tokio::test]
async fn a_form_that_is_not_this_sessions_own_changes_nothing() {
    let world = world().await;
    let own = format!("csrf_token={}", world.csrf_token(OWNER.0).await);
    let foreign = format!("csrf_token={}", world.csrf_token(MEMBER.0).await);
    let evil: &[(&str, &str)] = &[("origin", "https://evil.example")];
    let cross: &[(&str, &str)] = &[("sec-fetch-site", "cross-site")];
    let before = world.digest().await;
    for route in forms() {
        for (headers, body) in [
            (&[] as &[(&str, &str)], ""),
            (&[], "csrf_token="),
            (&[], foreign.as_str()),
            (evil, own.as_str()),
            (cross, own.as_str()),
        ] {
            let answer = world
                .post(&address(route, HUB), OWNER.0, headers, body)
                .await;
            assert_eq!(
                answer.status,
                StatusCode::FORBIDDEN,
                "{} {headers:?} {body}",
                route.path
            );
        }
    }
    assert_eq!(world.digest().await, before);
}

#[tokio::test]
async fn no_other_sites_link_leads_to_a_file() {
    let world = world().await;
    let cookie = format!("session={}", OWNER.0);
    let files: Vec<&Route> = ROUTES
        .iter()
        .filter(|route| route.kind == Kind::Download)
        .collect();
    assert_eq!(files.len(), 3);
    for route in files {
        for (site, expected) in [
            ("cross-site", StatusCode::FORBIDDEN),
            ("same-origin", StatusCode::OK),
            ("none", StatusCode::OK),
        ] {
            let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", site)];
            let path = address(route, HUB);
            let answer = world.send(&Method::GET, &path, &headers, "").await;
            assert_eq!(answer.status, expected, "{path} from {site}");
        }
    }
}

#[tokio::test]
async fn a_form_has_its_size() {
    let world = world().await;
    for size in [64 * 1024 + 1, 70_000] {
        let body = format!("csrf_token={}", "x".repeat(size - "csrf_token=".len()));
        let answer = world.post("/logout", OWNER.0, &[], &body).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{size}");
        assert!(answer.body.contains("That is too much"));
    }
    let own = format!("csrf_token={}&x=", world.csrf_token(OWNER.0).await);
    let largest = format!("{own}{}", "x".repeat(64 * 1024 - own.len()));
    let answer = world.post("/logout", OWNER.0, &[], &largest).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_address_has_its_length() {
    let world = world().await;
    for (length, status) in [
        (8 * 1024, StatusCode::SEE_OTHER),
        (8 * 1024 + 1, StatusCode::URI_TOO_LONG),
        (60_000, StatusCode::URI_TOO_LONG),
    ] {
        let path = "/portals?";
        let address = format!("{path}{}", "x".repeat(length - path.len()));
        let answer = world.get(&address, "").await;
        assert_eq!(answer.status, status, "{length}");
    }
    // What is no row has none either, and nothing of it comes back.
    let nowhere = format!("/{}", "no/such".repeat(2_000));
    let page = world.get(&nowhere, "").await;
    assert_eq!(page.status, StatusCode::URI_TOO_LONG);
    assert!(page.body.contains("This address is too long") && !page.body.contains("no/such"));
    let json = [("accept", "application/json")];
    let data = world.send(&Method::GET, &nowhere, &json, "").await;
    assert!(data.body.contains("\"address_too_long\""), "{}", data.body);
}

#[tokio::test]
async fn an_unknown_address_says_so_to_people_and_to_scripts() {
    let world = world().await;
    let page = world.get("/no/such/page", "").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.body.contains("Nothing is here"));
    assert!(page.body.contains(page.header("x-request-id")));
    let data = world
        .send(&Method::GET, "/no", &[("accept", "application/json")], "")
        .await;
    assert_eq!(data.status, StatusCode::NOT_FOUND);
    assert!(data.body.contains("\"error\":\"not_found\""));
    let other_method = world.send(&Method::DELETE, "/portals", &[], "").await;
    assert_eq!(other_method.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(other_method.header("allow").contains("GET"));
}

#[tokio::test]
async fn too_many_requests_are_told_to_wait_and_others_go_on() {
    let mut world = world().await;
    let traffic = web::Traffic {
        requests_per_second: std::num::NonZeroU32::MIN,
        ..web::Traffic::default()
    };
    world.serve_app(world.app.clone(), traffic);
    let path = format!("/portals/{HUB}/status.json");
    for _ in 0..10 {
        assert_eq!(world.get(&path, OWNER.0).await.status, StatusCode::OK);
    }
    let refused = world.get(&path, OWNER.0).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert!(
        refused.body.contains("\"too_many_requests\""),
        "{}",
        refused.body
    );
    // The limit is the session's; a page says it in words.
    assert_eq!(world.get(&path, MEMBER.0).await.status, StatusCode::OK);
    let page = world.get(&format!("/portals/{HUB}"), OWNER.0).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(page.body.contains("That was a lot at once"));
    // Load balancers and files are not counted.
    for _ in 0..200 {
        assert_eq!(world.get("/healthz", "").await.status, StatusCode::OK);
    }
}

/// The most requests that a route lets through in a moment, where one a second is what a session may send for long.
fn burst(route: &Route) -> Option<usize> {
    match (route.kind, route.who) {
        (Kind::File, _) => None,
        (Kind::Hook | Kind::Probe, _) => Some(500),
        (Kind::SignIn, _) => Some(60),
        (_, Who::Anyone) => Some(100),
        // The console has its own test.
        (_, Who::Operator) => unreachable!("no route of a portal is the operator’s"),
        (_, Who::Session | Who::Owner) => Some(10),
    }
}

#[tokio::test]
async fn a_burst_is_told_to_wait_at_every_route_but_files() {
    // There is no Redis here: what is counted is counted in the process.
    let mut world = world().await;
    let traffic = web::Traffic {
        requests_per_second: std::num::NonZeroU32::MIN,
        ..web::Traffic::default()
    };
    let cookie = format!("session={}", OWNER.0);
    let headers = [("cookie", cookie.as_str())];
    for route in ROUTES {
        let name = format!("{} {}", route.method, route.path);
        // Nobody has asked for anything yet, each time.
        world.serve_app(world.app.clone(), traffic);
        let path = address(route, HUB);
        let (mut taken, mut refused) = (0, Vec::new());
        // More come back with time, so that it is a few more on a slow machine; not for ever.
        while refused.is_empty() && taken < 10_000 {
            let at_once = (0..50).map(|_| world.send(&route.method, &path, &headers, ""));
            for answer in join_all(at_once).await {
                if answer.status == StatusCode::TOO_MANY_REQUESTS {
                    refused.push(answer);
                } else {
                    taken += 1;
                }
            }
            if burst(route).is_none() && taken >= 1_000 {
                break;
            }
        }
        match burst(route) {
            Some(most) => assert!(taken >= most && !refused.is_empty(), "{name}: {taken}"),
            None => assert!(refused.is_empty(), "{name}"),
        }
        for answer in refused {
            let wait: u64 = answer.header("retry-after").parse().unwrap();
            assert!((1..=10).contains(&wait), "{name}: {wait}");
        }
    }
}
