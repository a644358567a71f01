//! A Thnks of canned answers: each connection gets the next one, and what was asked is kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use thnks::{Client, Config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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

/// A Thnks and a client of it.
pub struct World {
    pub client: Client,
    asked: Arc<Mutex<Vec<String>>>,
    left: Arc<Mutex<VecDeque<Reply>>>,
    task: tokio::task::JoinHandle<()>,
}

impl World {
    pub async fn start(script: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api_url = format!("http://{}", listener.local_addr().unwrap());
        let api_url = api_url.parse().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let left = Arc::new(Mutex::new(VecDeque::from(script)));
        let task = tokio::spawn({
            let (asked, left) = (Arc::clone(&asked), Arc::clone(&left));
            async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    if let Some(head) = read_head(&mut stream).await {
                        asked.lock().unwrap().push(head);
                        let reply = left.lock().unwrap().pop_front();
                        answer(stream, reply).await;
                    }
                }
            }
        });
        Self {
            client: Client::new(&Config { api_url }).unwrap(),
            asked,
            left,
            task,
        }
    }

    /// The heads of all requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.task.abort();
        if !std::thread::panicking() {
            let left = self.left.lock().unwrap().len();
            assert_eq!(left, 0, "answers that nobody asked for");
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(bytes).ok()
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
