//! Notices: said and delivered for one portal, found over all of them by a board that tells nothing.

use chrono::TimeDelta;
use domain::notice::{Channel, Notice, NoticeKind};
use domain::trouble::{Said, Trouble};
use store::notices::{self, DeliveryState, Outcome, Target};
use store::{PortalScope, Sealed, troubles};

use crate::harness::{World, now, world};

fn target(name: &str) -> Target {
    Target {
        channel: if name.contains('@') {
            Channel::Email
        } else {
            Channel::Webhook
        },
        name: name.to_owned(),
    }
}

async fn say(world: &World, scope: PortalScope, names: &[&str]) {
    let targets: Vec<Target> = names.iter().map(|name| target(name)).collect();
    let mut tx = world.db.begin(scope).await.unwrap();
    notices::insert(&mut tx, scope, &Notice::Test, &targets, now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// Portals that the board gives at this minute; they are not given again for one.
async fn due(world: &World, minute: i64) -> Vec<PortalScope> {
    let at = now() + TimeDelta::minutes(minute);
    let mut tx = world.db.begin_unscoped().await.unwrap();
    let due = notices::take_due(&mut tx, 10, at, at + TimeDelta::minutes(1)).await;
    tx.commit().await.unwrap();
    due.unwrap()
}

async fn lease(world: &World, scope: PortalScope, minute: i64) -> Option<notices::Leased> {
    let at = now() + TimeDelta::minutes(minute);
    let mut tx = world.db.begin(scope).await.unwrap();
    let leased = notices::lease(&mut tx, scope, at, at + TimeDelta::minutes(1)).await;
    tx.commit().await.unwrap();
    leased.unwrap()
}

async fn end(world: &World, scope: PortalScope, leased: &notices::Leased, outcome: Outcome<'_>) {
    let mut tx = world.db.begin(scope).await.unwrap();
    notices::save_outcome(&mut tx, scope, leased, outcome, now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_notice_that_is_rolled_back_was_never_said() {
    let world = world().await;
    let a = world.portal(1, "UTC").await;
    let mut tx = world.db.begin(a).await.unwrap();
    notices::insert(
        &mut tx,
        a,
        &Notice::AuthorizationLost,
        &[target("a@x.example")],
        now(),
    )
    .await
    .unwrap();
    drop(tx);
    assert_eq!(due(&world, 0).await, []);
    assert_eq!(world.scratch.rows("notices", a).await.len(), 0);
}

#[tokio::test]
async fn the_board_holds_numbers_and_times_and_gives_each_portal_to_one_worker() {
    let world = world().await;
    let (a, b) = (world.portal(1, "UTC").await, world.portal(2, "UTC").await);
    say(&world, a, &["a@x.example", "hooks.example"]).await;
    say(&world, b, &["b@x.example"]).await;
    let board = world.scratch.rows_of_all("notice_board").await;
    for row in &board {
        let columns: Vec<_> = row.as_object().unwrap().keys().cloned().collect();
        assert_eq!(columns, ["due_at", "hub_id"]);
    }
    let mut given = due(&world, 0).await;
    given.sort_by_key(|scope| scope.hub_id());
    assert_eq!(given, [a, b]);
    assert_eq!(due(&world, 0).await, []);
    // Whoever took them has died.
    assert_eq!(due(&world, 1).await.len(), 2);
    // The rows themselves are one portal's.
    assert!(lease(&world, b, 0).await.is_some());
    assert!(lease(&world, b, 0).await.is_none());
}

#[tokio::test]
async fn an_attempt_is_leased_once_and_repeated_when_its_lease_is_over() {
    let world = world().await;
    let a = world.portal(1, "UTC").await;
    say(&world, a, &["a@x.example"]).await;
    let first = lease(&world, a, 0).await.unwrap();
    assert_eq!((first.attempt, first.target.as_str()), (1, "a@x.example"));
    assert_eq!(lease(&world, a, 0).await, None);
    let second = lease(&world, a, 2).await.unwrap();
    assert_eq!((second.attempt, second.notice_id), (2, first.notice_id));
    // The first one's failure comes late and says nothing; its success would.
    end(&world, a, &first, Outcome::Failed("late", None)).await;
    let rows = world.scratch.rows("notice_deliveries", a).await;
    assert_eq!(
        (&rows[0]["state"], &rows[0]["last_error"]),
        (&"pending".into(), &().into())
    );
    end(&world, a, &first, Outcome::Delivered).await;
    end(&world, a, &second, Outcome::Failed("too late", None)).await;
    let rows = world.scratch.rows("notice_deliveries", a).await;
    assert_eq!(rows[0]["state"], "delivered");
    assert_eq!(world.scratch.rows_of_all("notice_board").await.len(), 0);
}

#[tokio::test]
async fn the_board_follows_what_is_due_next() {
    let world = world().await;
    let a = world.portal(1, "UTC").await;
    say(&world, a, &["a@x.example", "hooks.example"]).await;
    for again_at in [
        now() + TimeDelta::minutes(30),
        now() + TimeDelta::minutes(5),
    ] {
        let leased = lease(&world, a, 0).await.unwrap();
        end(&world, a, &leased, Outcome::Failed("no", Some(again_at))).await;
    }
    assert_eq!(due(&world, 4).await, []);
    assert_eq!(due(&world, 5).await, [a]);
    // What is said meanwhile is due at once.
    say(&world, a, &["b@x.example"]).await;
    assert_eq!(due(&world, 0).await, [a]);
    let mut tx = world.db.begin(a).await.unwrap();
    let listed = notices::list_latest(&mut tx, a, 20).await.unwrap();
    let waits: Vec<_> = listed
        .iter()
        .filter(|line| line.last_error.is_some())
        .map(|line| line.state.clone())
        .collect();
    assert_eq!(waits.len(), 2);
    assert!(waits.contains(&DeliveryState::Pending(now() + TimeDelta::minutes(30))));
}

#[tokio::test]
async fn notices_of_a_season_ago_go_with_the_next_one() {
    let world = world().await;
    let a = world.portal(1, "UTC").await;
    let mut tx = world.db.begin(a).await.unwrap();
    for days in [91, 89, 0] {
        let at = now() - TimeDelta::days(days);
        notices::insert(&mut tx, a, &Notice::Test, &[target("a@x.example")], at)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(world.scratch.rows("notices", a).await.len(), 2);
    assert_eq!(world.scratch.rows("notice_deliveries", a).await.len(), 2);
}

#[tokio::test]
async fn settings_and_secrets_are_kept_apart() {
    let world = world().await;
    let (a, b) = (world.portal(1, "UTC").await, world.portal(2, "UTC").await);
    let mut tx = world.db.begin(a).await.unwrap();
    let kinds = [NoticeKind::Recovered, NoticeKind::SyncFailing];
    let emails = ["a@x.example".to_owned()];
    let url = Some("https://hooks.example/x");
    notices::save_settings(&mut tx, a, &emails, &kinds, url, now())
        .await
        .unwrap();
    let (old, new) = (Sealed(vec![1]), Sealed(vec![2]));
    notices::save_secret(&mut tx, a, &old, None, now())
        .await
        .unwrap();
    notices::save_settings(&mut tx, a, &[], &kinds, None, now())
        .await
        .unwrap();
    let kept = notices::find_settings(&mut tx, a).await.unwrap().unwrap();
    assert!(kept.secret == Some(Sealed(vec![1])) && kept.former_secret.is_none());
    assert_eq!((kept.kinds, kept.emails.len()), (kinds.to_vec(), 0));
    notices::save_secret(&mut tx, a, &new, Some(&old), now())
        .await
        .unwrap();
    let kept = notices::find_settings(&mut tx, a).await.unwrap().unwrap();
    assert!(kept.former_secret == Some((old, now())) && kept.secret == Some(new));
    let many: Vec<String> = (0..11).map(|n| format!("a{n}@x.example")).collect();
    let refused = notices::save_settings(&mut tx, a, &many, &kinds, None, now()).await;
    assert!(refused.is_err());
    drop(tx);
    let mut tx = world.db.begin(b).await.unwrap();
    assert!(notices::find_settings(&mut tx, b).await.unwrap().is_none());
}

#[tokio::test]
async fn no_trouble_leaves_no_row() {
    let world = world().await;
    let a = world.portal(1, "UTC").await;
    let mut tx = world.db.begin(a).await.unwrap();
    assert_eq!(
        troubles::find(&mut tx, a).await.unwrap(),
        Trouble::default()
    );
    let trouble = Trouble {
        since: Some(now()),
        failures: 2,
        said: Some(Said::AuthorizationLost),
    };
    troubles::save(&mut tx, a, &trouble).await.unwrap();
    assert_eq!(troubles::find(&mut tx, a).await.unwrap(), trouble);
    troubles::save(&mut tx, a, &Trouble::default())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.scratch.rows("portal_troubles", a).await.len(), 0);
}
