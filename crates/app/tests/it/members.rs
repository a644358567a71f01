//! People: roles that hold at once, nobody without an owner, and who is taken out is signed out.

use app::members::{self, Change, Error, Role};
use app::session::Session;
use domain::UserId;
use sandbox::control::NewPortal;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::harness::{World, empty_world};

const PORTAL: i64 = 77;
const DANA: i64 = 771;
const LEE: i64 = 772;

/// A portal with two people who may both connect apps.
async fn portal() -> World {
    let world = empty_world().await;
    let user = |id, name: &str| sandbox::User {
        id,
        email: format!("{name}@client.example"),
        name: name.into(),
        super_admin: true,
    };
    let new = NewPortal {
        hub_id: PORTAL,
        name: "Other".into(),
        enterprise: true,
        users: vec![user(DANA, "dana"), user(LEE, "lee")],
        organization: None,
        transactions: 0,
        recipients: None,
    };
    world.control.add_portal(&new).unwrap();
    world
}

/// Signs a person in.
async fn sign_in(world: &World, user_id: i64) -> (String, Session) {
    let started = world.begin(None).await;
    let back = world.consent(&started, PORTAL, Some(user_id)).await;
    let completed = world.complete(&back).await.unwrap();
    let token = completed.session_token.expose_secret().to_owned();
    let session = world.session(&token).await.unwrap();
    (token, session)
}

async fn acts(world: &World, session: &Session, action: &str) -> usize {
    let rows = world.scratch.rows("audit", *session.scope()).await;
    rows.iter().filter(|row| row["action"] == action).count()
}

#[tokio::test]
async fn a_role_holds_at_once_in_an_open_session() {
    let world = portal().await;
    let (_, owner) = sign_in(&world, DANA).await;
    let (token, member) = sign_in(&world, LEE).await;
    assert!(owner.is_owner() && !member.is_owner());
    for (role, is_owner) in [(Role::Owner, true), (Role::Member, false)] {
        members::change(&world.app, &owner, member.user_id, Change::Role(role))
            .await
            .unwrap();
        assert_eq!(world.session(&token).await.unwrap().is_owner(), is_owner);
    }
    assert_eq!(acts(&world, &owner, "member.role").await, 2);
    let rows = world.scratch.rows("audit", *owner.scope()).await;
    let changes = rows.iter().filter(|row| row["action"] == "member.role");
    let changes: Vec<_> = changes
        .map(|row| (row["detail"]["was"].clone(), row["detail"]["role"].clone()))
        .collect();
    let (member, owner) = (json!("member"), json!("owner"));
    assert_eq!(changes, [(member.clone(), owner.clone()), (owner, member)]);
    world.end().await;
}

#[tokio::test]
async fn who_is_removed_is_signed_out_and_can_sign_in_as_a_member() {
    let world = portal().await;
    let (_, owner) = sign_in(&world, DANA).await;
    let (token, other) = sign_in(&world, LEE).await;
    members::change(&world.app, &owner, other.user_id, Change::Role(Role::Owner))
        .await
        .unwrap();
    members::change(&world.app, &owner, other.user_id, Change::Remove)
        .await
        .unwrap();
    assert!(world.session(&token).await.is_none());
    let again = members::change(&world.app, &owner, other.user_id, Change::Remove).await;
    assert!(matches!(again, Err(Error::NotFound)));
    assert_eq!(acts(&world, &owner, "member.remove").await, 1);
    let (_, back) = sign_in(&world, LEE).await;
    assert!(
        !back.is_owner(),
        "HubSpot lets them in, but not as an owner"
    );
    world.end().await;
}

#[tokio::test]
async fn the_last_owner_stays_one_also_when_two_leave_at_once() {
    let world = portal().await;
    let (_, one) = sign_in(&world, DANA).await;
    for change in [Change::Remove, Change::Role(Role::Member)] {
        let refused = members::change(&world.app, &one, one.user_id, change).await;
        assert!(matches!(refused, Err(Error::LastOwner)), "{change:?}");
    }
    let (_, two) = sign_in(&world, LEE).await;
    let nobody = members::change(&world.app, &one, UserId(999), Change::Remove).await;
    assert!(matches!(nobody, Err(Error::NotFound)));
    for _ in 0..5 {
        let promote = Change::Role(Role::Owner);
        let owners = members::list(&world.app, *one.scope()).await.unwrap();
        let owner = owners
            .iter()
            .find(|member| member.role == Role::Owner)
            .unwrap();
        let by = if owner.user_id == one.user_id {
            &one
        } else {
            &two
        };
        for session in [&one, &two] {
            members::change(&world.app, by, session.user_id, promote)
                .await
                .unwrap();
        }
        let demote = Change::Role(Role::Member);
        let (a, b) = tokio::join!(
            members::change(&world.app, &one, one.user_id, demote),
            members::change(&world.app, &two, two.user_id, demote)
        );
        assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    }
    world.end().await;
}
