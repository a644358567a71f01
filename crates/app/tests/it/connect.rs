//! The admin's Thnks key: tried at Thnks before it is stored.

use app::connect::{self, Error};
use domain::portal::{NeedCode, PortalState};
use domain::run::RunKind;
use sandbox::control::OrganizationSettings;
use sandbox::{Action, Fault, FaultBody};
use secrecy::SecretString;

use crate::harness::{ORGANIZATION, World, world};

async fn connect(world: &World, session: &app::session::Session, key: &str) -> Result<(), Error> {
    let confirmed = session.hub_id.to_string();
    connect::connect(&world.app, session, &confirmed, &SecretString::from(key)).await
}

async fn assert_not_connected(world: &World) {
    assert_eq!(world.status().await.state, PortalState::Connecting);
    assert_eq!(world.rows("thnks_connections").await.len(), 0);
    assert_eq!(world.rows("runs").await.len(), 0);
}

fn enabled(yes: bool) -> OrganizationSettings {
    OrganizationSettings {
        enabled: Some(yes),
        ..OrganizationSettings::default()
    }
}

#[tokio::test]
async fn the_right_key_brings_the_history_in() {
    let world = world(50).await;
    let session = world.install(None).await;
    // As copied from a page, with a line end.
    connect(&world, &session, &format!(" {}\n", sandbox::THNKS_API_KEY))
        .await
        .unwrap();
    let status = world.status().await;
    assert_eq!(status.state, PortalState::Backfilling);
    assert_eq!(status.current_run.unwrap().kind, RunKind::Backfill);
    world.drain().await;
    assert_eq!(world.assert_good().await.records, 50);
    world.end().await;
}

#[tokio::test]
async fn a_key_is_taken_only_for_the_portal_that_was_confirmed() {
    let world = world(20).await;
    let session = world.install(None).await;
    let key = SecretString::from(sandbox::THNKS_API_KEY);
    for confirmed in ["", "yes", "on", "0", "77", "48151623x"] {
        let refused = connect::connect(&world.app, &session, confirmed, &key).await;
        assert!(matches!(refused, Err(Error::NotConfirmed)), "{confirmed}");
    }
    let asked = world.control.log(None, Some("thnks.organization"), 0, 10);
    assert!(asked.is_empty(), "the key has left: {asked:?}");
    assert_not_connected(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_wrong_or_empty_key_is_refused_and_not_stored() {
    let world = world(20).await;
    let session = world.install(None).await;
    assert!(matches!(
        connect(&world, &session, "thnks_nobodys").await,
        Err(Error::KeyRefused)
    ));
    assert!(matches!(
        connect(&world, &session, " \t").await,
        Err(Error::KeyEmpty)
    ));
    assert_not_connected(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_plan_without_the_integration_is_refused_and_not_stored() {
    let world = world(20).await;
    let session = world.install(None).await;
    world
        .control
        .set_organization(ORGANIZATION, enabled(false))
        .unwrap();
    let refused = connect(&world, &session, sandbox::THNKS_API_KEY).await;
    assert!(matches!(refused, Err(Error::IntegrationDisabled)));
    assert_not_connected(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_thnks_that_is_down_is_not_a_wrong_key() {
    let world = world(20).await;
    let session = world.install(None).await;
    let action = Action::Status {
        status: 503,
        body: FaultBody::Html,
        retry_after: None,
    };
    world.control.inject(Fault {
        times: 50,
        ..Fault::once("thnks.organization", action)
    });
    let refused = connect(&world, &session, sandbox::THNKS_API_KEY).await;
    assert!(matches!(refused, Err(Error::ThnksUnavailable)));
    assert_not_connected(&world).await;
    world.control.clear_faults();
    connect(&world, &session, sandbox::THNKS_API_KEY)
        .await
        .unwrap();
    world.drain().await;
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn a_key_that_thnks_revokes_parks_the_portal_until_a_new_one_is_entered() {
    let world = world(20).await;
    let session = world.backfilled().await;
    let revoked = |yes| OrganizationSettings {
        revoked: Some(yes),
        ..OrganizationSettings::default()
    };
    world
        .control
        .set_organization(ORGANIZATION, revoked(true))
        .unwrap();
    world.sync().await;
    assert_eq!(world.status().await.state, PortalState::NeedsSetup);
    assert_eq!(world.needs().await, [NeedCode::ThnksKeyRefused]);
    world
        .control
        .set_organization(ORGANIZATION, revoked(false))
        .unwrap();
    connect(&world, &session, sandbox::THNKS_API_KEY)
        .await
        .unwrap();
    world.drain().await;
    assert_eq!(world.status().await.state, PortalState::Active);
    world.assert_good().await;
    world.end().await;
}

#[tokio::test]
async fn a_plan_that_loses_the_integration_parks_the_portal_until_a_look_finds_it_again() {
    let world = world(20).await;
    world.backfilled().await;
    world
        .control
        .set_organization(ORGANIZATION, enabled(false))
        .unwrap();
    world.sync().await;
    assert_eq!(world.needs().await, [NeedCode::ThnksIntegrationDisabled]);
    world
        .control
        .set_organization(ORGANIZATION, enabled(true))
        .unwrap();
    world.let_pass(chrono::TimeDelta::minutes(2));
    app::schedule::insert_due_runs(&world.app).await.unwrap();
    world.drain().await;
    assert_eq!(world.status().await.state, PortalState::Active);
    world.end().await;
}
