//! People of a portal: seen, promoted, removed.

use axum::http::StatusCode;
use serde_json::Value;

use crate::harness::{Answer, HUB, MEMBER, OWNER, World, world};

const JSON: [(&str, &str); 1] = [("accept", "application/json")];

async fn change(world: &World, user_id: &str, fields: &str, more: &[(&str, &str)]) -> Answer {
    let body = format!("csrf_token={}&{fields}", world.csrf_token(OWNER.0).await);
    let path = format!("/portals/{HUB}/settings/members/{user_id}");
    world.post(&path, OWNER.0, more, &body).await
}

#[tokio::test]
async fn everybody_sees_who_is_there_and_owners_have_buttons() {
    let world = world().await;
    let path = format!("/portals/{HUB}/settings/members");
    let page = world.get(&path, OWNER.0).await;
    assert_eq!(page.status, StatusCode::OK);
    for text in [
        "ana@northwind.example",
        "Owner",
        "Member",
        "The only owner stays one",
        "http://localhost:3000/login",
    ] {
        assert!(page.body.contains(text), "{text}");
    }
    assert!(page.body.contains("/settings/members/2\""));
    assert!(
        !page.body.contains("/settings/members/1\""),
        "the last owner has no form"
    );
    let page = world.get(&path, MEMBER.0).await;
    assert!(!page.body.contains("/settings/members/2\"") && !page.body.contains("/disconnect"));
}

#[tokio::test]
async fn a_role_holds_at_once() {
    let world = world().await;
    let done = change(&world, "2", "role=owner", &[]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    let path = format!("/portals/{HUB}/disconnect");
    assert_eq!(world.get(&path, MEMBER.0).await.status, StatusCode::OK);
    let done = change(&world, "2", "role=member", &JSON).await;
    assert_eq!(done.status, StatusCode::ACCEPTED);
    let answer: Value = serde_json::from_str(&done.body).unwrap();
    assert_eq!(
        (&answer["user_id"], &answer["role"]),
        (&2.into(), &"member".into())
    );
    assert_eq!(
        world.get(&path, MEMBER.0).await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn who_is_removed_has_no_session_any_more() {
    let world = world().await;
    assert_eq!(
        change(&world, "2", "remove=1", &[]).await.status,
        StatusCode::SEE_OTHER
    );
    let after = world.get("/portals", MEMBER.0).await;
    assert_eq!(after.header("location"), "/login");
    assert_eq!(
        change(&world, "2", "remove=1", &[]).await.status,
        StatusCode::NOT_FOUND
    );
    for nobody in ["3", "moon"] {
        assert_eq!(
            change(&world, nobody, "role=owner", &[]).await.status,
            StatusCode::NOT_FOUND
        );
    }
}

#[tokio::test]
async fn an_owner_may_leave_once_there_is_another_and_the_last_may_not() {
    let world = world().await;
    for fields in ["remove=1", "role=member"] {
        let page = change(&world, "1", fields, &[]).await;
        assert_eq!(page.status, StatusCode::CONFLICT);
        assert!(page.body.contains("A portal always has an owner"));
        let data = change(&world, "1", fields, &JSON).await;
        assert!(data.body.contains("\"last_owner\""));
    }
    for wrong in ["role=emperor", "", "role=owner&remove=1", "remove=0"] {
        let page = change(&world, "2", wrong, &[]).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    change(&world, "2", "role=owner", &[]).await;
    let left = change(&world, "1", "remove=1", &[]).await;
    assert_eq!(left.header("location"), "/");
    assert_eq!(
        world.get("/portals", OWNER.0).await.header("location"),
        "/login"
    );
}
