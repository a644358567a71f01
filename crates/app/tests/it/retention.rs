//! What becomes of a portal that was disconnected: kept, taken up again, erased, begun anew.

use app::chain::{self, Noted};
use app::install::Error;
use app::retention::run_due;
use chrono::TimeDelta;
use domain::HubId;
use domain::portal::PortalState;
use secrecy::{ExposeSecret, SecretString};
use store::portal_keys;

use crate::harness::{HUB, World, scope, world};

async fn disconnect(world: &World) {
    app::disconnect::disconnect(&world.app, scope(), "operator")
        .await
        .unwrap();
}

/// What is left of the portal, by table.
async fn left(world: &World) -> Vec<(String, i64)> {
    let counts = world.scratch.count_rows(scope()).await;
    counts.into_iter().filter(|(_, rows)| *rows > 0).collect()
}

#[tokio::test]
async fn inside_the_window_an_install_takes_everything_up_again() {
    let world = world(60).await;
    world.backfilled().await;
    disconnect(&world).await;
    world.let_pass(TimeDelta::days(29));
    assert!(!run_due(&world.app).await.unwrap());
    world.install(None).await;
    world.drain().await;
    let status = world.status().await;
    assert_eq!((status.state, status.synced), (PortalState::Active, 60));
    // And then the old date does not count any more.
    world.let_pass(TimeDelta::days(2));
    assert!(!run_due(&world.app).await.unwrap());
    world.drain().await;
    assert_eq!(world.status().await.synced, 60);
    world.end().await;
}

#[tokio::test]
async fn after_it_all_is_erased_but_the_trail_and_no_other_portals() {
    let world = world(60).await;
    world.backfilled().await;
    world.scratch.fill_tables(scope()).await;
    let other = HubId(4_711);
    let key = SecretString::from(sandbox::THNKS_API_KEY);
    app::testing::insert_idle_portal(&world.app, other, &key)
        .await
        .unwrap();
    let tables = world.scratch.count_rows(scope()).await;
    let empty: Vec<_> = tables
        .iter()
        .filter(|(_, rows)| **rows == 0)
        .map(|(table, _)| table)
        .collect();
    assert_eq!(
        empty,
        Vec::<&String>::new(),
        "tables of which this test shows nothing"
    );
    let others = world
        .scratch
        .count_rows(app::PortalScope::from_grant(other))
        .await;
    disconnect(&world).await;
    world.let_pass(TimeDelta::days(31));

    // The key goes before anything else: what is still there cannot be read.
    let mut tx = world.db.begin(scope()).await.unwrap();
    let sealed = store::thnks_connections::find_api_key(&mut tx, scope())
        .await
        .unwrap()
        .unwrap();
    drop(tx);
    assert!(app::testing::opens_thnks_key(&world.app, scope(), &sealed).await);
    app::testing::begin_erasing(&world.app, scope())
        .await
        .unwrap();
    assert_eq!(world.scratch.rows("transactions", scope()).await.len(), 60);
    assert!(
        chain::verify(&world.app, scope(), &Noted::default())
            .await
            .unwrap()
            .is_whole()
    );
    let mut tx = world.db.begin(scope()).await.unwrap();
    assert!(portal_keys::find(&mut tx, scope()).await.unwrap().is_none());
    drop(tx);
    assert!(!app::testing::opens_thnks_key(&world.app, scope(), &sealed).await);
    // Nobody installs into a portal that is half gone.
    let started = world.begin(None).await;
    let back = world.consent(&started, HUB, None).await;
    assert!(matches!(
        world.complete(&back).await,
        Err(Error::BeingErased)
    ));

    while run_due(&world.app).await.unwrap() {
        // Rows are going, and nobody has done that in secret.
        assert!(
            chain::verify(&world.app, scope(), &Noted::default())
                .await
                .unwrap()
                .is_whole()
        );
    }
    let left: Vec<String> = left(&world)
        .await
        .into_iter()
        .map(|(table, _)| table)
        .collect();
    assert_eq!(
        left,
        [
            "audit",
            "chain_heads",
            "ledger_board",
            "portal_board",
            "portal_leases",
            "portal_totals",
            "portals",
            "sync_schedule"
        ]
    );
    let portal = &world.scratch.rows("portals", scope()).await[0];
    for gone in [
        "hub_domain",
        "organization_id",
        "erasure_key",
        "object_type_id",
        "erasing_at",
        "backfilled_at",
    ] {
        assert!(portal[gone].is_null(), "{gone}");
    }
    let totals = &world.scratch.rows("portal_totals", scope()).await[0];
    for zero in ["transactions", "synced", "failed", "rejected", "orphans"] {
        assert_eq!(totals[zero], 0, "{zero}");
    }
    let mut acts = world.scratch.rows("audit", scope()).await;
    acts.sort_by_key(|act| act["number"].as_i64());
    let last: Vec<_> = acts
        .iter()
        .rev()
        .take(2)
        .map(|act| act["action"].as_str().unwrap())
        .collect();
    assert_eq!(last, ["portal.erase", "portal.erase_begin"]);
    assert_eq!(acts[acts.len() - 2]["detail"]["transactions"], 60);
    assert!(
        chain::verify(&world.app, scope(), &Noted::default())
            .await
            .unwrap()
            .is_whole()
    );
    assert_eq!(
        world
            .scratch
            .count_rows(app::PortalScope::from_grant(other))
            .await,
        others
    );
    assert!(!run_due(&world.app).await.unwrap(), "it is erased once");

    // Installed again, it begins from nothing: the first person owns it, and the records in HubSpot are found again.
    let again = world.install_from_link().await;
    assert!(again.is_owner());
    world.drain().await;
    assert_eq!(world.assert_good().await.records, 60);
    assert!(
        chain::verify(&world.app, scope(), &Noted::default())
            .await
            .unwrap()
            .is_whole()
    );
    world.end().await;
}

#[tokio::test]
async fn several_processes_erase_together_and_an_install_waits_for_them() {
    let world = world(230).await;
    world.backfilled().await;
    disconnect(&world).await;
    world.let_pass(TimeDelta::days(31));
    let erasers: Vec<_> = (0..4)
        .map(|_| {
            let app = world.app.clone();
            tokio::spawn(async move { while run_due(&app).await.unwrap() {} })
        })
        .collect();
    let session = loop {
        let started = world.begin(None).await;
        let back = world.consent(&started, HUB, None).await;
        match world.complete(&back).await {
            Ok(completed) => break world.session(completed.session_token.expose_secret()).await,
            Err(error) => assert!(matches!(error, Error::BeingErased), "{error}"),
        }
    };
    for eraser in erasers {
        eraser.await.unwrap();
    }
    // Either it came before the erasure began, and all is there, or after it, and all is new; nothing in between.
    assert!(session.is_some());
    let rows = world.scratch.rows("transactions", scope()).await.len();
    assert!(rows == 0 || rows == 230, "{rows}");
    assert_eq!(world.scratch.rows("connections", scope()).await.len(), 1);
    assert_eq!(world.scratch.rows("members", scope()).await.len(), 1);
    world.drain().await;
    world.end().await;
}

#[tokio::test]
async fn the_apps_role_takes_no_row_away_while_the_portal_is_not_being_erased() {
    let world = world(20).await;
    world.backfilled().await;
    world.scratch.fill_tables(scope()).await;
    let before = world.scratch.count_rows(scope()).await;
    let mut tx = world.db.begin(scope()).await.unwrap();
    for table in [
        "write_attempts",
        "write_batches",
        "status_events",
        "deal_facts",
        "erased_recipients",
        "daily_totals",
        "daily_paces",
        "pipeline_stages",
        "notice_settings",
        "transactions",
    ] {
        assert!(before[table] > 0, "{table} is empty");
        let erased = store::testing::delete_all(&mut tx, table).await;
        assert_eq!(erased, 0, "{table}");
    }
    tx.commit().await.unwrap();
    assert_eq!(world.scratch.count_rows(scope()).await, before);
    // What was put there would be work to do.
    let mut tx = world.db.begin(scope()).await.unwrap();
    store::testing::delete_all(&mut tx, "run_queue").await;
    tx.commit().await.unwrap();
    world.end().await;
}
