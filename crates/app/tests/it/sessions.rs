//! Sessions: how they end, and that each sees its own portal only.

use app::session::{Ended, EndedOne, Open, Session};
use chrono::TimeDelta;
use sandbox::control::{NewOrganization, NewPortal};
use secrecy::ExposeSecret;

use crate::harness::{HUB, World, empty_world, world};

async fn token(world: &World, hub_id: i64) -> String {
    token_of(world, hub_id, None, None).await
}

/// Signs a person in with such a browser.
async fn token_of(
    world: &World,
    hub_id: i64,
    user_id: Option<i64>,
    user_agent: Option<&str>,
) -> String {
    let started = world.begin(None).await;
    let mut back = world.consent(&started, hub_id, user_id).await;
    back.user_agent = user_agent.map(str::to_owned);
    let completed = world.complete(&back).await.unwrap();
    completed.session_token.expose_secret().to_owned()
}

async fn listed(world: &World, session: &Session) -> Vec<Open> {
    app::session::list(&world.app, session).await.unwrap()
}

fn person(id: i64, name: &str) -> sandbox::User {
    sandbox::User {
        id,
        email: format!("{name}@acme.example"),
        name: name.into(),
        super_admin: true,
    }
}

/// Another portal, with two people.
fn acme(hub_id: i64) -> NewPortal {
    NewPortal {
        hub_id,
        name: "Acme".into(),
        enterprise: true,
        users: vec![person(11, "ana"), person(12, "ben")],
        organization: None,
        transactions: 0,
        recipients: None,
    }
}

#[tokio::test]
async fn a_token_that_somebody_has_planted_never_opens_a_session() {
    let world = empty_world().await;
    let planted = "A".repeat(43);
    let started = world.begin(None).await;
    let mut back = world.consent(&started, HUB, None).await;
    back.session_token = Some(planted.clone());
    let completed = world.complete(&back).await.unwrap();
    let token = completed.session_token.expose_secret();
    assert_ne!(token, planted);
    assert!(world.session(&planted).await.is_none());
    assert!(world.session(token).await.is_some());
    world.end().await;
}

#[tokio::test]
async fn a_session_that_is_ended_opens_nothing() {
    let world = empty_world().await;
    let (one, two) = (token(&world, HUB).await, token(&world, HUB).await);
    let session = world.session(&one).await.unwrap();
    app::session::end(&world.app, &session, Ended::This)
        .await
        .unwrap();
    assert!(world.session(&one).await.is_none());
    assert!(world.session(&two).await.is_some());
    assert!(world.session("nobodys").await.is_none());
    world.end().await;
}

#[tokio::test]
async fn signing_out_everywhere_ends_all_of_a_persons_sessions() {
    let world = empty_world().await;
    let (one, two) = (token(&world, HUB).await, token(&world, HUB).await);
    let session = world.session(&one).await.unwrap();
    app::session::end(&world.app, &session, Ended::All)
        .await
        .unwrap();
    assert!(world.session(&one).await.is_none());
    assert!(world.session(&two).await.is_none());
    let audit = world.rows("audit").await;
    assert!(audit.iter().any(|row| row["action"] == "session.end_all"));
    world.end().await;
}

#[tokio::test]
async fn a_person_sees_their_own_sessions_of_this_portal_and_by_which_browser() {
    const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; rv:132.0) Gecko/20100101 Firefox/132.0";
    let world = empty_world().await;
    world.control.add_portal(&acme(77)).unwrap();
    world.control.add_portal(&acme(78)).unwrap();
    let mine = token_of(&world, 77, Some(11), Some(FIREFOX)).await;
    token_of(&world, 77, Some(12), Some("not shown: another person's")).await;
    token_of(&world, 78, Some(11), Some("not shown: another portal's")).await;
    let hostile = "<script>alert(1)</script>".repeat(1_000);
    token_of(&world, 77, Some(11), Some(&hostile)).await;
    world.let_pass(TimeDelta::minutes(10));
    token_of(&world, 77, Some(11), None).await;
    let session = world.session(&mine).await.unwrap();
    let open = listed(&world, &session).await;
    let told: Vec<_> = open
        .iter()
        .map(|one| (one.browser.as_deref(), one.is_current))
        .collect();
    let expected = [
        (Some("Firefox on Windows"), true),
        (None, false),
        (Some("A browser"), false),
    ];
    assert_eq!(told, expected);
    let unused = world.now() - open[0].last_seen_at;
    assert!(unused < TimeDelta::minutes(1), "looking is a use");
    // What is over is no session.
    world.let_pass(TimeDelta::minutes(25));
    assert_eq!(listed(&world, &session).await.len(), 2);
    world.end().await;
}

#[tokio::test]
async fn any_one_of_ones_own_sessions_can_be_ended_and_nobody_elses() {
    let world = empty_world().await;
    world.control.add_portal(&acme(77)).unwrap();
    world.control.add_portal(&acme(78)).unwrap();
    let mut sessions = Vec::new();
    for (hub_id, user_id) in [(77, 11), (77, 11), (77, 12), (78, 11)] {
        let token = token_of(&world, hub_id, Some(user_id), None).await;
        let session = world.session(&token).await.unwrap();
        let id = listed(&world, &session).await[0].session_id;
        sessions.push((token, session, id));
    }
    let [mine, other, of_another, elsewhere] = &sessions[..] else {
        unreachable!();
    };
    let end = async |id| {
        app::session::end_one(&world.app, &mine.1, id)
            .await
            .unwrap()
    };
    let nobodys = domain::SessionId(uuid::Uuid::nil());
    for id in [of_another.2, elsewhere.2, nobodys] {
        assert_eq!(end(id).await, EndedOne::Nothing);
    }
    assert_eq!(end(other.2).await, EndedOne::Another);
    assert_eq!(end(other.2).await, EndedOne::Nothing, "again is harmless");
    let mut open = Vec::new();
    for (token, ..) in &sessions {
        open.push(world.session(token).await.is_some());
    }
    assert_eq!(open, [true, false, true, true]);
    assert_eq!(end(mine.2).await, EndedOne::This);
    assert!(world.session(&mine.0).await.is_none());
    let scope = *mine.1.scope();
    let acts = world.scratch.rows("audit", scope).await;
    let ends: Vec<_> = acts
        .iter()
        .map(|act| {
            (
                act["actor"].as_str().unwrap(),
                act["action"].as_str().unwrap(),
            )
        })
        .filter(|(_, action)| action.starts_with("session.end"))
        .collect();
    assert_eq!(
        ends,
        [("user:11", "session.end_other"), ("user:11", "session.end")]
    );
    world.end().await;
}

#[tokio::test]
async fn signing_in_ends_the_session_that_the_browser_had() {
    let world = empty_world().await;
    let (mine, elsewhere) = (token(&world, HUB).await, token(&world, HUB).await);
    let started = world.begin(None).await;
    let mut back = world.consent(&started, HUB, None).await;
    back.session_token = Some(mine.clone());
    let renewed = world.complete(&back).await.unwrap().session_token;
    assert!(
        world.session(&mine).await.is_none(),
        "a copied cookie works"
    );
    assert!(world.session(renewed.expose_secret()).await.is_some());
    assert!(world.session(&elsewhere).await.is_some());
    world.end().await;
}

#[tokio::test]
async fn an_idle_session_is_over_after_half_an_hour() {
    let world = empty_world().await;
    let token = token(&world, HUB).await;
    for _ in 0..3 {
        world.let_pass(TimeDelta::minutes(29));
        assert!(world.session(&token).await.is_some());
    }
    world.let_pass(TimeDelta::minutes(31));
    assert!(world.session(&token).await.is_none());
    world.end().await;
}

#[tokio::test]
async fn a_session_in_use_is_over_after_twelve_hours() {
    let world = empty_world().await;
    let token = token(&world, HUB).await;
    for _ in 0..28 {
        world.let_pass(TimeDelta::minutes(25));
        assert!(world.session(&token).await.is_some());
    }
    world.let_pass(TimeDelta::minutes(21));
    assert!(world.session(&token).await.is_none());
    world.end().await;
}

#[tokio::test]
async fn a_session_of_another_portal_finds_nothing_of_this_one() {
    let world = world(30).await;
    world.backfilled().await;
    let run = world.status().await.last_run.unwrap();
    let other = NewPortal {
        hub_id: 77,
        name: "Other".into(),
        enterprise: true,
        users: Vec::new(),
        organization: Some(NewOrganization {
            id: "org_other".into(),
            key: "thnks_other".into(),
        }),
        transactions: 0,
        recipients: None,
    };
    world.control.add_portal(&other).unwrap();
    let token = token(&world, 77).await;
    let session = world.session(&token).await.unwrap();
    let status = app::status::load(&world.app, session.scope())
        .await
        .unwrap();
    assert_eq!(
        (status.transactions, status.synced, status.orphans),
        (0, 0, 0)
    );
    assert_eq!((status.last_run, status.current_run), (None, None));
    let found = app::runs::find(&world.app, *session.scope(), run.id)
        .await
        .unwrap();
    assert!(found.is_none());
    let portals = app::portals::list(&world.app, &session).await.unwrap();
    let ids: Vec<i64> = portals.iter().map(|portal| portal.hub_id.0).collect();
    assert_eq!(ids, [77]);
    world.end().await;
}
