//! A portal's state as the admin sees it, and what it needs from people.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::RunId;
use crate::run::{Phase, RunKind, RunState};

/// Where a portal stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortalState {
    /// Installed; Thnks is not connected yet.
    Connecting,
    /// Something is missing that a person must give: see the needs.
    NeedsSetup,
    /// The history is being brought in.
    Backfilling,
    /// In step with Thnks.
    Active,
    /// An owner paused it.
    Paused,
    /// HubSpot no longer lets us in, or an owner disconnected it.
    Disconnected,
}

/// The facts that decide a portal's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are independent facts, each with its own column"
)]
pub struct PortalFacts {
    /// The grant is gone, or an owner ended it.
    pub disconnected: bool,
    /// A Thnks API key is stored.
    pub thnks_connected: bool,
    /// There is at least one need.
    pub has_needs: bool,
    /// An owner paused it.
    pub paused: bool,
    /// The first backfill has come to its end.
    pub backfilled: bool,
}

impl PortalState {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Connecting,
        Self::NeedsSetup,
        Self::Backfilling,
        Self::Active,
        Self::Paused,
        Self::Disconnected,
    ];

    /// The value on the boards, in addresses and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::NeedsSetup => "needs_setup",
            Self::Backfilling => "backfilling",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disconnected => "disconnected",
        }
    }

    /// The state that a stored value means.
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// The state that the facts make; the first that applies, in the order of urgency.
    pub fn of(facts: PortalFacts) -> Self {
        match facts {
            PortalFacts {
                disconnected: true, ..
            } => Self::Disconnected,
            PortalFacts {
                thnks_connected: false,
                ..
            } => Self::Connecting,
            PortalFacts {
                has_needs: true, ..
            } => Self::NeedsSetup,
            PortalFacts { paused: true, .. } => Self::Paused,
            PortalFacts {
                backfilled: false, ..
            } => Self::Backfilling,
            PortalFacts { .. } => Self::Active,
        }
    }
}

/// What is missing; the codes are part of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeedCode {
    /// No Thnks key was given yet.
    ThnksKeyMissing,
    /// Thnks refuses the key.
    ThnksKeyRefused,
    /// The organization's Thnks plan lacks the HubSpot integration.
    ThnksIntegrationDisabled,
    /// HubSpot did not grant a scope.
    ScopeMissing,
    /// The portal's subscription lacks custom objects.
    TierMissing,
    /// The custom object does not exist and we may not create it.
    ObjectMissing,
    /// A property of it does not exist and we may not create it.
    PropertyMissing,
    /// A property differs in a way that only a person can mend.
    PropertyDiffers,
    /// The object cannot take more properties.
    PropertyLimit,
    /// HubSpot no longer lets us in.
    AuthorizationLost,
}

/// One thing that a person must do before the work can go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// What kind of thing.
    pub code: NeedCode,
    /// What exactly, in one sentence.
    pub detail: String,
    /// What to do about it, in one sentence.
    pub remedy: String,
}

/// `status.json` (contracts/app.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PortalStatus {
    /// Where the portal stands.
    pub state: PortalState,
    /// The run in work, if any.
    pub current_run: Option<CurrentRun>,
    /// The run that ended last, if any.
    pub last_run: Option<LastRun>,
    /// Transactions known, refused ones included.
    pub transactions: i64,
    /// Those whose record in HubSpot is as it should be.
    pub synced: i64,
    /// Refused rows.
    pub failed: i64,
    /// Records without a contact.
    pub orphans: i64,
    /// When the next sync is due; `None` while nothing is planned.
    pub next_sync_at: Option<DateTime<Utc>>,
    /// What people must do.
    pub needs: Vec<Need>,
}

/// A run that waits or works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CurrentRun {
    /// Its id.
    pub id: RunId,
    /// What it does.
    pub kind: RunKind,
    /// Queued or running.
    pub state: RunState,
    /// Transactions done so far.
    pub done: i64,
    /// Out of how many, where that is known.
    pub total: Option<i64>,
    /// When it first began; `None` while it waits.
    pub started_at: Option<DateTime<Utc>>,
    /// What it is busy with; `None` while it waits.
    pub phase: Option<Phase>,
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastRun {
    /// Its id.
    pub id: RunId,
    /// What it did.
    pub kind: RunKind,
    /// How it ended.
    pub state: RunState,
    /// When.
    pub finished_at: Option<DateTime<Utc>>,
}
