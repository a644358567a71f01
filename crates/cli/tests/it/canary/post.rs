//! Where notices go: a mail server and a webhook on this machine, which keep what they are told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Who is written to like this does not take letters; the mail server says so with the address in its words.
pub const REFUSED: &str = "refused";

type Taken = Arc<Mutex<Vec<String>>>;

pub struct Post {
    pub smtp_port: u16,
    pub hook_port: u16,
    /// What the mail server was told, a connection each.
    pub letters: Taken,
    /// Head and body of each call.
    pub calls: Taken,
}

impl Post {
    pub async fn open() -> Self {
        let (smtp, hook) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let post = Self {
            smtp_port: smtp.local_addr().unwrap().port(),
            hook_port: hook.local_addr().unwrap().port(),
            letters: Taken::default(),
            calls: Taken::default(),
        };
        let (letters, calls) = (Arc::clone(&post.letters), Arc::clone(&post.calls));
        tokio::spawn(async move {
            while let Ok((stream, _)) = smtp.accept().await {
                let letters = Arc::clone(&letters);
                tokio::spawn(async move {
                    let mut said = String::new();
                    let _ = take_letter(stream, &mut said).await;
                    letters.lock().unwrap().push(said);
                });
            }
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = hook.accept().await {
                let calls = Arc::clone(&calls);
                tokio::spawn(async move {
                    if let Ok(call) = take_call(stream).await {
                        calls.lock().unwrap().push(call);
                    }
                });
            }
        });
        post
    }
}

async fn take_letter(stream: TcpStream, said: &mut String) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mail.example\r\n").await?;
    let mut in_letter = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        said.push_str(&line);
        let line = line.trim_end();
        let word = line.get(..4).unwrap_or_default().to_uppercase();
        let answer = match word.as_str() {
            _ if in_letter && line != "." => continue,
            "EHLO" => "250-mail.example\r\n250 AUTH PLAIN LOGIN".to_owned(),
            "AUTH" => "235 2.7.0 welcome".to_owned(),
            "RCPT" if line.contains(REFUSED) => format!("550 5.1.1 nobody here is {line}"),
            "DATA" => "354 go on".to_owned(),
            "QUIT" => "221 good-bye".to_owned(),
            _ => "250 2.0.0 well".to_owned(),
        };
        in_letter = word == "DATA";
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

async fn take_call(stream: TcpStream) -> std::io::Result<String> {
    let mut stream = BufReader::new(stream);
    let (mut call, mut length) = (String::new(), 0);
    while stream.read_line(&mut call).await? > 2 {
        let line = call.lines().last().unwrap_or_default();
        if let Some((_, value)) = line.split_once("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    call.push_str(&String::from_utf8_lossy(&body));
    let answer = b"HTTP/1.1 204 Taken\r\nconnection: close\r\n\r\n";
    stream.write_all(answer).await?;
    Ok(call)
}
