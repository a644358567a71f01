//! Two tenants with the same things in them: a gift of which both have one, a gift of which only the other has one, a run,
//! settings and people. What is theirs bears a mark by which it is known wherever it comes up.

use domain::association::{Decision, Outcome};
use domain::status::StatusEntry;
use domain::transaction::Person;
use domain::{HubId, RecordId, RunId, Transaction, TransactionId, UserId};
use store::PortalScope;
use store::associations::Decided;
use store::transactions::{LedgerRow, Refused, Written};

use crate::harness::{Answer, HUB, OTHER, OTHER_HUB, OWNER, World, now, traffic, world};
use crate::notices::with_notify;

/// Stands in whatever is the other tenant's.
pub const THEIR_MARK: &str = "Secret of the others";
/// In both portals.
const SHARED_GIFT: &str = "txn_both";
/// In the other portal alone.
const THEIR_GIFT: &str = "txn_theirs";

/// What stands in an address below a portal.
#[derive(Clone)]
pub struct Ids {
    pub gift: String,
    pub run: String,
    pub user: String,
    pub session: String,
}

impl Ids {
    /// Of nobody.
    pub fn of_nobody() -> Self {
        Self {
            gift: "txn_none".into(),
            run: "01a20000-0000-7000-8000-000000000000".into(),
            user: "99".into(),
            session: "01a20000-0000-7000-8000-000000000000".into(),
        }
    }

    /// `text` with the ids in place of what stands in braces.
    pub fn put_into(&self, text: &str) -> String {
        text.replace("{transaction_id}", &self.gift)
            .replace("{run_id}", &self.run)
            .replace("{user_id}", &self.user)
            .replace("{session_id}", &self.session)
    }
}

pub struct Tenants {
    pub world: World,
    /// In the portal [`HUB`], whose owner is [`OWNER`].
    pub mine: Ids,
    /// In [`OTHER_HUB`], and not in [`HUB`].
    pub theirs: Ids,
    /// The name of a file that there is.
    pub file: String,
}

pub async fn tenants() -> Tenants {
    let mut world = world().await;
    let app = with_notify(world.app.clone(), None);
    world.serve_app(app, traffic());
    gift(&world, HUB, SHARED_GIFT, "Coffee on us").await;
    for id in [SHARED_GIFT, THEIR_GIFT] {
        gift(&world, OTHER_HUB, id, THEIR_MARK).await;
    }
    // HubSpot's numbers of people are the same in all portals.
    let other = PortalScope::from_grant(HubId(OTHER_HUB));
    let mut tx = world.db.begin(other).await.unwrap();
    store::members::upsert(&mut tx, other, UserId(2), Some(THEIR_MARK), now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mine = Ids {
        gift: SHARED_GIFT.into(),
        run: settle(&world, HUB, OWNER.0, "mine.example").await,
        user: "2".into(),
        session: world.session_id(1).await,
    };
    let theirs = Ids {
        gift: THEIR_GIFT.into(),
        run: settle(&world, OTHER_HUB, OTHER.0, "theirs.example").await,
        user: "3".into(),
        session: world.session_id(3).await,
    };
    let landing = world.get("/", "").await.body;
    let (_, file) = landing.split_once("\"/static/").unwrap();
    let file = file.split('"').next().unwrap().to_owned();
    Tenants {
        world,
        mine,
        theirs,
        file,
    }
}

/// An owner has settings of their own and asks for a run, whose id comes back.
async fn settle(world: &World, hub_id: i64, token: &str, host: &str) -> String {
    let csrf = world.csrf_token(token).await;
    let json = [("accept", "application/json")];
    let send = async |below: &str, fields: &str| {
        let path = format!("/portals/{hub_id}/{below}");
        let body = format!("csrf_token={csrf}&{fields}");
        let answer = world.post(&path, token, &json, &body).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.body);
        answer
    };
    let hook = format!("kind=recovered&webhook_url=https%3A%2F%2Fhooks.{host}%2Fx");
    send("settings/notifications", &hook).await;
    let run: Answer = send("sync", "").await;
    let run: serde_json::Value = serde_json::from_str(&run.body).unwrap();
    run["id"].as_str().unwrap().to_owned()
}

/// A gift that HubSpot has, whose contact nobody found, and whose last change HubSpot refused.
async fn gift(world: &World, hub_id: i64, id: &str, name: &str) {
    let scope = PortalScope::from_grant(HubId(hub_id));
    let run = RunId(uuid::Uuid::now_v7());
    let transaction = Transaction {
        id: TransactionId(id.to_owned()),
        gift_name: Some(name.to_owned()),
        gift_type: Some(name.to_owned()),
        amount: None,
        currency: None,
        message: Some(name.to_owned()),
        tracking_url: None,
        delivery_type: None,
        sender: Person {
            name: Some(name.to_owned()),
            email: Some(format!("dana@{hub_id}.example")),
            phone: None,
        },
        recipient: Person {
            name: Some(name.to_owned()),
            email: Some(format!("sam@{hub_id}.example")),
            phone: None,
        },
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
    let written = Written {
        id: transaction.id.clone(),
        applied_hash: vec![0],
        record_id: RecordId(77),
    };
    let decided = Decided {
        id: transaction.id.clone(),
        version: 0,
        former: None,
        decision: Decision::new(Outcome::NoContact, now(), Some(run)),
    };
    let refused = Refused {
        id: transaction.id.clone(),
        code: "INVALID_EMAIL".into(),
        field: Some("recipient_email".into()),
        reason: name.to_owned(),
    };
    let mut tx = world.db.begin(scope).await.unwrap();
    store::transactions::upsert_batch(&mut tx, scope, &[row], now())
        .await
        .unwrap();
    store::transactions::save_written(&mut tx, scope, run, &[written], now())
        .await
        .unwrap();
    store::associations::save(&mut tx, scope, run, &[decided])
        .await
        .unwrap();
    store::transactions::save_refused(&mut tx, scope, run, &[refused], now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
}
