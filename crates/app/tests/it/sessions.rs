//! Sessions: how they end, and that each sees its own portal only.

use app::session::Ended;
use chrono::TimeDelta;
use sandbox::control::{NewOrganization, NewPortal};

use crate::harness::{HUB, World, empty_world, world};

async fn token(world: &World, hub_id: i64) -> String {
    let started = world.begin(None).await;
    let back = world.consent(&started, hub_id, None).await;
    world.complete(&back).await.unwrap().session_token
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
    assert!(world.session(&renewed).await.is_some());
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
