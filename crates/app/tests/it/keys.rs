//! The operator's keys: looked at when a process starts, moved to another one while everything goes on.

use std::collections::BTreeSet;

use app::keys::{self, GiveUpError, Unfit};
use app::{App, KeyRing, PortalScope};
use chrono::TimeDelta;
use domain::HubId;
use secrecy::SecretString;
use store::Sealed;
use store::operator_keys::{self, KeyUse};
use store::portal_keys::{self, Secret};

use crate::harness::{HUB, World, empty_world, scope, world};

/// The key that seals in all tests, and one after it.
const ONE: &str = "one:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const TWO: &str = "two:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
/// Another key under the first one's name.
const NOT_ONE: &str = "one:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

/// The same service, started with other keys.
fn with_keys(world: &World, keys: &[&str]) -> App {
    let text = SecretString::from(keys.join(","));
    world.app_with(KeyRing::parse(&text).unwrap())
}

async fn portals(world: &World, numbers: std::ops::Range<i64>) {
    for hub_id in numbers {
        let key = SecretString::from(sandbox::THNKS_API_KEY);
        app::testing::insert_idle_portal(&world.app, HubId(hub_id), &key)
            .await
            .unwrap();
    }
}

/// Portals that hang on the first key.
async fn left(world: &World) -> i64 {
    let mut conn = world.db.unscoped().await.unwrap();
    let uses = operator_keys::list_uses(&mut conn, world.now())
        .await
        .unwrap();
    uses.iter()
        .find(|key| key.key_id == "one")
        .map_or(0, |key| key.portals)
}

/// Puts sealed secrets in the place of those that are there.
async fn seal(tx: &mut store::Tx, scope: PortalScope, sealed: &[(Secret, Sealed)]) {
    let known = portal_keys::list_secrets(tx, scope).await.unwrap();
    for (secret, sealed) in sealed {
        let (_, from) = known.iter().find(|(one, _)| one == secret).unwrap();
        portal_keys::save_secret(tx, scope, *secret, from, sealed)
            .await
            .unwrap();
    }
}

async fn uses(app: &App) -> Vec<(String, i64, i64)> {
    let report = keys::inspect(app).await.unwrap();
    let of = |key: keys::KeyState| (key.uses.key_id, key.uses.portals, key.uses.organizations);
    report.keys.into_iter().map(of).collect()
}

#[tokio::test]
async fn a_rotation_moves_everything_while_tokens_are_read_and_goes_on_where_it_was_killed() {
    let world = world(5).await;
    world.backfilled().await;
    portals(&world, 1_000..1_300).await;
    let both = with_keys(&world, &[TWO, ONE]);
    keys::check(&both).await.unwrap();
    assert_eq!(
        uses(&both).await,
        [("two".into(), 0, 0), ("one".into(), 301, 1)]
    );

    // Everybody keeps reading, also those who seal with the old one still.
    let readers: Vec<_> = [with_keys(&world, &[ONE, TWO]), both.clone()]
        .into_iter()
        .map(|app| {
            tokio::spawn(async move {
                let tokens = app::access::tokens(&app);
                for round in 0..3_000 {
                    let hub_id = HubId(1_000 + round % 300);
                    let read = tokens.current(hub_id).await;
                    assert!(read.is_ok(), "{hub_id}: {:?}", read.err());
                }
            })
        })
        .collect();
    // Killed wherever it is.
    let rotating = both.clone();
    let killed = tokio::spawn(async move { keys::rotate(&rotating).await });
    while left(&world).await > 250 {}
    killed.abort();
    assert!(
        killed.await.is_err(),
        "it was over before it could be killed"
    );
    let left = left(&world).await;

    let rotated = keys::rotate(&both).await.unwrap();
    // The commit that was on its way may have come to its end after the count.
    let done_meanwhile = left - i64::try_from(rotated.portals).unwrap();
    assert!(matches!(done_meanwhile, 0 | 1), "{done_meanwhile}");
    assert_eq!(rotated.organizations, 1);
    assert_eq!(rotated.unreadable, Vec::<String>::new());
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(
        uses(&both).await,
        [("two".into(), 301, 1), ("one".into(), 0, 0)]
    );
    let again = keys::rotate(&both).await.unwrap();
    assert_eq!((again.portals, again.organizations), (0, 0));

    // The old key goes, and everything works on: tokens are refreshed, gifts are read.
    let new = with_keys(&world, &[TWO]);
    keys::check(&new).await.unwrap();
    let report = keys::inspect(&new).await.unwrap();
    assert!(report.is_well(), "{:?}", report.unreadable);
    world.let_pass(TimeDelta::minutes(40));
    app::access::tokens(&new).current(HubId(HUB)).await.unwrap();
    assert_eq!(world.refreshes(), 1);
    // Who has the old one alone is told so.
    let refused = keys::check(&world.app).await.unwrap_err().to_string();
    assert!(
        refused.contains("two") && refused.contains("301 portals"),
        "{refused}"
    );
    let acts = world.scratch.rows("audit", scope()).await;
    let rotations = acts.iter().filter(|act| act["action"] == "key.rotate");
    assert_eq!(rotations.count(), 1);
    world.end().await;
}

#[tokio::test]
async fn what_was_sealed_before_portals_had_keys_is_read_and_moved_too() {
    let world = world(5).await;
    world.backfilled().await;
    // As the version before has left it: sealed with the operator's key itself.
    let sealed = app::testing::seal_as_before(&world.app, scope())
        .await
        .unwrap();
    let mut tx = world.db.begin(scope()).await.unwrap();
    seal(&mut tx, scope(), &sealed).await;
    portal_keys::delete(&mut tx, scope()).await.unwrap();
    portal_keys::save_use(&mut tx, scope(), "one")
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let both = with_keys(&world, &[TWO, ONE]);
    let report = keys::inspect(&both).await.unwrap();
    assert!(
        report.is_well() && report.readable == 1 + sealed.len(),
        "{report:?}"
    );
    // Also without another key: what the operator's sealed goes to the portal's.
    let moved = keys::rotate(&world.app).await.unwrap();
    assert_eq!((moved.portals, moved.organizations), (1, 0));
    assert!(app::testing::all_by_portal(&world.app, scope()).await);
    assert_eq!(keys::rotate(&world.app).await.unwrap().portals, 0);
    keys::rotate(&both).await.unwrap();
    let report = keys::inspect(&with_keys(&world, &[TWO])).await.unwrap();
    assert!(
        report.is_well() && report.readable == 1 + sealed.len(),
        "{report:?}"
    );
    world.end().await;
}

#[tokio::test]
async fn wrong_and_missing_keys_are_told_at_the_start() {
    let world = empty_world().await;
    world.setup_link().await;
    // Before anybody has noted the key, what it sealed tells.
    let other = with_keys(&world, &[NOT_ONE]);
    assert!(matches!(keys::check(&other).await, Err(Unfit::Other(id)) if id == "one"));
    keys::check(&world.app).await.unwrap();
    assert!(matches!(keys::check(&other).await, Err(Unfit::Other(id)) if id == "one"));
    assert!(matches!(
        keys::check(&with_keys(&world, &[TWO])).await,
        Err(Unfit::Missing(_))
    ));
    keys::check(&with_keys(&world, &[TWO, ONE])).await.unwrap();
    // A key that nothing hangs on may go again.
    keys::check(&world.app).await.unwrap();
    let mut conn = world.db.unscoped().await.unwrap();
    let one = KeyUse {
        key_id: "one".into(),
        portals: 0,
        organizations: 1,
        setup_links: 1,
    };
    assert_eq!(
        operator_keys::list_uses(&mut conn, world.now())
            .await
            .unwrap(),
        [one]
    );
    drop(conn);
    world.end().await;
}

#[tokio::test]
async fn a_secret_that_does_not_open_is_named_and_stops_nothing_else() {
    let world = empty_world().await;
    portals(&world, 1_000..1_003).await;
    let (spoilt, sound) = (PortalScope::from_grant(HubId(1_001)), HubId(1_002));
    let mut tx = world.db.begin(spoilt).await.unwrap();
    let known = portal_keys::find(&mut tx, spoilt).await.unwrap().unwrap();
    let mut wrapped = known.wrapped.clone();
    *wrapped.0.last_mut().unwrap() ^= 1;
    portal_keys::rewrap(&mut tx, spoilt, &known.wrapped, &wrapped)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let both = with_keys(&world, &[TWO, ONE]);
    let report = keys::inspect(&both).await.unwrap();
    assert_eq!(report.unreadable.len(), 1);
    assert!(report.unreadable[0].contains("1001") && !report.is_well());
    let rotated = keys::rotate(&both).await.unwrap();
    assert_eq!((rotated.portals, rotated.unreadable.len()), (2, 1));
    app::access::tokens(&both).current(sound).await.unwrap();
    // The old key is still needed for what does not open: a better copy may turn up. Until the operator gives it up.
    assert!(matches!(
        keys::check(&with_keys(&world, &[TWO])).await,
        Err(Unfit::Missing(_))
    ));
    let whole = keys::give_up(&both, PortalScope::from_grant(sound)).await;
    assert!(matches!(whole, Err(GiveUpError::Opens)));
    let nobody = keys::give_up(&both, PortalScope::from_grant(HubId(1))).await;
    assert!(matches!(nobody, Err(GiveUpError::Unknown)));
    keys::give_up(&both, spoilt).await.unwrap();
    keys::check(&with_keys(&world, &[TWO])).await.unwrap();
    let report = keys::inspect(&with_keys(&world, &[TWO])).await.unwrap();
    assert!(report.is_well(), "{report:?}");
    let portal = &world.scratch.rows("portals", spoilt).await[0];
    assert!(portal["disconnected_at"].is_string());
    let acts = world.scratch.rows_of_all("operator_acts").await;
    let act = acts.iter().find(|act| act["action"] == "keys give-up");
    assert_eq!(act.unwrap()["detail"]["portal"], 1_001);
    world.end().await;
}

#[tokio::test]
async fn processes_that_meet_a_portal_without_a_key_agree_on_one() {
    let world = empty_world().await;
    portals(&world, 1_000..1_001).await;
    let (app, scope) = (world.app.clone(), PortalScope::from_grant(HubId(1_000)));
    let sealed = app::testing::seal_as_before(&app, scope).await.unwrap();
    let mut tx = world.db.begin(scope).await.unwrap();
    seal(&mut tx, scope, &sealed).await;
    portal_keys::delete(&mut tx, scope).await.unwrap();
    tx.commit().await.unwrap();
    let makers: Vec<_> = (0..16)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { app::testing::portal_key_id(&app, scope).await.unwrap() })
        })
        .collect();
    let mut ids = BTreeSet::new();
    for maker in makers {
        ids.insert(maker.await.unwrap());
    }
    assert_eq!(ids.len(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_key_that_is_missing_is_not_made_anew_and_is_back_with_its_backup() {
    let world = world(5).await;
    let session = world.backfilled().await;
    let mut tx = world.db.begin(scope()).await.unwrap();
    let known = portal_keys::find(&mut tx, scope()).await.unwrap().unwrap();
    portal_keys::delete(&mut tx, scope()).await.unwrap();
    tx.commit().await.unwrap();
    let key = SecretString::from(sandbox::THNKS_API_KEY);
    let connected = app::connect::connect(&world.app, &session, &HUB.to_string(), &key).await;
    assert!(
        connected.is_err(),
        "a key was made in the place of the missing one"
    );
    assert!(
        app::access::tokens(&world.app)
            .current(HubId(HUB))
            .await
            .is_err()
    );
    let mut tx = world.db.begin(scope()).await.unwrap();
    assert!(portal_keys::find(&mut tx, scope()).await.unwrap().is_none());
    portal_keys::insert(&mut tx, scope(), &known, "one", world.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    app::access::tokens(&world.app)
        .current(HubId(HUB))
        .await
        .unwrap();
    world.end().await;
}

#[tokio::test]
async fn a_wrong_key_is_told_by_a_portal_where_there_is_no_organization() {
    let world = empty_world().await;
    portals(&world, 1_000..1_001).await;
    let other = with_keys(&world, &[NOT_ONE]);
    assert!(matches!(keys::check(&other).await, Err(Unfit::Other(id)) if id == "one"));
    keys::check(&world.app).await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn a_portal_that_has_lost_its_secrets_holds_no_key_back() {
    let world = empty_world().await;
    portals(&world, 1_000..1_002).await;
    let scope = PortalScope::from_grant(HubId(1_000));
    let mut tx = world.db.begin(scope).await.unwrap();
    portal_keys::delete_secrets(&mut tx, scope).await.unwrap();
    portal_keys::delete(&mut tx, scope).await.unwrap();
    portal_keys::save_use(&mut tx, scope, "one").await.unwrap();
    tx.commit().await.unwrap();
    let rotated = keys::rotate(&with_keys(&world, &[TWO, ONE])).await.unwrap();
    assert_eq!((rotated.portals, rotated.unreadable.len()), (2, 0));
    keys::check(&with_keys(&world, &[TWO])).await.unwrap();
    world.end().await;
}
