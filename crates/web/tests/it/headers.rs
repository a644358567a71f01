//! What every answer carries, whatever its status; and the cookies.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use axum::http::{Method, StatusCode};
use sandbox::WorldSpec;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use web::router::{Kind, ROUTES};

use crate::harness::{
    Answer, HUB, MEMBER, OWNER, World, address, now, silent_hubspot, traffic, world, world_at,
};

/// The same on all.
const EVERY: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()",
    ),
];

/// Each header once and with its value; over http nothing of https.
pub fn assert_whole(answer: &Answer, cache_control: &str, what: &str) {
    for (name, value) in EVERY.into_iter().chain([("cache-control", cache_control)]) {
        let all: Vec<_> = answer.headers.get_all(name).iter().collect();
        assert_eq!(all, [value], "{name} of {what}");
    }
    assert_eq!(answer.header("x-request-id").len(), 36, "{what}");
    assert_eq!(answer.header("strict-transport-security"), "", "{what}");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let world = world().await;
    for route in ROUTES {
        for token in ["", OWNER.0] {
            let path = address(route, HUB);
            let cookie = format!("session={token}");
            let answer = world
                .send(&route.method, &path, &[("cookie", &cookie)], "")
                .await;
            let is_stream = route.kind == Kind::Events && answer.status == StatusCode::OK;
            let kept = if is_stream { "no-cache" } else { "no-store" };
            assert_whole(&answer, kept, route.path);
        }
    }
}

#[tokio::test]
async fn an_answer_of_every_status_is_whole() {
    let mut world = world().await;
    let own = format!("csrf_token={}", world.csrf_token(OWNER.0).await);
    let portal = format!("/portals/{HUB}");
    let settings = format!("{portal}/settings");
    let status = format!("{portal}/status.json");
    let long = format!("/{}", "x".repeat(8 * 1024));
    let mut answers = vec![
        (200, world.get("/", "").await),
        (202, {
            let json = [("accept", "application/json")];
            world
                .post(&format!("{portal}/sync"), OWNER.0, &json, &own)
                .await
        }),
        (303, world.get("/portals", "").await),
        (400, world.get("/oauth/callback", "").await),
        (401, world.get(&status, "").await),
        (403, world.get(&format!("{portal}/connect"), MEMBER.0).await),
        (404, world.get("/no/such/page", "").await),
        (405, world.send(&Method::DELETE, "/portals", &[], "").await),
        (413, {
            let large = format!("csrf_token={}", "x".repeat(70_000));
            world.post("/logout", OWNER.0, &[], &large).await
        }),
        (414, world.get(&long, "").await),
        (422, {
            let wrong = format!("{own}&email_property=Work+email");
            world.post(&settings, OWNER.0, &[], &wrong).await
        }),
    ];
    let slow = web::Traffic {
        requests_per_second: NonZeroU32::MIN,
        ..web::Traffic::default()
    };
    world.serve_app(world.app.clone(), slow);
    for _ in 0..10 {
        world.get(&status, OWNER.0).await;
    }
    answers.push((429, world.get(&status, OWNER.0).await));
    world.serve_app(world.app.clone(), traffic());
    world.app.close().await;
    answers.push((503, world.get("/readyz", "").await));
    // The database is away.
    answers.push((500, world.get(&status, OWNER.0).await));
    for (status, answer) in answers {
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
        assert_whole(&answer, "no-store", &status.to_string());
        // A form that comes back is a page of its own; all others name the request.
        if status >= 400 && status != 422 {
            let id = answer.header("x-request-id");
            assert!(answer.body.contains(id), "{status}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_panic_is_our_page_and_an_error_in_the_log() {
    let mut world = world().await;
    let hubspot = silent_hubspot("http://localhost:3000");
    world.reopen(hubspot, Arc::new(|| panic!("the clock has stopped")));
    let heard = Heard::default();
    let words = Arc::clone(&heard.0);
    let listening = tracing::subscriber::set_default(heard);
    let page = world.get("/login", "").await;
    let cookie = format!("session={}", OWNER.0);
    let headers = [("cookie", cookie.as_str()), ("accept", "application/json")];
    let data = world.send(&Method::GET, "/portals", &headers, "").await;
    drop(listening);
    for answer in [&page, &data] {
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_whole(answer, "no-store", "a panic");
        assert!(answer.body.contains("Something went wrong on our side"));
        assert!(!answer.body.contains("clock"), "{}", answer.body);
    }
    assert!(data.body.contains("\"internal\""), "{}", data.body);
    assert_eq!(*words.lock().unwrap(), ["a handler panicked"; 2]);
    // The process goes on.
    assert_eq!(world.get("/healthz", "").await.status, StatusCode::OK);
}

/// Keeps the messages of errors.
#[derive(Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Message(&self.0));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Message<'a>(&'a Mutex<Vec<String>>);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

/// What a browser is told to keep under this name.
pub fn cookie<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let cookies = answer.headers.get_all("set-cookie");
    let mut named = cookies
        .iter()
        .map(|cookie| cookie.to_str().unwrap())
        .filter(|cookie| cookie.split('=').next() == Some(name));
    let found = named.next().unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(named.next(), None);
    found
}

/// The cookie's value, after everything beside it has been looked at.
fn value_of_host_cookie<'a>(cookie: &'a str, more: &[&str]) -> &'a str {
    let mut parts = cookie.split("; ");
    let (_, value) = parts.next().unwrap().split_once('=').unwrap();
    let mut flags: Vec<&str> = parts.collect();
    flags.sort_unstable();
    let mut expected = vec!["HttpOnly", "Path=/", "SameSite=Lax", "Secure"];
    expected.extend(more);
    expected.sort_unstable();
    // No Domain among them, and for a session no end: it goes with the browser, and ours is shorter.
    assert_eq!(flags, expected, "{cookie}");
    value
}

#[tokio::test]
async fn over_https_browsers_are_told_to_stay_there() {
    let world = world_at("https://gifts.example").await;
    let answer = world.get("/install", "").await;
    assert_eq!(
        answer.header("strict-transport-security"),
        "max-age=63072000; includeSubDomains"
    );
    let begun = cookie(&answer, "__Host-install");
    assert!(!value_of_host_cookie(begun, &["Max-Age=600"]).is_empty());
}

#[tokio::test]
async fn over_https_the_sessions_cookie_belongs_to_this_host_alone() {
    let (world, sandbox) = beside_hubspot().await;
    let signed_in = sign_in(&world, "curl/8").await;
    let session = value_of_host_cookie(cookie(&signed_in, "__Host-session"), &[]);
    // 256 bits as base64url.
    assert_eq!(session.len(), 43, "{session}");
    let attempt = cookie(&signed_in, "__Host-install");
    assert!(attempt.starts_with("__Host-install=;") && attempt.contains("Max-Age=0"));

    let with = |name: &str| format!("{name}={session}");
    let get = async |cookie: String| {
        let headers = [("cookie", cookie.as_str())];
        world.send(&Method::GET, "/portals", &headers, "").await
    };
    // Another name is another cookie: one that http, or a sibling host, could have set.
    assert_eq!(get(with("session")).await.header("location"), "/login");
    let page = get(with("__Host-session")).await;
    assert_eq!(page.status, StatusCode::OK);
    let (_, csrf) = page
        .body
        .split_once("name=\"csrf_token\" value=\"")
        .unwrap();
    let body = format!("csrf_token={}", csrf.split('"').next().unwrap());
    let kept = with("__Host-session");
    let headers = [("cookie", kept.as_str())];
    let out = world.send(&Method::POST, "/logout", &headers, &body).await;
    let gone = cookie(&out, "__Host-session");
    for part in ["__Host-session=;", "Max-Age=0", "Path=/", "Secure"] {
        assert!(gone.contains(part), "{part} is not in {gone}");
    }
    sandbox.shutdown().await;
}

/// Over https, with a HubSpot that answers.
pub async fn beside_hubspot() -> (World, sandbox::Sandbox) {
    const PUBLIC_URL: &str = "https://gifts.example";
    let mut world = world_at(PUBLIC_URL).await;
    let mut config = sandbox::Config::new(WorldSpec::empty(now()));
    config.clock = Arc::new(now);
    let sandbox = sandbox::start(config).await.unwrap();
    let hubspot = hubspot::Config {
        api_url: sandbox.hubspot_url().clone(),
        authorize_url: sandbox.authorize_url(),
        client_id: sandbox::CLIENT_ID.into(),
        client_secret: sandbox::CLIENT_SECRET.into(),
        ..silent_hubspot(PUBLIC_URL)
    };
    world.reopen(hubspot, Arc::new(now));
    (world, sandbox)
}

/// A person installs with such a browser: to HubSpot's consent page, through it, and back.
pub async fn sign_in(world: &World, user_agent: &str) -> Answer {
    let begun = world.get("/install", "").await;
    let to: url::Url = begun.header("location").parse().unwrap();
    let mut form: Vec<(String, String)> = to.query_pairs().into_owned().collect();
    form.push(("hub_id".into(), sandbox::DEMO_HUB_ID.to_string()));
    form.push(("decision".into(), "connect".into()));
    let consent = hubspot::http_client()
        .build()
        .unwrap()
        .post(to.join("/oauth/authorize/decision").unwrap())
        .form(&form)
        .send()
        .await
        .unwrap();
    let back: url::Url = consent.headers()["location"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(back.host_str(), Some("gifts.example"));
    let attempt = cookie(&begun, "__Host-install").split(';').next().unwrap();
    let path = format!("{}?{}", back.path(), back.query().unwrap());
    let answer = world
        .send(
            &Method::GET,
            &path,
            &[("cookie", attempt), ("user-agent", user_agent)],
            "",
        )
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    answer
}
