//! Portals, people and gifts for benches and tests, written as install, set-up and a first backfill leave them, without
//! the way there.

use chrono::TimeDelta;
use domain::{HubId, Transaction, UserId, scopes};
use secrecy::SecretString;
use store::connections::Grant;
use store::portal_keys::Secret;
use store::portals::{AccountDetails, AssociationType, AssociationTypes};
use store::thnks_connections::ThnksConnection;
use store::transactions::LedgerRow;
use store::{PortalScope, Sealed};

use crate::{App, Error, access, cipher, erase, keys, retention, tokens};

/// Longer than any bench: nothing is refreshed.
const TOKEN_LIFE: TimeDelta = TimeDelta::days(30);

/// The tombstones that a log has kept of these identifiers, and that the portal's database has lost with their key.
pub async fn lost_tombstones(
    app: &App,
    scope: PortalScope,
    identifiers: &[&str],
) -> Result<erase::TombstoneSet, Error> {
    let mut tx = app.db.begin(scope).await?;
    let set = erase::TombstoneSet::made(app, &mut tx, scope, identifiers).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(set)
}

/// Writes a portal that is connected to both sides, backfilled up to now and idle, in one transaction. Its tokens mean
/// nothing to HubSpot; no sync is planned yet.
pub async fn insert_idle_portal(
    app: &App,
    hub_id: HubId,
    thnks_key: &SecretString,
) -> Result<(), Error> {
    let (scope, now) = (PortalScope::from_grant(hub_id), app.now());
    let token = SecretString::from("no token of HubSpot's");
    let details = AccountDetails {
        ui_domain: "app.hubspot.com".into(),
        time_zone: "UTC".into(),
        ..AccountDetails::default()
    };
    let types = AssociationTypes {
        contact: Some(AssociationType {
            category: "USER_DEFINED".into(),
            type_id: 1,
        }),
        ..AssociationTypes::default()
    };
    let mut tx = app.db.begin(scope).await?;
    store::portals::upsert(&mut tx, scope, None, &details, now).await?;
    let key = keys::of_portal(app, &mut tx, scope).await?;
    let (access_token, refresh_token) = access::seal_tokens(&key, &token, &token);
    let grant = Grant {
        access_token: &access_token,
        refresh_token: &refresh_token,
        refresh_at: now + TOKEN_LIFE,
        expires_at: now + TOKEN_LIFE,
        scopes: &scopes::REQUIRED.map(str::to_owned),
    };
    let connection = ThnksConnection {
        api_key: &key.seal(Secret::ThnksKey, thnks_key),
        organization_id: None,
        organization_name: None,
    };
    store::connections::upsert(&mut tx, scope, &grant).await?;
    store::thnks_connections::upsert(&mut tx, scope, &connection, now).await?;
    store::portals::save_object(&mut tx, scope, "2-1", &types).await?;
    store::portals::save_synced_through(&mut tx, scope, now).await?;
    store::portals::save_backfilled(&mut tx, scope, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// Every secret that an installed portal has, with its text sealed as it was before portals had keys.
pub async fn seal_as_before(app: &App, scope: PortalScope) -> Result<Vec<(Secret, Sealed)>, Error> {
    let mut tx = app.db.begin(scope).await?;
    let key = keys::of_portal(app, &mut tx, scope).await?;
    let secrets = store::portal_keys::list_secrets(&mut tx, scope).await?;
    secrets
        .into_iter()
        .map(|(secret, sealed)| {
            let text = key.open(secret, &sealed)?;
            let sealed = cipher::at(scope.hub_id(), secret, |place| app.keys.seal(place, &text));
            Ok((secret, sealed))
        })
        .collect()
}

/// Whether the portal's own key has sealed every secret of it.
pub async fn all_by_portal(app: &App, scope: PortalScope) -> bool {
    let secrets = async {
        let mut tx = app.db.begin(scope).await?;
        store::portal_keys::list_secrets(&mut tx, scope).await
    };
    secrets
        .await
        .is_ok_and(|secrets| secrets.iter().all(|(_, sealed)| sealed.is_by_portal()))
}

/// The name of the portal's key; made when it has none.
pub async fn portal_key_id(app: &App, scope: PortalScope) -> Result<String, Error> {
    let mut tx = app.db.begin(scope).await?;
    let id = keys::of_portal(app, &mut tx, scope).await?.id().to_owned();
    tx.commit().await.map_err(store::Error::from)?;
    Ok(id)
}

/// Begins to erase a portal whose time is over: its key is gone, and nothing else.
pub async fn begin_erasing(app: &App, scope: PortalScope) -> Result<(), Error> {
    retention::erase(app, scope, 1).await.map(drop)
}

/// Whether the portal's Thnks key, as it was sealed, opens with what the portal has.
pub async fn opens_thnks_key(app: &App, scope: PortalScope, sealed: &Sealed) -> bool {
    let opened = async {
        let mut tx = app.db.begin(scope).await?;
        let key = keys::of_portal(app, &mut tx, scope).await?;
        key.open(Secret::ThnksKey, sealed)
    };
    opened.await.is_ok()
}

/// Signs a person in who owns the portal; the cookie's token.
pub async fn sign_in(app: &App, hub_id: HubId, user_id: UserId) -> Result<String, Error> {
    let (scope, now) = (PortalScope::from_grant(hub_id), app.now());
    let token = tokens::random();
    let mut tx = app.db.begin(scope).await?;
    store::members::upsert(&mut tx, scope, user_id, Some("admin@bench.example"), now).await?;
    store::sessions::insert(&mut tx, scope, &tokens::hash(&token), user_id, None, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(token)
}

/// Stores gifts as a page of Thnks brings them.
pub async fn store_gifts(app: &App, hub_id: HubId, gifts: &[Transaction]) -> Result<(), Error> {
    let scope = PortalScope::from_grant(hub_id);
    let rows: Vec<LedgerRow<'_>> = gifts
        .iter()
        .map(|transaction| LedgerRow {
            transaction,
            desired_hash: erase::desired_hash(transaction),
            is_erased: false,
        })
        .collect();
    let mut tx = app.db.begin(scope).await?;
    store::transactions::upsert_batch(&mut tx, scope, &rows, app.now()).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// Plans the next sync of these portals, each at its own place in the interval.
pub async fn plan_syncs(app: &App, hub_ids: &[HubId]) -> Result<(), Error> {
    let now = app.now();
    for hub_id in hub_ids {
        let scope = PortalScope::from_grant(*hub_id);
        let mut tx = app.db.begin(scope).await?;
        store::schedule::plan(&mut tx, scope, app.config.sync_interval, now).await?;
        tx.commit().await.map_err(store::Error::from)?;
    }
    Ok(())
}
