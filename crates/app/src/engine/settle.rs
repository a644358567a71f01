//! How a slice ends in the database: finished, its turn over, waiting for something outside, or parked until a person
//! has acted.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::notice::Cause;
use domain::portal::{Need, NeedCode};
use domain::run::{RunKind, RunState};
use domain::trouble::Sign;
use serde_json::json;
use store::runs;

use super::{Outcome, Run, Stop, signs};
use crate::crash::{self, Point};
use crate::{App, chain, notices, setup};

/// A run that gives way lets the more urgent one begin first.
const YIELD: TimeDelta = TimeDelta::milliseconds(200);
/// Waits after failures in a row: the first, doubling up to the last.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(2);
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(15);
/// The longest wait that is believed when somebody asks for it.
const LONGEST_ASKED: Duration = Duration::from_hours(24);
/// A run that fails so often in a row for a reason that waiting does not mend ends, so that the next one reads again.
const FAILURES: u32 = 8;
/// The same for a reason that waiting may mend, once reading is done: about an hour and a half of waits.
const OUTAGES: u32 = 14;
/// Why a run ends as failed whose reading was given up.
const CUT_SHORT: &str = "Thnks' list of transactions leads in circles: the cursor leads nowhere. What could be read is in HubSpot.";
/// A refused refresh token is tried a second time after this.
const SECOND_TRY: TimeDelta = TimeDelta::seconds(45);

/// Stores how the slice ended.
pub(super) async fn settle(
    app: &App,
    run: &mut Run,
    worked: Result<bool, Stop>,
) -> Result<Outcome, crate::Error> {
    let now = app.now();
    let (scope, run_id) = (run.scope, run.id);
    let stop = match worked {
        Ok(true) => {
            crash::at(Point::RunEnding);
            let mut tx = match run.begin(app).await {
                Err(store::Error::Fenced) => return Ok(Outcome::Passed),
                other => other?,
            };
            run.progress.failures = 0;
            if run.progress.cut_short {
                let outcome = end(run, &mut tx, Some(CUT_SHORT.to_owned()), now).await?;
                let sign = Sign::Failed {
                    cause: Cause::Thnks,
                };
                signs::show(app, run, &mut tx, sign, now).await?;
                tx.commit().await.map_err(store::Error::from)?;
                return Ok(outcome);
            }
            run.save(&mut tx).await?;
            let is_first = run.kind.includes_sync()
                && store::portals::save_backfilled(&mut tx, scope, now).await?;
            runs::finish(&mut tx, scope, run_id, RunState::Succeeded, None, now).await?;
            if is_first {
                notices::tell_backfilled(app, &mut tx, scope, now).await?;
            }
            signs::show(app, run, &mut tx, Sign::Well, now).await?;
            let ends = chain::Ends::find(app, &mut tx, scope).await?;
            tx.commit().await.map_err(store::Error::from)?;
            crash::at(Point::RunEnded);
            ends.note();
            return Ok(Outcome::Ended(RunState::Succeeded));
        }
        Ok(false) => {
            let mut tx = match run.begin(app).await {
                Err(store::Error::Fenced) => return Ok(Outcome::Passed),
                other => other?,
            };
            let wait = if runs::is_outranked(&mut tx, scope, run.kind).await? {
                YIELD
            } else {
                TimeDelta::zero()
            };
            runs::postpone(&mut tx, scope, run_id, wait, true).await?;
            signs::show(app, run, &mut tx, Sign::Moved, now).await?;
            tx.commit().await.map_err(store::Error::from)?;
            return Ok(Outcome::Yielded);
        }
        Err(Stop::Store(store::Error::Fenced)) => return Ok(Outcome::Passed),
        Err(Stop::Store(error)) => return Err(error.into()),
        Err(Stop::Internal(error)) => return Err(error),
        Err(stop) => stop,
    };
    tracing::warn!(portal.id = %scope.hub_id(), run.id = %run_id, error = %stop, "a run was stopped");
    telemetry::measure::run_stopped(stop.cause());
    let is_outage = match &stop {
        Stop::HubSpot(error) => error.is_transient() && app.hubspot.is_down(),
        Stop::Thnks(error) => error.is_transient() && app.thnks.is_down(),
        _ => false,
    };
    let mut tx = match run.begin(app).await {
        // The portal was disconnected, or somebody else has taken over: both have settled it.
        Err(store::Error::Fenced) => return Ok(Outcome::Passed),
        other => other?,
    };
    let outcome = match verdict(&stop) {
        Verdict::Park(needs) => {
            let known = store::portals::find(&mut tx, scope)
                .await?
                .map(|portal| portal.needs);
            let next_check = (now + store::schedule::CHECK_INTERVAL).into();
            store::portals::save_needs(&mut tx, scope, &needs, next_check, now).await?;
            let codes: Vec<_> = needs.iter().map(|need| need.code).collect();
            if known.as_ref() != Some(&needs) {
                let detail = json!({"needs": codes});
                store::audit::insert(&mut tx, scope, "worker", "portal.needs", &detail, now)
                    .await?;
            }
            let sign = Sign::Parked { needs: &codes };
            notices::note(app, &mut tx, scope, sign, now).await?;
            // A check has done its work; any other run is asked for again once the needs are met.
            let words: Vec<&str> = needs.iter().map(|need| need.detail.as_str()).collect();
            let error = (run.kind != RunKind::Check).then(|| words.join(" "));
            end(run, &mut tx, error, now).await?
        }
        // The portal rests, or somebody has disconnected it: they know.
        Verdict::Fail(reason) => end(run, &mut tx, Some(reason), now).await?,
        Verdict::Wait(wait) => {
            run.save(&mut tx).await?;
            runs::postpone(&mut tx, scope, run_id, wait, false).await?;
            let sign = signs::stumbled(run, &stop, now + wait);
            signs::show(app, run, &mut tx, sign, now).await?;
            Outcome::Yielded
        }
        Verdict::TryAgain(_) if !is_outage && has_failed_for_good(run, &stop) => {
            let outcome = end(run, &mut tx, Some(stop.to_string()), now).await?;
            let cause = signs::cause(&stop);
            signs::show(app, run, &mut tx, Sign::Failed { cause }, now).await?;
            outcome
        }
        Verdict::TryAgain(wait) => {
            run.progress.failures += 1;
            let wait = wait.unwrap_or_else(|| backoff(run.progress.failures));
            run.save(&mut tx).await?;
            runs::postpone(&mut tx, scope, run_id, wait, false).await?;
            let sign = signs::stumbled(run, &stop, now + wait);
            signs::show(app, run, &mut tx, sign, now).await?;
            Outcome::Yielded
        }
    };
    tx.commit().await.map_err(store::Error::from)?;
    Ok(outcome)
}

/// Puts a run back whose step was cut off because the process stops. What it sent last may still arrive at HubSpot, so
/// the portal stays closed to others for as long as a call may take. What the run held in memory is not stored: it may be
/// ahead of what was committed.
pub(super) async fn let_go(app: &App, run: &Run) -> Result<Outcome, crate::Error> {
    tracing::warn!(portal.id = %run.scope.hub_id(), run.id = %run.id, "a run was cut off in a call that does not end, for the process stops");
    let mut tx = match run.begin(app).await {
        Err(store::Error::Fenced) => return Ok(Outcome::Passed),
        other => other?,
    };
    runs::let_go(&mut tx, run.scope, run.id, hubspot::limits::CALL_TIMEOUT).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(Outcome::Yielded)
}

/// Ends the run as failed, with the reason, or as succeeded without one.
async fn end(
    run: &mut Run,
    tx: &mut store::Tx,
    error: Option<String>,
    now: DateTime<Utc>,
) -> Result<Outcome, store::Error> {
    let state = if error.is_some() {
        RunState::Failed
    } else {
        RunState::Succeeded
    };
    run.save(tx).await?;
    runs::finish(tx, run.scope, run.id, state, error.as_deref(), now).await?;
    Ok(Outcome::Ended(state))
}

/// Whether the run should end, so that the next one reads and writes again before it comes to where this one fails.
fn has_failed_for_good(run: &Run, stop: &Stop) -> bool {
    let failures = run.progress.failures;
    // What passes for an outage may be an answer that never changes; while reading, there is nothing else to go on with.
    failures >= FAILURES && (!is_transient(stop) || run.progress.read && failures >= OUTAGES)
}

/// Whether waiting may help.
fn is_transient(stop: &Stop) -> bool {
    match stop {
        Stop::HubSpot(error) => error.is_transient(),
        Stop::Thnks(error) => error.is_transient(),
        _ => true,
    }
}

enum Verdict {
    Park(Vec<Need>),
    Fail(String),
    /// Go on after this time: somebody asks for patience, which is no failure.
    Wait(TimeDelta),
    /// Something failed: try again after this time, or after a longer wait each time.
    TryAgain(Option<TimeDelta>),
}

/// What to do about a stop: wait, or park the portal until a person has acted.
fn verdict(stop: &Stop) -> Verdict {
    match stop {
        Stop::Needs(needs) => Verdict::Park(needs.clone()),
        Stop::Idle(reason) => Verdict::Fail((*reason).to_owned()),
        Stop::HubSpot(hubspot::Error::MissingScopes { scopes }) => {
            Verdict::Park(setup::scopes_missing(scopes))
        }
        Stop::HubSpot(hubspot::Error::Revoked | hubspot::Error::Unauthorized(_)) => {
            Verdict::TryAgain(Some(SECOND_TRY))
        }
        Stop::Again => Verdict::Wait(TimeDelta::zero()),
        Stop::HubSpot(
            hubspot::Error::Throttled { retry_after } | hubspot::Error::Down { retry_after },
        )
        | Stop::Thnks(
            thnks::Error::Throttled { retry_after } | thnks::Error::Down { retry_after },
        ) => Verdict::Wait(spread(*retry_after)),
        Stop::Thnks(thnks::Error::KeyRefused) => Verdict::Park(vec![thnks_key_refused()]),
        Stop::Thnks(thnks::Error::IntegrationDisabled) => {
            Verdict::Park(vec![thnks_integration_disabled()])
        }
        Stop::HubSpot(_) | Stop::Thnks(_) | Stop::Store(_) | Stop::Internal(_) => {
            Verdict::TryAgain(None)
        }
    }
}

/// A wait that many may have been asked for at the same time, and up to a tenth of it more.
fn spread(asked: Duration) -> TimeDelta {
    let asked = asked.min(LONGEST_ASKED);
    let more = rand::random_range(Duration::ZERO..=asked / 10);
    TimeDelta::from_std(asked + more).unwrap_or(LONGEST_WAIT)
}

/// Full jitter over a doubling wait.
fn backoff(failures: u32) -> TimeDelta {
    let ceiling = (FIRST_WAIT * 2_i32.pow(failures.clamp(1, 12) - 1)).min(LONGEST_WAIT);
    let millis = ceiling.num_milliseconds();
    TimeDelta::milliseconds(rand::random_range(millis / 4..=millis))
}

/// No key is stored.
pub(super) fn thnks_key_missing() -> Need {
    Need {
        code: NeedCode::ThnksKeyMissing,
        detail: "Thnks is not connected yet.".into(),
        remedy: "Enter your organization's Thnks API key.".into(),
    }
}

fn thnks_key_refused() -> Need {
    Need {
        code: NeedCode::ThnksKeyRefused,
        detail: "Thnks does not accept the stored API key any more.".into(),
        remedy: "Enter a new API key: you find it in Thnks under Settings → Integrations.".into(),
    }
}

fn thnks_integration_disabled() -> Need {
    Need {
        code: NeedCode::ThnksIntegrationDisabled,
        detail: "Your Thnks plan does not include the HubSpot integration.".into(),
        remedy: "Ask your Thnks contact to enable it; we look again every minute.".into(),
    }
}
