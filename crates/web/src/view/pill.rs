//! One word with a colour.

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
    /// How a run stands or ended; `failed` is how many rows it could not bring through.
    pub fn of_run(state: RunState, failed: i64) -> Self {
        let (word, tone) = match state {
            RunState::Queued => ("Waiting", "idle"),
            RunState::Running => ("In work", "busy"),
            RunState::Succeeded if failed > 0 => ("Incomplete", "warn"),
            RunState::Succeeded => ("Succeeded", "good"),
            RunState::Failed => ("Did not finish", "bad"),
            RunState::Dead => ("Gave up", "bad"),
        };
        Self { word, tone }
    }
}
