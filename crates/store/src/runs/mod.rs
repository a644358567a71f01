//! Runs: asked for, claimed, carried on, ended, shown. While a run works, its place on the board is due when its lease
//! ends: a worker that dies is rung for by itself.

mod asking;
mod board;
mod claiming;
mod ending;
mod showing;

pub(crate) use asking::try_lock;
pub use asking::{Requested, find_scope, lock, request};
pub use board::{next_due_secs, take_due};
pub use claiming::{Claim, Claimed, LEASE_SECS, Progress, claim, hold, save_progress};
pub use ending::{fail_open, finish, postpone};
pub use showing::{Account, find, find_current, find_last};

use domain::run::{RunKind, RunState};

use crate::Error;

fn kind_from(stored: &str) -> Result<RunKind, Error> {
    RunKind::from_stored(stored).ok_or(Error::Corrupt {
        table: "runs",
        column: "kind",
    })
}

fn state_from(stored: &str) -> Result<RunState, Error> {
    RunState::from_stored(stored).ok_or(Error::Corrupt {
        table: "runs",
        column: "state",
    })
}
