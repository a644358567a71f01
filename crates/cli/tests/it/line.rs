//! One connection to web, without a pool and its mercy: nothing is asked twice, and how it ends is seen.

use std::net::Ipv4Addr;

use anyhow::Result;
use axum::body::{Body, to_bytes};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONNECTION, COOKIE, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub struct Line {
    requests: SendRequest<Body>,
    cookie: String,
}

/// The whole of an answer.
pub struct Answer {
    pub status: u16,
    /// Whether it says that the connection ends with it.
    pub closes: bool,
}

impl Line {
    /// Opens one to a port of this machine, for whoever has this cookie.
    pub async fn open(port: u16, cookie: &str) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let (requests, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            requests,
            cookie: cookie.to_owned(),
        })
    }

    /// Asks and reads the answer to its end.
    pub async fn get(&mut self, path: &str) -> Result<Answer> {
        self.requests.ready().await?;
        let request = Request::get(path)
            .header(HOST, "localhost")
            .header(COOKIE, &self.cookie)
            .body(Body::empty())?;
        let answer = self.requests.send_request(request).await?;
        let (head, body) = answer.into_parts();
        to_bytes(Body::new(body), usize::MAX).await?;
        Ok(Answer {
            status: head.status.as_u16(),
            closes: head
                .headers
                .get(CONNECTION)
                .is_some_and(|value| value == "close"),
        })
    }
}

/// The same over a connection of its own.
pub async fn get_once(port: u16, cookie: &str, path: &str) -> Result<Answer> {
    Line::open(port, cookie).await?.get(path).await
}
