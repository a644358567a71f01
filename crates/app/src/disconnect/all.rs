//! Ending every connection, as after a breach: each grant is revoked at HubSpot, so that what was stolen is worth nothing.

use std::time::Duration;

use domain::HubId;
use serde_json::{Value, json};
use store::PortalScope;
use tokio::task::JoinSet;
use tokio::time::{self, MissedTickBehavior};
use tracing::Instrument;

use super::{By, Key, TRIES, end, find, revoke};
use crate::crash::{self, Point};
use crate::{App, Error, operator};

/// Between two revocations: twenty a second, so that ten thousand portals take less than ten minutes.
const PACE: Duration = Duration::from_millis(50);
/// Revocations under way at a time.
const AT_ONCE: usize = 16;

/// What became of ending every connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Everybody {
    /// Portals whose grant is revoked and destroyed.
    pub ended: usize,
    /// Portals whose grant HubSpot could not be told to revoke: they are connected still.
    pub left: Vec<HubId>,
}

/// Revokes the grant of every portal and ends its connection and its sessions. Where HubSpot does not answer the tokens stay,
/// because only they can be revoked: call it again; it may be stopped at any moment. Portals get new keys
/// for what is entered from then on. The app stays listed in HubSpot.
pub async fn disconnect_all(app: &App) -> Result<Everybody, Error> {
    note(app, &json!({"begins": true})).await?;
    let mut conn = app.db.unscoped().await?;
    let portals = store::portals::list_not_disconnected(&mut conn).await?;
    drop(conn);
    let mut pace = time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut everybody, mut under_way) = (Everybody::default(), JoinSet::new());
    for scope in portals {
        pace.tick().await;
        if under_way.len() == AT_ONCE
            && let Some(Ok(outcome)) = under_way.join_next().await
        {
            everybody.take(outcome);
        }
        let app = app.clone();
        let span = tracing::error_span!("disconnect", portal.id = %scope.hub_id());
        let ending = async move { (scope.hub_id(), end_one(&app, scope).await) };
        under_way.spawn(ending.instrument(span));
    }
    for outcome in under_way.join_all().await {
        everybody.take(outcome);
    }
    everybody.left.sort_unstable();
    note(
        app,
        &json!({"ended": everybody.ended, "left": everybody.left.len()}),
    )
    .await?;
    Ok(everybody)
}

impl Everybody {
    fn take(&mut self, (hub_id, outcome): (HubId, Result<bool, Error>)) {
        match outcome {
            Ok(was_connected) => self.ended += usize::from(was_connected),
            Err(error) => {
                tracing::warn!(portal.id = %hub_id, %error, "a grant could not be revoked");
                self.left.push(hub_id);
            }
        }
    }
}

/// Revokes one portal's grant and ends its connection; `false` when it has none.
async fn end_one(app: &App, scope: PortalScope) -> Result<bool, Error> {
    for _ in 0..TRIES {
        let Some(connection) = find(app, scope).await? else {
            return Ok(false);
        };
        revoke(app, scope, &connection).await?;
        crash::at(Point::GrantRevoked);
        let detail = json!({"hubspot_told": false, "revoked": true});
        if end(
            app,
            scope,
            Some(&connection),
            Key::Replaced,
            // The command is one act, whatever the number of portals.
            By {
                actor: operator::ACTOR,
                command: None,
            },
            &detail,
        )
        .await?
        {
            return Ok(true);
        }
    }
    Err(Error::Busy)
}

async fn note(app: &App, detail: &Value) -> Result<(), Error> {
    let mut conn = app.db.unscoped().await?;
    store::audit::insert_operators(&mut conn, "disconnect --all", detail, app.now()).await?;
    Ok(())
}
