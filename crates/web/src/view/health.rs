//! How the connection is, in one word, and why.

use domain::portal::{PortalState, PortalStatus};
use domain::run::{RunKind, RunState};

use super::format;

/// One word and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The word.
    pub word: &'static str,
    /// The colour's name: `good`, `busy`, `warn`, `bad` or `idle`.
    pub tone: &'static str,
    /// One sentence.
    pub reason: String,
}

impl Health {
    /// The health that `status` means.
    pub fn of(status: &PortalStatus) -> Self {
        match status.state {
            PortalState::Disconnected => Self::new(
                "Disconnected",
                "bad",
                "HubSpot no longer lets us in. What is in HubSpot stays there.",
            ),
            PortalState::Connecting => Self::new(
                "Not connected",
                "warn",
                "HubSpot is connected. Thnks is the next step.",
            ),
            PortalState::NeedsSetup => Self::new(
                "Needs set-up",
                "warn",
                status.needs.first().map_or_else(
                    || "Something is missing before gifts can be synced.".to_owned(),
                    |need| need.detail.clone(),
                ),
            ),
            PortalState::Paused => Self::new(
                "Paused",
                "idle",
                "An owner paused the sync. Nothing is lost; it goes on where it stopped.",
            ),
            PortalState::Backfilling => Self::new(
                "Backfilling",
                "busy",
                "Your history is on its way into HubSpot.",
            ),
            PortalState::Active => Self::of_active(status),
        }
    }

    fn of_active(status: &PortalStatus) -> Self {
        if let Some(run) = &status.current_run {
            return match run.kind {
                RunKind::Backfill | RunKind::Sync | RunKind::Resync | RunKind::Sweep => {
                    Self::new("Syncing", "busy", "Bringing HubSpot up to date with Thnks.")
                }
                RunKind::Reassociate => Self::new(
                    "Linking",
                    "busy",
                    "Looking for the contacts of gifts that have none.",
                ),
                RunKind::Check => Self::new(
                    "Checking",
                    "busy",
                    "Looking whether everything is in place.",
                ),
            };
        }
        let ended_badly = status
            .last_run
            .as_ref()
            .is_some_and(|run| matches!(run.state, RunState::Failed | RunState::Dead));
        if ended_badly {
            return Self::new(
                "Retrying",
                "warn",
                "The last run did not reach its end. The next one goes on where it stopped.",
            );
        }
        if status.failed > 0 {
            let refused = format::count(status.failed, "gift was", "gifts were");
            return Self::new(
                "Incomplete",
                "warn",
                format!("{refused} refused; everything else is in HubSpot."),
            );
        }
        if status.transactions == 0 {
            return Self::new("Healthy", "good", "Connected. Waiting for the first gift.");
        }
        Self::new("Healthy", "good", "Every gift is in HubSpot.")
    }

    fn new(word: &'static str, tone: &'static str, reason: impl Into<String>) -> Self {
        Self {
            word,
            tone,
            reason: reason.into(),
        }
    }
}
