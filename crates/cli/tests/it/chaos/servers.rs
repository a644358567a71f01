//! A PostgreSQL and a Redis for one schedule, by `script/services`: they may crash and come back, or be lost.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use store::testing::ScratchDatabase;
use tempfile::TempDir;
use tokio::process::Command;
use url::Url;

/// Both servers; they end with this.
pub struct Servers {
    folder: TempDir,
}

/// Where they are, as `script/services` prints it; ports change with every start.
#[derive(Debug, Clone)]
pub struct Addresses {
    pub database: Url,
    pub owner: Url,
    pub backup: Url,
    pub redis: Url,
}

impl Addresses {
    fn parse(exports: &str) -> Self {
        let variable = |name: &str| -> Url {
            let start = format!("export {name}='");
            let mut lines = exports.lines();
            let found = lines.find_map(|line| line.strip_prefix(start.as_str()));
            let value = found.unwrap_or_else(|| panic!("no {name} in {exports}"));
            value.trim_end_matches('\'').parse().unwrap()
        };
        Self {
            database: variable("DATABASE_URL"),
            owner: variable("MIGRATION_DATABASE_URL"),
            backup: variable("BACKUP_DATABASE_URL"),
            redis: variable("REDIS_URL"),
        }
    }

    pub fn postgres(&self) -> SocketAddr {
        local(&self.database)
    }

    pub fn redis(&self) -> SocketAddr {
        local(&self.redis)
    }

    /// The database past every wire.
    pub fn scratch(&self) -> ScratchDatabase {
        ScratchDatabase {
            app_url: self.database.to_string(),
            owner_url: self.owner.to_string(),
        }
    }
}

fn local(url: &Url) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, url.port().unwrap()))
}

/// The same address at another port of this machine.
pub fn through(url: &Url, port: u16) -> String {
    let mut url = url.clone();
    url.set_port(Some(port)).unwrap();
    url.to_string()
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../script/services")
}

impl Servers {
    /// Starts both and migrates the database.
    pub async fn start() -> (Self, Addresses) {
        let (servers, addresses) = Self::start_empty().await;
        store::migrate(addresses.owner.as_str(), "app")
            .await
            .unwrap();
        (servers, addresses)
    }

    /// Starts both; the database has its roles and nothing else.
    pub async fn start_empty() -> (Self, Addresses) {
        let folder = tempfile::Builder::new()
            .prefix("thnks-chaos")
            .tempdir_in("/tmp")
            .unwrap();
        let servers = Self { folder };
        let pid = std::process::id().to_string();
        let addresses = servers.bring_up(&["--for", &pid]).await;
        (servers, addresses)
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("servers")
    }

    async fn bring_up(&self, more: &[&str]) -> Addresses {
        let started = Command::new(script())
            .arg("start")
            .arg(self.place())
            .args(more)
            // What is committed has to be there after a crash of the server.
            .env("KEEP_COMMITS", "1")
            .output()
            .await
            .unwrap();
        let words = String::from_utf8_lossy(&started.stderr);
        assert!(started.status.success(), "{words}");
        Addresses::parse(&String::from_utf8_lossy(&started.stdout))
    }

    /// Ends `postgres` with `-m immediate`, or `redis` with SIGKILL.
    pub async fn crash(&self, server: &str) {
        let crashed = Command::new(script())
            .args(["crash", server])
            .arg(self.place())
            .output()
            .await
            .unwrap();
        assert!(crashed.status.success(), "{crashed:?}");
    }

    /// Brings back what has crashed: PostgreSQL with what was committed, Redis empty.
    pub async fn bring_back(&self) -> Addresses {
        self.bring_up(&[]).await
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = std::process::Command::new(script())
            .arg("stop")
            .arg(self.place())
            .arg("--remove")
            .output();
    }
}
