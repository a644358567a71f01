//! One installation of which everything is heard: all processes with their logs, a Redis that repeats every command, wires
//! to HubSpot and from the browsers. Every secret that can be chosen is a word that stands nowhere else.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sandbox::{Control, Sandbox, WorldSpec};
use store::testing::ScratchDatabase;
use tempfile::TempDir;
use url::Url;

use super::post::Post;
use super::wire::Wire;
use crate::collector::Collector;
use crate::processes::Process;

pub const CLIENT_SECRET: &str = "Kanarek7ClientSecret";
pub const FORMER_CLIENT_SECRET: &str = "Kanarek7FormerClientSecret";
pub const REDIS_PASSWORD: &str = "Kanarek7RedisPassword";
pub const SMTP_PASSWORD: &str = "Kanarek7SmtpPassword";
/// Two keys of 32 bytes.
pub const KEYS: [&str; 2] = [
    "Kanarek7KeyNumberOne0123456789ab",
    "Kanarek7KeyNumberTwo0123456789cd",
];
/// What HubSpot says of a record that it refuses; as long as what the sandbox says.
pub const HUBSPOTS_WORDS: &str = "Kanarek7HubSpotsWords!";

/// Everything that is in Redis, in lines.
const LIST_ALL: &str = "local out = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  out[#out + 1] = kind .. ' ' .. key
  local read = {
    string = {'GET'}, list = {'LRANGE', 0, -1}, set = {'SMEMBERS'}, hash = {'HGETALL'}, zset = {'ZRANGE', 0, -1},
    stream = {'XRANGE', '-', '+'}
  }
  local words = read[kind]
  local values = redis.call(words[1], key, unpack(words, 2))
  if type(values) == 'string' then values = {values} end
  if kind == 'stream' then out[#out + 1] = cjson.encode(values) values = {} end
  for _, value in ipairs(values) do out[#out + 1] = value end
end
return table.concat(out, '\\n')";

/// How processes write their log.
#[derive(Debug, Clone, Copy)]
pub enum Format {
    Text,
    Json,
}

pub struct Premises {
    pub scratch: ScratchDatabase,
    pub sandbox: Sandbox,
    /// Between us and HubSpot.
    pub hubspot: Wire,
    /// Between browsers, or HubSpot's events, and us.
    pub front: Wire,
    pub post: Post,
    /// `ENCRYPTION_KEYS`
    pub keys: String,
    port: u16,
    redis_port: u16,
    folder: TempDir,
    logs: Mutex<Vec<String>>,
    /// Takes the traces of all processes.
    pub collector: Collector,
    /// Where the processes tell their figures.
    metrics_ports: Mutex<Vec<u16>>,
    _redis: [Process; 2],
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// `ENCRYPTION_KEYS` with these keys, the first first.
pub fn key_list(numbers: &[usize]) -> String {
    let entry = |number: &usize| format!("k{number}:{}", STANDARD.encode(KEYS[*number]));
    let entries: Vec<String> = numbers.iter().map(entry).collect();
    entries.join(",")
}

fn redis_cli(port: u16) -> Command {
    let mut command = Command::new("redis-cli");
    command
        .args(["-p", &port.to_string()])
        .env("REDISCLI_AUTH", REDIS_PASSWORD);
    command
}

impl Premises {
    pub async fn open() -> Self {
        let scratch = ScratchDatabase::create().await;
        let mut config = sandbox::Config::new(WorldSpec::empty(sandbox::machine_clock()()));
        config.app.client_secret = CLIENT_SECRET.into();
        let sandbox = sandbox::start(config).await.unwrap();
        let (port, redis_port) = (free_port(), free_port());
        let folder = tempfile::tempdir().unwrap();
        let server = Command::new("redis-server")
            .args(["--port", &redis_port.to_string(), "--bind", "127.0.0.1"])
            .args(["--requirepass", REDIS_PASSWORD])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn();
        let server = Process::from(server.unwrap());
        while !redis_cli(redis_port)
            .arg("PING")
            .output()
            .is_ok_and(|pong| pong.stdout.starts_with(b"PONG"))
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let heard = folder.path().join("redis");
        let monitor = File::create(&heard).unwrap();
        let monitor = redis_cli(redis_port).arg("MONITOR").stdout(monitor).spawn();
        // Redis says OK once it repeats what it is told: nothing is told before.
        while !std::fs::read(&heard).is_ok_and(|said| said.starts_with(b"OK")) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let hubspot_port = sandbox.hubspot_url().port().unwrap();
        let swap = ("the address is invalid", HUBSPOTS_WORDS);
        Self {
            scratch,
            hubspot: Wire::to(hubspot_port, Some(swap)).await,
            sandbox,
            front: Wire::to(port, None).await,
            post: Post::open().await,
            keys: key_list(&[0]),
            port,
            redis_port,
            _redis: [server, Process::from(monitor.unwrap())],
            folder,
            logs: Mutex::default(),
            collector: Collector::open().await,
            metrics_ports: Mutex::default(),
        }
    }

    pub fn control(&self) -> Control {
        self.sandbox.control()
    }

    pub fn public_url(&self) -> String {
        format!("http://localhost:{}", self.front.port)
    }

    /// The binary in its environment, saying everything that it can be made to say.
    pub fn command(&self, arguments: &[&str], format: Format) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thnks-hubspot"));
        let redis = format!("redis://:{REDIS_PASSWORD}@127.0.0.1:{}", self.redis_port);
        let smtp = format!(
            "smtp://mailer:{SMTP_PASSWORD}@127.0.0.1:{}",
            self.post.smtp_port
        );
        let hubspot = format!("http://127.0.0.1:{}", self.hubspot.port);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", env!("PATH"))
            .env("DATABASE_URL", &self.scratch.app_url)
            .env("MIGRATION_DATABASE_URL", &self.scratch.owner_url)
            .env("REDIS_URL", redis)
            .env("PUBLIC_URL", self.public_url())
            .env("LISTEN_ADDR", format!("127.0.0.1:{}", self.port))
            .env("HUBSPOT_CLIENT_ID", sandbox::CLIENT_ID)
            .env("HUBSPOT_CLIENT_SECRET", CLIENT_SECRET)
            .env("HUBSPOT_PREVIOUS_CLIENT_SECRET", FORMER_CLIENT_SECRET)
            .env("HUBSPOT_API_URL", hubspot)
            .env(
                "HUBSPOT_AUTHORIZE_URL",
                self.sandbox.authorize_url().as_str(),
            )
            .env("THNKS_API_URL", self.sandbox.thnks_url().as_str())
            .env("ENCRYPTION_KEYS", &self.keys)
            .env("SMTP_URL", smtp)
            .env("MAIL_FROM", "Thnks for HubSpot <no-reply@gifts.example>")
            .env("REQUESTS_PER_SECOND", "100000")
            .env("RUST_LOG", "trace")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &self.collector.url)
            .env(
                "LOG_FORMAT",
                match format {
                    Format::Text => "text",
                    Format::Json => "json",
                },
            );
        command
    }

    /// A file for what a process says on both of its ways out.
    fn log(&self, name: &str) -> File {
        let mut logs = self.logs.lock().unwrap();
        let name = format!("{} {name}", logs.len());
        let path = self.folder.path().join(name.replace(['/', ':'], "-"));
        logs.push(path.to_str().unwrap().to_owned());
        File::create(&path).unwrap()
    }

    pub fn spawn(&self, argument: &str, format: Format) -> Process {
        let err = self.log(&format!("{argument} {format:?}"));
        let out = err.try_clone().unwrap();
        let port = free_port();
        self.metrics_ports.lock().unwrap().push(port);
        let mut command = self.command(&[argument], format);
        command.env("METRICS_ADDR", format!("127.0.0.1:{port}"));
        Process::spawn(command.stdout(out).stderr(err))
    }

    /// The figures of every process that lives.
    pub async fn figures(&self) -> Vec<String> {
        let ports = self.metrics_ports.lock().unwrap().clone();
        let client = hubspot::http_client().build().unwrap();
        let mut pages = Vec::new();
        for port in ports {
            let url = format!("http://127.0.0.1:{port}/metrics");
            if let Ok(answer) = client.get(url).send().await {
                pages.push(answer.text().await.unwrap());
            }
        }
        pages
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, "", Format::Text, &[])
    }

    /// Runs a command that is given `input` and these variables. What `org add` says on standard output is the link.
    pub fn run_with(
        &self,
        arguments: &[&str],
        input: &str,
        format: Format,
        variables: &[(&str, &str)],
    ) -> Output {
        let mut child = self
            .command(arguments, format)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that wants no input may be gone already.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let done = child.wait_with_output().unwrap();
        let command = arguments[..arguments.len().min(2)].join(" ");
        let variables: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
        let name = format!("{command} {}", variables.join(" "));
        self.log(&name).write_all(&done.stderr).unwrap();
        if command != "org add" {
            let mut answer = self.log(&format!("{}, its answer", name.trim_end()));
            answer.write_all(&done.stdout).unwrap();
        }
        done
    }

    /// Adds an organization as the operator does; the path of its setup link.
    pub fn setup_link(&self, name: &str, key: &str) -> String {
        let done = self.run_with(&["org", "add", "--name", name], key, Format::Json, &[]);
        assert!(done.status.success(), "{done:?}");
        let link = String::from_utf8(done.stdout).unwrap();
        let link: Url = link.trim().parse().unwrap();
        format!("{}?{}", link.path(), link.query().unwrap())
    }

    /// What all processes and commands have said so far, by name.
    pub fn said(&self) -> Vec<(String, Vec<u8>)> {
        let logs = self.logs.lock().unwrap();
        let read = |path: &String| {
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            (name, std::fs::read(path).unwrap())
        };
        logs.iter().map(read).collect()
    }

    /// Whether any process has said this.
    pub fn has_said(&self, words: &str) -> bool {
        self.said()
            .iter()
            .any(|(_, said)| String::from_utf8_lossy(said).contains(words))
    }

    /// Everything that is in Redis now.
    pub fn redis(&self) -> Vec<u8> {
        let done = redis_cli(self.redis_port)
            .args(["EVAL", LIST_ALL, "0"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && !text.starts_with("ERR"), "{text}");
        done.stdout
    }

    /// Does something in Redis.
    pub fn tell_redis(&self, words: &[&str]) {
        assert!(
            redis_cli(self.redis_port)
                .args(words)
                .output()
                .unwrap()
                .status
                .success()
        );
    }

    /// Every command that Redis was ever given.
    pub fn redis_commands(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("redis")).unwrap()
    }
}
