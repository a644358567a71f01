//! A scratch database with portals in it, and transactions to store.

use chrono::{DateTime, TimeDelta, Utc};
use domain::status::StatusEntry;
use domain::transaction::{DeliveryType, Person};
use domain::{HubId, Transaction, TransactionId};
use rust_decimal::Decimal;
use store::portals::{self, AccountDetails};
use store::testing::ScratchDatabase;
use store::transactions::{self, LedgerRow, Stored};
use store::{Db, PortalScope};

pub struct World {
    pub scratch: ScratchDatabase,
    pub db: Db,
}

pub fn now() -> DateTime<Utc> {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

pub async fn world() -> World {
    let scratch = ScratchDatabase::create().await;
    let db = scratch.db();
    World { scratch, db }
}

impl World {
    /// Installs a portal.
    pub async fn portal(&self, hub_id: i64, time_zone: &str) -> PortalScope {
        let scope = PortalScope::from_grant(HubId(hub_id));
        let details = AccountDetails {
            ui_domain: "app.hubspot.com".into(),
            time_zone: time_zone.into(),
            ..AccountDetails::default()
        };
        let mut tx = self.db.begin(scope).await.unwrap();
        portals::upsert(&mut tx, scope, None, &details, now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        scope
    }

    /// Stores transactions as a page.
    pub async fn store(&self, scope: PortalScope, page: &[Transaction]) -> Stored {
        let rows: Vec<LedgerRow<'_>> = page
            .iter()
            .map(|transaction| LedgerRow {
                transaction,
                desired_hash: hash(transaction),
                is_erased: false,
            })
            .collect();
        let mut tx = self.db.begin(scope).await.unwrap();
        let stored = transactions::upsert_batch(&mut tx, scope, &rows, now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        stored
    }
}

/// A fingerprint good enough for tests.
pub fn hash(transaction: &Transaction) -> Vec<u8> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    domain::record::canonical_bytes(&domain::record::values(transaction)).hash(&mut hasher);
    hasher.finish().to_be_bytes().to_vec()
}

/// A gift that was sent so many hours before now, and what became of it since.
pub fn gift(id: &str, hours_ago: i64, then: &[&str]) -> Transaction {
    let sent = now() - TimeDelta::hours(hours_ago);
    let mut history = vec![StatusEntry {
        status: "sent".into(),
        at: sent,
    }];
    history.extend(then.iter().zip(1..).map(|(status, n)| StatusEntry {
        status: (*status).into(),
        at: sent + TimeDelta::minutes(n),
    }));
    Transaction {
        id: TransactionId(id.into()),
        gift_name: Some("Coffee on us".into()),
        gift_type: Some("Coffee".into()),
        amount: Some(Decimal::new(500, 2)),
        currency: Some("USD".into()),
        message: None,
        tracking_url: None,
        delivery_type: Some(DeliveryType::Email),
        sender: Person::default(),
        recipient: Person {
            name: Some("Sam".into()),
            email: Some(format!("{id}@client.example")),
            phone: None,
        },
        reported_status: history.last().unwrap().status.clone(),
        updated_at: history.last().unwrap().at,
        created_at: sent,
        history,
    }
}
