//! How the connection is, in one word, and why.

use domain::portal::{PortalState, PortalStatus};
use domain::run::{RunKind, RunState};

use super::format;
use super::pill::Pill;

/// One word and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The word.
    pub pill: Pill,
    /// One sentence.
    pub reason: String,
    /// Where the reason's details are, below the portal's path, and what leads there.
    pub more: Option<(&'static str, &'static str)>,
}

/// Whether a person ended the last run.
pub(super) fn was_cancelled(status: &PortalStatus) -> bool {
    let last = status.last_run.as_ref();
    last.is_some_and(|run| run.state == RunState::Cancelled)
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
            PortalState::Backfilling if status.current_run.is_none() && was_cancelled(status) => {
                Self::new(
                    "Backfilling",
                    "idle",
                    "The import of your history was cancelled. It goes on with the next sync.",
                )
                .with_more("/runs", "See the runs")
            }
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
                RunKind::Backfill | RunKind::Sync => {
                    Self::new("Syncing", "busy", "Bringing HubSpot up to date with Thnks.")
                }
                RunKind::Resync => Self::new(
                    "Syncing again",
                    "busy",
                    "Reading gifts once more, and writing and linking them anew.",
                ),
                RunKind::Sweep => Self::new(
                    "Sweeping",
                    "busy",
                    "Reading again the gifts whose story is not over. HubSpot is up to date meanwhile.",
                ),
                RunKind::Reassociate => Self::new(
                    "Linking",
                    "busy",
                    "Looking for the contacts of gifts that have none.",
                ),
                RunKind::Link => Self::new(
                    "Linking",
                    "busy",
                    "Following up on contacts that changed in HubSpot.",
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
            )
            .with_more("/runs", "See the runs");
        }
        if was_cancelled(status) {
            return Self::new(
                "Waiting",
                "idle",
                "The last run was cancelled. The next one goes on where it stopped.",
            )
            .with_more("/runs", "See the runs");
        }
        if status.failed > 0 {
            let failed = format::count(status.failed, "gift does", "gifts do");
            return Self::new(
                "Incomplete",
                "warn",
                format!("{failed} not get through; everything else is in HubSpot."),
            )
            .with_more("/failures", "See why");
        }
        if status.transactions == 0 {
            return Self::new("Healthy", "good", "Connected. Waiting for the first gift.");
        }
        Self::new("Healthy", "good", "Every gift is in HubSpot.")
    }

    fn new(word: &'static str, tone: &'static str, reason: impl Into<String>) -> Self {
        Self {
            pill: Pill { word, tone },
            reason: reason.into(),
            more: None,
        }
    }

    fn with_more(mut self, below: &'static str, label: &'static str) -> Self {
        self.more = Some((below, label));
        self
    }
}
