//! A load balancer as operators have one: each new connection goes to the next process that says it is ready.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::line;
use crate::processes::until;

/// How often each process is asked for its `/readyz`.
const LOOK: Duration = Duration::from_millis(200);

struct Backend {
    port: u16,
    is_ready: bool,
    connections: usize,
}

#[derive(Default)]
struct Backends {
    all: Vec<Backend>,
    turn: usize,
}

impl Backends {
    fn find(&mut self, port: u16) -> &mut Backend {
        let found = self.all.iter_mut().find(|one| one.port == port);
        found.expect("a backend that was added")
    }

    /// Whose turn it is, among those that are ready.
    fn next(&mut self) -> Option<u16> {
        for step in 1..=self.all.len() {
            let at = (self.turn + step) % self.all.len();
            if self.all[at].is_ready {
                self.turn = at;
                self.all[at].connections += 1;
                return Some(self.all[at].port);
            }
        }
        None
    }
}

/// It lives as long as its runtime.
pub struct Balancer(Arc<Mutex<Backends>>);

impl Balancer {
    pub async fn listen(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let (listener, backends) = (listener.unwrap(), Arc::<Mutex<Backends>>::default());
        let balancer = Self(Arc::clone(&backends));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // Without anybody ready, and with nobody where somebody was, the client is let down: nothing is mended here.
                let next = backends.lock().unwrap().next();
                if let Some(port) = next {
                    tokio::spawn(carry(client, port));
                }
            }
        });
        balancer
    }

    /// Looks at the process on this port from now on; returns once it is ready.
    pub async fn add(&self, port: u16) {
        let backend = Backend {
            port,
            is_ready: false,
            connections: 0,
        };
        self.0.lock().unwrap().all.push(backend);
        let backends = Arc::clone(&self.0);
        tokio::spawn(async move {
            loop {
                // One that hesitates is where it was: a busy machine is not a process that goes.
                let answer = line::get_once(port, "", "/readyz").await;
                let is_ready = answer.is_ok_and(|answer| answer.status == 200);
                backends.lock().unwrap().find(port).is_ready = is_ready;
                tokio::time::sleep(LOOK).await;
            }
        });
        let is_ready = async || self.0.lock().unwrap().find(port).is_ready;
        until("a web process that is ready", is_ready).await;
    }

    /// How many connections the process on this port was given.
    pub fn given(&self, port: u16) -> usize {
        self.0.lock().unwrap().find(port).connections
    }
}

async fn carry(mut client: TcpStream, port: u16) {
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return;
    };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
    }
    // An end passes through in order; whatever breaks one side ends the other one early.
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
