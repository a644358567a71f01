//! The schedule and the board, as the worker's relay sees them.

use std::time::Duration;

use domain::RunId;

use crate::crash::{self, Point};
use crate::{App, Error, erase};

/// How many portals one transaction plans for.
const BATCH: i64 = 100;

/// Inserts the runs that are due over all portals; returns how many portals were.
pub async fn insert_due_runs(app: &App) -> Result<usize, Error> {
    let mut inserted = 0;
    loop {
        let mut tx = app.db.begin_unscoped().await?;
        let portals =
            store::schedule::insert_due_runs(&mut tx, app.config.sync_interval, BATCH, app.now())
                .await?;
        tx.commit().await.map_err(store::Error::from)?;
        inserted += portals;
        if portals == 0 || !usize::try_from(BATCH).is_ok_and(|batch| portals == batch) {
            return Ok(inserted);
        }
    }
}

/// Asks for runs in the portals of which HubSpot has told something, and carries out erasures; returns whether there was
/// anything.
pub async fn take_events(app: &App) -> Result<bool, Error> {
    let mut conn = app.db.unscoped().await?;
    let waiting = store::hubspot_events::find_waiting(&mut conn).await?;
    drop(conn);
    let mut erased = 0;
    if waiting.erasures {
        erased = erase::run_due(app).await?;
    }
    let mut portals = Vec::new();
    if waiting.events {
        let mut conn = app.db.unscoped().await?;
        portals = store::hubspot_events::list_portals(&mut conn, BATCH, app.now()).await?;
    }
    let mut asked = 0;
    for scope in portals {
        let mut tx = app.db.begin(scope).await?;
        let has_asked = store::hubspot_events::ask_for_run(&mut tx, scope, app.now()).await?;
        tx.commit().await.map_err(store::Error::from)?;
        if has_asked {
            crash::at(Point::EventsAsked);
            asked += 1;
        }
    }
    Ok(erased + asked > 0)
}

/// Takes up to `limit` runs to ring for.
pub async fn take_due(app: &App, limit: i64) -> Result<Vec<RunId>, Error> {
    let mut tx = app.db.begin_unscoped().await?;
    let due = store::runs::take_due(&mut tx, limit).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(due)
}

/// How long until the next run on the board is due; `None` when none is.
pub async fn next_due(app: &App) -> Result<Option<Duration>, Error> {
    let mut tx = app.db.begin_unscoped().await?;
    let secs = store::runs::next_due_secs(&mut tx).await?;
    Ok(secs.map(|secs| Duration::from_secs_f64(secs.clamp(0.0, 3600.0))))
}

/// How long until the schedule has something to insert; `None` when nothing is planned.
pub async fn next_planned(app: &App) -> Result<Option<Duration>, Error> {
    let mut tx = app.db.begin_unscoped().await?;
    let planned = store::schedule::find_next_due(&mut tx).await?;
    Ok(planned.map(|at| (at - app.now()).to_std().unwrap_or_default()))
}
