//! What the operator's console shows. Times are in UTC: portals' zones differ, and logs are in UTC too.

pub mod acts;
pub mod look;
pub mod overview;
pub mod portal;
pub mod portals;
pub mod runs;
pub mod sign_in;

use app::console::Fault;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::portal::PortalState;

use super::format::Moment;
use super::pill::Pill;
use super::tabs::Tab;

/// The zone of every time here.
const ZONE: Tz = Tz::UTC;

/// A page of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// All portals at a glance.
    Overview,
    /// The list, and the pages below it.
    Portals,
    /// Runs to look at.
    Runs,
    /// What operators have done.
    Acts,
}

/// The console's pages, seen from `place`.
pub fn tabs(place: Place) -> Vec<Tab> {
    [
        ("Overview", "/operator", Place::Overview),
        ("Portals", "/operator/portals", Place::Portals),
        ("Runs", "/operator/runs", Place::Runs),
        ("Operators", "/operator/acts", Place::Acts),
    ]
    .into_iter()
    .map(|(label, href, of)| Tab {
        label,
        href: href.to_owned(),
        current: of == place,
        count: None,
    })
    .collect()
}

fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> Moment {
    Moment::new(at, now, ZONE)
}

/// A portal's state, in one word.
pub fn state(state: PortalState) -> Pill {
    let (word, tone) = match state {
        PortalState::Connecting => ("Connecting", "idle"),
        PortalState::NeedsSetup => ("Needs set-up", "warn"),
        PortalState::Backfilling => ("Backfilling", "busy"),
        PortalState::Active => ("Active", "good"),
        PortalState::Paused => ("Paused", "idle"),
        PortalState::Disconnected => ("Disconnected", "idle"),
    };
    Pill { word, tone }
}

/// What stands beside the field of a reason.
pub fn of_reason(fault: Fault) -> &'static str {
    match fault {
        Fault::TooShort => {
            "Say why in at least 10 characters, such as the ticket’s number and its subject."
        }
        Fault::TooLong => "Say it in at most 500 characters.",
    }
}
