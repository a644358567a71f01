//! Every row of the router's table × everybody who may come. A route without a row here fails, and so does a row whose
//! route is gone.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use chrono::TimeDelta;
use futures::StreamExt;
use store::sessions::{ABSOLUTE, IDLE};
use tower::ServiceExt;
use web::router::{Kind, ROUTES, Route, Who};

use crate::harness::{Answer, HUB, MEMBER, OTHER_HUB, OWNER, changed, traffic};
use crate::tenants::{Ids, THEIR_MARK, Tenants, tenants};

const GET: Method = Method::GET;
const POST: Method = Method::POST;

/// What becomes of another tenant's ids at one's own address.
enum Foreign {
    /// The row names nothing below the portal.
    Unnamed,
    /// In the address: 404, as for an id of nobody's.
    Hidden,
    /// Among the fields or in the query: this status, with nothing of theirs in the answer or changed.
    Harmless(&'static str, u16),
}
use Foreign::{Harmless, Hidden, Unnamed};

/// What an owner's act leaves behind.
#[derive(PartialEq, Eq, Debug)]
enum Leaves {
    AsItWas,
    Changed,
}
use Leaves::{AsItWas, Changed};

struct Row {
    method: Method,
    path: &'static str,
    /// Fields of the form, or the query, that mean something in the world of these tests.
    fields: &'static str,
    owner: (u16, Leaves),
    member: u16,
    /// Without a session, with an unknown one, with one that is over.
    nobody: u16,
    foreign: Foreign,
}

const fn row(
    method: Method,
    path: &'static str,
    fields: &'static str,
    owner: (u16, Leaves),
    member: u16,
    nobody: u16,
    foreign: Foreign,
) -> Row {
    Row {
        method,
        path,
        fields,
        owner,
        member,
        nobody,
        foreign,
    }
}

// At another tenant's portal, and at one that is none, every row with a portal is 404. Thnks and HubSpot do not answer
// here, hence 503 for a key. A table is read by its columns.
#[rustfmt::skip]
const MATRIX: &[Row] = &[
    //   route                                                        fields                       owner           member nobody foreign
    row(GET,  "/",                                                  "",                          (200, AsItWas), 200, 200, Unnamed),
    row(GET,  "/install",                                           "",                          (303, Changed), 303, 303, Unnamed),
    row(GET,  "/login",                                             "",                          (303, Changed), 303, 303, Unnamed),
    row(GET,  "/oauth/callback",                                    "",                          (400, AsItWas), 400, 400, Unnamed),
    row(GET,  "/portals",                                           "",                          (200, AsItWas), 200, 303, Unnamed),
    row(GET,  "/portals/{hub_id}",                                  "",                          (200, AsItWas), 200, 303, Unnamed),
    row(GET,  "/portals/{hub_id}/connect",                          "",                          (200, AsItWas), 403, 303, Unnamed),
    row(POST, "/portals/{hub_id}/connect",                          "thnks_api_key=k&portal=1001", (503, AsItWas), 403, 303, Unnamed),
    row(GET,  "/portals/{hub_id}/status.json",                      "",                          (200, AsItWas), 200, 401, Unnamed),
    row(GET,  "/portals/{hub_id}/statistics.json",                  "",                          (200, AsItWas), 200, 401, Unnamed),
    row(GET,  "/portals/{hub_id}/events",                           "",                          (200, AsItWas), 200, 401, Unnamed),
    row(GET,  "/portals/{hub_id}/orphans",                          "",                          (200, AsItWas), 200, 303, Harmless("after={transaction_id}", 200)),
    row(GET,  "/portals/{hub_id}/reassociate",                      "",                          (200, AsItWas), 403, 303, Unnamed),
    row(POST, "/portals/{hub_id}/reassociate",                      "",                          (303, Changed), 403, 303, Unnamed),
    row(GET,  "/portals/{hub_id}/thnks",                            "q=sam",                     (200, AsItWas), 200, 303, Harmless("q={transaction_id}", 200)),
    row(GET,  "/portals/{hub_id}/thnks.csv",                        "",                          (200, Changed), 200, 303, Harmless("q=dana%401002.example", 200)),
    row(GET,  "/portals/{hub_id}/thnks/{transaction_id}",           "",                          (200, AsItWas), 200, 303, Hidden),
    row(POST, "/portals/{hub_id}/thnks/{transaction_id}/alias",     "email=sam%40home.example",  (303, Changed), 403, 303, Hidden),
    row(POST, "/portals/{hub_id}/thnks/{transaction_id}/contact",   "contact=512",               (303, Changed), 403, 303, Hidden),
    row(POST, "/portals/{hub_id}/thnks/{transaction_id}/look",      "",                          (303, Changed), 403, 303, Hidden),
    row(GET,  "/portals/{hub_id}/settings",                         "",                          (200, AsItWas), 200, 303, Unnamed),
    row(POST, "/portals/{hub_id}/settings",                         "several=nobody",            (303, Changed), 403, 303, Unnamed),
    row(POST, "/portals/{hub_id}/settings/preview",                 "several=nobody",            (200, AsItWas), 403, 303, Unnamed),
    row(GET,  "/portals/{hub_id}/settings/notifications",           "",                          (200, AsItWas), 200, 303, Unnamed),
    row(POST, "/portals/{hub_id}/settings/notifications",           "emails=a%40x.example",      (303, Changed), 403, 303, Unnamed),
    row(POST, "/portals/{hub_id}/settings/notifications/test",      "",                          (303, Changed), 403, 303, Unnamed),
    row(POST, "/portals/{hub_id}/settings/notifications/secret",    "",                          (303, Changed), 403, 303, Unnamed),
    row(GET,  "/portals/{hub_id}/settings/setup",                   "",                          (200, AsItWas), 200, 303, Unnamed),
    row(GET,  "/portals/{hub_id}/settings/members",                 "",                          (200, AsItWas), 200, 303, Unnamed),
    row(POST, "/portals/{hub_id}/settings/members/{user_id}",       "remove=1",                  (303, Changed), 403, 303, Hidden),
    row(POST, "/portals/{hub_id}/settings/sessions/end",            "session={session_id}",      (303, Changed), 303, 303, Harmless("session={session_id}", 303)),
    row(GET,  "/portals/{hub_id}/disconnect",                       "",                          (200, AsItWas), 403, 303, Unnamed),
    row(POST, "/portals/{hub_id}/disconnect",                       "confirm=1001",              (303, Changed), 403, 303, Unnamed),
    row(POST, "/portals/{hub_id}/sync",                             "",                          (303, Changed), 403, 303, Unnamed),
    row(POST, "/portals/{hub_id}/check",                            "",                          (303, Changed), 403, 303, Unnamed),
    row(POST, "/portals/{hub_id}/resync",                           "since=2026-11-01",          (303, Changed), 403, 303, Unnamed),
    row(POST, "/portals/{hub_id}/pause",                            "",                          (303, Changed), 403, 303, Unnamed),
    row(POST, "/portals/{hub_id}/resume",                           "",                          (303, AsItWas), 403, 303, Unnamed),
    row(GET,  "/portals/{hub_id}/runs",                             "",                          (200, AsItWas), 200, 303, Harmless("before={run_id}", 200)),
    row(GET,  "/portals/{hub_id}/runs/{run_id}",                    "",                          (200, AsItWas), 200, 303, Hidden),
    row(POST, "/portals/{hub_id}/runs/{run_id}/cancel",             "",                          (303, Changed), 403, 303, Hidden),
    row(GET,  "/portals/{hub_id}/failures",                         "stage=record",              (200, AsItWas), 200, 303, Harmless("stage=record&key={transaction_id}", 200)),
    row(GET,  "/portals/{hub_id}/reports",                          "",                          (200, AsItWas), 200, 303, Unnamed),
    row(GET,  "/portals/{hub_id}/reports/{report}",                 "",                          (200, AsItWas), 200, 303, Unnamed),
    row(GET,  "/portals/{hub_id}/reports/{report}/csv",             "",                          (200, Changed), 200, 303, Unnamed),
    row(POST, "/portals/{hub_id}/failures/retry",                   "stage=record",              (303, Changed), 403, 303, Harmless("stage=record&key={transaction_id}", 303)),
    row(POST, "/portals/{hub_id}/failures/dismiss",                 "stage=record",              (303, Changed), 403, 303, Harmless("stage=record&key={transaction_id}", 303)),
    row(GET,  "/portals/{hub_id}/audit",                            "",                          (200, AsItWas), 200, 303, Harmless("who=user:{user_id}", 200)),
    row(GET,  "/portals/{hub_id}/audit.csv",                        "",                          (200, Changed), 200, 303, Harmless("who=user:{user_id}", 200)),
    row(POST, "/webhooks/hubspot",                                  "",                          (401, AsItWas), 401, 401, Unnamed),
    row(POST, "/logout",                                            "",                          (303, Changed), 303, 303, Unnamed),
    row(GET,  "/healthz",                                           "",                          (200, AsItWas), 200, 200, Unnamed),
    row(GET,  "/readyz",                                            "",                          (200, AsItWas), 200, 200, Unnamed),
    row(GET,  "/static/{file}",                                     "",                          (200, AsItWas), 200, 200, Unnamed),
];

impl Row {
    fn route(&self) -> &'static Route {
        ROUTES
            .iter()
            .find(|route| route.method == self.method && route.path == self.path)
            .unwrap()
    }

    fn has_portal(&self) -> bool {
        self.path.contains("{hub_id}")
    }
}

/// Somebody who asks.
#[derive(Clone, Copy)]
struct Caller<'a> {
    session: &'a str,
    csrf: &'a str,
    /// As scripts do; otherwise as browsers.
    as_script: bool,
}

impl Caller<'_> {
    const fn scripted(self, as_script: bool) -> Self {
        Self { as_script, ..self }
    }
}

impl Tenants {
    async fn caller<'a>(&self, session: &'a str, csrf: &'a mut String) -> Caller<'a> {
        *csrf = self.world.csrf_token(session).await;
        Caller {
            session,
            csrf,
            as_script: false,
        }
    }

    async fn ask(&self, row: &Row, hub: &str, ids: &Ids, fields: &str, by: Caller<'_>) -> Answer {
        let fields = ids.put_into(fields);
        let path = ids
            .put_into(row.path)
            .replace("{hub_id}", hub)
            .replace("{report}", "top-senders")
            .replace("{file}", &self.file);
        let (address, body) = if row.method == GET {
            (format!("{path}?{fields}"), String::new())
        } else {
            (path, format!("csrf_token={}&{fields}", by.csrf))
        };
        let cookie = format!("session={}", by.session);
        let mut headers = vec![("cookie", cookie.as_str())];
        if by.as_script {
            headers.push(("accept", "application/json"));
        }
        self.world
            .send(&row.method, &address, &headers, &body)
            .await
    }
}

/// An answer without what is another one in each: the request's id.
fn told(answer: &Answer) -> (StatusCode, Vec<(String, String)>, String) {
    let id = answer.header("x-request-id");
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "x-request-id")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (answer.status, headers, answer.body.replace(id, "ID"))
}

#[test]
fn every_route_has_a_row_and_every_row_a_route() {
    let routes: Vec<(&Method, &str)> = ROUTES
        .iter()
        .map(|route| (&route.method, route.path))
        .collect();
    let rows: Vec<(&Method, &str)> = MATRIX.iter().map(|row| (&row.method, row.path)).collect();
    assert_eq!(rows, routes);
    for row in MATRIX {
        let has_id = ["{transaction_id}", "{run_id}", "{user_id}"]
            .iter()
            .any(|id| row.path.contains(id));
        assert_eq!(matches!(row.foreign, Hidden), has_id, "{}", row.path);
    }
}

#[tokio::test]
async fn an_owner_acts_in_their_own_portal_and_in_no_other() {
    let shared = tenants().await;
    for row in MATRIX {
        let anew;
        let tenants = if row.method == GET {
            &shared
        } else {
            anew = tenants().await;
            &anew
        };
        let name = format!("{} {}", row.method, row.path);
        let mut csrf = String::new();
        let owner = tenants.caller(OWNER.0, &mut csrf).await;
        let before = tenants.world.digest().await;
        let hub = HUB.to_string();
        let answer = tenants
            .ask(row, &hub, &tenants.mine, row.fields, owner)
            .await;
        let after = tenants.world.digest().await;
        let leaves = if before == after { AsItWas } else { Changed };
        assert_eq!(
            (answer.status.as_u16(), leaves),
            row.owner,
            "{name}: {}",
            answer.body
        );
        assert!(!answer.body.contains(THEIR_MARK), "{name}");
        for (key, rows) in before
            .iter()
            .chain(&after)
            .filter(|((_, hub), _)| *hub == Some(OTHER_HUB))
        {
            assert_eq!(
                (before.get(key), after.get(key)),
                (Some(rows), Some(rows)),
                "{name} {key:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_member_looks_and_does_not_touch() {
    let tenants = tenants().await;
    let mut csrf = String::new();
    let member = tenants.caller(MEMBER.0, &mut csrf).await;
    for row in MATRIX {
        let before = tenants.world.digest().await;
        let hub = HUB.to_string();
        let answer = tenants
            .ask(row, &hub, &tenants.mine, row.fields, member)
            .await;
        let name = format!("{} {}", row.method, row.path);
        assert_eq!(answer.status.as_u16(), row.member, "{name}");
        if row.member == 403 {
            assert!(answer.body.contains("Only an owner can do this"), "{name}");
            // That a member asked for it is on record, and nothing else has changed.
            let left = changed(&before, &tenants.world.digest().await);
            let expected = tables(if row.method == GET { &[] } else { &TRAIL });
            assert_eq!(left, expected, "{name}");
        }
    }
}

#[tokio::test]
async fn another_portal_is_not_found_at_any_address() {
    let mut tenants = tenants().await;
    let mut csrf = (String::new(), String::new());
    let owner = tenants.caller(OWNER.0, &mut csrf.0).await;
    let member = tenants.caller(MEMBER.0, &mut csrf.1).await;
    let before = tenants.world.digest().await;
    let theirs = OTHER_HUB.to_string();
    for row in MATRIX.iter().filter(|row| row.has_portal()) {
        // A session may download ten files at once, and even an attempt counts.
        tenants
            .world
            .serve_app(tenants.world.app.clone(), traffic());
        for caller in [owner, member, owner.scripted(true)] {
            let known = tenants
                .ask(row, &theirs, &tenants.theirs, row.fields, caller)
                .await;
            let name = format!("{} {}", row.method, row.path);
            assert_eq!(known.status, StatusCode::NOT_FOUND, "{name}");
            // That there is such a portal cannot be told from the answer.
            for unknown in ["999", "-1", "moon", "99999999999999999999"] {
                let ids = Ids::of_nobody();
                let answer = tenants.ask(row, unknown, &ids, row.fields, caller).await;
                assert_eq!(told(&answer), told(&known), "{name} of {unknown}");
            }
        }
    }
    assert_eq!(tenants.world.digest().await, before);
}

#[tokio::test]
async fn another_tenants_ids_lead_nowhere_in_ones_own_portal() {
    let tenants = tenants().await;
    let mut csrf = String::new();
    let owner = tenants.caller(OWNER.0, &mut csrf).await;
    let hub = HUB.to_string();
    for row in MATRIX {
        let name = format!("{} {}", row.method, row.path);
        let before = tenants.world.digest().await;
        match row.foreign {
            Unnamed => {}
            Hidden => {
                let answer = tenants
                    .ask(row, &hub, &tenants.theirs, row.fields, owner)
                    .await;
                assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
                let nobodys = tenants
                    .ask(row, &hub, &Ids::of_nobody(), row.fields, owner)
                    .await;
                assert_eq!(told(&answer), told(&nobodys), "{name}");
                assert_eq!(tenants.world.digest().await, before, "{name}");
            }
            Harmless(fields, status) => {
                let answer = tenants.ask(row, &hub, &tenants.theirs, fields, owner).await;
                assert_eq!(answer.status.as_u16(), status, "{name}");
                assert!(!answer.body.contains(THEIR_MARK), "{name}");
                // A file leaves its line in the own portal's trail.
                let after = tenants.world.digest().await;
                let left = changed(&before, &after);
                let is_file = row.route().kind == Kind::Download;
                assert_eq!(left, tables(if is_file { &TRAIL } else { &[] }), "{name}");
                let key = ("audit".to_owned(), Some(OTHER_HUB));
                assert_eq!(after.get(&key), before.get(&key), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn without_a_session_pages_lead_to_sign_in_and_data_is_401() {
    assert_nobody_gets_in(None).await;
}

#[tokio::test]
async fn a_session_that_nobody_used_for_long_is_none() {
    let minute = TimeDelta::minutes(1);
    assert_nobody_gets_in(Some((IDLE + minute, IDLE + minute))).await;
}

#[tokio::test]
async fn a_session_that_is_as_old_as_one_may_be_is_none() {
    let minute = TimeDelta::minutes(1);
    assert_nobody_gets_in(Some((TimeDelta::zero(), ABSOLUTE + minute))).await;
}

/// Whoever has no session, or one of such an age, is told so at every row, and the same at all of them.
async fn assert_nobody_gets_in(age: Option<(TimeDelta, TimeDelta)>) {
    let tenants = tenants().await;
    let mut csrf = String::new();
    // Only the session is missing: the form shows what its own would.
    let owner = tenants.caller(OWNER.0, &mut csrf).await;
    let was_in = match age {
        Some((unused_for, open_for)) => {
            tenants.world.age_sessions(unused_for, open_for).await;
            owner
        }
        None => Caller {
            session: "no-such-token",
            ..owner
        },
    };
    let before = tenants.world.digest().await;
    let hub = HUB.to_string();
    for row in MATRIX {
        for as_script in [false, true] {
            let was_in = was_in.scripted(as_script);
            let nobody = Caller {
                session: "",
                ..was_in
            };
            let name = format!("{} {}", row.method, row.path);
            let answer = tenants
                .ask(row, &hub, &tenants.mine, row.fields, was_in)
                .await;
            let route = row.route();
            if route.who == Who::Anyone {
                assert_eq!(answer.status.as_u16(), row.nobody, "{name}");
                continue;
            }
            let without = tenants
                .ask(row, &hub, &tenants.mine, row.fields, nobody)
                .await;
            assert_eq!(told(&answer), told(&without), "{name}");
            if as_script || matches!(route.kind, Kind::Data | Kind::Events) {
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
                assert!(answer.body.contains("\"sign_in_needed\""), "{name}");
            } else {
                assert_eq!(answer.header("location"), "/login", "{name}");
            }
            if !as_script {
                assert_eq!(answer.status.as_u16(), row.nobody, "{name}");
            }
        }
    }
    // Two of the rows begin a sign-in, for whomever.
    let left = changed(&before, &tenants.world.digest().await);
    assert_eq!(left, tables(&["install_states"]));
}

fn tables(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// What an act on record changes.
const TRAIL: [&str; 2] = ["audit", "chain_heads"];

/// What looking changes by nature, and why. With a HubSpot that answers, pages that ask it may renew its tokens.
const BY_NATURE: [(&str, &[&str]); 6] = [
    // An install and a sign-in begin with a state that is used once; its return uses it up.
    ("/install", &["install_states"]),
    ("/login", &["install_states"]),
    ("/oauth/callback", &["install_states"]),
    // Who takes data away is on record.
    ("/portals/{hub_id}/thnks.csv", &TRAIL),
    ("/portals/{hub_id}/reports/{report}/csv", &TRAIL),
    ("/portals/{hub_id}/audit.csv", &TRAIL),
];

#[tokio::test]
async fn looking_twice_changes_nothing_but_what_it_does_by_nature() {
    let tenants = tenants().await;
    let mut csrf = String::new();
    let owner = tenants.caller(OWNER.0, &mut csrf).await;
    let hub = HUB.to_string();
    for row in MATRIX.iter().filter(|row| row.method == GET) {
        let by_nature: Vec<&str> = BY_NATURE
            .iter()
            .filter(|(path, _)| *path == row.path)
            .flat_map(|(_, tables)| tables.iter().copied())
            .collect();
        for time in ["once", "again"] {
            let (fields, cookie) = match row.path {
                "/oauth/callback" => begun(&tenants).await,
                _ => (row.fields.to_owned(), String::new()),
            };
            let before = tenants.world.digest().await;
            if row.route().kind == Kind::Events {
                first_event(&tenants, &hub).await;
            } else if cookie.is_empty() {
                tenants.ask(row, &hub, &tenants.mine, &fields, owner).await;
            } else {
                let path = format!("{}?{fields}", row.path);
                let answer = tenants
                    .world
                    .send(&GET, &path, &[("cookie", &cookie)], "")
                    .await;
                // The state was ours; HubSpot does not answer.
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
            }
            let left = changed(&before, &tenants.world.digest().await);
            assert_eq!(left, tables(&by_nature), "{} {time}", row.path);
        }
    }
}

#[tokio::test]
async fn a_session_notes_its_use_and_looking_changes_nothing_else() {
    let tenants = tenants().await;
    let minutes = TimeDelta::minutes(2);
    tenants.world.age_sessions(minutes, minutes).await;
    for (time, left) in [("once", &["sessions"][..]), ("again", &[])] {
        let before = tenants.world.digest().await;
        tenants.world.status().await;
        let after = tenants.world.digest().await;
        assert_eq!(changed(&before, &after), tables(left), "{time}");
        let key = ("sessions".to_owned(), Some(OTHER_HUB));
        assert_eq!(before.get(&key), after.get(&key), "{time}");
    }
}

/// What HubSpot brings back from a sign-in that has begun, and the browser's cookie.
async fn begun(tenants: &Tenants) -> (String, String) {
    let begun = tenants.world.get("/login", "").await;
    let address: url::Url = begun.header("location").parse().unwrap();
    let (_, state) = address
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap();
    let cookie = begun
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    (format!("code=c&state={state}"), cookie)
}

/// Waits for what a stream tells at first.
async fn first_event(tenants: &Tenants, hub: &str) {
    let request = Request::get(format!("/portals/{hub}/events"))
        .header("cookie", format!("session={}", OWNER.0))
        .body(Body::empty())
        .unwrap();
    let answer = tenants.world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let first = answer.into_body().into_data_stream().next().await;
    let first = first.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("event: status"));
}
