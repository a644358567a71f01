//! What Redis is trusted with: it may be spoken to over TLS.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

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
