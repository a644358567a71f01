//! Processes that die at a point, and what that may cost.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use app::crash::Point;
use chrono::TimeDelta;
use hubspot::limits::{IN_FLIGHT, OBJECTS_PER_BATCH};

use crate::aftermath::{scope, sent_again};
use crate::processes::{Process, Stage};

/// How many processes die at each point.
pub const DEATHS: usize = 3;
/// Longer than any lease, and than rings and refused tokens are waited for.
const A_WHILE: TimeDelta = TimeDelta::minutes(2);
const SIGKILL: i32 = 9;

/// Lets workers die at the point, one after the other; see [`kill`].
pub async fn kill_workers(stage: &Stage, point: Point, before: impl AsyncFnMut(usize)) {
    kill(stage, point, || stage.command(&["work"]), before).await;
}

/// Lets processes of the command die at the point, one after the other, each at its first passing; fails when one passes it by.
/// `before` each it is seen to that something leads there, and after each the dead one's leases lapse.
pub async fn kill(
    stage: &Stage,
    point: Point,
    command: impl Fn() -> Command,
    mut before: impl AsyncFnMut(usize),
) {
    for death in 1..=DEATHS {
        before(death).await;
        let order = format!("{}:1", point.name());
        let process = Process::spawn(command().env("CRASH_AT", &order));
        let status = process.wait().await;
        assert_eq!(
            status.signal(),
            Some(SIGKILL),
            "death {death} at {order}: {status}"
        );
        stage.scratch.let_pass(scope(), A_WHILE).await;
    }
}

/// Lets time go by for whoever is at work.
pub async fn let_pass(stage: &Stage) {
    stage.scratch.let_pass(scope(), A_WHILE).await;
}

/// What is sent again costs no more than what was under way when each worker died (G5).
pub fn little_was_sent_again(stage: &Stage, point: Point) {
    let again = sent_again(stage);
    let most = DEATHS * IN_FLIGHT * OBJECTS_PER_BATCH;
    assert!(again <= most, "{}: {again} records", point.name());
}

/// Runs the command to its end; what it printed.
pub fn output(mut command: Command) -> String {
    let done = command.output().unwrap();
    let words = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
    assert!(done.status.success(), "{words}");
    words
}
