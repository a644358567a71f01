//! Runs: asked for, claimed, carried on, ended, shown. While a run works, its place on the board is due when its lease
//! ends: a worker that dies is rung for by itself.

mod asking;
mod board;
mod claiming;
mod ending;
mod showing;

pub use asking::{Requested, Wish, find_scope, lock, request, request_wish, try_lock};
pub use board::{is_outranked, next_due_secs, take_due};
pub use claiming::{Claim, Claimed, LEASE_SECS, Progress, claim, hold, save_progress};
pub use ending::{
    Cancelled, cancel, fail_open, finish, interrupt, let_go, pause, postpone, resume,
};
pub use showing::{Account, find, list};

use domain::run::{RunKind, RunState};

use crate::Error;

pub(crate) fn kind_from(stored: &str) -> Result<RunKind, Error> {
    RunKind::from_stored(stored).ok_or(Error::Corrupt {
        table: "runs",
        column: "kind",
    })
}

pub(crate) fn state_from(stored: &str) -> Result<RunState, Error> {
    RunState::from_stored(stored).ok_or(Error::Corrupt {
        table: "runs",
        column: "state",
    })
}
