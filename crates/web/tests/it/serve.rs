//! The accept loop, over a real socket.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::harness::{HUB, MEMBER, OWNER, World, traffic, world};

/// Serves the world on a port of its own.
async fn served(world: &World) -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    served_to(world, traffic()).await
}

async fn served_to(
    world: &World,
    traffic: web::Traffic,
) -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (app, shutdown) = (world.app.clone(), world.shutdown.clone());
    let server = tokio::spawn(web::serve(app, listener, shutdown, traffic));
    (address, server)
}

#[tokio::test]
async fn a_stream_tells_changes_and_ends_with_the_process() {
    let world = world().await;
    let (address, server) = served(&world).await;

    let mut client = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET /portals/{HUB}/events HTTP/1.1\r\nhost: localhost\r\ncookie: session={}\r\n\r\n",
        OWNER.0
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut seen = String::new();
    read_until(&mut client, &mut seen, "\"current_run\":null").await;
    assert!(seen.contains("content-type: text/event-stream"), "{seen}");
    assert!(seen.contains("event: status"), "{seen}");

    let body = format!("csrf_token={}", world.csrf_token(OWNER.0).await);
    world
        .post(&format!("/portals/{HUB}/sync"), OWNER.0, &[], &body)
        .await;
    read_until(&mut client, &mut seen, "\"kind\":\"sync\"").await;

    world.shutdown.cancel();
    client.read_to_string(&mut seen).await.unwrap();
    server.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let world = world().await;
    let (address, server) = served(&world).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET /portals/{HUB}/events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncookie: session={}\r\n\r\n",
        OWNER.0
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut seen = String::new();
    read_until(&mut client, &mut seen, "event: status").await;
    let body = format!("csrf_token={}", world.csrf_token(OWNER.0).await);
    let done = world.post("/logout", OWNER.0, &[], &body).await;
    assert!(done.header("clear-site-data").contains("\"storage\""));
    // Its next look at the session ends it.
    client.read_to_string(&mut seen).await.unwrap();
    world.shutdown.cancel();
    server.await.unwrap().unwrap();
}

async fn read_until(client: &mut TcpStream, seen: &mut String, wanted: &str) {
    let mut buffer = [0; 4_096];
    while !seen.contains(wanted) {
        let count = client.read(&mut buffer).await.unwrap();
        assert_ne!(count, 0, "the stream ended before {wanted}: {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
}

#[tokio::test]
async fn half_open_connections_are_closed_while_others_are_served() {
    const HALF_OPEN: usize = 2_000;
    let world = world().await;
    // As a proxy hands them on: one client would not be let hold so many.
    let behind_a_proxy = web::Traffic {
        trusted_hops: 1,
        ..traffic()
    };
    let (address, server) = served_to(&world, behind_a_proxy).await;
    let mut silent = Vec::new();
    for n in 0..HALF_OPEN {
        let mut client = TcpStream::connect(address).await.unwrap();
        // Half of them say nothing at all, half begin a head and do not end it.
        if n % 2 == 0 {
            client
                .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n")
                .await
                .unwrap();
        }
        silent.push(client);
    }
    let opened = std::time::Instant::now();
    let closed = tokio::spawn(async move {
        for client in &mut silent {
            let mut answer = Vec::new();
            // A reset is as good an end as any.
            let _ = client.read_to_end(&mut answer).await;
        }
        opened.elapsed()
    });
    let mut served = 0;
    while !closed.is_finished() {
        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        served += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The head's time is 10 s; on a busy machine the closing may take some more.
    let took = closed.await.unwrap();
    assert!(
        took.as_secs() >= 5 && served > 50,
        "{took:?}, {served} served"
    );
    world.shutdown.cancel();
    server.await.unwrap().unwrap();
}

/// Opens a stream and returns with the head of its answer.
async fn stream(address: SocketAddr, token: &str) -> (TcpStream, String) {
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET /portals/{HUB}/events HTTP/1.1\r\nhost: localhost\r\ncookie: session={token}\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut seen = String::new();
    read_until(&mut client, &mut seen, "\r\n\r\n").await;
    (client, seen)
}

#[tokio::test]
async fn a_session_has_eight_streams_and_gets_another_when_one_ends() {
    let world = world().await;
    let (address, server) = served(&world).await;
    let mut open = Vec::new();
    for _ in 0..8 {
        let (client, head) = stream(address, OWNER.0).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        open.push(client);
    }
    let (_, refused) = stream(address, OWNER.0).await;
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    assert!(refused.contains("retry-after: 10"), "{refused}");
    assert!(refused.contains("x-frame-options: DENY"), "{refused}");
    // Others have streams of their own, and the session has its pages.
    let (_other, head) = stream(address, MEMBER.0).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    world.status().await;

    drop(open.pop());
    let again = async {
        loop {
            let (client, head) = stream(address, OWNER.0).await;
            if head.starts_with("HTTP/1.1 200") {
                break client;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // The server hears of the end at once.
    let again = tokio::time::timeout(Duration::from_secs(10), again).await;
    assert!(again.is_ok(), "the place was not given back");
    world.shutdown.cancel();
    server.await.unwrap().unwrap();
}

/// Whether a request on this connection is answered; otherwise it was closed.
async fn is_served(mut client: TcpStream) -> bool {
    let head = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut answer = Vec::new();
    // A connection that is closed may be reset while it is written to or read from.
    let _ = client.write_all(head).await;
    let _ = client.read_to_end(&mut answer).await;
    answer.starts_with(b"HTTP/1.1 200")
}

#[tokio::test]
async fn one_address_has_its_connections_and_others_are_served() {
    const OF_A_CLIENT: usize = 256;
    let world = world().await;
    let (address, server) = served(&world).await;
    let mut held = Vec::new();
    for _ in 0..OF_A_CLIENT {
        held.push(TcpStream::connect(address).await.unwrap());
    }
    // Those that have sent nothing are kept for ten seconds; this takes less.
    assert!(!is_served(TcpStream::connect(address).await.unwrap()).await);
    #[cfg(target_os = "linux")]
    {
        // Other systems have but one address of their own.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        assert!(is_served(socket.connect(address).await.unwrap()).await);
    }
    held.truncate(OF_A_CLIENT - 1);
    let again = async {
        while !is_served(TcpStream::connect(address).await.unwrap()).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let again = tokio::time::timeout(Duration::from_secs(5), again).await;
    assert!(again.is_ok(), "the place was not given back");
    world.shutdown.cancel();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn behind_a_proxy_all_connections_come_from_one_address_and_are_served() {
    let world = world().await;
    let behind_a_proxy = web::Traffic {
        trusted_hops: 1,
        ..traffic()
    };
    let (address, server) = served_to(&world, behind_a_proxy).await;
    let mut held = Vec::new();
    for _ in 0..300 {
        held.push(TcpStream::connect(address).await.unwrap());
    }
    assert!(is_served(TcpStream::connect(address).await.unwrap()).await);
    drop(held);
    world.shutdown.cancel();
    server.await.unwrap().unwrap();
}
