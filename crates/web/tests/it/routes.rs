//! What holds for every row of the router's table: headers, sessions, tenancy, forms, roles.

use axum::http::{Method, StatusCode};
use web::router::{Kind, ROUTES, Route, Who};

use crate::harness::{Answer, HUB, MEMBER, OTHER_HUB, OWNER, World, address, world, world_at};

fn of_a_portal() -> impl Iterator<Item = &'static Route> {
    ROUTES
        .iter()
        .filter(|route| route.path.contains("{hub_id}"))
}

fn forms() -> impl Iterator<Item = &'static Route> {
    ROUTES
        .iter()
        .filter(|route| route.method != Method::GET && route.who != Who::Anyone)
}

async fn ask(world: &World, route: &Route, hub_id: i64, token: &str, body: &str) -> Answer {
    let cookie = format!("session={token}");
    world
        .send(
            &route.method,
            &address(route, hub_id),
            &[("cookie", &cookie)],
            body,
        )
        .await
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let world = world().await;
    for route in ROUTES {
        for token in ["", OWNER.0] {
            let answer = ask(&world, route, HUB, token, "").await;
            let path = route.path;
            let policy = answer.header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
                "{path}"
            );
            assert!(
                policy.contains("base-uri 'none'; frame-ancestors 'none'"),
                "{path}"
            );
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
            assert_eq!(
                answer.header("cross-origin-opener-policy"),
                "same-origin",
                "{path}"
            );
            assert_eq!(
                answer.header("cross-origin-resource-policy"),
                "same-origin",
                "{path}"
            );
            assert!(
                answer.header("permissions-policy").contains("camera=()"),
                "{path}"
            );
            assert_eq!(answer.header("x-request-id").len(), 36, "{path}");
            let is_kept = answer.header("cache-control");
            assert!(
                is_kept == "no-store" || route.kind == Kind::Events && is_kept == "no-cache",
                "{path}: {is_kept}"
            );
            assert_eq!(answer.header("strict-transport-security"), "", "{path}");
        }
    }
}

#[tokio::test]
async fn over_https_browsers_are_told_to_stay_there() {
    let world = world_at("https://gifts.example").await;
    let answer = world.get("/install", "").await;
    assert!(
        answer
            .header("strict-transport-security")
            .starts_with("max-age=63072000")
    );
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-install="), "{cookie}");
    for part in [
        "; Secure",
        "; HttpOnly",
        "; SameSite=Lax",
        "; Path=/",
        "; Max-Age=600",
    ] {
        assert!(cookie.contains(part), "{part} is not in {cookie}");
    }
    assert!(!cookie.contains("Domain"));
}

#[tokio::test]
async fn without_a_session_pages_lead_to_sign_in_and_data_is_401() {
    let world = world().await;
    for route in ROUTES.iter().filter(|route| route.who != Who::Anyone) {
        for token in ["", "no-such-token"] {
            let answer = ask(&world, route, HUB, token, "").await;
            if matches!(route.kind, Kind::Data | Kind::Events) {
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", route.path);
                assert!(
                    answer.body.contains("\"sign_in_needed\""),
                    "{}",
                    answer.body
                );
            } else {
                assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", route.path);
                assert_eq!(answer.header("location"), "/login", "{}", route.path);
            }
        }
    }
}

#[tokio::test]
async fn another_portal_is_not_found_at_any_address() {
    let world = world().await;
    let token = world.csrf_token(OWNER.0).await;
    for route in of_a_portal() {
        for hub_id in [OTHER_HUB, 999, -1] {
            let answer = ask(
                &world,
                route,
                hub_id,
                OWNER.0,
                &format!("csrf_token={token}"),
            )
            .await;
            assert_eq!(
                answer.status,
                StatusCode::NOT_FOUND,
                "{} of {hub_id}",
                route.path
            );
        }
    }
}

#[tokio::test]
async fn a_form_that_is_not_this_sessions_own_changes_nothing() {
    let world = world().await;
    let own = format!("csrf_token={}", world.csrf_token(OWNER.0).await);
    let foreign = format!("csrf_token={}", world.csrf_token(MEMBER.0).await);
    let evil: &[(&str, &str)] = &[("origin", "https://evil.example")];
    let cross: &[(&str, &str)] = &[("sec-fetch-site", "cross-site")];
    let before = world.status().await;
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
    assert_eq!(world.status().await, before);
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
async fn a_member_looks_and_does_not_touch() {
    let world = world().await;
    let body = format!("csrf_token={}", world.csrf_token(MEMBER.0).await);
    for route in of_a_portal() {
        let answer = ask(&world, route, HUB, MEMBER.0, &body).await;
        let expected = if route.who == Who::Owner {
            StatusCode::FORBIDDEN
        } else if route.path.contains("{run_id}") || route.path.contains("{transaction_id}") {
            // There is no such run or gift; who comes in at all was asked before.
            StatusCode::NOT_FOUND
        } else {
            StatusCode::OK
        };
        assert_eq!(answer.status, expected, "{} {}", route.method, route.path);
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
    assert!(
        page.header("content-security-policy")
            .starts_with("default-src 'none'")
    );
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
    assert_eq!(refused.header("x-content-type-options"), "nosniff");
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
