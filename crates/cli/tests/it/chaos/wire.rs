//! A small proxy for TCP: what passes may be late, be cut off, vanish, or find nobody.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How a wire behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Everything passes.
    Open,
    /// Everything passes so much later, in both directions.
    Slow(Duration),
    /// Each connection is reset once so many bytes of answers have passed.
    CutAfter(usize),
    /// Half-open: connections are taken, and what is sent on them vanishes.
    Silent,
    /// Every connection is reset at once.
    Refusing,
}

#[derive(Debug, Clone, Copy)]
struct Now {
    mood: Mood,
    /// How often all connections have been cut: those from before end.
    cuts: u64,
}

struct Shared {
    upstream: Mutex<SocketAddr>,
    now: watch::Sender<Now>,
}

/// A wire to one server; it lives as long as its runtime.
pub struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Wire {
    pub async fn to(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let now = Now {
            mood: Mood::Open,
            cuts: 0,
        };
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            now: watch::Sender::new(now),
        });
        let taken = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection(client, Arc::clone(&taken)));
            }
        });
        Self { address, shared }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The server has another address now.
    pub fn lead_to(&self, upstream: SocketAddr) {
        *self.shared.upstream.lock().unwrap() = upstream;
    }

    /// Another mood. What vanished does not come back: connections from a silent time are cut when it ends.
    pub fn set(&self, mood: Mood) {
        self.shared.now.send_modify(|now| {
            if now.mood == Mood::Silent && mood != Mood::Silent {
                now.cuts += 1;
            }
            now.mood = mood;
        });
    }

    /// Resets every connection there is.
    pub fn cut(&self) {
        self.shared.now.send_modify(|now| now.cuts += 1);
    }
}

async fn connection(client: TcpStream, shared: Arc<Shared>) {
    let now = shared.now.subscribe();
    let born = *now.borrow();
    // A reset, not an orderly end, at whichever end of this function.
    let _ = client.set_zero_linger();
    let _ = client.set_nodelay(true);
    if born.mood == Mood::Refusing {
        return;
    }
    let upstream = *shared.upstream.lock().unwrap();
    let carry = async {
        if born.mood == Mood::Silent {
            let (from, _to) = client.into_split();
            swallow(from).await;
            return;
        }
        let Ok(server) = TcpStream::connect(upstream).await else {
            return;
        };
        let _ = server.set_zero_linger();
        let _ = server.set_nodelay(true);
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            () = pump(from_client, to_server, now.clone(), false) => {}
            () = pump(from_server, to_client, now, true) => {}
        }
    };
    let until_cut = async {
        let mut now = shared.now.subscribe();
        let _ = now
            .wait_for(|now| now.cuts != born.cuts || now.mood == Mood::Refusing)
            .await;
    };
    tokio::select! {
        () = carry => {}
        () = until_cut => {}
    }
}

/// Reads and forgets until the other side is gone.
async fn swallow(mut from: OwnedReadHalf) {
    let mut buffer = [0; 4096];
    while from.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {}
    // Nobody is told that the other side has gone.
    std::future::pending::<()>().await;
}

/// Carries one direction until it ends or is to be cut.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    now: watch::Receiver<Now>,
    is_answers: bool,
) {
    let mut buffer = [0; 16 * 1024];
    let mut since_mood = 0;
    loop {
        let Ok(bytes @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        let mood = now.borrow().mood;
        let mut passes = bytes;
        match mood {
            Mood::Slow(by) => tokio::time::sleep(by).await,
            Mood::Silent => return swallow(from).await,
            Mood::CutAfter(limit) if is_answers => {
                passes = bytes.min(limit.saturating_sub(since_mood));
                since_mood += bytes;
            }
            Mood::Open | Mood::CutAfter(_) | Mood::Refusing => since_mood = 0,
        }
        if to.write_all(&buffer[..passes]).await.is_err() || passes < bytes {
            return;
        }
    }
}
