//! A mail server and a webhook that take what is sent, or refuse it as a test wants.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What came in, and how the next ones are answered.
#[derive(Clone)]
pub struct Sink<T> {
    pub address: String,
    taken: Arc<Mutex<Vec<T>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
    /// How long an answer takes.
    delay: Arc<Mutex<Duration>>,
}

/// A letter as the mail server took it.
#[derive(Debug, Clone)]
pub struct Mail {
    pub to: String,
    /// Head and body; lines that were folded or cut are whole again.
    pub text: String,
}

/// A call as the webhook took it, refused ones included.
#[derive(Debug, Clone)]
pub struct Taken {
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl<T: Clone> Sink<T> {
    async fn listen() -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = Self {
            address: listener.local_addr().unwrap().to_string(),
            taken: Arc::default(),
            answers: Arc::default(),
            delay: Arc::default(),
        };
        (sink, listener)
    }

    /// What has come in.
    pub fn taken(&self) -> Vec<T> {
        self.taken.lock().unwrap().clone()
    }

    /// The next ones are answered so; what follows is welcome.
    pub fn answer(&self, codes: &[u16]) {
        self.answers.lock().unwrap().extend(codes);
    }

    /// Answers take so long from now on.
    pub fn slow_down(&self, delay: Duration) {
        *self.delay.lock().unwrap() = delay;
    }

    fn next_answer(&self) -> Option<u16> {
        self.answers.lock().unwrap().pop_front()
    }

    async fn wait(&self) {
        let delay = *self.delay.lock().unwrap();
        tokio::time::sleep(delay).await;
    }
}

/// A mail server on this machine.
pub async fn mail_server() -> Sink<Mail> {
    let (sink, listener) = Sink::listen().await;
    let server = sink.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sink = server.clone();
            tokio::spawn(async move { take_mail(&sink, stream).await });
        }
    });
    sink
}

async fn take_mail(sink: &Sink<Mail>, stream: TcpStream) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink\r\n").await.ok()?;
    let mut to = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let verb = line.split_whitespace().next()?.to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-sink\r\n250 8BITMIME\r\n".to_owned(),
            "RCPT" => {
                to = line.split(['<', '>']).nth(1)?.to_owned();
                sink.wait().await;
                match sink.next_answer() {
                    Some(code) => format!("{code} <{to}> is not welcome\r\n"),
                    None => "250 ok\r\n".to_owned(),
                }
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                let mut text = String::new();
                while !text.ends_with("\r\n.\r\n") {
                    stream.read_line(&mut text).await.ok()?;
                }
                let text = text.replace("\r\n ", " ").replace("=\r\n", "");
                let to = to.clone();
                sink.taken.lock().unwrap().push(Mail { to, text });
                "250 taken\r\n".to_owned()
            }
            "QUIT" => "221 bye\r\n".to_owned(),
            _ => "250 ok\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// A webhook on this machine.
pub async fn webhook() -> Sink<Taken> {
    let (sink, listener) = Sink::listen().await;
    let server = sink.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sink = server.clone();
            tokio::spawn(async move { take_call(&sink, stream).await });
        }
    });
    sink
}

async fn take_call(sink: &Sink<Taken>, stream: TcpStream) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first).await.ok()?;
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers["content-length"].parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    sink.taken.lock().unwrap().push(Taken {
        path: first.split_whitespace().nth(1)?.to_owned(),
        headers,
        body,
    });
    sink.wait().await;
    let status = sink.next_answer().unwrap_or(204);
    let answer = format!(
        "HTTP/1.1 {status} whatever\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.ok()
}
