//! All portals at a glance, and the runs that somebody should look at.

use chrono::{DateTime, Utc};
use domain::run::{RunKind, RunState};
use domain::{HubId, RunId};
pub use store::console::{BadRun, Overview as Counts};

use super::late_before;
use crate::{App, Error};

/// A run that is due for longer than this is stuck: rings are repeated after 15 seconds, and a worker that dies is found within
/// a lease.
const STUCK_SECS: f64 = 120.0;
/// Runs of a list.
const RUNS: i64 = 50;

/// The first page.
#[derive(Debug, Clone)]
pub struct Overview {
    /// All portals in numbers.
    pub counts: Counts,
    /// What should be looked at.
    pub runs: Runs,
    /// Whether Redis answers this process.
    pub redis_answers: bool,
    /// Whether HubSpot as a whole counts as down.
    pub hubspot_down: bool,
    /// The version that serves this page.
    pub version: &'static str,
}

/// Runs that somebody should look at: up to 50 of each.
#[derive(Debug, Clone, Default)]
pub struct Runs {
    /// Due, and nobody takes them up.
    pub stuck: Vec<StuckRun>,
    /// The last of their kind, ended badly.
    pub bad: Vec<BadRun>,
}

/// A run that nobody takes up.
#[derive(Debug, Clone, PartialEq)]
pub struct StuckRun {
    /// The portal.
    pub hub_id: HubId,
    /// Its web domain.
    pub hub_domain: Option<String>,
    /// The run.
    pub run_id: RunId,
    /// What it is to do.
    pub kind: RunKind,
    /// Queued; or running, where its worker has gone.
    pub state: RunState,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// For how long it is due.
    pub overdue: chrono::TimeDelta,
}

/// The first page.
pub async fn load(app: &App) -> Result<Overview, Error> {
    let mut conn = app.db.unscoped().await?;
    let counts = store::console::count(&mut conn, late_before(app)).await?;
    drop(conn);
    Ok(Overview {
        counts,
        runs: runs(app).await?,
        redis_answers: app.hubspot.used(&[]).await.is_some(),
        hubspot_down: app.hubspot.is_down(),
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// Runs that somebody should look at.
pub async fn runs(app: &App) -> Result<Runs, Error> {
    let mut conn = app.db.unscoped().await?;
    let bad = store::console::list_bad(&mut conn, RUNS).await?;
    let due = store::console::list_stuck(&mut conn, STUCK_SECS, RUNS).await?;
    drop(conn);
    let mut stuck = Vec::with_capacity(due.len());
    for run in due {
        let mut tx = app.db.begin(run.scope).await?;
        // It may have ended a moment ago.
        let Some(account) = store::runs::find(&mut tx, run.scope, run.run_id).await? else {
            continue;
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a time in seconds is small"
        )]
        stuck.push(StuckRun {
            hub_id: run.scope.hub_id(),
            hub_domain: run.hub_domain,
            run_id: run.run_id,
            kind: account.kind,
            state: account.state,
            created_at: account.created_at,
            overdue: chrono::TimeDelta::seconds(run.overdue_secs as i64),
        });
    }
    Ok(Runs { stuck, bad })
}
