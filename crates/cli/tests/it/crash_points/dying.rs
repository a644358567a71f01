//! Processes that die at a point, and what is judged afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use app::PortalScope;
use app::crash::Point;
use chrono::TimeDelta;
use domain::HubId;
use hubspot::limits::{IN_FLIGHT, OBJECTS_PER_BATCH};
use sandbox::DEMO_HUB_ID;
use serde_json::Value;

use crate::processes::{Process, Stage};

/// How many processes die at each point.
pub const DEATHS: usize = 3;
/// Longer than any lease, and than rings and refused tokens are waited for.
const A_WHILE: TimeDelta = TimeDelta::minutes(2);
const SIGKILL: i32 = 9;

/// The portal of the demonstration.
pub fn scope() -> PortalScope {
    PortalScope::from_operator(HubId(DEMO_HUB_ID))
}

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

/// Waits for the end and judges as if nobody had died: the referee finds every record once, with the right values and links;
/// each gift's record is noted as written once; the trails are whole.
pub async fn judge(stage: &Stage) {
    let verdict = stage.wait_for_the_end().await;
    let mut written: BTreeMap<String, usize> = BTreeMap::new();
    for attempt in stage.scratch.rows("write_attempts", scope()).await {
        if attempt["what"] == "record" && attempt["outcome"] == "written" {
            let id = attempt["transaction_id"].as_str().unwrap().to_owned();
            *written.entry(id).or_default() += 1;
        }
    }
    assert_eq!(verdict["records"], written.len());
    written.retain(|_, times| *times != 1);
    assert!(written.is_empty(), "written again: {written:?}");
    the_trail_is_whole(stage);
}

/// Acts and writes are chained as they were written.
pub fn the_trail_is_whole(stage: &Stage) {
    let verified = stage.command(&["audit", "verify"]).output().unwrap();
    let words = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "{words}");
}

/// How many records HubSpot was sent that it had before.
pub fn sent_again(stage: &Stage) -> usize {
    let control = stage.control();
    let calls = control.log(
        Some(DEMO_HUB_ID),
        Some("objects.batch_upsert"),
        0,
        usize::MAX,
    );
    let sent: usize = calls.iter().map(|call| call.ids.len()).sum();
    let records: BTreeSet<&String> = calls.iter().flat_map(|call| &call.ids).collect();
    sent - records.len()
}

/// What is sent again costs no more than what was under way when each worker died (G5).
pub fn little_was_sent_again(stage: &Stage, point: Point) {
    let again = sent_again(stage);
    let most = DEATHS * IN_FLIGHT * OBJECTS_PER_BATCH;
    assert!(again <= most, "{}: {again} records", point.name());
}

/// The portal's runs of a kind, the first one first: their state, and why they ended early.
pub async fn runs(stage: &Stage, kind: &str) -> Vec<(String, Option<String>)> {
    let mut rows = stage.scratch.rows("runs", scope()).await;
    rows.retain(|run| run["kind"] == kind);
    rows.sort_by_key(|run| run["run_id"].to_string());
    let text = |value: &Value| value.as_str().map(str::to_owned);
    rows.iter()
        .map(|run| (text(&run["state"]).unwrap(), text(&run["error"])))
        .collect()
}

/// How often an act stands in the portal's trail.
pub async fn acts(stage: &Stage, action: &str) -> usize {
    let acts = stage.scratch.rows("audit", scope()).await;
    acts.iter().filter(|act| act["action"] == action).count()
}

/// Runs the command to its end; what it printed.
pub fn output(mut command: Command) -> String {
    let done = command.output().unwrap();
    let words = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
    assert!(done.status.success(), "{words}");
    words
}
