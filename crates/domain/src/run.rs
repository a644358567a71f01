//! One execution of a piece of work: its kinds, its states, and the payload that travels through Redis.

use serde::{Deserialize, Serialize};

use crate::RunId;

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Brings in all history.
    Backfill,
    /// Brings in what changed since the last time.
    Sync,
    /// Reads everything that changed since a date again, and writes and links it anew.
    Resync,
    /// Reads again from the oldest gift on whose story is not over, in case a change went by unseen.
    Sweep,
    /// Looks at all orphans again.
    Reassociate,
    /// Looks into what HubSpot told of contacts, and links what people want linked now.
    Link,
    /// Looks whether the portal's needs are met.
    Check,
}

impl RunKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Backfill,
        Self::Sync,
        Self::Resync,
        Self::Sweep,
        Self::Reassociate,
        Self::Link,
        Self::Check,
    ];

    /// The value in the ledger and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backfill => "backfill",
            Self::Sync => "sync",
            Self::Resync => "resync",
            Self::Sweep => "sweep",
            Self::Reassociate => "reassociate",
            Self::Link => "link",
            Self::Check => "check",
        }
    }

    /// The kind that a stored value means.
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Runs of a smaller number go first when several wait: people before schedules, schedules before history.
    pub fn priority(self) -> i16 {
        match self {
            Self::Check => 0,
            Self::Link => 1,
            Self::Reassociate => 2,
            Self::Sync => 3,
            Self::Backfill | Self::Resync => 4,
            Self::Sweep => 5,
        }
    }

    /// Whether it reads from Thnks; the others work with what is known.
    pub fn reads(self) -> bool {
        match self {
            Self::Backfill | Self::Sync | Self::Resync | Self::Sweep => true,
            Self::Reassociate | Self::Link | Self::Check => false,
        }
    }

    /// Whether it reads all that a sync would: when one ends well, the portal is in step.
    pub fn includes_sync(self) -> bool {
        matches!(self, Self::Backfill | Self::Sync)
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waits for a worker.
    Queued,
    /// A worker has it.
    Running,
    /// Ended well; single rows may have been refused.
    Succeeded,
    /// Ended without reaching its end, with a reason.
    Failed,
    /// Gave up after three starts without progress.
    Dead,
    /// A person ended it: neither a success nor a failure.
    Cancelled,
}

impl RunState {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Dead,
        Self::Cancelled,
    ];

    /// The value in the ledger and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state that a stored value means.
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether it waits or works.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

/// What a run is busy with, for the person who watches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Looking whether the portal has what is needed.
    #[default]
    Preparing,
    /// Reading transactions from Thnks.
    Reading,
    /// Writing records to HubSpot.
    Writing,
    /// Linking records to contacts, companies and deals.
    Linking,
}

/// A run whose starts reach this number without progress is dead.
pub const STARTS_WITHOUT_PROGRESS: i32 = 3;

/// What travels through Redis: the doorbell's message. Ids only; the worker reads everything else from the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// Version of this payload; a worker leaves what it does not know to a newer one.
    pub v: u8,
    /// The run to look at.
    pub run_id: RunId,
}

impl Ring {
    /// The version written today.
    pub const VERSION: u8 = 1;

    /// The doorbell for `run_id`.
    pub fn new(run_id: RunId) -> Self {
        Self {
            v: Self::VERSION,
            run_id,
        }
    }
}
