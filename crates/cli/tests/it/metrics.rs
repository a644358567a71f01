//! What monitoring gets: figures of real processes, and that nothing is watched which nobody tells.

#![expect(clippy::float_cmp, reason = "counts are whole")]

use std::collections::BTreeSet;
use std::fs::{File, read_to_string};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use domain::run::RunKind;
use sandbox::{DEMO_HUB_ID, THNKS_API_KEY};
use url::Url;

use crate::chaos::wire::{Mood, Wire};
use crate::processes::{PATIENCE, Process, Stage, binary, free_port};

/// Labels that there may be: each has a short list of values, and none names a portal, a run or a person.
const LABELS: [&str; 14] = [
    "cause", "channel", "class", "kind", "le", "level", "method", "outcome", "quantile", "reason",
    "route", "state", "status", "version",
];

/// What one process tells.
pub struct Told(String);

impl Told {
    async fn by(port: u16) -> Self {
        let told = Self::if_there(port).await;
        told.expect("a process that tells its figures")
    }

    /// The same of a process that may not be there.
    pub async fn if_there(port: u16) -> Option<Self> {
        let client = hubspot::http_client().build().unwrap();
        let url = format!("http://127.0.0.1:{port}/metrics");
        let answer = client.get(url).send().await.ok()?;
        assert_eq!(answer.status(), 200);
        let kind = answer.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("text/plain"), "{kind}");
        Some(Self(answer.text().await.ok()?))
    }

    /// Each series with its value.
    fn series(&self) -> impl Iterator<Item = (&str, f64)> {
        let lines = self
            .0
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series, value.parse().unwrap_or_else(|_| panic!("{line}")))
        })
    }

    /// All series of this name that have all of these labels.
    fn all(&self, name: &str, labels: &[&str]) -> impl Iterator<Item = f64> {
        let has = move |series: &str| {
            let (its_name, its_labels) = series.split_once('{').unwrap_or((series, ""));
            its_name == name && labels.iter().all(|label| its_labels.contains(label))
        };
        self.series()
            .filter(move |(series, _)| has(series))
            .map(|(_, value)| value)
    }

    /// Their sum.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        self.all(name, labels).sum()
    }
}

/// What a process tells as soon as `wanted` holds of it.
async fn told_until(port: u16, what: &str, wanted: impl Fn(&Told) -> bool) -> Told {
    let started = tokio::time::Instant::now();
    loop {
        let said = match Told::if_there(port).await {
            Some(told) if wanted(&told) => return told,
            Some(told) => told.0,
            None => "nobody answers".to_owned(),
        };
        assert!(started.elapsed() < PATIENCE, "{what}: {said}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The words of a text that name figures of ours.
fn named_in(text: &str) -> BTreeSet<String> {
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
        .filter(|word| word.starts_with("thnks_"))
        .map(str::to_owned)
        .collect()
}

/// A figure's name without what a histogram adds.
fn family(name: &str) -> &str {
    ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name)
}

fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_told_and_whatever_is_watched_is_among_them() {
    let mut stage = Stage::set(60).await;
    let (of_web, of_worker) = (free_port(), free_port());
    let start = |command: &mut Command, port: u16| {
        Process::spawn(command.env("METRICS_ADDR", format!("127.0.0.1:{port}")))
    };
    // The one that is there leaves its address first.
    stage.web = None;
    stage.web = Some(start(&mut stage.command(&["serve"]), of_web));
    stage.browser.wait_until_served().await;
    let _worker = start(&mut stage.command(&["work"]), of_worker);
    stage.install().await;
    stage.wait_for_the_end().await;
    let nowhere = format!("/portals/{DEMO_HUB_ID}/status.json?canary@client.example");
    stage.browser.json(&nowhere).await;
    let (web, worker) = (Told::by(of_web).await, Told::by(of_worker).await);

    // Exact where it can be known.
    for told in [&web, &worker] {
        assert_eq!(told.sum("thnks_portals", &["state=\"active\""]), 1.0);
        assert_eq!(told.sum("thnks_portals", &[]), 1.0);
        assert_eq!(told.sum("thnks_rows_dirty", &[]), 0.0);
        assert_eq!(told.sum("thnks_database_up", &[]), 1.0);
        assert_eq!(told.sum("thnks_redis_up", &[]), 1.0);
        assert_eq!(told.sum("thnks_build_info", &[]), 1.0);
        assert!(told.sum("thnks_database_connections_max", &[]) > 0.0);
    }
    let ended = ["kind=\"backfill\"", "state=\"succeeded\""];
    assert_eq!(worker.sum("thnks_run_seconds_count", &ended), 1.0);
    assert!(worker.sum("thnks_run_turn_seconds_count", &["kind=\"backfill\""]) >= 1.0);
    let counters = stage.control().counters(Some(DEMO_HUB_ID));
    let upserts = |kind: &str| counters.by_kind.get(kind).copied().unwrap_or_default();
    let told = worker.sum(
        "thnks_hubspot_call_seconds_count",
        &["kind=\"objects.upsert\""],
    );
    assert!(told > 0.0, "{}", worker.0);
    #[expect(clippy::cast_precision_loss, reason = "a few calls")]
    let counted = upserts("objects.batch_upsert") as f64;
    assert_eq!(told, counted, "{:?}", counters.by_kind);
    assert!(worker.sum("thnks_thnks_call_seconds_count", &["status=\"200\""]) >= 1.0);
    let route = [
        "route=\"/portals/{hub_id}/status.json\"",
        "status=\"200\"",
        "method=\"GET\"",
    ];
    assert!(
        web.sum("thnks_http_request_seconds_count", &route) >= 1.0,
        "{}",
        web.0
    );

    // Nobody is in them, and no label goes on without end.
    for told in [&web, &worker] {
        for word in [
            &DEMO_HUB_ID.to_string(),
            "canary",
            "@",
            "org_",
            THNKS_API_KEY,
        ] {
            assert!(!told.0.contains(word), "{word}: {}", told.0);
        }
        let mut labels = BTreeSet::new();
        for (one, _) in told.series() {
            let (_, rest) = one.split_once('{').unwrap_or((one, ""));
            // Values of ours hold no quotation marks, and no commas.
            let pairs = rest.trim_end_matches('}').split("\",");
            labels.extend(
                pairs
                    .filter_map(|pair| pair.split_once('='))
                    .map(|(label, _)| label),
            );
        }
        let strange: Vec<&&str> = labels
            .iter()
            .filter(|label| !LABELS.contains(label))
            .collect();
        assert!(strange.is_empty(), "{strange:?}");
    }

    // Rules, dashboard and table name what is told; the table names all of it.
    let told: BTreeSet<String> = [&web, &worker]
        .iter()
        .flat_map(|told| told.series())
        .map(|(series, _)| series.split('{').next().unwrap_or_default().to_owned())
        .filter(|name| name.starts_with("thnks_"))
        .collect();
    for path in [
        "deploy/prometheus/alerts.yml",
        "deploy/grafana/dashboard.json",
    ] {
        let named = named_in(&file(path));
        assert!(named.len() > 10, "{path}");
        let unknown: Vec<&String> = named.difference(&told).collect();
        assert!(unknown.is_empty(), "{path}: {unknown:?}");
    }
    let rows = file("docs/metrics.md");
    let rows: BTreeSet<String> = rows
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.starts_with("thnks_"))
        .map(str::to_owned)
        .collect();
    let families: BTreeSet<String> = told.iter().map(|name| family(name).to_owned()).collect();
    assert_eq!(rows, families, "docs/metrics.md has a row for each figure");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_begins_at_nothing_tells_that_its_stores_are_lost_and_counts_lines_that_nobody_sees()
 {
    let mut stage = Stage::set(10).await;
    let database: Url = stage.scratch.app_url.parse().unwrap();
    let wire = Wire::to((Ipv4Addr::LOCALHOST, database.port().unwrap()).into()).await;
    let mut wired = database;
    wired.set_port(Some(wire.port())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("work");
    let port = free_port();
    let mut command = stage.command(&["work"]);
    command
        .env("DATABASE_URL", wired.as_str())
        .env("METRICS_ADDR", format!("127.0.0.1:{port}"))
        .env("RUST_LOG", "off")
        .stderr(File::create(&log).unwrap());
    let _worker = Process::spawn(&mut command);
    let stores = |told: &Told| {
        ["thnks_database_up", "thnks_redis_up"].map(|name| told.all(name, &[]).next())
    };
    let warnings = |told: &Told| told.sum("thnks_log_lines_total", &["level=\"warn\""]);

    let has_no_run = |told: &Told, kind: RunKind, state: &str| {
        let (kind, state) = (
            format!("kind=\"{}\"", kind.as_str()),
            format!("state=\"{state}\""),
        );
        told.all("thnks_run_seconds_count", &[&kind, &state])
            .eq([0.0])
    };

    let before = told_until(port, "all is there, and no run has ended", |told| {
        let mut kinds = RunKind::ALL.into_iter();
        stores(told) == [Some(1.0); 2]
            && kinds
                .all(|kind| has_no_run(told, kind, "succeeded") && has_no_run(told, kind, "failed"))
    })
    .await;
    assert_eq!(before.all("thnks_rows_dirty", &[]).count(), 1);
    wire.set(Mood::Silent);
    stage.redis.stop();
    let during = told_until(port, "both are away", |told| stores(told) == [Some(0.0); 2]).await;
    // As they were; how old they are is told.
    for name in ["thnks_rows_dirty", "thnks_figures_read_timestamp_seconds"] {
        assert!(during.all(name, &[]).eq(before.all(name, &[])), "{name}");
    }
    assert!(warnings(&during) > warnings(&before), "{}", during.0);
    wire.set(Mood::Open);
    stage.redis.restart();
    told_until(port, "both are back", |told| stores(told) == [Some(1.0); 2]).await;
    assert_eq!(read_to_string(&log).unwrap(), "");
}

#[test]
fn each_alert_leads_to_its_section_of_the_runbook_and_is_played() {
    let rules = file("deploy/prometheus/alerts.yml");
    let played = file("deploy/prometheus/alerts.test.yml");
    let runbook = file("docs/runbook.md");
    let (_, sections) = runbook.split_once("\n## Alerts\n").unwrap();
    let (sections, _) = sections.split_once("\n## ").unwrap();
    let headings: BTreeSet<&str> = sections
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let mut alerts = BTreeSet::new();
    for rule in rules.split("- alert: ").skip(1) {
        let (alert, rule) = rule.split_once('\n').unwrap();
        assert!(alert.starts_with("Thnks"), "{alert}");
        assert!(alerts.insert(alert), "{alert} is there twice");
        // Those who show Markdown make a heading's anchor of its small letters.
        let url = rule
            .lines()
            .find_map(|line| line.trim().strip_prefix("runbook_url: "))
            .unwrap_or_else(|| panic!("{alert} leads nowhere"));
        let path = format!("/docs/runbook.md#{}", alert.to_ascii_lowercase());
        assert_eq!(url, format!("https://example.com/thnks-hubspot{path}"));
        let fires = format!("alertname=\"{alert}\", alertstate=\"firing\"");
        assert!(played.contains(&fires), "{alert} fires in no test of rules");
    }
    assert!(!alerts.is_empty());
    assert_eq!(alerts, headings, "alerts, and headings of the runbook");
}

#[test]
fn an_address_for_figures_that_cannot_be_had_stops_the_start_and_is_named() {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    for address in ["nowhere", "127.0.0.1", &taken] {
        for part in ["serve", "work"] {
            let done = binary(&[part])
                .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
                .env("REDIS_URL", "redis://127.0.0.1:1/0")
                .env("METRICS_ADDR", address)
                .output()
                .unwrap();
            let words = String::from_utf8(done.stderr).unwrap();
            assert!(!done.status.success(), "{address} was accepted");
            assert_eq!(words.lines().count(), 1, "{words}");
            assert!(words.contains("METRICS_ADDR"), "it is not named: {words}");
        }
    }
}
