//! What does not get through: shown by reason and by row, tried again, given up.

use axum::http::StatusCode;
use domain::status::StatusEntry;
use domain::transaction::Person;
use domain::{RunId, Transaction, TransactionId};
use serde_json::Value;
use store::transactions::{LedgerRow, Refused};

use crate::harness::{HUB, OWNER, World, now, scope, world};

const HOSTILE: &str = "<script>alert(1)</script>";

/// HubSpot has refused these gifts, with words that are no markup.
async fn refused(world: &World, ids: &[&str]) {
    let scope = scope();
    let mut tx = world.db.begin(scope).await.unwrap();
    for id in ids {
        let transaction = Transaction {
            id: TransactionId((*id).to_owned()),
            gift_name: Some(HOSTILE.into()),
            gift_type: None,
            amount: None,
            currency: None,
            message: None,
            tracking_url: None,
            delivery_type: None,
            sender: Person::default(),
            recipient: Person::default(),
            reported_status: "sent".into(),
            history: vec![StatusEntry {
                status: "sent".into(),
                at: now(),
            }],
            created_at: now(),
            updated_at: now(),
        };
        let row = LedgerRow {
            transaction: &transaction,
            desired_hash: vec![1],
            is_erased: false,
        };
        store::transactions::upsert_batch(&mut tx, scope, &[row], now())
            .await
            .unwrap();
        let refused = Refused {
            id: transaction.id.clone(),
            code: "INVALID_EMAIL".into(),
            field: Some("recipient_email".into()),
            reason: HOSTILE.into(),
        };
        let run = RunId("01a20000-0000-7000-8000-000000000000".parse().unwrap());
        store::transactions::save_refused(&mut tx, scope, run, &[refused], now())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

async fn press(world: &World, name: &str, fields: &str) -> (StatusCode, Value) {
    let body = format!("csrf_token={}{fields}", world.csrf_token(OWNER.0).await);
    let path = format!("/portals/{HUB}/failures/{name}");
    let json = [("accept", "application/json")];
    let answer = world.post(&path, OWNER.0, &json, &body).await;
    (
        answer.status,
        serde_json::from_str(&answer.body).unwrap_or_default(),
    )
}

#[tokio::test]
async fn failures_are_shown_by_reason_and_by_row_and_their_words_are_text() {
    let world = world().await;
    let path = format!("/portals/{HUB}/failures");
    let empty = world.get(&path, OWNER.0).await;
    assert_eq!(empty.status, StatusCode::OK);
    refused(&world, &["txn_1", "txn_2"]).await;
    let rows = format!("{path}?stage=record&code=INVALID_EMAIL&field=recipient_email");
    for address in [&path, &rows] {
        let page = world.get(address, OWNER.0).await;
        assert_eq!(page.status, StatusCode::OK, "{address}");
        assert!(!page.body.contains(HOSTILE), "{address}");
        assert!(page.body.contains("&#60;script&#62;") || page.body.contains("&lt;script&gt;"));
        assert!(page.body.contains("recipient_email"));
    }
    let page = world.get(&rows, OWNER.0).await;
    assert!(page.body.contains("txn_1") && page.body.contains("txn_2"));
    let after = world
        .get(&format!("{rows}&after=record:txn_1"), OWNER.0)
        .await;
    assert!(!after.body.contains("txn_1<") && after.body.contains("txn_2"));
    let wrong = world.get(&format!("{path}?stage=moon"), OWNER.0).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn one_is_given_up_and_all_are_tried_again() {
    let world = world().await;
    refused(&world, &["txn_1", "txn_2", "txn_3"]).await;
    assert_eq!(world.status().await["failed"], 3);
    let (status, answer) = press(&world, "dismiss", "&stage=record&key=txn_2").await;
    assert_eq!((status, &answer["failures"]), (StatusCode::OK, &1.into()));
    assert_eq!(world.status().await["failed"], 2);
    let (status, answer) = press(&world, "retry", "").await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(
        (&answer["failures"], &answer["kind"]),
        (&3.into(), &"sync".into())
    );
    assert_eq!(world.status().await["failed"], 3, "given up no longer");
    let (status, _) = press(&world, "retry", "&stage=moon").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    // Without script a button leads back to the page.
    let body = format!("csrf_token={}", world.csrf_token(OWNER.0).await);
    let path = format!("/portals/{HUB}/failures");
    let back = world
        .post(&format!("{path}/dismiss"), OWNER.0, &[], &body)
        .await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    assert!(back.header("location").starts_with(&path));
    assert_eq!(world.status().await["failed"], 0);
}
