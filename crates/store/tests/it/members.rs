//! The people of a portal: one owner at least, whatever happens at the same time.

use chrono::TimeDelta;
use domain::{SessionId, UserId};
use store::PortalScope;
use store::members::{self, Role};
use store::sessions;
use uuid::Uuid;

use crate::harness::{World, now, world};

async fn join(world: &World, portal: PortalScope, people: &[i64]) {
    let mut tx = world.db.begin(portal).await.unwrap();
    for id in people {
        let email = format!("{id}@client.example");
        members::upsert(&mut tx, portal, UserId(*id), Some(&email), now())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

async fn set(world: &World, portal: PortalScope, id: i64, role: Role) {
    let mut tx = world.db.begin(portal).await.unwrap();
    assert!(
        members::save_role(&mut tx, portal, UserId(id), role)
            .await
            .unwrap()
    );
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn owners_are_listed_first_and_strangers_are_nobody() {
    let world = world().await;
    let (portal, other) = (world.portal(1, "UTC").await, world.portal(2, "UTC").await);
    join(&world, portal, &[1, 2, 3]).await;
    join(&world, other, &[4]).await;
    set(&world, portal, 3, Role::Owner).await;
    let mut tx = world.db.begin(portal).await.unwrap();
    let all = members::list(&mut tx, portal).await.unwrap();
    let ids: Vec<i64> = all.iter().map(|member| member.user_id.0).collect();
    assert_eq!(ids, [1, 3, 2]);
    assert_eq!(all[2].role, Role::Member);
    for stranger in [4, 9] {
        let id = UserId(stranger);
        assert!(
            !members::save_role(&mut tx, portal, id, Role::Owner)
                .await
                .unwrap()
        );
        assert!(!members::delete(&mut tx, portal, id).await.unwrap());
    }
}

#[tokio::test]
async fn of_two_owners_who_leave_at_once_the_second_sees_that_it_is_the_last() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    join(&world, portal, &[1, 2]).await;
    set(&world, portal, 2, Role::Owner).await;
    let mut first = world.db.begin(portal).await.unwrap();
    assert_eq!(
        members::lock_owners(&mut first, portal).await.unwrap(),
        [UserId(1), UserId(2)]
    );
    let second = tokio::spawn({
        let db = world.db.clone();
        async move {
            let mut tx = db.begin(portal).await.unwrap();
            members::lock_owners(&mut tx, portal).await.unwrap()
        }
    });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!second.is_finished(), "the second waits");
    members::delete(&mut first, portal, UserId(1))
        .await
        .unwrap();
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap(), [UserId(2)]);
}

#[tokio::test]
async fn a_persons_sessions_end_in_all_portals_and_nobody_elses() {
    let world = world().await;
    let (portal, other) = (world.portal(1, "UTC").await, world.portal(2, "UTC").await);
    for (scope, token, person) in [
        (portal, [1_u8; 32], 1),
        (portal, [2; 32], 2),
        (other, [3; 32], 1),
    ] {
        let mut tx = world.db.begin(scope).await.unwrap();
        members::upsert(&mut tx, scope, UserId(person), None, now())
            .await
            .unwrap();
        sessions::insert(&mut tx, scope, &token, UserId(person), None, now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = world.db.begin(portal).await.unwrap();
    assert_eq!(sessions::count(&mut tx, portal, now()).await.unwrap(), 2);
    let later = now() + sessions::IDLE;
    assert_eq!(sessions::count(&mut tx, portal, later).await.unwrap(), 0);
    sessions::delete_of(&mut tx, UserId(1)).await.unwrap();
    let mut open = Vec::new();
    for token in [[1_u8; 32], [2; 32], [3; 32]] {
        let found = sessions::find(&mut tx, &token, now()).await.unwrap();
        open.push(found.is_some());
    }
    assert_eq!(open, [false, true, false]);
}

#[tokio::test]
async fn a_person_lists_and_ends_their_own_sessions_of_one_portal() {
    let world = world().await;
    let (portal, other) = (world.portal(1, "UTC").await, world.portal(2, "UTC").await);
    let later = now() + TimeDelta::minutes(5);
    for (scope, token, person, browser, at) in [
        (portal, [1_u8; 32], 1, Some("Firefox on Windows"), now()),
        (portal, [2; 32], 1, None, now()),
        (portal, [3; 32], 1, None, later),
        (portal, [4; 32], 2, None, now()),
        (other, [5; 32], 1, None, now()),
    ] {
        join(&world, scope, &[person]).await;
        let mut tx = world.db.begin(scope).await.unwrap();
        sessions::insert(&mut tx, scope, &token, UserId(person), browser, at)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = world.db.begin(portal).await.unwrap();
    let mine = sessions::list_of(&mut tx, portal, UserId(1), &[1; 32], later)
        .await
        .unwrap();
    let told: Vec<_> = mine
        .iter()
        .map(|one| (one.browser.as_deref(), one.created_at, one.is_current))
        .collect();
    let expected = [
        (Some("Firefox on Windows"), now(), true),
        (None, later, false),
        (None, now(), false),
    ];
    assert_eq!(told, expected);
    let idle = now() + sessions::IDLE;
    let open = sessions::list_of(&mut tx, portal, UserId(1), &[1; 32], idle).await;
    assert_eq!(open.unwrap().len(), 1);

    let theirs = sessions::list_of(&mut tx, portal, UserId(2), &[4; 32], later).await;
    let theirs = theirs.unwrap()[0].session_id;
    let elsewhere = sessions::list_of(&mut tx, other, UserId(1), &[5; 32], later).await;
    let elsewhere = elsewhere.unwrap()[0].session_id;
    for id in [theirs, elsewhere, SessionId(Uuid::nil())] {
        let ended = sessions::delete_one_of(&mut tx, portal, UserId(1), id).await;
        assert_eq!(ended.unwrap(), None);
    }
    for expected in [Some(vec![3; 32]), None] {
        let id = mine[1].session_id;
        let ended = sessions::delete_one_of(&mut tx, portal, UserId(1), id).await;
        assert_eq!(ended.unwrap(), expected);
    }
    assert_eq!(sessions::count(&mut tx, portal, later).await.unwrap(), 3);
}

#[tokio::test]
async fn a_session_has_its_members_role_and_ends_with_the_membership() {
    let world = world().await;
    let portal = world.portal(1, "UTC").await;
    let token = [7_u8; 32];
    let mut tx = world.db.begin(portal).await.unwrap();
    sessions::insert(&mut tx, portal, &[8; 32], UserId(2), None, now())
        .await
        .expect_err("nobody signs in who is no member");
    drop(tx);

    let mut tx = world.db.begin(portal).await.unwrap();
    members::upsert(&mut tx, portal, UserId(1), Some("ana@acme.example"), now())
        .await
        .unwrap();
    sessions::insert(&mut tx, portal, &token, UserId(1), None, now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let find = async || {
        // In no transaction and in no portal, as every request begins.
        let mut conn = world.db.unscoped().await.unwrap();
        sessions::find(&mut conn, &token, now()).await.unwrap()
    };
    let found = find().await.unwrap();
    assert_eq!((found.role, found.scope), (Role::Owner, portal));
    assert_eq!(found.email.as_deref(), Some("ana@acme.example"));

    let mut tx = world.db.begin(portal).await.unwrap();
    members::save_role(&mut tx, portal, UserId(1), Role::Member)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(find().await.unwrap().role, Role::Member);

    let mut tx = world.db.begin(portal).await.unwrap();
    members::delete(&mut tx, portal, UserId(1)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(find().await, None);
}
