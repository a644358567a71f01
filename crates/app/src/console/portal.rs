//! One portal, without anything of a person: who asked for a run is told by kind, never by number or name.

use chrono::{DateTime, TimeDelta, Utc};
use domain::HubId;
use domain::portal::PortalStatus;
use hubspot::Used;
use store::PortalScope;
pub use store::console::Facts;

use super::Operator;
use crate::chain::{End, Ends};
use crate::portals::PortalSummary;
use crate::runs::{self, Account};
use crate::{App, Error, status};

/// One portal.
#[derive(Debug, Clone)]
pub struct PortalView {
    /// What it is called.
    pub summary: PortalSummary,
    /// Where it stands.
    pub status: PortalStatus,
    /// Where its next sync begins.
    pub synced_through: Option<DateTime<Utc>>,
    /// Ages and counts.
    pub facts: Facts,
    /// Its runs, the newest first.
    pub runs: Vec<Account>,
    /// Calls to HubSpot of the runs of the last day.
    pub calls_of_a_day: i64,
    /// What it has used of its budget; `None` when it cannot be told now.
    pub used: Option<Used>,
    /// Where its trail of acts ends.
    pub acts: Option<End>,
    /// Where its chain of writes ends.
    pub writes: Option<End>,
    /// Until when this session may look at people and gifts.
    pub look_until: Option<DateTime<Utc>>,
}

/// The way to the rows of a portal that an operator names; `None` when there is no such portal.
pub async fn find(app: &App, hub_id: HubId) -> Result<Option<PortalScope>, Error> {
    let mut conn = app.db.unscoped().await?;
    Ok(store::console::find(&mut conn, hub_id).await?)
}

/// The portal, as this operator sees it.
pub async fn load(app: &App, operator: &Operator, scope: PortalScope) -> Result<PortalView, Error> {
    let now = app.now();
    let mut tx = app.db.begin(scope).await?;
    let portal = store::portals::find(&mut tx, scope)
        .await?
        .ok_or(Error::NotConnected)?;
    let status = status::read(&mut tx, scope, &portal).await?;
    let facts = store::console::find_facts(&mut tx, scope)
        .await?
        .ok_or(Error::NotConnected)?;
    let runs = store::runs::list(&mut tx, scope, None, runs::PAGE).await?;
    let since = now - TimeDelta::days(1);
    let calls_of_a_day = store::console::count_calls(&mut tx, scope, since).await?;
    let ends = Ends::find(app, &mut tx, scope).await?;
    let look_until = store::console::find_look(&mut tx, scope, operator.token_hash(), now).await?;
    drop(tx);
    let used = app.hubspot.used(&[scope.hub_id()]).await;
    Ok(PortalView {
        summary: PortalSummary::of(scope, &portal),
        status,
        synced_through: portal.synced_through,
        facts,
        runs: runs.into_iter().map(Account::from).collect(),
        calls_of_a_day,
        used: used.and_then(|used| used.first().copied()),
        acts: ends.acts,
        writes: ends.writes,
        look_until,
    })
}
