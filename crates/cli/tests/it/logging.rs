//! Log lines of real processes: each parses as one JSON object, and says of which request, portal and run it is.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use sandbox::DEMO_HUB_ID;
use sandbox::{Action, Fault, FaultBody};
use serde_json::{Map, Value};

use crate::processes::{Process, Stage};

pub type Line = Map<String, Value>;

/// A process whose lines go into a file, calls to HubSpot and Thnks included.
pub fn started(command: &mut Command, path: &Path) -> Process {
    let file = File::create(path).unwrap();
    let lines = command
        .env("LOG_FORMAT", "json")
        .env("RUST_LOG", "info,hubspot=debug,thnks=debug")
        .stderr(file);
    Process::spawn(lines)
}

/// The lines so far; every one is an object.
pub fn lines(path: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn is_of(line: &Line, target: &str) -> bool {
    let its = line["target"].as_str().unwrap_or_default();
    its.split("::").next() == Some(target)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_says_of_which_request_portal_and_run_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (of_web, of_worker) = (folder.path().join("web"), folder.path().join("worker"));
    let mut stage = Stage::set(60).await;
    stage.web = None;
    stage.web = Some(started(&mut stage.command(&["serve"]), &of_web));
    stage.browser.wait_until_served().await;
    let refusal = Action::Status {
        status: 502,
        body: FaultBody::Json,
        retry_after: None,
    };
    stage
        .control()
        .inject(Fault::once("objects.batch_upsert", refusal));
    let worker = started(&mut stage.command(&["work"]), &of_worker);
    stage.install().await;
    stage.wait_for_the_end().await;
    assert_eq!(worker.terminate(), Some(0));
    assert_eq!(stage.web.take().unwrap().terminate(), Some(0));
    let (web, worker) = (lines(&of_web), lines(&of_worker));
    let portal = Value::from(DEMO_HUB_ID.to_string());

    // All that is said in a run: its calls, and its end.
    let in_runs: Vec<&Line> = worker
        .iter()
        .filter(|line| {
            is_of(line, "hubspot") || is_of(line, "thnks") || line.contains_key("run.id")
        })
        .collect();
    assert!(in_runs.len() > 5, "{worker:#?}");
    for line in &in_runs {
        assert_eq!(line.get("portal.id"), Some(&portal), "{line:?}");
        assert!(line.contains_key("run.id"), "{line:?}");
        assert!(line.contains_key("job.kind"), "{line:?}");
    }
    let refused = in_runs
        .iter()
        .find(|line| line.get("hubspot.status") == Some(&502.into()));
    let refused = refused.expect("the call that was refused");
    let correlation_id = refused["hubspot.correlation_id"].as_str().unwrap();
    assert!(!correlation_id.is_empty(), "{refused:?}");

    // All that is said while a portal's page is answered, the line that ends it included.
    let requests: Vec<&Line> = web
        .iter()
        .filter(|line| line.contains_key("request.id"))
        .collect();
    let of_portal = requests.iter().filter(|line| {
        let route = line
            .get("http.route")
            .and_then(Value::as_str)
            .unwrap_or_default();
        route == "/portals/{hub_id}/status.json" && line.get("http.status") == Some(&200.into())
    });
    assert!(of_portal.clone().count() > 0, "{web:#?}");
    for line in of_portal {
        assert_eq!(line.get("portal.id"), Some(&portal), "{line:?}");
    }
    for line in web
        .iter()
        .filter(|line| is_of(line, "hubspot") || is_of(line, "thnks"))
    {
        assert!(line.contains_key("request.id"), "{line:?}");
    }

    // The run says which request asked for it.
    let ids: BTreeSet<&str> = requests
        .iter()
        .filter_map(|line| line["request.id"].as_str())
        .collect();
    let asked = in_runs
        .iter()
        .find_map(|line| line.get("request.id")?.as_str());
    assert!(ids.contains(asked.expect("the request that asked for the backfill")));
}
