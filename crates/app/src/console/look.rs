//! Looking at a portal's people and at what did not get through, which is personal data. An operator says why; the portal's people read
//! that in their own trail; after half an hour, or with the session, it is over.

use chrono::{DateTime, TimeDelta, Utc};
use domain::failure::{Failure, Selection};
use serde_json::json;
use store::PortalScope;
use store::members::Member;

use super::{ACTOR, Operator, Reason};
use crate::{App, Error};

/// How long a reason is good.
pub const LOOK: TimeDelta = TimeDelta::minutes(30);
/// Failures of the page.
const FAILURES: i64 = 50;

/// What there is to see.
#[derive(Debug, Clone)]
pub struct Look {
    /// Until when.
    pub until: DateTime<Utc>,
    /// The portal's people.
    pub members: Vec<Member>,
    /// What did not get through: up to 50.
    pub failures: Vec<Failure>,
}

/// Begins to look, or goes on for another half hour.
pub async fn begin(
    app: &App,
    operator: &Operator,
    scope: PortalScope,
    reason: &Reason,
) -> Result<(), Error> {
    let now = app.now();
    let until = now + LOOK;
    let mut tx = app.db.begin(scope).await?;
    store::console::begin_look(&mut tx, scope, operator.token_hash(), until).await?;
    let detail = json!({"reason": reason.as_str(), "until": until});
    store::audit::insert(&mut tx, scope, ACTOR, "operator.look", &detail, now).await?;
    let detail = json!({
        "operator": operator.name, "portal": scope.hub_id(), "reason": reason.as_str(), "until": until,
    });
    store::audit::insert_operators(&mut tx, "console look", &detail, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(())
}

/// Ends the look before its time.
pub async fn end(app: &App, operator: &Operator, scope: PortalScope) -> Result<(), Error> {
    let now = app.now();
    let mut tx = app.db.begin(scope).await?;
    if store::console::end_look(&mut tx, scope, operator.token_hash()).await? {
        let detail = json!({});
        store::audit::insert(&mut tx, scope, ACTOR, "operator.look_end", &detail, now).await?;
        let detail = json!({"operator": operator.name, "portal": scope.hub_id()});
        store::audit::insert_operators(&mut tx, "console look-end", &detail, now).await?;
        tx.commit().await.map_err(store::Error::from)?;
    }
    Ok(())
}

/// What there is to see; `None` for a session that has not said why, or not lately. Nothing of a person is read before that is known.
pub async fn load(
    app: &App,
    operator: &Operator,
    scope: PortalScope,
) -> Result<Option<Look>, Error> {
    let mut tx = app.db.begin(scope).await?;
    let until = store::console::find_look(&mut tx, scope, operator.token_hash(), app.now()).await?;
    let Some(until) = until else { return Ok(None) };
    let members = store::members::list(&mut tx, scope).await?;
    let all = Selection::default();
    let failures = store::failures::list(&mut tx, scope, &all, None, FAILURES).await?;
    Ok(Some(Look {
        until,
        members,
        failures,
    }))
}
