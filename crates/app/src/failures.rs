//! What did not get through, and the two things that people do about it: try again, or give up.

use domain::RunId;
use domain::failure::{Failure, Group, Selection};
use domain::portal::PortalState;
use serde_json::json;

use crate::runs::Error;
use crate::session::Session;
use crate::{App, PortalScope, runs, status};

/// How many reasons are shown.
const GROUPS: i64 = 100;
/// Failures of a page.
pub const PAGE: i64 = 50;

/// The failures by reason, the most frequent first.
pub async fn list_groups(app: &App, scope: &PortalScope) -> Result<Vec<Group>, crate::Error> {
    let mut tx = app.db.begin(*scope).await?;
    Ok(store::failures::list_groups(&mut tx, *scope, GROUPS).await?)
}

/// Up to [`PAGE`] failures of a selection, those after the place `after` when it is given.
pub async fn list(
    app: &App,
    scope: &PortalScope,
    selection: &Selection,
    after: Option<&str>,
) -> Result<Vec<Failure>, crate::Error> {
    let mut tx = app.db.begin(*scope).await?;
    Ok(store::failures::list(&mut tx, *scope, selection, after, PAGE).await?)
}

/// What became of a wish to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retried {
    /// How many failures it is about.
    pub failures: i64,
    /// The run that tries them; `None` when there are none.
    pub run_id: Option<RunId>,
}

/// Tries a selection again, given up ones included: they are due, and a sync is asked for. Again is harmless.
pub async fn retry(app: &App, session: &Session, selection: &Selection) -> Result<Retried, Error> {
    let (scope, now, actor) = (*session.scope(), app.now(), session.actor());
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let portal = store::portals::find(&mut tx, scope)
        .await?
        .ok_or(crate::Error::NotConnected)?;
    let state = status::read(&mut tx, scope, &portal).await?.state;
    if !matches!(
        state,
        PortalState::Active | PortalState::Backfilling | PortalState::Paused
    ) {
        return Err(Error::NotPossible { state });
    }
    let failures = store::failures::retry(&mut tx, scope, selection).await?;
    let mut run_id = None;
    if failures > 0 {
        let kind = runs::sync_or_backfill(&portal);
        let requested = store::runs::request(&mut tx, scope, kind, &actor, now).await?;
        run_id = Some(requested.run_id);
        let detail = json!({"selection": selection, "failures": failures, "run": run_id});
        store::audit::insert(&mut tx, scope, &actor, "failures.retry", &detail, now).await?;
    }
    tx.commit().await.map_err(store::Error::from)?;
    Ok(Retried { failures, run_id })
}

/// Gives a selection up as it is now; returns how many. What changes later is tried again by itself.
pub async fn dismiss(
    app: &App,
    session: &Session,
    selection: &Selection,
) -> Result<i64, crate::Error> {
    let (scope, now, actor) = (*session.scope(), app.now(), session.actor());
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let failures = store::failures::dismiss(&mut tx, scope, selection, now).await?;
    if failures > 0 {
        let detail = json!({"selection": selection, "failures": failures});
        store::audit::insert(&mut tx, scope, &actor, "failures.dismiss", &detail, now).await?;
    }
    tx.commit().await.map_err(store::Error::from)?;
    Ok(failures)
}
