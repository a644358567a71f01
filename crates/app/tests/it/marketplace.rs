//! The marketplace's way in: what a call may do that nothing proves, and what a browser's own one does.

use std::collections::BTreeMap;

use app::PortalScope;
use app::install::marketplace::{self, Returned};
use app::install::{Begin, Callback, Error};
use app::session::Role;
use chrono::TimeDelta;
use domain::HubId;
use domain::portal::PortalState;
use sandbox::control::NewPortal;
use sandbox::{Action, Fault, FaultBody};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use url::Url;

use crate::harness::marketplace::{Visit, open};
use crate::harness::{HUB, World, empty_world, scope, with, world};

const EXCHANGE: &str = "oauth.exchange";
/// All that is stored of a portal and its people.
const TABLES: [&str; 14] = [
    "portals",
    "connections",
    "members",
    "sessions",
    "thnks_connections",
    "audit",
    "runs",
    "run_queue",
    "sync_schedule",
    "portal_totals",
    "portal_leases",
    "notice_settings",
    "portal_troubles",
    "setup_links",
];

async fn all(world: &World) -> BTreeMap<&'static str, Vec<Value>> {
    let mut tables = BTreeMap::new();
    for table in TABLES {
        tables.insert(table, world.rows(table).await);
    }
    tables
}

async fn assert_nothing_stored(world: &World) {
    for (table, rows) in all(world).await {
        assert_eq!(rows, Vec::<Value>::new(), "{table}");
    }
    assert!(!world.is_installed(HUB), "the grant is not given back");
}

/// Exchanges of codes, of no portal's and of the portal's.
fn exchanges(world: &World) -> u64 {
    let nobodys = world.control.counters(None).by_kind;
    world.calls(EXCHANGE) + nobodys.get(EXCHANGE).copied().unwrap_or(0)
}

async fn arrive(world: &World, visit: &Visit) -> Result<Url, Error> {
    assert_eq!(visit.names(), ["code", "returnUrl"]);
    let return_url = marketplace::return_url(&world.app, visit.text("returnUrl"))?;
    marketplace::arrive(&world.app, visit.text("code"), return_url).await
}

/// The first step, and then HubSpot's: the browser's token, and the call that follows.
async fn to_finalize(world: &World, hub_id: i64) -> (String, Visit) {
    let visit = world.visit_for_state().await;
    assert_eq!(visit.names(), ["returnUrl", "step"]);
    let return_url = marketplace::return_url(&world.app, visit.text("returnUrl")).unwrap();
    let left = marketplace::authorize(&world.app, return_url)
        .await
        .unwrap();
    let visit = world.visit_with_state(left.back.as_str(), hub_id).await;
    assert_eq!(visit.names(), ["code", "returnUrl", "state", "step"]);
    (left.browser_token.expose_secret().to_owned(), visit)
}

async fn finalize(
    world: &World,
    visit: &Visit,
    browser_token: Option<&str>,
) -> Result<Returned, Error> {
    finalize_as(world, visit, visit.text("state"), browser_token).await
}

async fn finalize_as(
    world: &World,
    visit: &Visit,
    state: &str,
    browser_token: Option<&str>,
) -> Result<Returned, Error> {
    let return_url = marketplace::return_url(&world.app, visit.text("returnUrl"))?;
    let callback = Callback {
        code: visit.text("code"),
        state,
        browser_token,
        session_token: None,
        user_agent: None,
    };
    marketplace::finalize(&world.app, callback, return_url).await
}

async fn sign_in(world: &World) -> Result<Role, Error> {
    let started = app::install::begin(&world.app, Begin::Login).await?;
    let back = world.consent(&started, HUB, None).await;
    let completed = world.complete(&back).await?;
    Ok(world
        .session(completed.session_token.expose_secret())
        .await
        .unwrap()
        .role)
}

/// HubSpot is content with where the browser came back to.
async fn assert_back(back: &str, words: &str) {
    let page = open(back, "").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains(words), "{}", page.body);
}

#[tokio::test]
async fn a_new_portal_is_stored_without_a_person_or_a_session() {
    let world = empty_world().await;
    let visit = world.visit(HUB).await;
    let back = arrive(&world, &visit).await.unwrap();
    assert_eq!(back.as_str(), visit.text("returnUrl"));
    assert_back(back.as_str(), "is installed").await;
    for (table, rows) in all(&world).await {
        let is_stored = matches!(
            table,
            "portals"
                | "connections"
                | "audit"
                | "sync_schedule"
                | "portal_totals"
                | "portal_leases"
        );
        assert_eq!(rows.len(), usize::from(is_stored), "{table}");
    }
    let act = &world.rows("audit").await[0];
    assert_eq!(act["action"], "portal.install");
    assert_eq!(act["detail"]["via"], "marketplace");
    assert!(act["actor"].as_str().unwrap().starts_with("user:"));
    assert_eq!(world.status().await.state, PortalState::Connecting);
    // Its tokens are good.
    world.schema().await;
    world.end().await;
}

#[tokio::test]
async fn whoever_signs_in_first_owns_a_portal_from_the_marketplace() {
    let world = empty_world().await;
    arrive(&world, &world.visit(HUB).await).await.unwrap();
    assert_eq!(sign_in(&world).await.unwrap(), Role::Owner);
    assert_eq!(world.rows("connections").await.len(), 1);
    world.schema().await;
    world.end().await;
}

#[tokio::test]
async fn a_portal_that_works_is_left_as_it_is() {
    let world = world(20).await;
    world.backfilled().await;
    let before = all(&world).await;
    let visit = world.visit(HUB).await;
    let back = arrive(&world, &visit).await.unwrap();
    assert_eq!(back.as_str(), visit.text("returnUrl"));
    assert_eq!(all(&world).await, before);
    assert!(
        world.is_installed(HUB),
        "a working connection may hang on it"
    );
    let (_, visit) = to_finalize(&world, HUB).await;
    assert!(
        finalize(&world, &visit, None)
            .await
            .unwrap()
            .completed
            .is_none()
    );
    assert_eq!(all(&world).await, before);
    world.end().await;
}

/// The sandbox ends a portal's refresh token with the next consent; what HubSpot does is not written anywhere. The price of
/// storing nothing is one sign-in.
#[tokio::test]
async fn where_a_new_consent_ends_the_earlier_grant_an_owners_sign_in_connects_the_portal_again() {
    let world = world(20).await;
    world.backfilled().await;
    world.sync().await;
    arrive(&world, &world.visit(HUB).await).await.unwrap();
    world.sync().await;
    assert_eq!(world.status().await.state, PortalState::Disconnected);
    assert_eq!(sign_in(&world).await.unwrap(), Role::Owner);
    world.drain().await;
    assert_eq!(world.status().await.state, PortalState::Active);
    assert_eq!(world.assert_good().await.records, 20);
    world.end().await;
}

#[tokio::test]
async fn a_portal_that_its_owner_has_disconnected_stays_so_until_somebody_signs_in() {
    let world = world(20).await;
    world.backfilled().await;
    app::disconnect::disconnect(&world.app, scope(), "user:1")
        .await
        .unwrap();
    let before = all(&world).await;
    let back = arrive(&world, &world.visit(HUB).await).await.unwrap();
    assert_eq!(all(&world).await, before);
    assert!(!world.is_installed(HUB), "the grant is not given back");
    assert_back(back.as_str(), "is not connected").await;
    let (_, visit) = to_finalize(&world, HUB).await;
    finalize(&world, &visit, None).await.unwrap();
    assert_eq!(all(&world).await, before);
    // In the browser that began, it is an install as any other.
    let (browser, visit) = to_finalize(&world, HUB).await;
    let completed = finalize(&world, &visit, Some(&browser)).await.unwrap();
    assert!(completed.completed.is_some());
    world.drain().await;
    assert_eq!(world.status().await.state, PortalState::Active);
    world.end().await;
}

#[tokio::test]
async fn of_two_calls_at_once_one_stores_the_portal() {
    let world = empty_world().await;
    let (one, two) = (world.visit(HUB).await, world.visit(HUB).await);
    let (one, two) = tokio::join!(arrive(&world, &one), arrive(&world, &two));
    one.unwrap();
    two.unwrap();
    for table in ["portals", "connections", "audit"] {
        assert_eq!(world.rows(table).await.len(), 1, "{table}");
    }
    world.end().await;
}

#[tokio::test]
async fn in_the_browser_that_began_an_install_in_steps_opens_a_session() {
    let world = empty_world().await;
    let (browser, visit) = to_finalize(&world, HUB).await;
    let Returned { back, completed } = finalize(&world, &visit, Some(&browser)).await.unwrap();
    assert_back(back.as_str(), "is installed").await;
    let session = world
        .session(completed.unwrap().session_token.expose_secret())
        .await
        .unwrap();
    assert_eq!((session.hub_id, session.role), (HubId(HUB), Role::Owner));
    let spent = finalize(&world, &visit, Some(&browser)).await;
    assert!(matches!(spent, Err(Error::StateRefused)));
    world.end().await;
}

#[tokio::test]
async fn in_another_browser_an_install_in_steps_opens_none() {
    let world = empty_world().await;
    world.control.add_portal(&other_portal()).unwrap();
    let (theirs, _) = to_finalize(&world, HUB).await;
    for (hub_id, browser) in [(HUB, None), (77, Some(theirs.as_str()))] {
        let (_, visit) = to_finalize(&world, hub_id).await;
        let returned = finalize(&world, &visit, browser).await.unwrap();
        assert!(returned.completed.is_none(), "{hub_id}");
        assert_back(returned.back.as_str(), "is installed").await;
        let scope = PortalScope::from_grant(HubId(hub_id));
        for (table, count) in [
            ("portals", 1),
            ("connections", 1),
            ("members", 0),
            ("sessions", 0),
        ] {
            let rows = world.scratch.rows(table, scope).await;
            assert_eq!(rows.len(), count, "{table} of {hub_id}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_state_is_the_marketplaces_own_unused_and_in_time_or_nothing_is_exchanged() {
    let world = with(|config| config.rules.code_secs = 3_600).await;
    let (browser, visit) = to_finalize(&world, HUB).await;
    // One that our own way has given is no good here, and the other way round.
    let started = world.begin(None).await;
    let url = &started.authorize_url;
    let (_, ours) = url.query_pairs().find(|(name, _)| name == "state").unwrap();
    for (state, browser) in [
        ("", None),
        ("never-given", Some(browser.as_str())),
        (&*ours, Some(started.browser_token.expose_secret())),
    ] {
        let refused = finalize_as(&world, &visit, state, browser).await;
        assert!(matches!(refused, Err(Error::StateRefused)), "{state}");
    }
    let callback = Callback {
        code: visit.text("code"),
        state: visit.text("state"),
        browser_token: Some(&browser),
        session_token: None,
        user_agent: None,
    };
    let own_way = app::install::complete(&world.app, callback).await;
    assert!(matches!(own_way, Err(Error::StateRefused)));
    world.let_pass(TimeDelta::minutes(10));
    let late = finalize(&world, &visit, Some(&browser)).await;
    assert!(matches!(late, Err(Error::StateRefused)));
    assert_eq!(exchanges(&world), 0);
    assert_nothing_stored(&world).await;
    world.end().await;
}

#[tokio::test]
async fn an_install_that_is_called_off_uses_up_its_state() {
    let world = empty_world().await;
    let (browser, visit) = to_finalize(&world, HUB).await;
    marketplace::refuse(&world.app, visit.text("state"))
        .await
        .unwrap();
    let late = finalize(&world, &visit, Some(&browser)).await;
    assert!(matches!(late, Err(Error::StateRefused)));
    assert_nothing_stored(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_missing_required_scope_is_named_and_leaves_nothing() {
    const MISSING: &str = "crm.objects.custom.write";
    let world = with(|config| config.app.required_scopes.retain(|scope| scope != MISSING)).await;
    match arrive(&world, &world.visit(HUB).await).await {
        Err(Error::ScopesMissing { missing }) => assert_eq!(missing, [MISSING]),
        other => panic!("{other:?}"),
    }
    let (browser, visit) = to_finalize(&world, HUB).await;
    for browser in [Some(browser.as_str()), None] {
        let refused = finalize(&world, &visit, browser).await;
        let again = browser.is_none();
        match refused.map(drop) {
            Err(Error::ScopesMissing { .. }) if !again => {}
            Err(Error::StateRefused) if again => {}
            other => panic!("{other:?}"),
        }
    }
    assert_nothing_stored(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_hubspot_that_does_not_answer_leaves_nothing() {
    let world = empty_world().await;
    for kind in [EXCHANGE, "account.details"] {
        let visit = world.visit(HUB).await;
        world.control.inject(Fault {
            times: u64::MAX,
            ..Fault::once(
                kind,
                Action::Status {
                    status: 503,
                    body: FaultBody::Html,
                    retry_after: None,
                },
            )
        });
        let refused = arrive(&world, &visit).await;
        assert!(
            matches!(refused, Err(Error::HubSpotUnavailable(_))),
            "{kind}"
        );
        world.control.clear_faults();
        world.forget_outages().await;
        assert_nothing_stored(&world).await;
    }
    let used = world.visit(HUB).await;
    arrive(&world, &used).await.unwrap();
    assert!(matches!(
        arrive(&world, &used).await,
        Err(Error::CodeRefused)
    ));
    world.end().await;
}

#[tokio::test]
async fn two_answers_that_name_two_portals_end_every_way_in() {
    let world = empty_world().await;
    world.control.add_portal(&other_portal()).unwrap();
    let rules = world.control.rules();
    world
        .control
        .merge_rules(&json!({"introspection_names": 77}))
        .unwrap();
    let unreadable = |refused: Result<(), Error>| {
        let fits = matches!(
            &refused,
            Err(Error::HubSpotUnavailable(hubspot::Error::Unreadable(_)))
        );
        assert!(fits, "{refused:?}");
    };
    unreadable(arrive(&world, &world.visit(HUB).await).await.map(drop));
    let (browser, visit) = to_finalize(&world, HUB).await;
    unreadable(finalize(&world, &visit, Some(&browser)).await.map(drop));
    let (_, visit) = to_finalize(&world, HUB).await;
    unreadable(finalize(&world, &visit, None).await.map(drop));
    let back = world.consent(&world.begin(None).await, HUB, None).await;
    unreadable(world.complete(&back).await.map(drop));
    assert_nothing_stored(&world).await;
    let theirs = PortalScope::from_grant(HubId(77));
    for table in ["portals", "connections", "members", "sessions"] {
        assert_eq!(world.scratch.rows(table, theirs).await.len(), 0, "{table}");
    }
    assert!(!world.is_installed(77));
    world.control.set_rules(rules);
    world.end().await;
}

#[tokio::test]
async fn tokens_without_a_portal_end_every_way_in_and_are_kept_nowhere() {
    let world = empty_world().await;
    let named = world.control.rules();
    let unnamed = json!({"tokens_name_portal": false});
    world.control.merge_rules(&unnamed).unwrap();
    let unreadable = |refused: Result<(), Error>| {
        let fits = matches!(
            &refused,
            Err(Error::HubSpotUnavailable(hubspot::Error::Unreadable(_)))
        );
        assert!(fits, "{refused:?}");
    };
    unreadable(arrive(&world, &world.visit(HUB).await).await.map(drop));
    let (browser, visit) = to_finalize(&world, HUB).await;
    unreadable(finalize(&world, &visit, Some(&browser)).await.map(drop));
    let back = world.consent(&world.begin(None).await, HUB, None).await;
    unreadable(world.complete(&back).await.map(drop));
    for (table, rows) in all(&world).await {
        assert_eq!(rows, Vec::<Value>::new(), "{table}");
    }
    // What was not read cannot be given back: HubSpot lists the app until somebody installs it or takes it out.
    assert!(world.is_installed(HUB));
    world.control.set_rules(named);
    let back = world.consent(&world.begin(None).await, HUB, None).await;
    world.complete(&back).await.unwrap();
    assert_eq!(world.rows("portals").await.len(), 1);
    world.end().await;
}

#[tokio::test]
async fn over_http_the_direct_form_sets_no_cookie_and_reads_no_portal_from_the_address() {
    let world = empty_world().await;
    world.control.add_portal(&other_portal()).unwrap();
    let callback = world.listen().await.join("/oauth/callback").unwrap();
    let visit = world.visit(HUB).await;
    let right = visit.text("returnUrl");
    let code = visit.text("code");
    for wrong in [
        "https://evil.example/",
        "https://app.hubspot.com.evil.example/",
        "https://app.hubspot.com@evil.example/",
        "https://app.hubspot.com\\@evil.example/",
        "//evil.example/",
        "javascript:alert(1)",
        &right.replace("http://", "http://user@"),
        &right.replace("http://", "https://"),
        "",
    ] {
        let mut url = callback.clone();
        url.query_pairs_mut()
            .append_pair("code", code)
            .append_pair("returnUrl", wrong);
        let refused = open(url.as_str(), "").await;
        assert_eq!(
            (refused.status, refused.location.as_str()),
            (400, ""),
            "{wrong}"
        );
        assert!(
            refused.body.contains("does not lead back to HubSpot"),
            "{wrong}"
        );
        assert!(refused.body.contains("href=\"/install\""));
        assert_eq!(refused.cookies, Vec::<String>::new());
    }
    assert_eq!(exchanges(&world), 0, "the address is judged first");
    assert_nothing_stored(&world).await;
    let mut url = callback.clone();
    url.set_query(Some(&format!(
        "portalId=77&hub_id=77&hubId=77&user_id=1&{}&portalId=77",
        visit.query
    )));
    let answer = open(url.as_str(), "hub_id=77; portalId=77; session=x; install=y").await;
    assert_eq!((answer.status, answer.location.as_str()), (303, right));
    assert_eq!(answer.cookies, Vec::<String>::new());
    assert_back(&answer.location, "is installed").await;
    assert_eq!(world.rows("portals").await.len(), 1);
    let theirs = PortalScope::from_grant(HubId(77));
    for table in ["portals", "connections", "audit"] {
        assert_eq!(world.scratch.rows(table, theirs).await.len(), 0, "{table}");
    }
    world.end().await;
}

#[tokio::test]
async fn over_http_an_install_in_steps_keeps_its_cookie_and_ends_signed_in() {
    let world = empty_world().await;
    world.control.add_portal(&other_portal()).unwrap();
    let callback = world.listen().await.join("/oauth/callback").unwrap();
    let call = |query: &str| {
        let mut url = callback.clone();
        url.set_query(Some(query));
        url.to_string()
    };
    let first = open(&call(&world.visit_for_state().await.query), "").await;
    assert_eq!(first.status, 303);
    let token = first.cookie("marketplace").unwrap().to_owned();
    assert_eq!(first.cookie("session"), None);
    let visit = world.visit_with_state(&first.location, HUB).await;
    let query = format!("portalId=77&{}", visit.query);
    let second = open(&call(&query), &format!("marketplace={token}")).await;
    assert_eq!(
        (second.status, second.location.as_str()),
        (303, visit.text("returnUrl"))
    );
    assert_eq!(second.cookie("marketplace"), None, "it is good for one try");
    assert_back(&second.location, "is installed").await;
    let session = world
        .session(second.cookie("session").unwrap())
        .await
        .unwrap();
    assert_eq!((session.hub_id, session.role), (HubId(HUB), Role::Owner));
    let again = open(&call(&query), &format!("marketplace={token}")).await;
    assert_eq!((again.status, again.cookie("session")), (400, None));
    assert!(again.body.contains("This attempt is over"));
    world.end().await;
}

fn other_portal() -> NewPortal {
    NewPortal {
        hub_id: 77,
        name: "Other".into(),
        enterprise: true,
        users: Vec::new(),
        organization: None,
        transactions: 0,
        recipients: None,
    }
}
