//! One verb per action on processes: a Redis of its own, the sandbox, web and workers. Everything ends with the test.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use sandbox::{Control, DEMO_HUB_ID, Sandbox, WorldSpec};
use serde_json::Value;
use store::testing::ScratchDatabase;
use tempfile::TempDir;

use crate::browser::Browser;

/// Long enough for a busy machine; nothing is judged by it.
pub const PATIENCE: Duration = Duration::from_mins(2);
/// So long after SIGTERM a process has ended, whatever it is at (docs/deployment.md, "Stopping").
const STOP_BOUND: Duration = Duration::from_secs(20);
/// The operator's key.
pub const ENCRYPTION_KEYS: &str = "test:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A process that ends with its owner.
pub struct Process(Child);

impl Process {
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// SIGKILL, as when the machine dies.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, as a deploy does; the exit code.
    pub fn terminate(mut self) -> Option<i32> {
        signal(self.id(), "TERM");
        self.0.wait().unwrap().code()
    }

    /// The same for who has more to do until it has ended.
    pub fn stop(self) -> Stopping {
        let told = Instant::now();
        self.signal("TERM");
        Stopping {
            process: self,
            told,
        }
    }

    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// Waits until it ends by itself; how it ended.
    pub async fn wait(mut self) -> ExitStatus {
        let started = tokio::time::Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end by itself");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl From<Child> for Process {
    fn from(child: Child) -> Self {
        Self(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that was told to stop.
pub struct Stopping {
    process: Process,
    told: Instant,
}

impl Stopping {
    /// Waits for its end, which is in order and in time; how long it took.
    pub async fn ended(self) -> Duration {
        let status = self.process.wait().await;
        let took = self.told.elapsed();
        assert_eq!(status.code(), Some(0), "{status}");
        assert!(took <= STOP_BOUND, "it ended {took:?} after SIGTERM");
        took
    }
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Where a web process on this port is.
pub fn public_url(port: u16) -> String {
    format!("http://localhost:{port}")
}

fn signal(pid: u32, name: &str) {
    assert!(
        Command::new("kill")
            .arg(format!("-{name}"))
            .arg(pid.to_string())
            .status()
            .unwrap()
            .success()
    );
}

/// The binary with what every process of a test is told; where things are comes with it. `THNKS_HUBSPOT` names another build of it.
pub fn binary(arguments: &[&str]) -> Command {
    let other = std::env::var_os("THNKS_HUBSPOT");
    let mut command = Command::new(other.unwrap_or(env!("CARGO_BIN_EXE_thnks-hubspot").into()));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", env!("PATH"))
        .env("HUBSPOT_CLIENT_ID", sandbox::CLIENT_ID)
        .env("HUBSPOT_CLIENT_SECRET", sandbox::CLIENT_SECRET)
        .env("ENCRYPTION_KEYS", ENCRYPTION_KEYS)
        // Benches ask more than people do.
        .env("REQUESTS_PER_SECOND", "100000")
        .env("RUST_LOG", "warn");
    command
}

/// Adds the organization of an API key by `org add`; its setup link.
pub fn add_organization(mut org_add: Command, key: &str) -> String {
    use std::io::Write;
    let mut child = org_add
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(key.as_bytes())
        .unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success());
    let link = String::from_utf8(done.stdout).unwrap();
    assert_eq!(link.lines().count(), 1, "the link alone: {link}");
    link.trim().to_owned()
}

/// A port that is free now; whoever is told takes it a moment later.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A Redis of this test's own, on a socket in a folder.
pub struct Redis {
    folder: TempDir,
    server: Option<Process>,
}

impl Redis {
    pub fn start() -> Self {
        let mut redis = Self {
            folder: tempfile::Builder::new()
                .prefix("redis")
                .tempdir_in("/tmp")
                .unwrap(),
            server: None,
        };
        redis.restart();
        redis
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// Ends it without saving and starts it empty.
    pub fn restart(&mut self) {
        self.server = None;
        let child = Command::new("redis-server")
            .args([
                "--port",
                "0",
                "--save",
                "",
                "--appendonly",
                "no",
                "--unixsocket",
            ])
            .arg(self.socket())
            .arg("--dir")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed by script/services");
        self.server = Some(Process(child));
    }

    pub fn stop(&mut self) {
        self.server = None;
    }

    /// It answers nobody for so long.
    pub async fn stall(&self, lasts: Duration) {
        let server = self.server.as_ref().unwrap();
        server.signal("STOP");
        tokio::time::sleep(lasts).await;
        server.signal("CONT");
    }

    pub fn flush(&self) {
        let done = Command::new("redis-cli")
            .arg("-s")
            .arg(self.socket())
            .arg("FLUSHALL")
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    }
}

/// The whole installation of one test.
pub struct Stage {
    pub scratch: ScratchDatabase,
    pub redis: Redis,
    pub sandbox: Sandbox,
    pub browser: Browser,
    port: u16,
    /// How long [`Stage::wait`] waits.
    pub patience: Duration,
    pub web: Option<Process>,
}

impl Stage {
    /// The sandbox with a small world, and the web process.
    pub async fn set(transactions: usize) -> Self {
        let now = sandbox::machine_clock()();
        Self::with(WorldSpec::small(now, transactions)).await
    }

    /// The sandbox with this world and HubSpot's limits, and the web process.
    pub async fn with(world: WorldSpec) -> Self {
        Self::on(ScratchDatabase::create().await, world).await
    }

    /// The same on a database that is there already.
    pub async fn on(scratch: ScratchDatabase, world: WorldSpec) -> Self {
        let mut stage = Self::without_web(scratch, world).await;
        stage.serve().await;
        stage
    }

    /// Everything but the web process: the test starts its own.
    pub async fn without_web(scratch: ScratchDatabase, world: WorldSpec) -> Self {
        let sandbox = sandbox::start(sandbox::Config::new(world)).await.unwrap();
        let port = free_port();
        Self {
            scratch,
            redis: Redis::start(),
            browser: Browser::open(&public_url(port)),
            sandbox,
            port,
            patience: PATIENCE,
            web: None,
        }
    }

    /// Starts web, and waits until it answers.
    pub async fn serve(&mut self) {
        self.web = Some(self.spawn(&["serve"]));
        self.browser.wait_until_served().await;
    }

    pub fn control(&self) -> Control {
        self.sandbox.control()
    }

    /// Where people and HubSpot find web.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where web is.
    pub fn public_url(&self) -> String {
        public_url(self.port)
    }

    /// The binary with this test's environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = binary(arguments);
        command
            .env("DATABASE_URL", &self.scratch.app_url)
            .env("MIGRATION_DATABASE_URL", &self.scratch.owner_url)
            .env("REDIS_URL", self.redis.url())
            .env("PUBLIC_URL", self.public_url())
            .env("LISTEN_ADDR", format!("127.0.0.1:{}", self.port))
            .env("HUBSPOT_API_URL", self.sandbox.hubspot_url().as_str())
            .env(
                "HUBSPOT_AUTHORIZE_URL",
                self.sandbox.authorize_url().as_str(),
            )
            .env("THNKS_API_URL", self.sandbox.thnks_url().as_str());
        command
    }

    fn spawn(&self, arguments: &[&str]) -> Process {
        Process::spawn(&mut self.command(arguments))
    }

    pub fn worker(&self) -> Process {
        self.spawn(&["work"])
    }

    /// Adds the demonstration's organization as the operator does; its setup link.
    pub fn setup_link(&self) -> String {
        self.setup_link_for(sandbox::THNKS_API_KEY)
    }

    /// Adds the organization of an API key; its setup link.
    pub fn setup_link_for(&self, key: &str) -> String {
        add_organization(self.command(&["org", "add", "--name", "Acme"]), key)
    }

    /// Installs the demo portal from a setup link.
    pub async fn install(&self) {
        let link = self.setup_link();
        self.browser.install(&link, DEMO_HUB_ID).await;
    }

    pub async fn status(&self) -> Value {
        self.browser
            .json(&format!("/portals/{DEMO_HUB_ID}/status.json"))
            .await
    }

    /// Waits until `wanted` holds of `status.json`.
    pub async fn wait(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = tokio::time::Instant::now();
        loop {
            let status = self.status().await;
            if wanted(&status) {
                return status;
            }
            assert!(started.elapsed() < self.patience, "{what}: {status:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until some records are written and some are not.
    pub async fn wait_for_the_middle(&self) {
        self.wait("the middle of the backfill", |status| {
            let synced = status["synced"].as_i64().unwrap();
            synced >= 200 && synced < status["transactions"].as_i64().unwrap()
        })
        .await;
    }

    /// Waits for the end and asks the sandbox whether every record is there exactly once and linked as it should be.
    pub async fn wait_for_the_end(&self) -> Value {
        let status = self
            .wait("the end of the backfill", |status| {
                status["state"] == "active" && status["current_run"].is_null()
            })
            .await;
        let verdict =
            serde_json::to_value(self.control().verify(DEMO_HUB_ID, None).unwrap()).unwrap();
        assert_eq!(verdict["ok"], true, "{verdict:#}");
        assert_eq!(verdict["records"], verdict["transactions"]);
        assert_eq!(status["synced"], verdict["records"]);
        assert_eq!(status["orphans"], verdict["orphans"]);
        assert!(verdict["max_calls_in_10s"].as_i64().unwrap() <= 110);
        verdict
    }
}
