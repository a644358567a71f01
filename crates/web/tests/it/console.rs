//! The operator's console: who gets in, what is shown, what is hidden until a reason is on record.

use std::sync::Arc;

use app::console::{Console, Operators, TraceUrl};
use axum::http::{Method, StatusCode};
use chrono::TimeDelta;
use domain::HubId;
use store::PortalScope;
use web::router::{CONSOLE, Kind, Route, Who};

use crate::harness::{
    Answer, HUB, OTHER_HUB, OWNER, World, address, changed, now, traffic, world, world_at,
};
use crate::headers::cookie;
use crate::tenants::{Tenants, tenants};

const PASSWORD: &str = "correct horse battery";
const GET: Method = Method::GET;
const POST: Method = Method::POST;

/// Stands in everything of a person that the portals hold.
const CANARIES: [&str; 7] = [
    "Coffee on us",
    "Secret of the others",
    "dana@",
    "sam@",
    "ana@northwind.example",
    "txn_both",
    "user:1",
];

fn console() -> Arc<Console> {
    let entry = app::console::entry("ana", &PASSWORD.into()).unwrap();
    Arc::new(Console {
        operators: Operators::parse(&entry.into()).unwrap(),
        trace_url: Some(TraceUrl::parse("https://traces.example/{run_id}").unwrap()),
    })
}

/// Opens the service anew with a console.
fn with_console(world: &mut World) {
    let app = world.app.clone().with_console(console());
    world.serve_app(app, traffic());
}

async fn world_with_console() -> World {
    let mut world = world().await;
    with_console(&mut world);
    world
}

async fn tenants_with_console() -> Tenants {
    let mut tenants = tenants().await;
    with_console(&mut tenants.world);
    tenants
}

/// The hidden field of the page's first form.
fn form_token(page: &Answer) -> String {
    let (_, rest) = page
        .body
        .split_once("name=\"csrf_token\" value=\"")
        .unwrap_or_else(|| panic!("no form: {}", page.body));
    rest.split('"').next().unwrap().to_owned()
}

/// The value that a browser is told to keep under this name.
fn kept(answer: &Answer, name: &str) -> String {
    let (pair, _) = cookie(answer, name).split_once(';').unwrap();
    pair.split_once('=').unwrap().1.to_owned()
}

/// A browser before the sign-in's form: its cookie and the form's token.
async fn before_form(world: &World) -> (String, String) {
    let page = world.send(&GET, "/operator/sign-in", &[], "").await;
    assert_eq!(page.status, StatusCode::OK);
    let held = kept(&page, "operator-form");
    (format!("operator-form={held}"), form_token(&page))
}

async fn try_password(world: &World, name: &str, password: &str) -> Answer {
    let (held, token) = before_form(world).await;
    let body = format!("csrf_token={token}&name={name}&password={password}");
    world
        .send(&POST, "/operator/sign-in", &[("cookie", &held)], &body)
        .await
}

/// An operator's browser: the cookie, and the token of its forms.
struct Browser {
    cookie: String,
    csrf: String,
}

async fn sign_in(world: &World) -> Browser {
    let answer = try_password(world, "ana", PASSWORD).await;
    assert_eq!(answer.header("location"), "/operator", "{}", answer.body);
    let cookie = format!("operator={}", kept(&answer, "operator"));
    let page = world
        .send(&GET, "/operator", &[("cookie", &cookie)], "")
        .await;
    Browser {
        csrf: form_token(&page),
        cookie,
    }
}

impl Browser {
    async fn get(&self, world: &World, path: &str) -> Answer {
        world
            .send(&GET, path, &[("cookie", &self.cookie)], "")
            .await
    }

    async fn post(&self, world: &World, path: &str, fields: &str) -> Answer {
        let body = format!("csrf_token={}&{fields}", self.csrf);
        world
            .send(&POST, path, &[("cookie", &self.cookie)], &body)
            .await
    }
}

/// What a row means: fields, and the status for an operator who is signed in.
#[rustfmt::skip]
const MATRIX: &[(Method, &str, &str, u16)] = &[
    (GET,  "/operator/sign-in",                  "",                                        200),
    (POST, "/operator/sign-in",                  "name=ana&password=x",                     403),
    (POST, "/operator/sign-out",                 "",                                        303),
    (GET,  "/operator",                          "",                                        200),
    (GET,  "/operator/portals",                  "q=northwind",                             200),
    (GET,  "/operator/runs",                     "",                                        200),
    (GET,  "/operator/acts",                     "before=9",                                200),
    (GET,  "/operator/portals/{hub_id}",         "",                                        200),
    (POST, "/operator/portals/{hub_id}/acts",    "act=sync&reason=ticket+4711+asks",        303),
    (GET,  "/operator/portals/{hub_id}/look",    "",                                        200),
    (POST, "/operator/portals/{hub_id}/look",    "reason=ticket+4711+asks",                 303),
    (POST, "/operator/portals/{hub_id}/look/end", "",                                       303),
];

async fn ask(
    world: &World,
    (method, path, fields): (&Method, &str, &str),
    hub: &str,
    cookie: &str,
    csrf: &str,
) -> Answer {
    let path = path.replace("{hub_id}", hub);
    let (address, body) = if *method == GET {
        (format!("{path}?{fields}"), String::new())
    } else {
        (path, format!("csrf_token={csrf}&{fields}"))
    };
    world
        .send(method, &address, &[("cookie", cookie)], &body)
        .await
}

#[tokio::test]
async fn every_row_of_the_console_opens_to_operators_alone() {
    let rows: Vec<(&Method, &str)> = MATRIX.iter().map(|row| (&row.0, row.1)).collect();
    let routes: Vec<(&Method, &str)> = CONSOLE
        .iter()
        .map(|route| (&route.method, route.path))
        .collect();
    assert_eq!(rows, routes);

    let hub = HUB.to_string();
    for (method, path, fields, expected) in MATRIX {
        let world = world_with_console().await;
        let browser = sign_in(&world).await;
        let (asked, name) = ((method, *path, *fields), format!("{method} {path}"));
        let owner_csrf = world.csrf_token(OWNER.0).await;
        let is_open = path.ends_with("/sign-in");
        let before = world.digest().await;
        let session = format!("session={}", OWNER.0);
        // A portal's token is none of the console's, under whichever name it is sent.
        let planted = format!("operator={}", OWNER.0);
        for (who, csrf) in [
            ("", browser.csrf.as_str()),
            ("operator=no-such-token", &browser.csrf),
            (session.as_str(), &owner_csrf),
            (planted.as_str(), &owner_csrf),
        ] {
            let answer = ask(&world, asked, &hub, who, csrf).await;
            if is_open {
                assert_eq!(answer.status.as_u16(), *expected, "{name} of {who}");
            } else {
                assert_eq!(answer.status.as_u16(), 303, "{name} of {who}");
                assert_eq!(answer.header("location"), "/operator/sign-in", "{name}");
                let json = [("cookie", who), ("accept", "application/json")];
                let address = path.replace("{hub_id}", &hub);
                let data = world.send(method, &address, &json, "").await;
                assert_eq!(data.status, StatusCode::UNAUTHORIZED, "{name} of {who}");
            }
        }
        assert_eq!(world.digest().await, before, "{name}");
        let answer = ask(&world, asked, &hub, &browser.cookie, &browser.csrf).await;
        assert_eq!(answer.status.as_u16(), *expected, "{name}: {}", answer.body);
        let after = world.digest().await;
        if *method == GET {
            assert_eq!(after, before, "{name}: looking changes nothing");
        }
    }
}

#[tokio::test]
async fn every_answer_of_the_console_carries_the_security_headers() {
    let world = world_with_console().await;
    let browser = sign_in(&world).await;
    for route in CONSOLE {
        for who in ["", browser.cookie.as_str()] {
            let path = address(route, HUB);
            let answer = world
                .send(&route.method, &path, &[("cookie", who)], "")
                .await;
            crate::headers::assert_whole(&answer, "no-store", route.path);
        }
    }
}

#[tokio::test]
async fn an_operators_session_opens_no_portal() {
    let world = world_with_console().await;
    let browser = sign_in(&world).await;
    let token = browser.cookie.strip_prefix("operator=").unwrap();
    for as_name in ["operator", "session"] {
        let cookie = format!("{as_name}={token}");
        let portal = format!("/portals/{HUB}");
        let answer = world.send(&GET, &portal, &[("cookie", &cookie)], "").await;
        assert_eq!(answer.header("location"), "/login", "{as_name}");
    }
}

#[tokio::test]
async fn a_session_that_is_over_opens_nothing() {
    let minute = TimeDelta::minutes(1);
    for (unused_for, open_for) in [
        (
            TimeDelta::minutes(30) + minute,
            TimeDelta::minutes(30) + minute,
        ),
        (TimeDelta::zero(), TimeDelta::hours(8) + minute),
    ] {
        let world = world_with_console().await;
        let browser = sign_in(&world).await;
        world.age_operator_sessions(unused_for, open_for).await;
        for route in CONSOLE.iter().filter(|route| route.who == Who::Operator) {
            let asked = (
                &route.method,
                route.path,
                "act=sync&reason=ticket+4711+asks",
            );
            let answer = ask(
                &world,
                asked,
                &HUB.to_string(),
                &browser.cookie,
                &browser.csrf,
            )
            .await;
            assert_eq!(
                answer.header("location"),
                "/operator/sign-in",
                "{}",
                route.path
            );
        }
    }
}

#[tokio::test]
async fn another_password_ends_the_sessions_of_the_old_one() {
    let mut world = world_with_console().await;
    let browser = sign_in(&world).await;
    assert_eq!(
        browser.get(&world, "/operator").await.status,
        StatusCode::OK
    );
    // The same name, hashed anew.
    with_console(&mut world);
    let answer = browser.get(&world, "/operator").await;
    assert_eq!(answer.header("location"), "/operator/sign-in");
}

#[tokio::test]
async fn signing_in_ends_the_session_that_the_browser_had_and_signing_out_this_one() {
    let world = world_with_console().await;
    let first = sign_in(&world).await;
    let (held, token) = before_form(&world).await;
    let cookies = format!("{held}; {}", first.cookie);
    let body = format!("csrf_token={token}&name=ana&password={PASSWORD}");
    let again = world
        .send(&POST, "/operator/sign-in", &[("cookie", &cookies)], &body)
        .await;
    let second = format!("operator={}", kept(&again, "operator"));
    assert_ne!(second, first.cookie);
    let opens = async |cookie: &str| {
        let answer = world
            .send(&GET, "/operator", &[("cookie", cookie)], "")
            .await;
        answer.status == StatusCode::OK
    };
    assert!(!opens(&first.cookie).await);
    assert!(opens(&second).await);
    let page = world
        .send(&GET, "/operator", &[("cookie", &second)], "")
        .await;
    let body = format!("csrf_token={}", form_token(&page));
    let left = world
        .send(&POST, "/operator/sign-out", &[("cookie", &second)], &body)
        .await;
    assert_eq!(kept(&left, "operator"), "");
    assert!(!opens(&second).await);
}

#[tokio::test]
async fn where_it_is_not_configured_its_addresses_are_like_any_that_are_none() {
    let world = world().await;
    let told = |answer: &Answer| {
        let id = answer.header("x-request-id");
        let mut headers: Vec<(String, String)> = answer
            .headers
            .iter()
            .filter(|(name, _)| *name != "x-request-id")
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        headers.sort();
        (answer.status, headers, answer.body.replace(id, "ID"))
    };
    for route in CONSOLE {
        for method in [&GET, &POST, &Method::DELETE] {
            for token in ["", OWNER.0] {
                let cookie = format!("session={token}; operator={token}");
                let headers = [("cookie", cookie.as_str())];
                let answer = world.send(method, &address(route, HUB), &headers, "").await;
                let none = world.send(method, "/no/such/page", &headers, "").await;
                assert_eq!(none.status, StatusCode::NOT_FOUND);
                assert_eq!(told(&answer), told(&none), "{method} {}", route.path);
            }
        }
    }
}

#[tokio::test]
async fn a_form_that_is_not_this_operators_own_changes_nothing() {
    let world = world_with_console().await;
    let browser = sign_in(&world).await;
    let other = sign_in(&world).await;
    let before = world.digest().await;
    let own = format!(
        "csrf_token={}&act=sync&reason=ticket+4711+asks",
        browser.csrf
    );
    let foreign = format!("csrf_token={}", other.csrf);
    let forms = |route: &&Route| route.kind == Kind::Form;
    for route in CONSOLE.iter().filter(forms) {
        for (header, body) in [
            (("x-none", ""), ""),
            (("x-none", ""), foreign.as_str()),
            (("origin", "https://evil.example"), own.as_str()),
            (("sec-fetch-site", "cross-site"), own.as_str()),
        ] {
            let headers = [("cookie", browser.cookie.as_str()), header];
            let path = address(route, HUB);
            let answer = world.send(&POST, &path, &headers, body).await;
            assert_eq!(
                answer.status,
                StatusCode::FORBIDDEN,
                "{path} {header:?} {body}"
            );
        }
    }
    assert_eq!(world.digest().await, before);
}

#[tokio::test]
async fn the_sign_ins_form_belongs_to_the_browser_that_got_it() {
    let world = world_with_console().await;
    let (held, token) = before_form(&world).await;
    let (other, _) = before_form(&world).await;
    let body = format!("csrf_token={token}&name=ana&password={PASSWORD}");
    for headers in [
        vec![],
        vec![("cookie", other.as_str())],
        vec![("cookie", "operator-form=")],
        vec![
            ("cookie", held.as_str()),
            ("origin", "https://evil.example"),
        ],
        vec![("cookie", held.as_str()), ("sec-fetch-site", "same-site")],
    ] {
        let answer = world
            .send(&POST, "/operator/sign-in", &headers, &body)
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(answer.headers.get("set-cookie").is_none());
    }
}

#[tokio::test]
async fn a_wrong_password_and_a_wrong_name_are_told_alike_and_tried_a_few_times() {
    let world = world_with_console().await;
    let before = world.digest().await;
    let wrong = try_password(&world, "ana", "something else").await;
    let unknown = try_password(&world, "ben", PASSWORD).await;
    for answer in [&wrong, &unknown] {
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            answer
                .body
                .contains("This name with this password lets nobody in.")
        );
        assert!(
            !answer.body.contains("something else"),
            "a password comes back"
        );
    }
    for _ in 0..8 {
        try_password(&world, "ana", "something else").await;
    }
    // The eleventh, and it would be the right one.
    let refused = try_password(&world, "ana", PASSWORD).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    let left = changed(&before, &world.digest().await);
    assert_eq!(left.into_iter().collect::<Vec<_>>(), ["operator_acts"]);
    // Under an operator's name it is on record; what else was entered is kept nowhere.
    let acts = world.rows_of_all("operator_acts").await;
    assert_eq!(acts.len(), 9);
    for act in acts {
        assert_eq!(act["action"], "console sign-in-refused");
        assert_eq!(act["detail"], serde_json::json!({"operator": "ana"}));
    }
}

#[tokio::test]
async fn operators_read_what_they_have_done_and_why_the_newest_first_and_a_page_at_a_time() {
    let tenants = tenants_with_console().await;
    let world = &tenants.world;
    try_password(world, "ana", "something else").await;
    let browser = sign_in(world).await;
    for n in 0..30 {
        let look = format!("/operator/portals/{HUB}/look");
        let why = format!("reason=ticket+<{}>+asks", 4_700 + n);
        browser.post(world, &look, &why).await;
        browser.post(world, &format!("{look}/end"), "").await;
    }
    let first = browser.get(world, "/operator/acts").await.body;
    let second = browser.get(world, "/operator/acts?before=13").await.body;
    let at = |page: &str, words: &str| {
        page.find(words)
            .unwrap_or_else(|| panic!("{words}: {page}"))
    };
    assert!(at(&first, "ticket &#60;4729&#62; asks") < at(&first, "ticket &#60;4728&#62; asks"));
    assert!(
        first.contains("href=\"/operator/acts?before=13\""),
        "{first}"
    );
    assert!(!first.contains("Sign-in refused") && !first.contains("&#60;4704&#62;"));
    assert!(first.contains(&format!("href=\"/operator/portals/{HUB}\"")));
    assert!(at(&second, "&#60;4704&#62;") < at(&second, "Signed in"));
    assert!(at(&second, "Signed in") < at(&second, "Sign-in refused"));
    assert!(!second.contains("rel=\"next\""));
    let odd = browser.get(world, "/operator/acts?before=x").await;
    assert_eq!(odd.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn over_https_the_operators_cookies_belong_to_this_host_alone() {
    let mut world = world_at("https://gifts.example").await;
    with_console(&mut world);
    let page = world.send(&GET, "/operator/sign-in", &[], "").await;
    let form = cookie(&page, "__Host-operator-form");
    for flag in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/"] {
        assert!(form.contains(flag), "{form}");
    }
    let held = format!(
        "__Host-operator-form={}",
        kept(&page, "__Host-operator-form")
    );
    let body = format!(
        "csrf_token={}&name=ana&password={PASSWORD}",
        form_token(&page)
    );
    let answer = world
        .send(&POST, "/operator/sign-in", &[("cookie", &held)], &body)
        .await;
    let session = cookie(&answer, "__Host-operator");
    for flag in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
        assert!(session.contains(flag), "{session}");
    }
    assert!(!session.contains("Max-Age") && !session.contains("Domain"));
    assert_eq!(kept(&answer, "__Host-operator").len(), 43);
}

/// Every page of the console, of both portals, with the lists narrowed in every way.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> = [
        "/operator",
        "/operator/runs",
        "/operator/portals",
        "/operator/acts",
    ]
    .map(str::to_owned)
    .to_vec();
    for query in [
        "state=active",
        "trouble=refused",
        "trouble=late",
        "q=sam",
        "q=1001",
        "after=1001",
    ] {
        pages.push(format!("/operator/portals?{query}"));
    }
    for hub in [HUB, OTHER_HUB] {
        pages.push(format!("/operator/portals/{hub}"));
        pages.push(format!("/operator/portals/{hub}/look"));
    }
    pages
}

#[tokio::test]
async fn no_page_shows_anything_of_a_person_until_a_reason_is_on_record() {
    let tenants = tenants_with_console().await;
    let world = &tenants.world;
    let browser = sign_in(world).await;
    for page in pages() {
        let answer = browser.get(world, &page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}");
        for canary in CANARIES {
            assert!(!answer.body.contains(canary), "{page} shows {canary}");
        }
    }
    let look = format!("/operator/portals/{HUB}/look");
    for short in ["", "reason=", "reason=because"] {
        let answer = browser.post(world, &look, short).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{short}");
    }
    let reason = "ticket 4711: ana asks why gifts are missing";
    let begun = browser
        .post(world, &look, &format!("reason={reason}"))
        .await;
    assert_eq!(begun.header("location"), look);
    let seen = browser.get(world, &look).await;
    for shown in ["Coffee on us", "ana@northwind.example", "txn_both"] {
        assert!(seen.body.contains(shown), "{shown}: {}", seen.body);
    }
    // It is for this portal and this session alone, and for no other page.
    let other = sign_in(world).await;
    for page in pages() {
        let by_whom = if page == look {
            &[&other][..]
        } else {
            &[&browser, &other]
        };
        for one in by_whom {
            let answer = one.get(world, &page).await;
            for canary in CANARIES {
                assert!(!answer.body.contains(canary), "{page} shows {canary}");
            }
        }
    }
    // The portal's owner reads why.
    let trail = world.get(&format!("/portals/{HUB}/audit"), OWNER.0).await;
    assert!(trail.body.contains("Looked at people and failures"));
    assert!(trail.body.contains(reason) && trail.body.contains("The operator"));
    let act = world.rows("audit").await;
    let act = act
        .iter()
        .find(|act| act["action"] == "operator.look")
        .unwrap();
    assert_eq!(act["actor"], "operator");
    assert_eq!(act["detail"]["reason"], reason);
    // And the operators' trail says who.
    let acts = world.rows_of_all("operator_acts").await;
    let act = acts
        .iter()
        .find(|act| act["action"] == "console look")
        .unwrap();
    assert_eq!(act["detail"]["operator"], "ana");
    assert_eq!(act["detail"]["portal"], HUB);
    assert_eq!(act["detail"]["reason"], reason);
}

#[tokio::test]
async fn a_look_ends_by_itself_by_the_button_and_with_the_session() {
    let tenants = tenants_with_console().await;
    let look = format!("/operator/portals/{HUB}/look");
    let shows = async |world: &World, browser: &Browser| {
        browser
            .get(world, &look)
            .await
            .body
            .contains("Coffee on us")
    };
    let reason = "reason=ticket+4711+asks+for+it";
    let browser = sign_in(&tenants.world).await;
    browser.post(&tenants.world, &look, reason).await;
    assert!(shows(&tenants.world, &browser).await);
    let ended = browser
        .post(&tenants.world, &format!("{look}/end"), "")
        .await;
    assert_eq!(ended.header("location"), format!("/operator/portals/{HUB}"));
    assert!(!shows(&tenants.world, &browser).await);
    // Again is harmless, and is not told.
    let before = tenants.world.digest().await;
    browser
        .post(&tenants.world, &format!("{look}/end"), "")
        .await;
    assert_eq!(tenants.world.digest().await, before);

    browser.post(&tenants.world, &look, reason).await;
    tenants.world.age_looks(TimeDelta::minutes(29)).await;
    assert!(shows(&tenants.world, &browser).await);
    tenants.world.age_looks(TimeDelta::minutes(1)).await;
    assert!(!shows(&tenants.world, &browser).await);
    browser.post(&tenants.world, &look, reason).await;
    browser.post(&tenants.world, "/operator/sign-out", "").await;
    let looks = tenants.world.rows_of_all("operator_looks").await;
    assert!(looks.is_empty(), "{looks:?}");
}

#[tokio::test]
async fn acts_are_done_for_a_reason_and_stand_in_both_trails() {
    let tenants = tenants_with_console().await;
    let world = &tenants.world;
    let browser = sign_in(world).await;
    let acts = format!("/operator/portals/{HUB}/acts");
    let run = &tenants.mine.run;
    let before = world.digest().await;
    for (fields, words) in [
        ("act=pause", "at least 10 characters"),
        ("act=pause&reason=short", "at least 10 characters"),
        ("reason=ticket+4711+asks", "Choose what to do."),
        ("act=erase&reason=ticket+4711+asks", "Choose what to do."),
    ] {
        let answer = browser.post(world, &acts, fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields}");
        assert!(answer.body.contains(words), "{fields}: {}", answer.body);
    }
    // Another portal's run is none of this one's.
    let theirs = format!("act=cancel:{}&reason=ticket+4711+asks", tenants.theirs.run);
    let answer = browser.post(world, &acts, &theirs).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(world.digest().await, before);

    for (act, verb, in_portal) in [
        (format!("cancel:{run}"), "cancel", "run.cancel"),
        (format!("again:{run}"), "again", "run.request"),
        ("sync".to_owned(), "sync", "run.request"),
        ("pause".to_owned(), "pause", "portal.pause"),
        ("resume".to_owned(), "resume", "portal.resume"),
    ] {
        let before = world.digest().await;
        let fields = format!("act={act}&reason=ticket+4711+asks");
        let answer = browser.post(world, &acts, &fields).await;
        assert_eq!(
            answer.status,
            StatusCode::SEE_OTHER,
            "{act}: {}",
            answer.body
        );
        let left = changed(&before, &world.digest().await);
        assert!(
            left.contains("audit") && left.contains("operator_acts"),
            "{act}: {left:?}"
        );
        let mut trail = world.rows("audit").await;
        trail.sort_by_key(|act| act["number"].as_i64());
        let last = trail.last().unwrap();
        assert_eq!(last["action"], in_portal);
        assert_eq!(last["actor"], "operator");
        let mut operators = world.rows_of_all("operator_acts").await;
        operators.sort_by_key(|act| act["number"].as_i64());
        let last = operators.last().unwrap();
        assert_eq!(last["action"], format!("console {verb}"));
        assert_eq!(last["detail"]["operator"], "ana");
        assert_eq!(last["detail"]["reason"], "ticket 4711 asks");
    }
    let paused = browser
        .post(world, &acts, "act=pause&reason=ticket+4711+asks")
        .await;
    assert_eq!(paused.status, StatusCode::SEE_OTHER);
    // What the portal is in no state for is told, and not done.
    let answer = browser
        .post(world, &acts, "act=sync&reason=ticket+4711+asks")
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("not in a state for this now"));
    let chain = app::chain::verify_operator(&world.app, &app::chain::Noted::default())
        .await
        .unwrap();
    assert_eq!(chain.broken, None);
}

#[tokio::test]
async fn an_unknown_portal_is_not_found() {
    let world = world_with_console().await;
    let browser = sign_in(&world).await;
    let before = world.digest().await;
    for hub in ["999", "-1", "moon", "99999999999999999999"] {
        for (method, path, fields, _) in MATRIX.iter().filter(|row| row.1.contains("{hub_id}")) {
            let asked = (method, *path, *fields);
            let answer = ask(&world, asked, hub, &browser.cookie, &browser.csrf).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path} of {hub}");
            assert!(answer.body.contains("To the console"), "{path}");
        }
    }
    for query in ["state=moon", "trouble=none", "after=x", "q=%00"] {
        let answer = browser
            .get(&world, &format!("/operator/portals?{query}"))
            .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{query}");
    }
    assert_eq!(world.digest().await, before);
}

#[tokio::test]
async fn the_list_is_searched_narrowed_and_read_a_page_at_a_time() {
    let world = world_with_console().await;
    let browser = sign_in(&world).await;
    for n in 0..60 {
        let scope = PortalScope::from_grant(HubId(5_000 + n));
        let details = store::portals::AccountDetails {
            hub_domain: Some(format!("portal-{n}.example")),
            ui_domain: "app.hubspot.com".into(),
            time_zone: "UTC".into(),
            ..store::portals::AccountDetails::default()
        };
        let mut tx = world.db.begin(scope).await.unwrap();
        store::portals::upsert(&mut tx, scope, None, &details, now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    let hubs = async |query: &str| {
        let page = browser
            .get(&world, &format!("/operator/portals?{query}"))
            .await;
        assert_eq!(page.status, StatusCode::OK, "{query}");
        let links = page.body.split("<a href=\"/operator/portals/").skip(1);
        let hubs = links.map(|rest| rest.split('"').next().unwrap().parse::<i64>().unwrap());
        let hubs: Vec<i64> = hubs.collect();
        (hubs, page.body)
    };
    let (first, body) = hubs("").await;
    assert_eq!((first.len(), first[0], first[49]), (50, HUB, 5_047));
    assert!(body.contains("href=\"/operator/portals?after=5047\""));
    let (second, body) = hubs("after=5047").await;
    assert_eq!((second.len(), second[0]), (12, 5_048));
    assert!(!body.contains("rel=\"next\""));
    assert_eq!(hubs("q=5017").await.0, [5_017]);
    assert_eq!(hubs("q=Portal-59").await.0, [5_059]);
    assert_eq!(hubs("q=%25").await.0, [0_i64; 0]);
    assert_eq!(hubs("state=active").await.0, [HUB, OTHER_HUB]);
    assert_eq!(hubs("state=connecting&q=portal-1").await.0.len(), 11);
    // Those in step were installed this moment.
    assert_eq!(hubs("trouble=late").await.0, [0_i64; 0]);
}

#[tokio::test]
async fn people_are_counted_and_not_named() {
    let world = world_with_console().await;
    let browser = sign_in(&world).await;
    let page = browser
        .get(&world, &format!("/operator/portals/{HUB}"))
        .await;
    assert!(page.body.contains("2 people, 1 owner"), "{}", page.body);
}
