//! From a click to the call that it leads to: one trace, and the same ids on every log line on the way.

use std::fs::{File, read_to_string};

use sandbox::control::Sent as Gift;
use sandbox::{DEMO_HUB_ID, DEMO_ORGANIZATION_ID};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::collector::{Collector, Sent};
use crate::processes::{Process, Stage};

/// Starts a process that says all it has to say, in JSON, to a file and to the collector.
fn spawn(stage: &Stage, argument: &str, collector: &Collector, folder: &TempDir) -> Process {
    let log = File::create(folder.path().join(argument)).unwrap();
    let mut command = stage.command(&[argument]);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
        .env("LOG_FORMAT", "json")
        .env("RUST_LOG", "debug")
        // The schedule must not ask for the run that a person is to ask for.
        .env("SYNC_INTERVAL", "30days")
        .stderr(log);
    Process::spawn(&mut command)
}

fn lines(folder: &TempDir, name: &str) -> Vec<Value> {
    let said = read_to_string(folder.path().join(name)).unwrap();
    let line =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    said.lines().map(line).collect()
}

/// The ids that stand on each of the lines which `are_meant`; there are some.
fn assert_all_carry(lines: &[Value], ids: &[&str], what: &str, are_meant: impl Fn(&Value) -> bool) {
    let meant: Vec<&Value> = lines.iter().filter(|line| are_meant(line)).collect();
    assert!(!meant.is_empty(), "there is no line of {what}");
    for line in meant {
        for id in ids {
            assert!(line[id].is_string(), "{what} without {id}: {line:#}");
        }
    }
}

fn text<'a>(line: &'a Value, name: &str) -> &'a str {
    line[name].as_str().unwrap_or_default()
}

/// Whether the line is about a statement on gifts, which belong to a portal: nothing else touches them than its own runs and
/// its own people. Whose an install is turns out in the middle of its request.
fn is_about_gifts(line: &Value) -> bool {
    text(line, "target") == "sqlx::query"
        && text(line, "http.route") != "/oauth/callback"
        && ["summary", "db.statement"]
            .iter()
            .any(|name| text(line, name).contains("transactions"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_its_run_and_the_calls_are_one_trace_and_every_line_says_whose_it_is() {
    let (collector, folder) = (Collector::open().await, tempfile::tempdir().unwrap());
    let mut stage = Stage::set(40).await;
    drop(stage.web.take());
    let web = spawn(&stage, "serve", &collector, &folder);
    stage.browser.wait_until_served().await;
    let worker = spawn(&stage, "work", &collector, &folder);
    stage.install().await;
    stage.wait_for_the_end().await;
    let control = stage.control();
    control
        .send_gift(DEMO_ORGANIZATION_ID, Gift::default())
        .unwrap();
    let dashboard = format!("/portals/{DEMO_HUB_ID}");
    let asked = stage
        .browser
        .press(&dashboard, &format!("{dashboard}/sync"))
        .await;
    let run_id = asked["id"].as_str().unwrap();
    stage.wait_for_the_end().await;
    // The last spans are sent at the end of the processes.
    assert_eq!(worker.terminate(), Some(0));
    assert_eq!(web.terminate(), Some(0));

    let spans = collector.spans();
    assert!(spans.iter().all(|span| span.service == "thnks-hubspot"));
    let click = spans
        .iter()
        .find(|span| span.attribute("http.route") == Some("/portals/{hub_id}/sync"))
        .expect("the click");
    let (hub_id, request_id) = (DEMO_HUB_ID.to_string(), click.attribute("request.id"));
    assert!(request_id.is_some());
    assert_eq!(click.attribute("portal.id"), Some(&*hub_id));
    let run = spans
        .iter()
        .find(|span| span.name == "run" && span.attribute("run.id") == Some(run_id))
        .expect("the run");
    assert_eq!((&run.trace, &run.parent), (&click.trace, &click.id));
    assert_eq!(run.attribute("portal.id"), Some(&*hub_id));
    assert_eq!(run.attribute("request.id"), request_id);
    assert_eq!(run.attribute("job.kind"), Some("sync"));
    let within = |span: &&Sent| span.trace == run.trace && is_below(&spans, span, run);
    for (client, kind) in [("hubspot", "hubspot.kind"), ("thnks", "thnks.kind")] {
        let calls = spans
            .iter()
            .filter(within)
            .filter(|span| span.name == client);
        let kinds: Vec<_> = calls.map(|span| span.attribute(kind)).collect();
        assert!(
            !kinds.is_empty() && kinds.iter().all(Option::is_some),
            "{client}: {kinds:?}"
        );
    }
    // The history is asked for by whoever comes back from HubSpot.
    let callback = spans
        .iter()
        .find(|span| span.attribute("http.route") == Some("/oauth/callback"))
        .expect("the end of the install");
    assert!(spans.iter().any(|span| {
        span.attribute("job.kind") == Some("backfill") && span.trace == callback.trace
    }));

    let (said, done) = (lines(&folder, "serve"), lines(&folder, "work"));
    let of_run = ["portal.id", "run.id"];
    let is_call = |line: &Value| matches!(text(line, "message"), "hubspot call" | "thnks call");
    assert_all_carry(&done, &of_run, "a call", is_call);
    assert_all_carry(&done, &of_run, "a statement", is_about_gifts);
    assert_all_carry(
        &done,
        &["portal.id", "run.id", "job.kind"],
        "a turn",
        |line| text(line, "message") == "a run had its turn",
    );
    let of_request = ["portal.id", "request.id"];
    assert_all_carry(&said, &of_request, "an answer", |line| {
        text(line, "message") == "request answered"
            && text(line, "http.route").starts_with("/portals/{hub_id}")
    });
    assert_all_carry(&said, &of_request, "a statement", is_about_gifts);
    // And so the line of a call leads back to the click.
    let of_click = |line: &Value| text(line, "run.id") == run_id && is_call(line);
    assert_all_carry(&done, &["request.id"], "a call after a click", of_click);
    let led = done.iter().filter(|line| of_click(line));
    assert!(
        led.into_iter()
            .all(|line| line["request.id"].as_str() == request_id)
    );
}

/// Whether `span` hangs below `top`.
fn is_below(spans: &[Sent], span: &Sent, top: &Sent) -> bool {
    let mut at = span;
    while let Some(parent) = spans
        .iter()
        .find(|one| one.trace == at.trace && one.id == at.parent)
    {
        if parent.id == top.id {
            return true;
        }
        at = parent;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_lets_little_through_leaves_the_ids_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(10).await;
    stage.install().await;
    drop(stage.web.take());
    // Whatever is sent to HubSpot from now on is in vain.
    let log = File::create(folder.path().join("work")).unwrap();
    let mut command = stage.command(&["work"]);
    command
        .env("THNKS_API_URL", "http://127.0.0.1:9")
        .env("LOG_FORMAT", "json")
        .env("RUST_LOG", "warn")
        .stderr(log);
    let worker = Process::spawn(&mut command);
    let is_stop = |line: &Value| text(line, "message") == "a run was stopped";
    let started = tokio::time::Instant::now();
    while !read_to_string(folder.path().join("work"))
        .unwrap()
        .contains("a run was stopped")
    {
        assert!(started.elapsed() < stage.patience, "no run was stopped");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(worker.terminate(), Some(0));
    let ids = ["portal.id", "run.id", "job.kind", "request.id"];
    assert_all_carry(&lines(&folder, "work"), &ids, "a stop", is_stop);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_keeps_nobody_waiting_and_one_that_cannot_be_stops_the_start() {
    let mut stage = Stage::set(10).await;
    drop(stage.web.take());
    let mut command = stage.command(&["serve"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let web = Process::spawn(&mut command);
    stage.browser.wait_until_served().await;
    assert_eq!(web.terminate(), Some(0));
    for wrong in [
        "nowhere",
        "ftp://collector.example",
        "http://a:hunter2@collector.example",
    ] {
        let mut command = stage.command(&["work"]);
        let done = command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", wrong)
            .output()
            .unwrap();
        let words = String::from_utf8(done.stderr).unwrap();
        assert!(!done.status.success(), "{wrong} was accepted");
        assert_eq!(words.lines().count(), 1, "{words}");
        assert!(words.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{words}");
        assert!(!words.contains("hunter2"), "a secret is shown: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_does_not_keep_a_process_until_it_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (took, mut taken) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        // Held open, and never read.
        while let Ok((connection, _)) = listener.accept().await {
            took.send(connection).unwrap();
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::set(10).await;
    drop(stage.web.take());
    let mut command = stage.command(&["serve"]);
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        .stderr(File::create(folder.path().join("serve")).unwrap());
    let web = Process::spawn(&mut command);
    stage.browser.wait_until_served().await;
    let ended = tokio::task::spawn_blocking(move || web.terminate());
    assert_eq!(ended.await.unwrap(), Some(0));
    assert!(taken.try_recv().is_ok(), "the collector was never called");
    let said = read_to_string(folder.path().join("serve")).unwrap();
    assert!(said.contains("the last spans could not be sent"), "{said}");
    assert!(!said.contains("was cut off"), "{said}");
}
