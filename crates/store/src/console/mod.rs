//! What the operator's console reads over all portals, and who is signed in to it. Boards hold numbers, times, codes and web
//! domains; whatever else it shows is read through a portal's scope.

mod acts;
mod boards;
mod facts;
mod looks;
mod overview;
mod sessions;

pub use acts::{OperatorAct, list_acts};
pub use boards::{BadRun, Filter, Line, StuckRun, Trouble, find, list, list_bad, list_stuck};
pub use facts::{Facts, count_calls, find_facts};
pub use looks::{begin_look, end_look, find_look};
pub use overview::{Overview, count};
pub use sessions::{ABSOLUTE, IDLE, OperatorSession, delete, find_session, insert};
