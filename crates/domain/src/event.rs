//! What HubSpot tells of contacts, reduced to what this service acts on: ids, never values.

use crate::{HubId, RecordId};

/// What happened to a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Change {
    /// It is new, or something that it can be recognized by has changed.
    Changed,
    /// It came back from the recycle bin, without its links.
    Restored,
    /// It went to the recycle bin.
    Deleted,
    /// It became part of another one.
    Merged,
    /// It was linked to a record.
    Linked,
    /// Its link to a record was removed.
    Unlinked,
    /// The person asked for erasure.
    Forgotten,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Changed,
        Self::Restored,
        Self::Deleted,
        Self::Merged,
        Self::Linked,
        Self::Unlinked,
        Self::Forgotten,
    ];

    /// The value in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Restored => "restored",
            Self::Deleted => "deleted",
            Self::Merged => "merged",
            Self::Linked => "linked",
            Self::Unlinked => "unlinked",
            Self::Forgotten => "forgotten",
        }
    }

    /// The change that a stored value means.
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.as_str() == text)
    }
}

/// One event. Duplicates and any order are harmless: whoever looks into it asks HubSpot how things are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContactEvent {
    /// The portal.
    pub hub_id: HubId,
    /// What happened.
    pub change: Change,
    /// The contact.
    pub contact: RecordId,
    /// For a link the record at its other end, for a merge the contact that it became part of.
    pub record: Option<RecordId>,
}
