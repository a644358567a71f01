//! A HubSpot of canned answers: each connection gets the next one, and what was asked is kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::HubId;
use hubspot::{
    AccessTokens, Budget, CallClass, Client, Config, Error, LocalBudget, NoTurn, Portal,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const HUB: HubId = HubId(4242);

/// What the server does with one request.
pub enum Reply {
    /// Status, further headers, body.
    Answer(u16, &'static [(&'static str, &'static str)], String),
    /// Takes the request and hangs up.
    HangUp,
}

pub fn json(status: u16, body: &Value) -> Reply {
    Reply::Answer(
        status,
        &[("content-type", "application/json")],
        body.to_string(),
    )
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    pub line: String,
    pub head: String,
    pub body: String,
}

impl Asked {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn form(&self) -> std::collections::HashMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes())
            .into_owned()
            .collect()
    }
}

pub struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    left: Arc<Mutex<VecDeque<Reply>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub async fn start(script: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let left = Arc::new(Mutex::new(VecDeque::from(script)));
        let task = tokio::spawn({
            let (asked, left) = (Arc::clone(&asked), Arc::clone(&left));
            async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    if let Some(request) = read_request(&mut stream).await {
                        asked.lock().unwrap().push(request);
                        let reply = left.lock().unwrap().pop_front();
                        answer(stream, reply).await;
                    }
                }
            }
        });
        Self {
            url,
            asked,
            left,
            task,
        }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        if !std::thread::panicking() {
            let left = self.left.lock().unwrap().len();
            assert_eq!(left, 0, "answers that nobody asked for");
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length:")?
                        .trim()
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                return Some(Asked {
                    line: head.lines().next()?.to_owned(),
                    head: head.to_lowercase(),
                    body: body.to_owned(),
                });
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

async fn answer(mut stream: TcpStream, reply: Option<Reply>) {
    let (status, headers, body) = match reply {
        Some(Reply::Answer(status, headers, body)) => (status, headers, body),
        Some(Reply::HangUp) => return,
        // A request too many: an answer that no test expects.
        None => (418, &[][..], String::new()),
    };
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let head = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n{}\r\n",
        body.len(),
        headers.concat()
    );
    let _ = stream.write_all((head + &body).as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// A budget that notes what it is told.
pub struct NotedBudget {
    inner: LocalBudget,
    pub blocks: Mutex<Vec<Duration>>,
}

#[async_trait]
impl Budget for NotedBudget {
    async fn acquire(&self, hub: HubId, class: CallClass) -> Result<(), NoTurn> {
        self.inner.acquire(hub, class).await
    }

    async fn report(&self, answered: bool) {
        self.inner.report(answered).await;
    }

    fn is_down(&self) -> bool {
        self.inner.is_down()
    }

    async fn block(&self, hub: HubId, wait: Duration) {
        self.blocks.lock().unwrap().push(wait);
        self.inner.block(hub, wait).await;
    }
}

/// Tokens `token-0`, `token-1`, …: a new one for each replacement.
#[derive(Default)]
pub struct CountedTokens {
    replaced: Mutex<u32>,
}

#[async_trait]
impl AccessTokens for CountedTokens {
    async fn current(&self, _hub: HubId) -> Result<SecretString, Error> {
        let replaced = *self.replaced.lock().unwrap();
        Ok(format!("token-{replaced}").into())
    }

    async fn replace(&self, hub: HubId, refused: &SecretString) -> Result<SecretString, Error> {
        let current = self.current(hub).await?;
        assert_eq!(current.expose_secret(), refused.expose_secret());
        *self.replaced.lock().unwrap() += 1;
        self.current(hub).await
    }
}

pub struct World {
    pub server: Server,
    pub client: Client,
    pub portal: Portal,
    pub budget: Arc<NotedBudget>,
}

fn config(api_url: &str, secret: &str) -> Config {
    Config {
        api_url: api_url.parse().unwrap(),
        authorize_url: "https://app.hubspot.com/oauth/authorize".parse().unwrap(),
        client_id: "client-id".into(),
        client_secret: secret.into(),
        previous_client_secret: None,
        app_id: None,
        redirect_uri: "http://localhost:3000/oauth/callback".parse().unwrap(),
    }
}

/// A client for what needs no server, with that secret of the app.
pub fn client_with_secret(secret: &str) -> Client {
    let budget = Arc::new(LocalBudget::new(100));
    Client::new(config("http://localhost", secret), budget).unwrap()
}

pub async fn world(class: CallClass, script: Vec<Reply>) -> World {
    let server = Server::start(script).await;
    let budget = Arc::new(NotedBudget {
        inner: LocalBudget::new(100),
        blocks: Mutex::default(),
    });
    let client = Client::new(config(&server.url, "client secret&"), budget.clone()).unwrap();
    let portal = client.portal(HUB, Arc::new(CountedTokens::default()), class);
    World {
        server,
        client,
        portal,
        budget,
    }
}
