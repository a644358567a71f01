//! A wire between two processes that hears everything, to learn which tokens were handed out.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What was said in each direction of each connection.
type Heard = Arc<Mutex<Vec<Vec<u8>>>>;
/// Words that are replaced by others of the same length on the way back.
type Swap = (&'static str, &'static str);

pub struct Wire {
    pub port: u16,
    heard: Heard,
}

impl Wire {
    /// Leads to a port of this machine.
    pub async fn to(port: u16, swap: Option<Swap>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Self {
            port: listener.local_addr().unwrap().port(),
            heard: Heard::default(),
        };
        let heard = Arc::clone(&wire.heard);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let heard = Arc::clone(&heard);
                tokio::spawn(async move {
                    // A process that is away is as away behind the wire.
                    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else {
                        return;
                    };
                    let (near_in, near_out) = near.into_split();
                    let (far_in, far_out) = far.into_split();
                    tokio::join!(
                        carry(near_in, far_out, &heard, None),
                        carry(far_in, near_out, &heard, swap)
                    );
                });
            }
        });
        wire
    }

    /// Everything that stands between `start` and the first of `ends`.
    pub fn heard_between(&self, start: &str, ends: &[char]) -> BTreeSet<String> {
        let heard = self.heard.lock().unwrap();
        let texts = heard.iter().map(|said| String::from_utf8_lossy(said));
        texts.flat_map(|text| between(&text, start, ends)).collect()
    }
}

/// Everything that stands between `start` and the first of `ends`.
pub fn between(text: &str, start: &str, ends: &[char]) -> Vec<String> {
    let after = text.split(start).skip(1);
    let found = after.map(|rest| rest.split(ends).next().unwrap_or_default().to_owned());
    found.filter(|word| !word.is_empty()).collect()
}

async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    heard: &Heard,
    swap: Option<Swap>,
) {
    let place = {
        let mut heard = heard.lock().unwrap();
        heard.push(Vec::new());
        heard.len() - 1
    };
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let bytes = &mut buffer[..read];
        if let Some((was, becomes)) = swap {
            assert_eq!(was.len(), becomes.len());
            for at in 0..=bytes.len().saturating_sub(was.len()) {
                if bytes[at..].starts_with(was.as_bytes()) {
                    bytes[at..at + was.len()].copy_from_slice(becomes.as_bytes());
                }
            }
        }
        heard.lock().unwrap()[place].extend_from_slice(bytes);
        if to.write_all(bytes).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
