//! The boards of the operator's console say of every portal what its own rows say, whoever wrote them.

use domain::HubId;
use domain::portal::{Need, NeedCode, PortalState};
use domain::run::{RunKind, RunState};
use store::PortalScope;
use store::console::{Filter, Trouble, list, list_bad};
use store::portals::AccountDetails;
use store::thnks_connections::ThnksConnection;
use store::{Sealed, runs};

use crate::harness::{now, world};

#[tokio::test]
async fn a_boards_state_is_the_one_that_the_facts_make() {
    let world = world().await;
    for bits in 0..32_i64 {
        let scope = PortalScope::from_grant(HubId(70_000 + bits));
        let is = |bit: i64| bits & (1 << bit) != 0;
        let details = AccountDetails {
            hub_domain: Some("board.example".into()),
            ui_domain: "app.hubspot.com".into(),
            time_zone: "UTC".into(),
            ..AccountDetails::default()
        };
        let mut tx = world.db.begin(scope).await.unwrap();
        store::portals::upsert(&mut tx, scope, None, &details, now())
            .await
            .unwrap();
        if is(0) {
            let sealed = Sealed(vec![0; 32]);
            let connection = ThnksConnection {
                api_key: &sealed,
                organization_id: None,
                organization_name: None,
            };
            store::thnks_connections::upsert(&mut tx, scope, &connection, now())
                .await
                .unwrap();
        }
        if is(1) {
            let need = Need {
                code: NeedCode::TierMissing,
                detail: "d".into(),
                remedy: "r".into(),
            };
            store::portals::save_needs(&mut tx, scope, &[need], None, now())
                .await
                .unwrap();
        }
        if is(2) {
            store::portals::save_paused(&mut tx, scope, Some(now()))
                .await
                .unwrap();
        }
        if is(3) {
            store::portals::save_backfilled(&mut tx, scope, now())
                .await
                .unwrap();
        }
        if is(4) {
            let need = Need {
                code: NeedCode::AuthorizationLost,
                detail: "d".into(),
                remedy: "r".into(),
            };
            store::portals::disconnect(&mut tx, scope, &need, now())
                .await
                .unwrap();
        }
        let portal = store::portals::find(&mut tx, scope).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        let mut conn = world.db.unscoped().await.unwrap();
        let filter = Filter {
            words: Some(scope.hub_id().to_string()),
            ..Filter::default()
        };
        let lines = list(&mut conn, &filter, None, now(), 2).await.unwrap();
        assert_eq!(lines.len(), 1, "{bits:05b}");
        assert_eq!(
            lines[0].state,
            PortalState::of(portal.facts()),
            "{bits:05b}"
        );
        assert_eq!(lines[0].hub_domain.as_deref(), Some("board.example"));
    }
}

#[tokio::test]
async fn a_run_that_ended_badly_is_on_the_board_until_one_of_its_kind_ends_well() {
    let world = world().await;
    let scope = world.portal(71_001, "UTC").await;
    let mut tx = world.db.begin(scope).await.unwrap();
    let sealed = Sealed(vec![0; 32]);
    let connection = ThnksConnection {
        api_key: &sealed,
        organization_id: None,
        organization_name: None,
    };
    store::thnks_connections::upsert(&mut tx, scope, &connection, now())
        .await
        .unwrap();
    store::portals::save_backfilled(&mut tx, scope, now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let failing = Filter {
        trouble: Some(Trouble::Failing),
        ..Filter::default()
    };
    for (state, error) in [
        (RunState::Failed, Some("Thnks is unavailable")),
        (RunState::Succeeded, None),
        (RunState::Dead, None),
        (RunState::Succeeded, None),
    ] {
        let mut tx = world.db.begin(scope).await.unwrap();
        let asked = runs::request(&mut tx, scope, RunKind::Sync, "schedule", now())
            .await
            .unwrap();
        runs::finish(&mut tx, scope, asked.run_id, state, error, now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let mut conn = world.db.unscoped().await.unwrap();
        let bad = list_bad(&mut conn, 10).await.unwrap();
        let found = bad
            .iter()
            .map(|run| (run.run_id, run.state, run.error.as_deref()));
        let found: Vec<_> = found.collect();
        let is_bad = state != RunState::Succeeded;
        let expected = is_bad.then_some((asked.run_id, state, error));
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        let listed = list(&mut conn, &failing, None, now(), 10).await.unwrap();
        assert_eq!(listed.len(), usize::from(is_bad), "{state:?}");
    }
}
