//! Every page of a portal in every state of it.

use axum::http::{Method, StatusCode};
use domain::portal::{Need, NeedCode};
use domain::run::RunKind;
use domain::status::StatusEntry;
use domain::transaction::Person;
use domain::{Transaction, TransactionId};
use store::transactions::LedgerRow;
use web::router::{Kind, ROUTES};

use crate::harness::{HUB, OWNER, World, address, now, scope, world};

const GIFT: &str = "txn_1";

/// Every page, file and JSON of the portal answers, and is whole.
async fn assert_all_answer(world: &World, state: &str, has_gift: bool) {
    let status = world.status().await;
    assert_eq!(status["state"], state, "{status:#}");
    let pages = ROUTES.iter().filter(|route| {
        route.method == Method::GET
            && route.path.contains("{hub_id}")
            && matches!(route.kind, Kind::Page | Kind::Download | Kind::Data)
    });
    for route in pages {
        let is_gift = route.path.contains("{transaction_id}");
        let path = address(route, HUB).replace("txn_none", GIFT);
        let answer = world.get(&path, OWNER.0).await;
        if route.path.contains("{run_id}") || is_gift && !has_gift {
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{state}: {path}");
            continue;
        }
        assert_eq!(answer.status, StatusCode::OK, "{state}: {path}");
        if answer.header("content-type").starts_with("text/html") {
            assert!(answer.body.trim_end().ends_with("</html>"), "{path}");
            assert_eq!(answer.body.matches("<h1").count(), 1, "{state}: {path}");
        }
    }
}

async fn store_gift(world: &World) {
    let transaction = Transaction {
        id: TransactionId(GIFT.into()),
        gift_name: None,
        gift_type: None,
        amount: None,
        currency: None,
        message: None,
        tracking_url: None,
        delivery_type: None,
        sender: Person::default(),
        recipient: Person::default(),
        reported_status: "sparkled".into(),
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
    let mut tx = world.db.begin(scope()).await.unwrap();
    store::transactions::upsert_batch(&mut tx, scope(), &[row], now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn with_no_data_every_page_is_there() {
    assert_all_answer(&world().await, "active", false).await;
}

#[tokio::test]
async fn with_one_bare_gift_every_page_is_there() {
    let world = world().await;
    store_gift(&world).await;
    assert_all_answer(&world, "active", true).await;
}

#[tokio::test]
async fn during_the_backfill_every_page_is_there() {
    let world = world().await;
    store_gift(&world).await;
    world.forget_backfill().await;
    let mut tx = world.db.begin(scope()).await.unwrap();
    store::runs::lock(&mut tx, scope()).await.unwrap();
    store::runs::request(&mut tx, scope(), RunKind::Backfill, "user:1", now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_all_answer(&world, "backfilling", true).await;
}

#[tokio::test]
async fn during_a_pause_every_page_is_there() {
    let world = world().await;
    store_gift(&world).await;
    let mut tx = world.db.begin(scope()).await.unwrap();
    store::portals::save_paused(&mut tx, scope(), Some(now()))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_all_answer(&world, "paused", true).await;
}

#[tokio::test]
async fn while_set_up_is_incomplete_every_page_is_there() {
    let world = world().await;
    store_gift(&world).await;
    let need = Need {
        code: NeedCode::ScopeMissing,
        detail: "HubSpot did not grant something.".into(),
        remedy: "Grant it.".into(),
    };
    let mut tx = world.db.begin(scope()).await.unwrap();
    store::portals::save_needs(&mut tx, scope(), &[need], None, now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_all_answer(&world, "needs_setup", true).await;
}

#[tokio::test]
async fn once_disconnected_every_page_is_there() {
    let world = world().await;
    store_gift(&world).await;
    let need = Need {
        code: NeedCode::AuthorizationLost,
        detail: "This portal was disconnected.".into(),
        remedy: "Install the app again.".into(),
    };
    let mut tx = world.db.begin(scope()).await.unwrap();
    store::portals::disconnect(&mut tx, scope(), &need, now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_all_answer(&world, "disconnected", true).await;
}
