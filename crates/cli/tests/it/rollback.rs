//! Back to the version before, on the database of the one after it: this binary is the version before, and migrations of a version
//! to come have run. `crates/store/tests/it/migrating.rs` has the rules; here processes keep them.

use domain::HubId;
use sandbox::control::Sent;
use sandbox::{DEMO_HUB_ID, DEMO_ORGANIZATION_ID};
use store::PortalScope;

use crate::processes::Stage;

/// Migrations of a version to come.
const NEXT: i64 = 20_990_101_000_001;
const AFTER: i64 = 20_990_101_000_002;

/// What docs/deployment.md allows to add, to what every sync writes.
const EXPAND: (i64, &str) = (
    NEXT,
    "CREATE TABLE further (hub_id bigint PRIMARY KEY REFERENCES portals, told text NOT NULL);
     ALTER TABLE transactions ADD COLUMN further text, ADD COLUMN weight int NOT NULL DEFAULT 7;
     ALTER TABLE runs ADD COLUMN further jsonb NOT NULL DEFAULT '{}';
     ALTER TABLE transactions ADD CONSTRAINT weight_is_positive CHECK (weight > 0) NOT VALID;
     GRANT SELECT, INSERT ON further TO app",
);
/// The version before may not work on it any more.
const CONTRACT: (i64, &str) = (
    AFTER,
    "CREATE OR REPLACE FUNCTION schema_floor() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 20990101000001",
);

/// A gift is sent, and a run brings it to HubSpot.
async fn a_gift_arrives(stage: &Stage) {
    let gift = Sent::default();
    let id = stage.control().send_gift(DEMO_ORGANIZATION_ID, gift);
    let hub_id = DEMO_HUB_ID.to_string();
    let done = stage
        .command(&["run", "start", "--portal", &hub_id, "--kind", "sync"])
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    stage.wait_for_the_end().await;
    let records = stage.control().records(DEMO_HUB_ID).unwrap();
    assert_eq!(records[&id.unwrap()].len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_before_works_and_starts_on_a_schema_that_has_more() {
    let mut stage = Stage::set(60).await;
    let worker = stage.worker();
    stage.install().await;
    stage.wait_for_the_end().await;

    // The new version's `migrate` while this one works.
    stage.scratch.migrate_further(&[EXPAND]).await.unwrap();
    a_gift_arrives(&stage).await;

    // The new version is stopped again, and this one started.
    assert_eq!(worker.terminate(), Some(0));
    assert_eq!(stage.web.take().unwrap().terminate(), Some(0));
    let migrated = stage.command(&["migrate"]).output().unwrap();
    let words = String::from_utf8(migrated.stderr).unwrap();
    assert!(migrated.status.success(), "{words}");
    assert!(
        words.contains("is a newer version's and is left as it is"),
        "{words}"
    );
    stage.serve().await;
    let _worker = stage.worker();
    a_gift_arrives(&stage).await;
    for page in ["", "/thnks", "/orphans"] {
        let page = format!("/portals/{DEMO_HUB_ID}{page}");
        assert_eq!(stage.browser.status(&page).await, 200, "{page}");
    }
    // What the new version has added is there and filled.
    let portal = PortalScope::from_operator(HubId(DEMO_HUB_ID));
    let rows = stage.scratch.rows("transactions", portal).await;
    assert_eq!(rows.len(), 62);
    assert!(rows.iter().all(|row| row["weight"] == 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_before_says_in_one_line_that_a_schema_does_without_it() {
    let stage = Stage::set(10).await;
    assert_eq!(stage.browser.status("/readyz").await, 200);
    let migrations = [EXPAND, CONTRACT];
    stage.scratch.migrate_further(&migrations).await.unwrap();
    // One that runs gets no more requests, and is not killed for it.
    assert_eq!(stage.browser.status("/readyz").await, 503);
    assert_eq!(stage.browser.status("/healthz").await, 200);
    for arguments in [
        &["serve"][..],
        &["work"],
        &["migrate"],
        &["healthcheck", "work"],
    ] {
        let done = stage.command(arguments).output().unwrap();
        let words = String::from_utf8(done.stderr).unwrap();
        assert!(!done.status.success(), "{arguments:?} started: {words}");
        assert_eq!(words.lines().count(), 1, "{arguments:?}: {words}");
        assert!(words.contains(&NEXT.to_string()), "{arguments:?}: {words}");
    }
}
