//! Asking for runs: buttons and the command line. The worker does them.

use chrono::{DateTime, Utc};
use domain::RunId;
use domain::portal::{CurrentRun, PortalState};
use domain::run::{RunKind, RunState};
use serde_json::json;
use store::PortalScope;

pub use crate::account::{Account, Counts};
use crate::session::Session;
use crate::{App, engine, operator, status};

/// Why a run is not possible.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The portal is not in a state for it.
    #[error("not possible while the portal is {state:?}")]
    NotPossible {
        /// Its state.
        state: PortalState,
    },
    /// Something inside failed.
    #[error(transparent)]
    Internal(#[from] crate::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Internal(error.into())
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// What the run does.
    pub kind: RunKind,
    /// For [`RunKind::Resync`]: from when on. Without it from the beginning of time.
    pub since: Option<DateTime<Utc>>,
}

impl From<RunKind> for Wish {
    fn from(kind: RunKind) -> Self {
        Self { kind, since: None }
    }
}

/// Asks for a run on behalf of a person; while one of the kind is open, that one is the answer.
pub async fn request(
    app: &App,
    session: &Session,
    wish: impl Into<Wish>,
) -> Result<CurrentRun, Error> {
    request_as(app, *session.scope(), wish.into(), &session.actor()).await
}

/// Asks for a run on behalf of the operator, at the command line.
pub async fn request_by_operator(
    app: &App,
    scope: PortalScope,
    wish: impl Into<Wish>,
) -> Result<CurrentRun, Error> {
    let wish = wish.into();
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let run = request_in(&mut tx, app, scope, wish, operator::ACTOR).await?;
    let detail = json!({"kind": wish.kind, "since": wish.since, "run": run.id});
    operator::note(&mut tx, scope, "run start", detail, app.now()).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(run)
}

/// A sync; before the history is in, bringing it in is the sync.
pub(crate) fn sync_or_backfill(portal: &store::portals::Portal) -> RunKind {
    match portal.backfilled_at {
        Some(_) => RunKind::Sync,
        None => RunKind::Backfill,
    }
}

async fn request_as(
    app: &App,
    scope: PortalScope,
    wish: Wish,
    actor: &str,
) -> Result<CurrentRun, Error> {
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let run = request_in(&mut tx, app, scope, wish, actor).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(run)
}

/// The same in a transaction that began with [`store::runs::lock`].
pub(crate) async fn request_in(
    tx: &mut store::Tx,
    app: &App,
    scope: PortalScope,
    wish: Wish,
    actor: &str,
) -> Result<CurrentRun, Error> {
    let now = app.now();
    let portal = store::portals::find(tx, scope)
        .await?
        .ok_or(crate::Error::NotConnected)?;
    let state = status::read(tx, scope, &portal).await?.state;
    let possible = match state {
        PortalState::Connecting | PortalState::Disconnected | PortalState::Paused => false,
        PortalState::NeedsSetup => wish.kind == RunKind::Check,
        PortalState::Backfilling | PortalState::Active => true,
    };
    if !possible {
        return Err(Error::NotPossible { state });
    }
    let kind = match wish.kind {
        RunKind::Sync | RunKind::Resync | RunKind::Sweep if portal.backfilled_at.is_none() => {
            RunKind::Backfill
        }
        other => other,
    };
    let since = match kind {
        RunKind::Resync => Some(wish.since.unwrap_or(DateTime::UNIX_EPOCH)),
        _ => None,
    };
    let wish = store::runs::Wish {
        kind,
        since,
        planned_for: None,
        requested_by: actor,
    };
    let requested = store::runs::request_wish(tx, scope, wish, now).await?;
    let detail = json!({
        "kind": kind, "since": since, "run": requested.run_id, "is_new": requested.is_new,
    });
    store::audit::insert(tx, scope, actor, "run.request", &detail, now).await?;
    let account = store::runs::find(tx, scope, requested.run_id).await?;
    let (state, done, total) = account.map_or((RunState::Queued, 0, None), |account| {
        (account.state, account.done, account.total)
    });
    Ok(CurrentRun {
        id: requested.run_id,
        kind,
        state,
        done,
        total,
        started_at: None,
        phase: None,
    })
}

/// Ends an open run on behalf of a person. What it has brought through stays, the rest waits for the next run, which goes on
/// where this one had read to. One that has ended stays as it ended; `None` when there is no such run.
pub async fn cancel(
    app: &App,
    session: &Session,
    run_id: RunId,
) -> Result<Option<Account>, crate::Error> {
    let (scope, now, actor) = (*session.scope(), app.now(), session.actor());
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    cancel_in(&mut tx, scope, run_id, &actor, now).await?;
    let account = store::runs::find(&mut tx, scope, run_id).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(account.map(Account::from))
}

/// The same in a transaction that began with [`store::runs::lock`].
pub(crate) async fn cancel_in(
    tx: &mut store::Tx,
    scope: PortalScope,
    run_id: RunId,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<(), store::Error> {
    let Some(cancelled) = store::runs::cancel(tx, scope, run_id, now).await? else {
        return Ok(());
    };
    if let Some(through) = engine::read_through(cancelled.kind, cancelled.progress) {
        store::portals::save_synced_through(tx, scope, through).await?;
    }
    let detail = json!({"run": run_id, "kind": cancelled.kind, "was": cancelled.was});
    store::audit::insert(tx, scope, actor, "run.cancel", &detail, now).await
}

/// How a run stands.
pub async fn find(
    app: &App,
    scope: PortalScope,
    run_id: RunId,
) -> Result<Option<Account>, crate::Error> {
    let mut tx = app.db.begin(scope).await?;
    let account = store::runs::find(&mut tx, scope, run_id).await?;
    Ok(account.map(Account::from))
}

/// Runs of a page.
pub const PAGE: i64 = 50;

/// Up to [`PAGE`] runs, the newest first; those before `before` when it is given.
pub async fn list(
    app: &App,
    scope: &PortalScope,
    before: Option<RunId>,
) -> Result<Vec<Account>, crate::Error> {
    let mut tx = app.db.begin(*scope).await?;
    let accounts = store::runs::list(&mut tx, *scope, before, PAGE).await?;
    Ok(accounts.into_iter().map(Account::from).collect())
}
