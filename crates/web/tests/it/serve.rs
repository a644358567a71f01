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
        let mut closed = 0;
        for client in &mut silent {
            let mut answer = Vec::new();
            // A reset is as good an end as any.
            let _ = client.read_to_end(&mut answer).await;
            closed += 1;
        }
        (closed, opened.elapsed())
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
    // Every one of those was answered while they were there. The head's time is 10 s; on a busy machine the closing may take
    // some more.
    let (closed, took) = closed.await.unwrap();
    assert_eq!(closed, HALF_OPEN);
    assert!(
        took.as_secs() >= 5 && took.as_secs() < 60 && served > 50,
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

/// The answer to these bytes, over a connection of their own.
async fn answer_to(address: SocketAddr, bytes: &[u8]) -> String {
    let mut client = TcpStream::connect(address).await.unwrap();
    // What is refused early is not read to its end, so that the rest may meet a connection that is closed.
    let _ = client.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request whose head has this size, in bytes.
fn of_size(bytes: usize) -> Vec<u8> {
    let start = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-filler: ";
    let filler = "x".repeat(bytes - start.len() - "\r\n\r\n".len());
    format!("{start}{filler}\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn a_head_has_its_size() {
    let world = world().await;
    let (address, server) = served(&world).await;
    for (bytes, status) in [
        (16 * 1024 - 1, "200"),
        (16 * 1024 + 1, "431"),
        (64 * 1024, "431"),
    ] {
        let answer = answer_to(address, &of_size(bytes)).await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{bytes}: {answer}");
    }
    world.shutdown.cancel();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_the_headers_of_every_answer() {
    let world = world().await;
    let (address, server) = served(&world).await;
    let long_address = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000));
    let many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1_000));
    let well_formed = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let after_another = format!("{well_formed}not a request\r\n\r\n");
    let refused: [(&str, &[u8]); 8] = [
        ("400", b"not a request\r\n\r\n"),
        ("400", b"GET / HTTP/7.9\r\n\r\n"),
        ("400", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"),
        ("400", b"GET / HTTP/1.1\r\nhost: a\0b\r\n\r\n"),
        ("400", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("431", long_address.as_bytes()),
        ("431", many_headers.as_bytes()),
        ("400", after_another.as_bytes()),
    ];
    for (status, bytes) in refused {
        let all = answer_to(address, bytes).await;
        let expected = format!("HTTP/1.1 {status} ");
        let refusal = all.find(&expected).map(|at| &all[at..]);
        let refusal = refusal.unwrap_or_else(|| panic!("no {status}: {all}"));
        for header in [
            "content-security-policy: default-src 'none';",
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "referrer-policy: same-origin",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "permissions-policy: accelerometer=()",
            "cache-control: no-store",
            "content-length: 0",
        ] {
            assert_eq!(refusal.matches(header).count(), 1, "{header}: {refusal}");
        }
    }
    world.shutdown.cancel();
    server.await.unwrap().unwrap();
}
