//! Install: setup links, states, codes, scopes, and what stays of an attempt that fails.

use app::install::{Begin, Callback, Error};
use app::session::Role;
use chrono::TimeDelta;
use domain::HubId;
use domain::portal::PortalState;
use domain::run::RunKind;
use sandbox::control::NewPortal;
use secrecy::ExposeSecret;

use crate::harness::{Back, HUB, World, empty_world, scope, with, world};

const EXCHANGE: &str = "oauth.exchange";

/// Nothing of the portal is stored, and HubSpot lists no installation.
async fn assert_nothing_stored(world: &World) {
    for table in ["portals", "connections", "members", "sessions", "runs"] {
        assert_eq!(
            world.rows(table).await,
            Vec::<serde_json::Value>::new(),
            "{table}"
        );
    }
    let portals = world.control.portals();
    assert_eq!(
        portals["portals"][0]["installed"], false,
        "the grant is given back"
    );
}

/// The state of a callback is good for one try.
async fn assert_state_spent(world: &World, back: &Back) {
    let again = world.complete(back).await;
    assert!(matches!(again, Err(Error::StateRefused)));
}

#[tokio::test]
async fn a_setup_link_connects_thnks_and_asks_for_the_backfill() {
    let world = world(50).await;
    let session = world.install_from_link().await;
    assert_eq!(session.role, Role::Owner);
    let status = world.status().await;
    assert_eq!(status.state, PortalState::Backfilling);
    assert_eq!(status.current_run.unwrap().kind, RunKind::Backfill);
    assert!(status.next_sync_at.is_some());
    world.drain().await;
    assert_eq!(world.status().await.state, PortalState::Active);
    assert_eq!(world.assert_good().await.records, 50);
    world.end().await;
}

#[tokio::test]
async fn without_a_setup_link_the_portal_waits_for_a_key() {
    let world = empty_world().await;
    world.install(None).await;
    let status = world.status().await;
    assert_eq!(status.state, PortalState::Connecting);
    assert_eq!(status.current_run, None);
    world.end().await;
}

#[tokio::test]
async fn a_setup_link_is_used_once() {
    let world = empty_world().await;
    let link = world.setup_link().await;
    let first = world.begin(Some(&link)).await;
    let second = world.begin(Some(&link)).await;
    world.control.add_portal(&other_portal()).unwrap();
    let other = world.consent(&second, 77, None).await;
    let back = world.consent(&first, HUB, None).await;
    world.complete(&back).await.unwrap();
    // The second was begun while the link was good.
    assert!(matches!(
        world.complete(&other).await,
        Err(Error::SetupLinkUsed)
    ));
    assert!(!world.is_installed(77), "the grant is not given back");
    let third = app::install::begin(&world.app, Begin::Install { setup: Some(&link) }).await;
    assert!(matches!(third, Err(Error::SetupLinkUsed)));
    world.drain().await;
    world.end().await;
}

#[tokio::test]
async fn a_links_key_that_cannot_be_checked_does_not_replace_a_working_one() {
    use sandbox::{Action, Fault, FaultBody};
    let world = empty_world().await;
    world.install_from_link().await;
    world.drain().await;
    let before = world.rows("thnks_connections").await;
    let link = world.setup_link().await;
    let back = world
        .consent(&world.begin(Some(&link)).await, HUB, None)
        .await;
    world.control.inject(Fault {
        times: u64::MAX,
        ..Fault::once(
            "thnks.organization",
            Action::Status {
                status: 503,
                body: FaultBody::Html,
                retry_after: None,
            },
        )
    });
    let refused = world.complete(&back).await;
    assert!(matches!(refused, Err(Error::ThnksUnavailable)));
    assert_eq!(world.rows("thnks_connections").await, before);
    assert!(world.is_installed(HUB), "the working connection stays");
    world.control.clear_faults();
    // The link was not spent.
    let back = world
        .consent(&world.begin(Some(&link)).await, HUB, None)
        .await;
    world.complete(&back).await.unwrap();
    world.drain().await;
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

#[tokio::test]
async fn a_setup_link_that_expires_during_consent_leaves_nothing() {
    let world = empty_world().await;
    let link = world.setup_link().await;
    world.let_pass(TimeDelta::days(7) - TimeDelta::minutes(1));
    let started = world.begin(Some(&link)).await;
    world.let_pass(TimeDelta::minutes(1));
    let back = world.consent(&started, HUB, None).await;
    assert!(matches!(
        world.complete(&back).await,
        Err(Error::SetupLinkExpired)
    ));
    assert_nothing_stored(&world).await;
    assert_state_spent(&world, &back).await;
    let late = app::install::begin(&world.app, Begin::Install { setup: Some(&link) }).await;
    assert!(matches!(late, Err(Error::SetupLinkExpired)));
    world.end().await;
}

#[tokio::test]
async fn a_setup_link_that_is_revoked_during_consent_leaves_nothing() {
    let world = empty_world().await;
    let link = world.setup_link().await;
    let started = world.begin(Some(&link)).await;
    assert!(
        app::operator::revoke_setup_link(&world.app, &link)
            .await
            .unwrap()
    );
    let back = world.consent(&started, HUB, None).await;
    assert!(matches!(
        world.complete(&back).await,
        Err(Error::SetupLinkUsed)
    ));
    assert_nothing_stored(&world).await;
    assert_state_spent(&world, &back).await;
    world.end().await;
}

#[tokio::test]
async fn a_forged_setup_link_starts_nothing() {
    let world = empty_world().await;
    let mut link = world.setup_link().await.into_bytes();
    link[3] = if link[3] == b'A' { b'B' } else { b'A' };
    let link = String::from_utf8(link).unwrap();
    let begun = app::install::begin(&world.app, Begin::Install { setup: Some(&link) }).await;
    assert!(matches!(begun, Err(Error::SetupLinkUnknown)));
    assert_nothing_stored(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_setup_link_of_another_portal_leaves_nothing_and_stays_good() {
    let world = empty_world().await;
    let link = world.setup_link_for(Some(77)).await;
    let started = world.begin(Some(&link)).await;
    let back = world.consent(&started, HUB, None).await;
    let refused = world.complete(&back).await;
    assert!(matches!(
        refused,
        Err(Error::PortalMismatch {
            expected: HubId(77),
            got: HubId(HUB)
        })
    ));
    assert_nothing_stored(&world).await;
    assert_state_spent(&world, &back).await;
    // The portal it is for can still use it.
    world.control.add_portal(&other_portal()).unwrap();
    let started = world.begin(Some(&link)).await;
    let back = world.consent(&started, 77, None).await;
    assert_eq!(world.complete(&back).await.unwrap().hub_id, HubId(77));
    world.drain().await;
    world.end().await;
}

#[tokio::test]
async fn a_state_from_another_browser_is_refused() {
    let world = empty_world().await;
    let (mine, theirs) = (world.begin(None).await, world.begin(None).await);
    let mut back = world.consent(&mine, HUB, None).await;
    back.browser_token = theirs.browser_token;
    assert!(matches!(
        world.complete(&back).await,
        Err(Error::StateRefused)
    ));
    let callback = Callback {
        code: &back.code,
        state: &back.state,
        browser_token: None,
        session_token: None,
        user_agent: None,
    };
    let without = app::install::complete(&world.app, callback).await;
    assert!(matches!(without, Err(Error::StateRefused)));
    assert_eq!(world.calls(EXCHANGE), 0);
    assert_nothing_stored(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_state_is_taken_once() {
    let world = empty_world().await;
    let started = world.begin(None).await;
    let back = world.consent(&started, HUB, None).await;
    world.complete(&back).await.unwrap();
    assert_state_spent(&world, &back).await;
    // The connection that stands is not harmed by the second try.
    assert_eq!(world.rows("connections").await.len(), 1);
    world.schema().await;
    world.end().await;
}

#[tokio::test]
async fn a_state_is_refused_after_ten_minutes() {
    let world = with(|config| config.rules.code_secs = 3_600).await;
    let started = world.begin(None).await;
    let back = world.consent(&started, HUB, None).await;
    world.let_pass(TimeDelta::minutes(10));
    assert!(matches!(
        world.complete(&back).await,
        Err(Error::StateRefused)
    ));
    assert_nothing_stored(&world).await;
    world.end().await;
}

#[tokio::test]
async fn of_two_callbacks_at_once_one_wins_and_the_code_is_exchanged_once() {
    let world = empty_world().await;
    let started = world.begin(None).await;
    let back = world.consent(&started, HUB, None).await;
    let (one, two) = tokio::join!(world.complete(&back), world.complete(&back));
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);
    let lost = if one.is_ok() { two } else { one };
    assert!(matches!(lost, Err(Error::StateRefused)));
    assert_eq!(world.calls(EXCHANGE), 1);
    assert_eq!(world.rows("sessions").await.len(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_wrong_code_is_refused_and_leaves_nothing() {
    let world = empty_world().await;
    let started = world.begin(None).await;
    let mut back = world.consent(&started, HUB, None).await;
    back.code = "na1-nobody-gave-this".into();
    assert!(matches!(
        world.complete(&back).await,
        Err(Error::CodeRefused)
    ));
    assert_nothing_stored(&world).await;
    assert_state_spent(&world, &back).await;
    world.end().await;
}

#[tokio::test]
async fn a_refused_consent_uses_up_the_state() {
    let world = empty_world().await;
    let started = world.begin(None).await;
    let back = world.consent(&started, HUB, None).await;
    app::install::refuse(
        &world.app,
        &back.state,
        Some(back.browser_token.expose_secret()),
    )
    .await
    .unwrap();
    assert_state_spent(&world, &back).await;
    assert_nothing_stored(&world).await;
    world.end().await;
}

#[tokio::test]
async fn missing_optional_scopes_are_named_on_the_dashboard() {
    let world = with(|config| config.rules.schema_write_approved = false).await;
    world.install(None).await;
    let dashboard =
        app::dashboard::load(&world.app, &scope(), domain::statistics::Range::default())
            .await
            .unwrap();
    let names: Vec<&str> = dashboard.optional_missing.iter().map(|s| s.name).collect();
    assert_eq!(names, ["crm.schemas.custom.write"]);
    world.end().await;
}

#[tokio::test]
async fn a_missing_required_scope_is_named_and_leaves_nothing() {
    const MISSING: &str = "crm.objects.custom.write";
    let world = with(|config| config.app.required_scopes.retain(|scope| scope != MISSING)).await;
    let link = world.setup_link().await;
    let mut started = world.begin(Some(&link)).await;
    // A browser in other hands asks for less.
    let url = started
        .authorize_url
        .as_str()
        .replace(&format!("%20{MISSING}"), "");
    assert_ne!(url, started.authorize_url.as_str());
    started.authorize_url = url.parse().unwrap();
    let back = world.consent(&started, HUB, None).await;
    match world.complete(&back).await {
        Err(Error::ScopesMissing { missing }) => assert_eq!(missing, [MISSING]),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("installed without {MISSING}"),
    }
    assert_nothing_stored(&world).await;
    assert_state_spent(&world, &back).await;
    world.end().await;
}

#[tokio::test]
async fn the_first_person_of_a_portal_owns_it_and_the_next_is_a_member() {
    let world = empty_world().await;
    world.control.add_portal(&two_people()).unwrap();
    for (user_id, role) in [(11, Role::Owner), (12, Role::Member), (11, Role::Owner)] {
        let started = app::install::begin(&world.app, Begin::Login).await.unwrap();
        let back = world.consent(&started, 77, Some(user_id)).await;
        let completed = world.complete(&back).await.unwrap();
        let session = world
            .session(completed.session_token.expose_secret())
            .await
            .unwrap();
        assert_eq!((session.user_id.0, session.role), (user_id, role));
    }
    world.end().await;
}

#[tokio::test]
async fn an_install_does_not_hang_on_the_persons_address() {
    use sandbox::{Action, Fault, FaultBody};
    let world = empty_world().await;
    world.control.inject(Fault {
        times: u64::MAX,
        ..Fault::once(
            "oauth.introspect",
            Action::Status {
                status: 503,
                body: FaultBody::Html,
                retry_after: None,
            },
        )
    });
    let started = app::install::begin(&world.app, Begin::Login).await.unwrap();
    let back = world.consent(&started, HUB, None).await;
    let completed = world.complete(&back).await.unwrap();
    let session = world
        .session(completed.session_token.expose_secret())
        .await
        .unwrap();
    assert_eq!((session.email, session.role), (None, Role::Owner));
    world.control.clear_faults();
    world.end().await;
}

#[tokio::test]
async fn an_install_in_mid_backfill_keeps_the_cursor_and_finishes() {
    let world = world(1_100).await;
    world.install_from_link().await;
    let stopped = tokio_util::sync::CancellationToken::new();
    stopped.cancel();
    let run_id = app::schedule::take_due(&world.app, 1).await.unwrap()[0];
    app::engine::work(&world.app, run_id, &stopped)
        .await
        .unwrap();
    let before = world.runs().await[0]["progress"].clone();
    assert!(before["cursor"].is_string(), "{before}");
    world.install(None).await;
    let runs = world.runs().await;
    assert_eq!((runs.len(), &runs[0]["progress"]), (1, &before));
    world.drain().await;
    assert_eq!(world.assert_good().await.records, 1_100);
    // No page was read twice: three of 500 make 1,100 gifts.
    assert_eq!(world.runs().await[0]["counts"]["read"], 1_100);
    world.end().await;
}

#[tokio::test]
async fn a_members_install_with_less_takes_nothing_from_the_portal() {
    const OPTIONAL: &str = "crm.objects.deals.read";
    let world = empty_world().await;
    world.control.add_portal(&two_people()).unwrap();
    let install = async |user_id: i64, less: bool| {
        let mut started = world.begin(None).await;
        if less {
            let url = started.authorize_url.as_str();
            started.authorize_url = url.replace(OPTIONAL, "").parse().unwrap();
        }
        let back = world.consent(&started, 77, Some(user_id)).await;
        let completed = world.complete(&back).await.unwrap();
        world
            .session(completed.session_token.expose_secret())
            .await
            .unwrap()
    };
    let held = async || {
        let scope = app::PortalScope::from_grant(HubId(77));
        let rows = world.scratch.rows("connections", scope).await;
        rows[0]["scopes"].to_string().contains(OPTIONAL)
    };
    assert_eq!(install(11, false).await.role, Role::Owner);
    assert!(held().await);
    assert_eq!(install(12, true).await.role, Role::Member);
    assert!(held().await, "a member has taken deals from the portal");
    install(11, true).await;
    assert!(!held().await, "an owner may install with less");
    world.end().await;
}

#[tokio::test]
async fn signing_in_connects_a_disconnected_portal_for_its_owner_only() {
    let world = empty_world().await;
    world.control.add_portal(&two_people()).unwrap();
    let sign_in = async |user_id: i64| {
        let started = app::install::begin(&world.app, Begin::Login).await.unwrap();
        let back = world.consent(&started, 77, Some(user_id)).await;
        world.complete(&back).await
    };
    let scope = app::PortalScope::from_grant(HubId(77));
    sign_in(11).await.unwrap();
    sign_in(12).await.unwrap();
    app::disconnect::disconnect(&world.app, scope, "user:11")
        .await
        .unwrap();
    assert!(matches!(sign_in(12).await, Err(Error::Disconnected)));
    assert!(!world.is_installed(77), "the grant is not given back");
    assert_eq!(world.scratch.rows("connections", scope).await.len(), 0);
    sign_in(11).await.unwrap();
    assert_eq!(world.scratch.rows("connections", scope).await.len(), 1);
    world.drain().await;
    world.end().await;
}

/// A portal with two people.
fn two_people() -> NewPortal {
    let user = |id, name: &str| sandbox::User {
        id,
        email: format!("{name}@acme.example"),
        name: name.into(),
        super_admin: true,
    };
    NewPortal {
        users: vec![user(11, "ana"), user(12, "ben")],
        ..other_portal()
    }
}
