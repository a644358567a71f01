//! One word with a colour.

use domain::Status;
use domain::run::RunState;

/// `templates/components/pill.html`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pill {
    /// The word.
    pub word: &'static str,
    /// The colour's name: `good`, `busy`, `warn`, `bad` or `idle`.
    pub tone: &'static str,
}

impl Pill {
    /// A gift's status.
    pub fn of_status(status: Status) -> Self {
        let tone = match status {
            Status::Redeemed | Status::Donated => "good",
            Status::Opened => "busy",
            Status::Undelivered => "bad",
            Status::Refunded | Status::Expired => "warn",
            Status::Scheduled | Status::Sent | Status::Delivered | Status::Other => "idle",
        };
        Self {
            word: status.label(),
            tone,
        }
    }

    /// How a run stands or ended; `failed` is how many rows it could not bring through.
    pub fn of_run(state: RunState, failed: i64) -> Self {
        let (word, tone) = match state {
            RunState::Queued => ("Waiting", "idle"),
            RunState::Running => ("In work", "busy"),
            RunState::Succeeded if failed > 0 => ("Incomplete", "warn"),
            RunState::Succeeded => ("Succeeded", "good"),
            RunState::Failed => ("Did not finish", "bad"),
            RunState::Dead => ("Gave up", "bad"),
            RunState::Cancelled => ("Cancelled", "idle"),
        };
        Self { word, tone }
    }
}
