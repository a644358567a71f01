//! Whom to tell what: the page, its forms, and what members do not see.

use app::App;
use axum::http::{Method, StatusCode};
use serde_json::Value;

use crate::harness::{Answer, HUB, MEMBER, OTHER, OTHER_HUB, OWNER, World, scope, traffic, world};

const PATH: &str = "/portals/1001/settings/notifications";
const SETTINGS: &str = "&emails=ana%40x.example%0Abo%40x.example&kind=recovered&webhook_url=https%3A%2F%2Fhooks.example%2Fs3cret";

pub fn with_notify(app: App, smtp_url: Option<&str>) -> App {
    let mail = smtp_url.map(|url| notify::MailConfig {
        smtp_url: url.to_owned().into(),
        from: "no-reply@gifts.example".into(),
    });
    let reach = notify::Reach::Public;
    app.with_notify(notify::Client::new(notify::Config { mail, reach }).unwrap())
}

/// A world that could tell people; its mail server is an address where nobody answers.
async fn telling() -> World {
    let mut world = world().await;
    let app = with_notify(world.app.clone(), Some("smtp://127.0.0.1:1"));
    world.serve_app(app, traffic());
    world
}

async fn post(world: &World, below: &str, fields: &str, json: bool) -> Answer {
    let body = format!("csrf_token={}{fields}", world.csrf_token(OWNER.0).await);
    let accept = if json {
        "application/json"
    } else {
        "text/html"
    };
    let path = format!("{PATH}{below}");
    world
        .post(&path, OWNER.0, &[("accept", accept)], &body)
        .await
}

fn secret(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("whsec_").expect("a secret");
    rest.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn before_anything_is_saved_a_proposal_is_shown_and_nobody_is_told() {
    let world = telling().await;
    let page = world.get(PATH, OWNER.0).await;
    assert_eq!(page.status, StatusCode::OK);
    for words in [
        "Nobody is told yet",
        "ana@northwind.example</textarea>",
        "Nothing was told yet",
        "aria-current=\"page\">Notifications",
    ] {
        assert!(page.body.contains(words), "{words}");
    }
    assert!(!page.body.contains("whsec_"));
    let test = post(&world, "/test", "", false).await;
    assert_eq!(test.status, StatusCode::CONFLICT);
    assert!(test.body.contains("There is nobody to tell yet"));
    let json = post(&world, "/test", "", true).await;
    assert!(json.body.contains("\"nobody_to_tell\""), "{}", json.body);
}

#[tokio::test]
async fn settings_are_stored_shown_and_tried() {
    let world = telling().await;
    let saved = post(&world, "", SETTINGS, false).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER);
    let page = world.get(saved.header("location"), OWNER.0).await;
    for words in [
        "<h2>Saved</h2>",
        "ana@x.example\nbo@x.example</textarea>",
        "value=\"https://hooks.example/s3cret\"",
        "value=\"recovered\" checked",
    ] {
        assert!(page.body.contains(words), "{words}");
    }
    assert!(!page.body.contains("value=\"sync_failing\" checked"));
    let first = secret(&page);
    assert_eq!(first.len(), 44);

    let tested = post(&world, "/test", "", false).await;
    assert_eq!(tested.status, StatusCode::SEE_OTHER);
    let page = world.get(tested.header("location"), OWNER.0).await;
    assert_eq!(page.body.matches("On its way").count(), 3);
    assert!(page.body.contains("hooks.example<span"));
    let again = post(&world, "/test", "", false).await;
    assert_eq!(again.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(again.header("retry-after"), "60");
    assert!(again.body.contains("A test was sent a moment ago"));
    let json = post(&world, "/test", "", true).await;
    assert_eq!(
        (json.status, json.header("retry-after")),
        (StatusCode::TOO_MANY_REQUESTS, "60")
    );

    let renewed = post(&world, "/secret", "", false).await;
    let page = world.get(renewed.header("location"), OWNER.0).await;
    assert!(page.body.contains("There is a new secret"));
    assert!(page.body.contains("of the one before as well; that ends"));
    assert_ne!(secret(&page), first);
    assert_eq!(
        post(&world, "/secret", "", true).await.status,
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
async fn members_see_who_is_told_and_neither_secret_nor_address() {
    let world = telling().await;
    post(&world, "", SETTINGS, false).await;
    let page = world.get(PATH, MEMBER.0).await;
    assert!(page.body.contains("Only an owner can change these"));
    assert!(page.body.contains("value=\"hooks.example\""));
    for hidden in ["whsec_", "s3cret", "/test\"", "/secret\""] {
        assert!(!page.body.contains(hidden), "{hidden} is shown to a member");
    }
    let cookie = format!("session={}", MEMBER.0);
    let headers = [("cookie", cookie.as_str()), ("accept", "application/json")];
    let json = world.send(&Method::GET, PATH, &headers, "").await;
    let body: Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(body["webhook_url"], Value::Null);
    assert_eq!(body["webhook_host"], "hooks.example");
    // Another portal has settings of its own: none.
    let other = format!("/portals/{OTHER_HUB}/settings/notifications");
    let page = world.get(&other, OTHER.0).await;
    assert!(page.body.contains("Nobody is told yet"));
}

#[tokio::test]
async fn what_cannot_be_comes_back_with_the_field_named_and_changes_nothing() {
    let world = telling().await;
    post(&world, "", SETTINGS, false).await;
    let wrong = "&emails=ana%40x.example%0A%3Cb%3Ebo&webhook_url=https%3A%2F%2F169.254.169.254%2Fx";
    let back = post(&world, "", wrong, false).await;
    assert_eq!(back.status, StatusCode::UNPROCESSABLE_ENTITY);
    for words in [
        "<title>Error: Notifications",
        "is no e-mail address",
        "&#60;b&#62;bo</textarea>",
        "must be on the public internet",
        "value=\"https://169.254.169.254/x\"",
    ] {
        assert!(back.body.contains(words), "{words}: {}", back.body);
    }
    assert_eq!(back.body.matches("aria-invalid").count(), 2);
    for (url, words) in [
        ("http%3A%2F%2Fhooks.example", "begins with https"),
        ("https%3A%2F%2Fa%3Ab%40hooks.example", "without a user"),
        ("hooks", "Enter a whole address"),
        ("https%3A%2F%2Flocalhost%2Fx", "public internet"),
    ] {
        let back = post(&world, "", &format!("&webhook_url={url}"), false).await;
        assert_eq!(back.status, StatusCode::UNPROCESSABLE_ENTITY, "{url}");
        assert!(back.body.contains(words), "{url}");
    }
    let json = post(&world, "", wrong, true).await;
    assert_eq!(json.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(json.body.contains("invalid_notices"), "{}", json.body);
    let page = world.get(PATH, OWNER.0).await;
    assert!(page.body.contains("ana@x.example\nbo@x.example</textarea>"));
}

#[tokio::test]
async fn an_installation_without_a_mail_server_says_so() {
    let mut world = telling().await;
    let app = with_notify(world.app.clone(), None);
    world.serve_app(app, traffic());
    let page = world.get(PATH, MEMBER.0).await;
    assert!(page.body.contains("E-mail is switched off"));
    post(&world, "", "&emails=ana%40x.example&kind=recovered", false).await;
    let test = post(&world, "/test", "", false).await;
    assert_eq!(test.status, StatusCode::CONFLICT);
    let mut tx = world.db.begin(scope()).await.unwrap();
    let listed = store::notices::list_latest(&mut tx, scope(), 20).await;
    assert!(listed.unwrap().is_empty());
    assert_eq!(HUB, scope().hub_id().0);
}
