//! Pages, buttons and data of a portal.

use axum::http::StatusCode;

use crate::harness::{HUB, OWNER, world};

#[tokio::test]
async fn the_dashboard_shows_the_portal_and_its_six_statistics() {
    let world = world().await;
    let page = world.get(&format!("/portals/{HUB}"), OWNER.0).await;
    assert_eq!(page.status, StatusCode::OK);
    for text in [
        "Northwind",
        "Total sent",
        "Total value",
        "Average value",
        "Redemption rate",
        "Top types",
        "Recent activity",
        "Europe/Berlin",
    ] {
        assert!(page.body.contains(text), "{text}");
    }
}

#[tokio::test]
async fn days_come_from_the_address_and_must_be_days() {
    let world = world().await;
    let path = |query: &str| format!("/portals/{HUB}{query}");
    let page = world
        .get(&path("?from=2026-10-25&to=2026-11-01"), OWNER.0)
        .await;
    assert!(page.body.contains("25 Oct 2026 – 1 Nov 2026"));
    for query in ["?from=yesterday", "?from=2026-02-02&to=2026-01-01"] {
        let page = world.get(&path(query), OWNER.0).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{query}");
        let data = world
            .get(&path(&format!("/statistics.json{query}")), OWNER.0)
            .await;
        assert_eq!(data.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(data.body.contains("\"not_days\""), "{query}");
    }
}

#[tokio::test]
async fn data_has_the_contracts_fields() {
    let world = world().await;
    let status = world.status().await;
    assert_eq!(status["state"], "active");
    assert_eq!(status["current_run"], serde_json::Value::Null);
    assert_eq!(status["transactions"], 0);
    let answer = world
        .get(&format!("/portals/{HUB}/statistics.json"), OWNER.0)
        .await;
    let statistics: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(statistics["total_sent"], 0);
    assert_eq!(statistics["redemption_rate"], serde_json::Value::Null);
    assert_eq!(statistics["by_status"]["redeemed"], 0);
}

#[tokio::test]
async fn a_button_leads_back_or_answers_with_the_run() {
    let world = world().await;
    let body = format!("csrf_token={}", world.csrf_token(OWNER.0).await);
    for (name, kind) in [
        ("sync", "sync"),
        ("reassociate", "reassociate"),
        ("check", "check"),
    ] {
        let path = format!("/portals/{HUB}/{name}");
        let back = world.post(&path, OWNER.0, &[], &body).await;
        assert_eq!(back.status, StatusCode::SEE_OTHER, "{name}");
        assert_eq!(back.header("location"), format!("/portals/{HUB}"));
        let run = world
            .post(&path, OWNER.0, &[("accept", "application/json")], &body)
            .await;
        assert_eq!(run.status, StatusCode::ACCEPTED, "{name}");
        let run: serde_json::Value = serde_json::from_str(&run.body).unwrap();
        assert_eq!(
            (&run["kind"], &run["state"]),
            (&kind.into(), &"queued".into())
        );
    }
    assert_ne!(world.status().await["current_run"], serde_json::Value::Null);
}

#[tokio::test]
async fn the_key_form_says_what_is_wrong_with_the_key() {
    let world = world().await;
    let token = world.csrf_token(OWNER.0).await;
    let path = format!("/portals/{HUB}/connect");
    assert_eq!(world.get(&path, OWNER.0).await.status, StatusCode::OK);
    for (key, status, sentence) in [
        ("", StatusCode::UNPROCESSABLE_ENTITY, "Enter the API key."),
        (
            "tk_test_key",
            StatusCode::SERVICE_UNAVAILABLE,
            "Thnks does not answer right now",
        ),
    ] {
        let body = format!("csrf_token={token}&thnks_api_key={key}&portal={HUB}");
        let answer = world.post(&path, OWNER.0, &[], &body).await;
        assert_eq!(answer.status, status, "{key}");
        assert!(answer.body.contains(sentence), "{key}");
        assert!(answer.body.contains("aria-invalid=\"true\""), "{key}");
        assert!(!answer.body.contains("tk_test_key"));
    }
}

#[tokio::test]
async fn the_key_form_names_the_portal_and_has_it_confirmed() {
    let world = world().await;
    let token = world.csrf_token(OWNER.0).await;
    let path = format!("/portals/{HUB}/connect");
    let form = world.get(&path, OWNER.0).await.body;
    let confirmation = format!("name=\"portal\" value=\"{HUB}\" required><span>");
    assert!(form.contains(&confirmation), "{form}");
    assert!(form.contains(&format!(
        "<small>northwind.example · HubSpot portal {HUB}</small>"
    )));
    // Nothing, what a form of another portal would send, and what is no number.
    for confirmed in ["", "&portal=", "&portal=1002", "&portal=on"] {
        let body = format!("csrf_token={token}&thnks_api_key=tk_test_key{confirmed}");
        let answer = world.post(&path, OWNER.0, &[], &body).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{confirmed}"
        );
        assert!(
            answer
                .body
                .contains("Confirm that this is the right HubSpot portal.")
        );
        assert!(!answer.body.contains("checked"), "{}", answer.body);
        assert!(!answer.body.contains("tk_test_key"));
    }
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let world = world().await;
    let body = format!("csrf_token={}", world.csrf_token(OWNER.0).await);
    let answer = world.post("/logout", OWNER.0, &[], &body).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::SEE_OTHER, "/")
    );
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    let after = world.get("/portals", OWNER.0).await;
    assert_eq!(after.header("location"), "/login");
}

#[tokio::test]
async fn files_are_kept_for_a_year_and_pages_name_them() {
    let world = world().await;
    let page = world.get("/", "").await;
    let (_, rest) = page.body.split_once("rel=\"stylesheet\" href=\"").unwrap();
    let address = rest.split('"').next().unwrap();
    let file = world.get(address, "").await;
    assert_eq!(file.status, StatusCode::OK);
    assert_eq!(
        file.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(file.header("content-type"), "text/css; charset=utf-8");
    let old = world.get("/static/app.0.css", "").await;
    assert_eq!(old.status, StatusCode::NOT_FOUND);
    assert_eq!(old.header("cache-control"), "no-store");
}

#[tokio::test]
async fn the_process_is_healthy_and_ready() {
    let world = world().await;
    assert_eq!(world.get("/healthz", "").await.body, "ok\n");
    assert_eq!(world.get("/readyz", "").await.body, "ready\n");
    world.app.close().await;
    assert_eq!(world.get("/healthz", "").await.status, StatusCode::OK);
    assert_eq!(
        world.get("/readyz", "").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}
