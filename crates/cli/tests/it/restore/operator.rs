//! One verb for each thing that an operator does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sandbox::control::{NewOrganization, NewPortal};
use sandbox::{Control, DEMO_HUB_ID, Verdict};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use url::Url;

use crate::browser::Browser;
use crate::logging::started;
use crate::processes::{Process, Stage};

/// Runs a script of ours against a database; whether it succeeded, and what it said.
pub fn script(name: &str, database: &str, files: [&Path; 2]) -> (bool, String) {
    let database: Url = database.parse().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script");
    let done = Command::new(script.join(name))
        .args(files)
        .env("PGHOST", database.host_str().unwrap())
        .env("PGPORT", database.port().unwrap().to_string())
        .env("PGDATABASE", database.path().trim_start_matches('/'))
        .env("PGUSER", database.username())
        .env("PGPASSWORD", database.password().unwrap())
        .env("PGSSLMODE", "disable")
        .output()
        .unwrap();
    let words = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(words).unwrap())
}

/// The operator: an installation, and a folder for backups and logs.
pub struct Operator {
    pub stage: Stage,
    pub folder: TempDir,
}

impl Operator {
    /// A file of the operator's.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn control(&self) -> Control {
        self.stage.control()
    }

    /// Types a command of the binary; whether it succeeded, and what it said.
    pub fn types(&self, arguments: &[&str]) -> (bool, String) {
        let done = self.stage.command(arguments).output().unwrap();
        let words = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8(words).unwrap())
    }

    /// The same of one that must succeed.
    pub fn does(&self, arguments: &[&str]) -> String {
        let (done, words) = self.types(arguments);
        assert!(done, "{arguments:?}: {words}");
        words
    }

    /// A worker whose lines go into a file.
    pub fn worker(&self, log: &str) -> Process {
        started(&mut self.stage.command(&["work"]), &self.file(log))
    }

    /// Another portal at HubSpot, with an organization and gifts at Thnks.
    pub fn adds(&self, hub_id: i64, transactions: usize) {
        let new = NewPortal {
            hub_id,
            name: format!("Company {hub_id}"),
            enterprise: true,
            users: Vec::new(),
            organization: Some(NewOrganization {
                id: format!("org_{hub_id}"),
                key: format!("thnks_key_{hub_id}"),
            }),
            transactions,
            recipients: None,
        };
        self.control().add_portal(&new).unwrap();
    }

    /// Installs such a portal and waits until HubSpot has all of its gifts.
    pub async fn installs(&self, hub_id: i64) {
        let browser = Browser::open(&self.stage.public_url());
        let link = self.stage.setup_link_for(&format!("thnks_key_{hub_id}"));
        browser.install(&link, hub_id).await;
        self.until("the other portal's backfill", async || {
            let status = browser
                .json(&format!("/portals/{hub_id}/status.json"))
                .await;
            status["state"] == "active" && status["current_run"].is_null()
        })
        .await;
        let organization = format!("org_{hub_id}");
        let verdict = self.control().verify(hub_id, Some(&organization)).unwrap();
        assert!(verdict.ok, "{verdict:#?}");
    }

    /// Waits until something holds.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let begun = Instant::now();
        while !holds().await {
            assert!(begun.elapsed() < self.stage.patience, "never: {what}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The sandbox's judgement of the demonstration's portal.
    pub fn verdict(&self) -> Verdict {
        self.control().verify(DEMO_HUB_ID, None).unwrap()
    }

    /// HubSpot's records of that portal, by transaction.
    pub fn records(&self) -> BTreeMap<String, Vec<u64>> {
        self.control().records(DEMO_HUB_ID).unwrap()
    }

    /// The ends of the portal's two chains.
    pub fn notes_ends(&self) -> Vec<String> {
        let words = self.does(&["audit", "verify", "--portal", &DEMO_HUB_ID.to_string()]);
        let ends = words
            .lines()
            .filter_map(|line| Some(line.split_once("the end is ")?.1.to_owned()));
        ends.collect()
    }

    /// Whether the portal's chains are whole, and go through these ends.
    pub fn finds(&self, ends: &[String]) -> (bool, String) {
        let hub_id = DEMO_HUB_ID.to_string();
        let expected = ends.iter().flat_map(|end| ["--expect", end]);
        let arguments: Vec<&str> = ["audit", "verify", "--portal", &hub_id]
            .into_iter()
            .chain(expected)
            .collect();
        self.types(&arguments)
    }

    /// Waits for the end of a run of the demonstration's portal.
    pub fn syncs(&self) {
        let hub_id = DEMO_HUB_ID.to_string();
        self.does(&["run", "start", "--portal", &hub_id, "--kind", "sync"]);
    }
}
