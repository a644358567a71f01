//! Runs at work: a claimed run is taken forward in steps, each committed under its fence, until it ends, yields its turn,
//! or somebody else must act first.
//!
//! Every step reads what is stored, does what is missing and may be done twice. Reading comes first, so that the total
//! is known; then writing, 100 records a call; then following up on what HubSpot told of contacts; then linking,
//! recipients in order, so that each is asked for once.

mod associate;
mod follow;
mod held;
mod links;
mod prepare;
mod pull;
pub(crate) mod recipients;
mod settle;
mod signs;
mod write;

use std::time::Duration;

use domain::matching::{Contact, Rules};
use domain::portal::Need;
use domain::run::{Phase, RunKind, RunState};
use domain::{RunId, TransactionId};
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt, stream};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::portal_keys::Secret;
use store::portals::AssociationTypes;
use store::runs::{self, Claim, Claimed};
use store::{PortalScope, Tx};
use telemetry::measure;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field};

use self::held::Held;
pub(crate) use self::pull::RECENT;
use crate::account::Counts;
use crate::crash::{self, Point};
use crate::{App, access, keys};

/// How long a run may work before another one gets its turn.
const SLICE: Duration = Duration::from_secs(10);
/// How long a run's step may take after the word to stop: most reach a commit within a second or two. A call that does
/// not end is let go then, so that a deploy never waits for HubSpot.
pub const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// How often the lease is renewed while a call takes long.
const RENEW: Duration = Duration::from_millis(2_500);

/// What became of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The run has ended.
    Ended(RunState),
    /// It goes on later.
    Yielded,
    /// There was nothing to do: it has ended before, somebody cancelled it, another run has the portal, or another worker took
    /// over.
    Passed,
}

impl Outcome {
    /// For figures and traces.
    fn as_str(self) -> &'static str {
        match self {
            Self::Ended(state) => state.as_str(),
            Self::Yielded => "yielded",
            Self::Passed => "passed",
        }
    }
}

/// Why a step stopped the slice.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("HubSpot: {0}")]
    HubSpot(#[from] hubspot::Error),
    #[error("Thnks: {0}")]
    Thnks(#[from] thnks::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Internal(#[from] crate::Error),
    #[error("people must act first")]
    Needs(Vec<Need>),
    #[error("the object is another one now")]
    Again,
    #[error("{0}")]
    Idle(&'static str),
}

impl Stop {
    /// For figures: who has to act.
    fn cause(&self) -> &'static str {
        match self {
            Self::HubSpot(_) => "hubspot",
            Self::Thnks(_) => "thnks",
            Self::Needs(_) => "needs",
            Self::Store(_) | Self::Internal(_) => "internal",
            Self::Again | Self::Idle(_) => "other",
        }
    }
}

/// Where a run is; the shape of `runs.progress`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Progress {
    phase: Phase,
    /// Thnks' cursor of the next page.
    cursor: Option<String>,
    /// Where reading began, or began again after an expired cursor.
    since: Option<chrono::DateTime<chrono::Utc>>,
    /// The latest `updated_at` stored by this run.
    through: Option<chrono::DateTime<chrono::Utc>>,
    /// The last row of the walk that began at `since`, and pages in a row that brought none behind it.
    position: Option<(chrono::DateTime<chrono::Utc>, TransactionId)>,
    idle_pages: u32,
    /// Reading is over.
    read: bool,
    /// It was given up before its end: Thnks' list of transactions led in circles.
    cut_short: bool,
    /// How often the object has been looked at again because of what HubSpot refused.
    looks: u32,
    /// Walks that began again: the cursor had expired or led in a circle.
    restarts: u32,
    /// Orphans have been marked, for a re-association.
    marked: bool,
    /// Failures in a row of something outside.
    failures: u32,
}

/// Up to when a run that ends early has read all that changed at Thnks, as `progress` tells; `None` for a kind that reads only
/// some of it, and where Thnks' list could not be followed.
pub(crate) fn read_through(
    kind: RunKind,
    progress: serde_json::Value,
) -> Option<chrono::DateTime<chrono::Utc>> {
    let progress: Progress = serde_json::from_value(progress).ok()?;
    progress
        .through
        .filter(|_| kind.includes_sync() && !progress.cut_short)
}

/// A run in work.
struct Run {
    scope: PortalScope,
    id: RunId,
    kind: RunKind,
    asked_at: chrono::DateTime<chrono::Utc>,
    since: Option<chrono::DateTime<chrono::Utc>>,
    fence: i64,
    progress: Progress,
    counts: Counts,
    /// Calls of earlier slices; the client counts those of this one.
    calls_before: Counts,
    done: i64,
    total: Option<i64>,
    portal: hubspot::Portal,
    scopes: Vec<String>,
    /// How the portal's gifts are linked.
    rules: Rules,
    /// Contacts that HubSpot's events have led to in this slice: they need not be asked for again.
    told: Vec<Contact>,
    /// The last of HubSpot's events that this slice looks into.
    events_through: Option<i64>,
    /// Something was committed in this slice.
    has_moved: bool,
    /// When the lease was last known to be ours.
    held_at: std::time::Instant,
}

/// The object that records are written to.
struct Target {
    object_type_id: String,
    association_types: AssociationTypes,
    /// The look at the object has just mended it, or found it to be another one.
    is_mended: bool,
}

/// Takes the run forward for one slice. Everything that happens is in the database before this returns; an error is the
/// database's own.
pub async fn work(
    app: &App,
    run_id: RunId,
    shutdown: &CancellationToken,
) -> Result<Outcome, crate::Error> {
    // For log lines alone: where the run came from, and hence its place in a trace, is known once it is claimed. Spans that
    // carry ids are of level `error`, or a filter that lets through less would take the ids off the lines that are left.
    let ring = tracing::error_span!("ring", run.id = %run_id, portal.id = field::Empty);
    answer(app, run_id, shutdown).instrument(ring).await
}

/// Claims the run and takes it forward.
async fn answer(
    app: &App,
    run_id: RunId,
    shutdown: &CancellationToken,
) -> Result<Outcome, crate::Error> {
    let mut tx = app.db.begin_unscoped().await?;
    let Some(scope) = runs::find_scope(&mut tx, run_id).await? else {
        return Ok(Outcome::Passed);
    };
    drop(tx);
    let held = Held::now();
    Span::current().record("portal.id", field::display(scope.hub_id()));
    let mut tx = app.db.begin(scope).await?;
    let claim = runs::claim(&mut tx, scope, run_id, app.now()).await?;
    if claim == Claim::Dead {
        signs::show_death(app, &mut tx, scope, run_id).await?;
    }
    tx.commit().await.map_err(store::Error::from)?;
    let claimed = match claim {
        Claim::Claimed(claimed) => *claimed,
        Claim::Dead => {
            measure::run_died();
            return Ok(Outcome::Ended(RunState::Dead));
        }
        Claim::Busy | Claim::Gone | Claim::Held => return Ok(Outcome::Passed),
    };
    crash::at(Point::RunClaimed);
    let origin = claimed.origin.clone();
    let span = tracing::error_span!(
        "run", run.id = %run_id, portal.id = %scope.hub_id(), job.kind = claimed.kind.as_str(), request.id = field::Empty,
        outcome = field::Empty
    );
    origin.adopt(&span);
    if let Some(id) = origin.request_id {
        span.record("request.id", field::display(id));
    }
    // On the heap: a turn is large, and moved with each layer around it.
    let turn = Box::pin(have_turn(app, scope, claimed, held, shutdown));
    origin.carried(turn.instrument(span)).await
}

/// A claimed run's turn: one slice, and how it ended.
async fn have_turn(
    app: &App,
    scope: PortalScope,
    claimed: Claimed,
    held: Held,
    shutdown: &CancellationToken,
) -> Result<Outcome, crate::Error> {
    let (run_id, fence, kind) = (claimed.run_id, claimed.fence, claimed.kind.as_str());
    let _in_work = measure::run_in_work(kind);
    let started = Instant::now();
    let mut run = Run::new(app, scope, claimed).await?;
    let renewing = renew(app, scope, run_id, fence, &held);
    let working = slice(app, &mut run, started + SLICE, shutdown);
    let worked = tokio::select! {
        worked = held.through(renewing, working) => Some(worked),
        () = patience_ends(shutdown) => None,
    };
    let outcome = match worked {
        Some(worked) => settle::settle(app, &mut run, worked).await,
        None => settle::let_go(app, &run).await,
    };
    let took = started.elapsed();
    match &outcome {
        Ok(outcome) => {
            measure::run_turn(kind, outcome.as_str(), took);
            if let Outcome::Ended(state) = outcome {
                let age = (app.now() - run.asked_at).to_std().unwrap_or_default();
                measure::run_ended(kind, state.as_str(), age);
            }
            Span::current().record("outcome", outcome.as_str());
            tracing::info!(
                portal.id = %scope.hub_id(), run.id = %run_id, job.kind = kind, outcome = outcome.as_str(),
                done = run.done, hubspot.calls = run.portal.calls().total(),
                duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "a run had its turn"
            );
        }
        Err(error) => {
            measure::run_turn(kind, "broken", took);
            tracing::error!(portal.id = %scope.hub_id(), run.id = %run_id, %error, "a run could not be carried on");
        }
    }
    outcome
}

/// Steps until the run ends (`true`), its time is over, or the process stops (`false`).
async fn slice(
    app: &App,
    run: &mut Run,
    deadline: Instant,
    shutdown: &CancellationToken,
) -> Result<bool, Stop> {
    let Some(target) = prepare::step(app, run).await? else {
        return Ok(true);
    };
    while step(app, run, &target).await? {
        let is_over = shutdown.is_cancelled() || Instant::now() >= deadline;
        if is_over || gives_way(app, run).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns when the process was told to stop so long ago that no step is waited for any more.
async fn patience_ends(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(STOP_PATIENCE).await;
}

/// Whether a more urgent run of the same portal waits: a person, or an event that just came in.
async fn gives_way(app: &App, run: &Run) -> Result<bool, Stop> {
    let mut tx = app.db.begin_unscoped().await?;
    Ok(runs::is_outranked(&mut tx, run.scope, run.kind).await?)
}

/// One bounded piece of work; `false` when there is nothing left to do.
async fn step(app: &App, run: &mut Run, target: &Target) -> Result<bool, Stop> {
    let begun = match run.kind {
        RunKind::Reassociate => mark_orphans(app, run).await?,
        RunKind::Link | RunKind::Check => false,
        RunKind::Backfill | RunKind::Sync | RunKind::Resync | RunKind::Sweep => {
            pull::step(app, run).await?
        }
    };
    Ok(begun
        || write::step(app, run, target).await?
        || follow::step(app, run, target).await?
        || associate::step(app, run, target).await?)
}

/// Marks all orphans once, so that linking looks at them again.
async fn mark_orphans(app: &App, run: &mut Run) -> Result<bool, Stop> {
    if run.progress.marked {
        return Ok(false);
    }
    let mut tx = run.begin(app).await?;
    store::associations::mark_orphans_due(&mut tx, run.scope, run.rules.phone, None).await?;
    run.total = Some(store::associations::count_due(&mut tx, run.scope).await?);
    run.progress.marked = true;
    run.progress.phase = Phase::Linking;
    run.commit(tx).await?;
    Ok(true)
}

/// Renews the lease until it is lost.
async fn renew(
    app: &App,
    scope: PortalScope,
    run_id: RunId,
    fence: i64,
    held: &Held,
) -> store::Error {
    loop {
        tokio::time::sleep(RENEW).await;
        let asked_at = std::time::Instant::now();
        let renewed = async {
            let mut tx = app.db.begin(scope).await?;
            runs::hold(&mut tx, scope, run_id, fence).await?;
            tx.commit().await.map_err(store::Error::from)
        };
        match renewed.await {
            Ok(()) => {
                held.renewed(asked_at);
                crash::at(Point::LeaseRenewed);
            }
            Err(store::Error::Fenced) => return store::Error::Fenced,
            Err(error) => {
                tracing::warn!(portal.id = %scope.hub_id(), %error, "a lease could not be renewed");
            }
        }
    }
}

impl Run {
    async fn new(app: &App, scope: PortalScope, claimed: Claimed) -> Result<Self, crate::Error> {
        let mut tx = app.db.begin(scope).await?;
        let (scopes, rules) = store::portals::find(&mut tx, scope)
            .await?
            .map(|portal| (portal.scopes.unwrap_or_default(), portal.rules))
            .unwrap_or_default();
        let class = match claimed.kind {
            RunKind::Backfill | RunKind::Resync | RunKind::Sweep => hubspot::CallClass::Backfill,
            RunKind::Sync => hubspot::CallClass::Sync,
            RunKind::Link => hubspot::CallClass::Webhook,
            RunKind::Reassociate | RunKind::Check => hubspot::CallClass::Interactive,
        };
        let counts: Counts = serde_json::from_value(claimed.counts).unwrap_or_default();
        Ok(Self {
            scope,
            id: claimed.run_id,
            kind: claimed.kind,
            asked_at: claimed.created_at,
            since: claimed.since,
            fence: claimed.fence,
            progress: serde_json::from_value(claimed.progress).unwrap_or_default(),
            calls_before: counts.clone(),
            counts,
            done: claimed.done,
            total: claimed.total,
            portal: app
                .hubspot
                .portal(scope.hub_id(), access::tokens(app), class),
            scopes,
            rules,
            told: Vec::new(),
            events_through: None,
            has_moved: false,
            held_at: std::time::Instant::now(),
        })
    }

    /// Makes sure that the lease is ours before something is sent, unless it was a moment ago.
    async fn ensure_held(&mut self, app: &App) -> Result<(), store::Error> {
        if self.held_at.elapsed() > RENEW {
            // Only the lease: holding it is no progress.
            let tx = self.begin(app).await?;
            tx.commit().await.map_err(store::Error::from)?;
            self.held_at = std::time::Instant::now();
        }
        Ok(())
    }

    /// A transaction that commits only while the portal is this run's.
    async fn begin(&self, app: &App) -> Result<Tx, store::Error> {
        let mut tx = app.db.begin(self.scope).await?;
        runs::hold(&mut tx, self.scope, self.id, self.fence).await?;
        Ok(tx)
    }

    /// Stores progress and commits.
    async fn commit(&mut self, mut tx: Tx) -> Result<(), store::Error> {
        self.progress.failures = 0;
        self.save(&mut tx).await?;
        tx.commit().await.map_err(store::Error::from)?;
        self.has_moved = true;
        self.held_at = std::time::Instant::now();
        Ok(())
    }

    /// Stores progress and counts.
    async fn save(&mut self, tx: &mut Tx) -> Result<(), store::Error> {
        let calls = self.portal.calls();
        self.counts.calls.clone_from(&self.calls_before.calls);
        for (kind, count) in &calls.by_kind {
            *self.counts.calls.entry((*kind).to_owned()).or_default() += count;
        }
        self.counts.throttled_secs =
            self.calls_before.throttled_secs + calls.throttled.as_secs_f64();
        self.counts.queued_secs = self.calls_before.queued_secs + calls.queued.as_secs_f64();
        let (progress, counts) = (json!(self.progress), json!(self.counts));
        let stored = runs::Progress {
            progress: &progress,
            counts: &counts,
            done: self.done,
            total: self.total,
        };
        runs::save_progress(tx, self.scope, self.id, stored).await
    }
}

/// The portal's Thnks key.
async fn api_key(app: &App, scope: PortalScope) -> Result<SecretString, Stop> {
    let mut tx = app.db.begin(scope).await?;
    let sealed = store::thnks_connections::find_api_key(&mut tx, scope).await?;
    let Some(sealed) = sealed else {
        return Err(Stop::Needs(vec![settle::thnks_key_missing()]));
    };
    let key = keys::of_portal(app, &mut tx, scope).await?;
    Ok(key.open(Secret::ThnksKey, &sealed)?)
}

fn count(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

/// The answers of calls of which a few are under way at a time, as they come.
fn a_few_at_a_time<'a, T: Send + 'a>(
    calls: impl Iterator<Item = impl Future<Output = T> + Send + 'a>,
) -> impl Stream<Item = T> + Send + 'a {
    let calls: Vec<BoxFuture<'a, T>> = calls.map(FutureExt::boxed).collect();
    stream::iter(calls).buffer_unordered(hubspot::limits::IN_FLIGHT)
}
