//! The button that ends a run, and what that means.

use domain::RunId;
use domain::run::RunKind;

use super::runs;

/// `templates/components/cancel.html`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// Where the button leads.
    pub action: String,
    /// What is on it.
    pub label: String,
    /// What happens.
    pub meaning: &'static str,
}

impl Cancel {
    /// The button of an open run of the portal at `path`.
    pub fn of(path: &str, id: RunId, kind: RunKind) -> Self {
        Self {
            action: format!("{path}/runs/{id}/cancel"),
            label: format!("Cancel this {}", runs::kind(kind).to_lowercase()),
            meaning: meaning(kind),
        }
    }
}

/// What becomes of the work of a cancelled run.
fn meaning(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Backfill => {
            "What is in HubSpot stays. The rest of your history goes on where it stopped, with the next scheduled sync. To rest for longer, pause instead."
        }
        RunKind::Sync => {
            "What is in HubSpot stays. The next scheduled sync goes on where this one stopped."
        }
        RunKind::Resync => {
            "What it has read is still written and linked, with the next sync. The rest is not read again."
        }
        RunKind::Sweep => {
            "What it has read is still written and linked, with the next sync. It sweeps again next week."
        }
        RunKind::Reassociate => {
            "Links that are made stay. Orphans that it has not come to are looked at by the next run."
        }
        RunKind::Link => "What it has not come to is followed up by the next run.",
        RunKind::Check => "While something is missing, it is looked at again within a minute.",
    }
}
