//! How a slice ends in the database: finished, its turn over, waiting for something outside, or parked until a person
//! has acted.

use std::time::Duration;

use chrono::TimeDelta;
use domain::portal::{Need, NeedCode};
use domain::run::{RunKind, RunState};
use serde_json::json;
use store::runs;

use super::{Outcome, Run, Stop};
use crate::{App, setup};

/// Waits after failures in a row: the first, doubling up to the last.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(2);
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(15);
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
            let mut tx = match run.begin(app).await {
                Err(store::Error::Fenced) => return Ok(Outcome::Passed),
                other => other?,
            };
            run.progress.failures = 0;
            run.save(&mut tx).await?;
            if matches!(run.kind, RunKind::Backfill | RunKind::Sync) {
                store::portals::save_backfilled(&mut tx, scope, now).await?;
            }
            runs::finish(&mut tx, scope, run_id, RunState::Succeeded, None, now).await?;
            tx.commit().await.map_err(store::Error::from)?;
            return Ok(Outcome::Ended(RunState::Succeeded));
        }
        Ok(false) => {
            let mut tx = match run.begin(app).await {
                Err(store::Error::Fenced) => return Ok(Outcome::Passed),
                other => other?,
            };
            runs::postpone(&mut tx, scope, run_id, None, true).await?;
            tx.commit().await.map_err(store::Error::from)?;
            return Ok(Outcome::Yielded);
        }
        Err(Stop::Store(store::Error::Fenced)) => return Ok(Outcome::Passed),
        Err(Stop::Store(error)) => return Err(error.into()),
        Err(Stop::Internal(error)) => return Err(error),
        Err(stop) => stop,
    };
    tracing::warn!(portal.id = %scope.hub_id(), run.id = %run_id, error = %stop, "a run was stopped");
    let mut tx = match run.begin(app).await {
        // The portal was disconnected, or somebody else has taken over: both have settled it.
        Err(store::Error::Fenced) => return Ok(Outcome::Passed),
        other => other?,
    };
    let outcome = match verdict(&stop) {
        Verdict::Park(needs) => {
            let next_check = (now + store::schedule::CHECK_INTERVAL).into();
            store::portals::save_needs(&mut tx, scope, &needs, next_check, now).await?;
            let detail = json!({"needs": needs.iter().map(|need| need.code).collect::<Vec<_>>()});
            store::audit::insert(&mut tx, scope, "worker", "portal.needs", &detail, now).await?;
            run.save(&mut tx).await?;
            // A check has done its work; any other run is asked for again once the needs are met.
            let state = if run.kind == RunKind::Check {
                RunState::Succeeded
            } else {
                RunState::Failed
            };
            let error = (state == RunState::Failed).then(|| {
                needs
                    .iter()
                    .map(|need| need.detail.as_str())
                    .collect::<Vec<_>>()
                    .join(" ")
            });
            runs::finish(&mut tx, scope, run_id, state, error.as_deref(), now).await?;
            Outcome::Ended(state)
        }
        Verdict::Wait(wait) => {
            run.progress.failures += 1;
            let wait = wait.unwrap_or_else(|| backoff(run.progress.failures));
            run.save(&mut tx).await?;
            runs::postpone(&mut tx, scope, run_id, Some(now + wait), false).await?;
            Outcome::Yielded
        }
    };
    tx.commit().await.map_err(store::Error::from)?;
    Ok(outcome)
}

enum Verdict {
    Park(Vec<Need>),
    Wait(Option<TimeDelta>),
}

/// What to do about a stop: wait, or park the portal until a person has acted.
fn verdict(stop: &Stop) -> Verdict {
    let wait = |after: Duration| Verdict::Wait(TimeDelta::from_std(after).ok());
    match stop {
        Stop::Needs(needs) => Verdict::Park(needs.clone()),
        Stop::HubSpot(hubspot::Error::MissingScopes { scopes }) => {
            Verdict::Park(setup::scopes_missing(scopes))
        }
        Stop::HubSpot(hubspot::Error::Missing(_)) => Verdict::Park(vec![setup::object_missing()]),
        Stop::HubSpot(hubspot::Error::Revoked | hubspot::Error::Unauthorized(_)) => {
            Verdict::Wait(Some(SECOND_TRY))
        }
        Stop::HubSpot(hubspot::Error::Throttled { retry_after })
        | Stop::Thnks(thnks::Error::Throttled { retry_after }) => wait(*retry_after),
        Stop::Thnks(thnks::Error::KeyRefused) => Verdict::Park(vec![thnks_key_refused()]),
        Stop::Thnks(thnks::Error::IntegrationDisabled) => {
            Verdict::Park(vec![thnks_integration_disabled()])
        }
        Stop::HubSpot(_) | Stop::Thnks(_) | Stop::Store(_) | Stop::Internal(_) => {
            Verdict::Wait(None)
        }
    }
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
