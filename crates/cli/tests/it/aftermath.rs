//! What is judged once everything is over, whoever died or was stopped meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use app::PortalScope;
use domain::HubId;
use sandbox::DEMO_HUB_ID;
use serde_json::Value;

use crate::processes::Stage;

/// The portal of the demonstration.
pub fn scope() -> PortalScope {
    PortalScope::from_operator(HubId(DEMO_HUB_ID))
}

/// Waits for the end and judges as if nothing had happened meanwhile: the referee finds every record once, with the right values and
/// links; each gift's record is noted as written once; the trails are whole.
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
