//! What an operator does to a portal. Each act stands in the portal's own trail, as the operator's, and in the operators' with
//! the name and the reason.

use std::fmt;
use std::str::FromStr;

use domain::RunId;
use domain::run::RunKind;
use serde_json::json;
use store::PortalScope;

use super::{ACTOR, Operator, Reason};
use crate::App;
use crate::runs::{self, Error, Wish};

/// An act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Ask for a sync; before the history is in, for the backfill.
    Sync,
    /// Let the portal rest.
    Pause,
    /// Let it go on.
    Resume,
    /// End an open run.
    Cancel(RunId),
    /// Ask for another run like one that has ended.
    Again(RunId),
}

impl Act {
    /// The verb, without what it is about.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel(_) => "cancel",
            Self::Again(_) => "again",
        }
    }

    fn run_id(self) -> Option<RunId> {
        match self {
            Self::Cancel(run_id) | Self::Again(run_id) => Some(run_id),
            Self::Sync | Self::Pause | Self::Resume => None,
        }
    }
}

/// As forms write it: the verb, and the run after a colon.
impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verb())?;
        match self.run_id() {
            Some(run_id) => write!(f, ":{run_id}"),
            None => Ok(()),
        }
    }
}

/// A form names no act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an act is sync, pause, resume, cancel:RUN or again:RUN")]
pub struct NotAnAct;

impl FromStr for Act {
    type Err = NotAnAct;

    fn from_str(text: &str) -> Result<Self, NotAnAct> {
        match text.split_once(':') {
            None => match text {
                "sync" => Ok(Self::Sync),
                "pause" => Ok(Self::Pause),
                "resume" => Ok(Self::Resume),
                _ => Err(NotAnAct),
            },
            Some((verb, run_id)) => {
                let run_id = run_id.parse().map_err(|_| NotAnAct)?;
                match verb {
                    "cancel" => Ok(Self::Cancel(run_id)),
                    "again" => Ok(Self::Again(run_id)),
                    _ => Err(NotAnAct),
                }
            }
        }
    }
}

/// Does it; `false` when the portal has no such run. What is so already, or has ended meanwhile, stays as it is: that it was
/// asked for is on record all the same.
pub async fn act(
    app: &App,
    operator: &Operator,
    scope: PortalScope,
    act: Act,
    reason: &Reason,
) -> Result<bool, Error> {
    let now = app.now();
    let mut tx = app.db.begin(scope).await?;
    store::runs::lock(&mut tx, scope).await?;
    match act {
        Act::Sync => {
            runs::request_in(&mut tx, app, scope, RunKind::Sync.into(), ACTOR).await?;
        }
        Act::Pause => crate::pause::pause_in(&mut tx, scope, ACTOR, now).await?,
        Act::Resume => crate::pause::resume_in(&mut tx, app, scope, ACTOR, now).await?,
        Act::Cancel(run_id) => {
            runs::cancel_in(&mut tx, scope, run_id, ACTOR, now).await?;
            if store::runs::find(&mut tx, scope, run_id).await?.is_none() {
                return Ok(false);
            }
        }
        Act::Again(run_id) => {
            let Some(run) = store::runs::find(&mut tx, scope, run_id).await? else {
                return Ok(false);
            };
            let wish = Wish {
                kind: run.kind,
                since: run.since,
            };
            runs::request_in(&mut tx, app, scope, wish, ACTOR).await?;
        }
    }
    let detail = json!({
        "operator": operator.name, "portal": scope.hub_id(), "reason": reason.as_str(), "run": act.run_id(),
    });
    let action = format!("console {}", act.verb());
    // Last: operators' acts are chained one after another.
    store::audit::insert_operators(&mut tx, &action, &detail, now).await?;
    tx.commit().await.map_err(store::Error::from)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_are_read_back_and_nothing_else_is_one() {
        let run_id = RunId(uuid::Uuid::now_v7());
        for act in [
            Act::Sync,
            Act::Pause,
            Act::Resume,
            Act::Cancel(run_id),
            Act::Again(run_id),
        ] {
            assert_eq!(act.to_string().parse(), Ok(act));
        }
        for text in ["", "erase", "cancel", "cancel:", "cancel:x", "sync:1"] {
            assert_eq!(text.parse::<Act>(), Err(NotAnAct), "{text}");
        }
    }
}
