//! The accept loop, over a real socket.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::harness::{HUB, OWNER, World, traffic, world};

/// Serves the world on a port of its own.
async fn served(world: &World) -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (app, shutdown) = (world.app.clone(), world.shutdown.clone());
    let server = tokio::spawn(web::serve(app, listener, shutdown, traffic()));
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
    let (address, server) = served(&world).await;
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
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
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
