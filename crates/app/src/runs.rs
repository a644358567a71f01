//! Asking for runs: buttons and the command line. The worker does them.

use domain::RunId;
use domain::portal::{CurrentRun, PortalState};
use domain::run::{RunKind, RunState};
use serde_json::json;
use store::PortalScope;
pub use store::runs::Account;

use crate::session::Session;
use crate::{App, status};

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

/// Asks for a run on behalf of a person; while one of the kind is open, that one is the answer.
pub async fn request(app: &App, session: &Session, kind: RunKind) -> Result<CurrentRun, Error> {
    request_as(app, *session.scope(), kind, &session.actor()).await
}

/// Asks for a run on behalf of the operator.
pub async fn request_by_operator(
    app: &App,
    scope: PortalScope,
    kind: RunKind,
) -> Result<CurrentRun, Error> {
    request_as(app, scope, kind, "operator").await
}

async fn request_as(
    app: &App,
    scope: PortalScope,
    kind: RunKind,
    actor: &str,
) -> Result<CurrentRun, Error> {
    let now = app.now();
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    let portal = store::portals::find(&mut tx, scope)
        .await?
        .ok_or(crate::Error::NotConnected)?;
    let state = status::read(&mut tx, scope, &portal).await?.state;
    let possible = match state {
        PortalState::Connecting | PortalState::Disconnected | PortalState::Paused => false,
        PortalState::NeedsSetup => kind == RunKind::Check,
        PortalState::Backfilling | PortalState::Active => true,
    };
    if !possible {
        return Err(Error::NotPossible { state });
    }
    // Before the history is in, bringing it in is the sync.
    let kind = match kind {
        RunKind::Sync if portal.backfilled_at.is_none() => RunKind::Backfill,
        other => other,
    };
    let requested = store::runs::request(&mut tx, scope, kind, actor, now).await?;
    let detail = json!({"kind": kind, "run": requested.run_id, "is_new": requested.is_new});
    store::audit::insert(&mut tx, scope, actor, "run.request", &detail, now).await?;
    let account = store::runs::find(&mut tx, scope, requested.run_id).await?;
    tx.commit().await.map_err(store::Error::from)?;
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

/// How a run stands.
pub async fn find(
    app: &App,
    scope: PortalScope,
    run_id: RunId,
) -> Result<Option<Account>, crate::Error> {
    let mut tx = app.db.begin(scope).await?;
    Ok(store::runs::find(&mut tx, scope, run_id).await?)
}
