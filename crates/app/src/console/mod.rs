//! The operator's console: who may sign in, what they see of all portals, and what they do there. What it shows is without
//! personal data; only [`look`] leads to some, for a reason that the portal's people can read.

mod acts;
mod list;
pub mod look;
mod operators;
mod overview;
mod portal;
mod reason;
mod session;
mod trace_url;
mod trail;

pub use acts::{Act, act};
pub use hubspot::Used;
pub use list::{Filter, Line, Listed, Trouble, list};
pub use operators::{Operators, OperatorsError, PASSWORD_CHARS, entry};
pub use overview::{BadRun, Counts, Overview, Runs, StuckRun, load as overview, runs};
pub use portal::{Facts, PortalView, find, load as portal};
pub use reason::{Fault, Reason};
pub use session::{
    Operator, SignedIn, browser_token, end, find as find_session, form_token, sign_in,
};
pub use trace_url::{TraceUrl, TraceUrlError};
pub use trail::{OperatorAct, Trail, load as trail};

// In the portals' own trails every operator is this one; which of them it was stands in the operators'.
use crate::operator::ACTOR;

/// What the operator decides about the console; without it there is none.
#[derive(Debug)]
pub struct Console {
    /// Who may sign in.
    pub operators: Operators,
    /// Where a run's trace is shown, if anywhere.
    pub trace_url: Option<TraceUrl>,
}

/// A portal in step is late when this many intervals have passed since its last good sync.
const LATE_AFTER: i32 = 2;

/// Before when the last good sync of a portal in step must not be.
fn late_before(app: &crate::App) -> chrono::DateTime<chrono::Utc> {
    app.now() - app.config.sync_interval * LATE_AFTER
}
