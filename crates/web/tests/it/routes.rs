//! What holds for many rows of the router's table: forms, files, sizes, limits, and what is no row. Who gets in where is
//! `matrix`, what every answer carries is `headers`.

use axum::http::{Method, StatusCode};
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
    let body = format!("csrf_token={}", "x".repeat(70_000));
    let answer = world.post("/logout", OWNER.0, &[], &body).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.body.contains("That is too much"));
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
