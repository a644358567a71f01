//! What Redis is trusted with: it may be spoken to over TLS, and whatever somebody puts into it decides nothing.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use sandbox::control::{NewOrganization, NewPortal};
use sandbox::{DEMO_HUB_ID, DEMO_ORGANIZATION_ID};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::processes::{Process, Stage};

/// A Redis that speaks TLS alone, with a certificate of its own for `localhost`.
struct TlsRedis {
    folder: TempDir,
    port: u16,
    _server: Process,
}

impl TlsRedis {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = "[req]\ndistinguished_name = name\nx509_extensions = extensions\nprompt = no\n\
            [name]\nCN = localhost\n[extensions]\nbasicConstraints = CA:FALSE\nsubjectAltName = DNS:localhost\n";
        std::fs::write(folder.path().join("config"), config).unwrap();
        let made = Command::new("openssl")
            .current_dir(folder.path())
            .args([
                "req", "-x509", "-config", "config", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args(["-keyout", "key", "-out", "certificate"])
            .output()
            .expect("openssl is installed");
        assert!(made.status.success(), "{made:?}");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut command = Command::new("redis-server");
        command
            .current_dir(folder.path())
            .args(["--port", "0", "--tls-port", &port.to_string()])
            .args(["--tls-cert-file", "certificate", "--tls-key-file", "key"])
            .args([
                "--tls-ca-cert-file",
                "certificate",
                "--tls-auth-clients",
                "no",
            ])
            .args([
                "--bind",
                "127.0.0.1",
                "::1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .args(["--requirepass", "secret"])
            .stdout(Stdio::null());
        Self {
            port,
            _server: Process::spawn(&mut command),
            folder,
        }
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate")
    }

    fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://:secret@{host}:{}/0", self.port)
    }

    /// How many keys there are.
    fn keys(&self) -> u64 {
        let done = Command::new("redis-cli")
            .args(["--tls", "--cacert"])
            .arg(self.certificate())
            .args(["-h", "localhost", "-p", &self.port.to_string()])
            .args(["--no-auth-warning", "-a", "secret", "DBSIZE"])
            .output()
            .unwrap();
        let words = String::from_utf8(done.stdout).unwrap();
        words.trim().parse().unwrap_or_else(|_| panic!("{words}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_spoken_to_over_tls_and_its_certificate_is_looked_at() {
    let stage = Stage::set(60).await;
    let redis = TlsRedis::start();
    let own = redis.certificate();
    let command = |url: String, trusted: Option<&Path>, arguments: &[&str]| {
        let mut command = stage.command(arguments);
        command.env("REDIS_URL", url);
        command.envs(trusted.map(|file| ("SSL_CERT_FILE", file)));
        command
    };
    let healthy = |url: String, trusted: Option<&Path>| {
        let done = command(url, trusted, &["healthcheck", "work"]).output();
        done.unwrap().status.success()
    };
    let good = redis.url("rediss", "localhost");
    let mut tries = 0;
    while !healthy(good.clone(), Some(&own)) {
        tries += 1;
        assert!(tries < 100, "Redis never answered over TLS");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Nobody whom this machine trusts has signed it; it is for another name; and nothing goes in the clear.
    assert!(!healthy(good.clone(), None));
    assert!(!healthy(redis.url("rediss", "127.0.0.1"), Some(&own)));
    assert!(!healthy(redis.url("redis", "localhost"), Some(&own)));

    assert_eq!(redis.keys(), 0);
    let _worker = Process::spawn(&mut command(good, Some(&own), &["work"]));
    stage.install().await;
    stage.wait_for_the_end().await;
    assert!(redis.keys() > 0, "the rings went another way");
}

const OTHER_HUB: i64 = 77;

/// A second portal with an organization of its own, installed and in step; its browser.
async fn other_portal(stage: &Stage) -> Browser {
    let organization = NewOrganization {
        id: "org_other".into(),
        key: "thnks_key_of_the_other".into(),
    };
    let new = NewPortal {
        hub_id: OTHER_HUB,
        name: "Other".into(),
        enterprise: true,
        users: Vec::new(),
        organization: Some(organization),
        transactions: 20,
        recipients: None,
    };
    stage.control().add_portal(&new).unwrap();
    let browser = Browser::open(&stage.public_url());
    let link = stage.setup_link_for("thnks_key_of_the_other");
    browser.install(&link, OTHER_HUB).await;
    browser
}

/// The portal's status once it is in step and nothing runs.
async fn at_rest(browser: &Browser, hub_id: i64) -> Value {
    for _ in 0..1_200 {
        let status = browser
            .json(&format!("/portals/{hub_id}/status.json"))
            .await;
        if status["state"] == "active" && status["current_run"].is_null() {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("portal {hub_id} never came to rest");
}

fn redis_cli(stage: &Stage, arguments: &[&str]) -> Output {
    let socket = stage.redis.url().replace("redis+unix://", "");
    let done = Command::new("redis-cli")
        .args(["-s", &socket])
        .args(arguments)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    done
}

/// Puts a ring into the queue as apalis does, whatever it holds; `None` names one that holds nothing.
fn forge(stage: &Stage, nth: usize, payload: Option<&str>) {
    let id = format!("01ARZ3NDEKTSV4RRFFQ69G5F{nth:02}");
    let meta = format!("runs:meta:{id}");
    let fields = ["attempts", "0", "max_attempts", "5", "status", "Pending"];
    redis_cli(
        stage,
        &[&["HSET", meta.as_str()], fields.as_slice()].concat(),
    );
    if let Some(payload) = payload {
        redis_cli(stage, &["HSET", "runs:data", &id, payload]);
    }
    redis_cli(stage, &["RPUSH", "runs:active", &id]);
    redis_cli(stage, &["LPUSH", "runs:signal", "1"]);
}

/// Waits until all rings have been taken, and nobody holds one who could give it to another.
async fn until_taken(stage: &Stage) {
    for _ in 0..1_200 {
        let waiting = redis_cli(stage, &["LLEN", "runs:active"]).stdout;
        let taken = redis_cli(stage, &["KEYS", "runs:inflight:*"]).stdout;
        if waiting.starts_with(b"0") && taken.trim_ascii().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("rings are not taken");
}

/// Calls that HubSpot and Thnks have had.
fn calls(stage: &Stage) -> u64 {
    let portals = [None, Some(DEMO_HUB_ID), Some(OTHER_HUB)];
    let control = stage.control();
    portals
        .iter()
        .map(|portal| control.counters(*portal).total)
        .sum()
}

fn calls_of(stage: &Stage, hub_id: i64) -> u64 {
    stage.control().counters(Some(hub_id)).total
}

/// Everything that stands in the tables that work leaves traces in.
async fn traces(stage: &Stage) -> Vec<String> {
    let mut traces = Vec::new();
    for table in [
        "runs",
        "run_queue",
        "portal_leases",
        "transactions",
        "write_attempts",
        "connections",
        "audit",
    ] {
        let rows = stage.scratch.rows_of_all(table).await;
        traces.extend(rows.iter().map(|row| format!("{table} {row}")));
    }
    traces.sort_unstable();
    traces
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_rings_do_nothing_but_are_dropped_and_logged() {
    let stage = Stage::set(20).await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = stage.command(&["work"]);
    command.stderr(std::fs::File::create(&log).unwrap());
    let worker = Process::spawn(&mut command);
    stage.install().await;
    stage.wait_for_the_end().await;
    let other = other_portal(&stage).await;
    let ended = at_rest(&other, OTHER_HUB).await["last_run"]["id"].clone();
    assert!(ended.is_string(), "{ended}");

    let (before, called) = (traces(&stage).await, calls(&stage));
    let nobody = "01a20000-0000-7000-8000-000000000000";
    let forged = [
        // Another version, another shape, a run that is over with another portal's number beside it, no run at all.
        Some(json!({"v": 2, "run_id": ended}).to_string()),
        Some(json!({"run_id": ended}).to_string()),
        Some(json!({"v": 1, "run_id": ended, "hub_id": DEMO_HUB_ID}).to_string()),
        Some(json!({"v": 1, "run_id": nobody}).to_string()),
        Some(json!({"v": 1, "run_id": "' OR true --"}).to_string()),
        Some("[\"what\"]".to_owned()),
        Some("null".to_owned()),
        // Not even JSON, and a ring without anything in it: apalis' worker gives up over these and starts again.
        Some("{\"v\": 1, ".to_owned()),
        None,
    ];
    for (nth, payload) in forged.iter().enumerate() {
        forge(&stage, nth, payload.as_deref());
    }
    until_taken(&stage).await;
    assert_eq!(calls(&stage), called, "somebody was called");
    assert_eq!(traces(&stage).await, before, "something was changed");
    let words = std::fs::read_to_string(&log).unwrap();
    assert_eq!(
        words.matches("a ring of another version").count(),
        1,
        "{words}"
    );
    assert_eq!(
        words.matches("a ring of an unknown shape").count(),
        4,
        "{words}"
    );
    assert_eq!(words.matches("apalis' worker ended").count(), 2, "{words}");

    // The process is the same, and real rings are followed.
    let sent = sandbox::control::Sent::default();
    let control = stage.control();
    control.send_gift(DEMO_ORGANIZATION_ID, sent).unwrap();
    let hub_id = DEMO_HUB_ID.to_string();
    let done = stage
        .command(&["run", "start", "--portal", &hub_id, "--kind", "sync"])
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(stage.wait_for_the_end().await["records"], 21);
    assert_eq!(worker.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_a_run_is_stands_in_the_database_whatever_its_ring_says() {
    let stage = Stage::set(20).await;
    let worker = stage.worker();
    stage.install().await;
    stage.wait_for_the_end().await;
    let other = other_portal(&stage).await;
    at_rest(&other, OTHER_HUB).await;
    assert_eq!(worker.terminate(), Some(0));

    let page = format!("/portals/{OTHER_HUB}");
    let run = other.press(&page, &format!("{page}/reassociate")).await;
    let ring = json!({"v": 1, "run_id": run["id"], "hub_id": DEMO_HUB_ID});
    forge(&stage, 0, Some(&ring.to_string()));
    let (before, called) = (stage.scratch.digest().await, calls_of(&stage, DEMO_HUB_ID));
    let worker = stage.worker();
    let ended = at_rest(&other, OTHER_HUB).await["last_run"].clone();
    assert_eq!(worker.terminate(), Some(0));
    assert_eq!(
        (&ended["id"], &ended["state"]),
        (&run["id"], &json!("succeeded"))
    );
    assert_eq!(calls_of(&stage, DEMO_HUB_ID), called);
    let after = stage.scratch.digest().await;
    for key in before.keys().chain(after.keys()) {
        if key.1 == Some(DEMO_HUB_ID) {
            assert_eq!(before.get(key), after.get(key), "{key:?}");
        }
    }
}
