//! Slow clients of a web process that is told to stop.

use std::fs::File;
use std::time::Duration;

use sandbox::{Action, DEMO_HUB_ID, Fault, WorldSpec};
use socket2::{Domain, Socket, Type};
use store::testing::ScratchDatabase;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::aftermath::acts;
use crate::processes::{Process, Stage};

/// Enough for a file that no buffer between takes in.
const GIFTS: usize = 2_000;
/// Between two reads of it, of which there are more than a hundred: some seconds in all.
const PAUSE: Duration = Duration::from_millis(30);
/// How long the second half of a form is late.
const LATE: Duration = Duration::from_secs(3);

/// With which files begin, for Excel; whoever reads text does not see it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A connection by a thin wire: what is not read stays with the server. By loopback's usual one the kernel would take in megabytes.
async fn thin(port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_tcp_mss(536).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = TcpSocket::from_std_stream(socket.into());
    socket.connect(([127, 0, 0, 1], port).into()).await.unwrap()
}

/// Everything up to the end of the connection, whichever end that is.
async fn rest(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_waited_for_and_those_that_stand_still_are_not() {
    let world = WorldSpec::small(sandbox::machine_clock()(), GIFTS);
    let stage = Stage::without_web(ScratchDatabase::create().await, world).await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = stage.command(&["serve"]);
    let web = Process::spawn(command.stderr(File::create(&log).unwrap()));
    stage.browser.wait_until_served().await;
    // The gifts are read and never written: their file does not change.
    stage.control().inject(Fault {
        times: u64::MAX,
        ..Fault::once("objects.batch_upsert", Action::Hang { millis: 120_000 })
    });
    let worker = stage.worker();
    stage.install().await;
    stage
        .wait("all gifts", |status| status["transactions"] == GIFTS)
        .await;
    worker.kill();
    let (port, cookie) = (stage.port(), stage.browser.cookie());
    let dashboard = format!("/portals/{DEMO_HUB_ID}");
    let file = stage.browser.html(&format!("{dashboard}/thnks.csv")).await;

    let form = format!("csrf_token={}", stage.browser.csrf_token(&dashboard).await);
    let (first_half, second_half) = form.split_at(form.len() / 2);
    let begun = format!(
        "POST {dashboard}/pause HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\naccept: application/json\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{first_half}",
        form.len()
    );
    let (mut sending, mut silent) = (thin(port).await, thin(port).await);
    for stream in [&mut sending, &mut silent] {
        stream.write_all(begun.as_bytes()).await.unwrap();
    }
    // Without chunks, so that it can be compared.
    let ask = format!(
        "GET {dashboard}/thnks.csv HTTP/1.0\r\nhost: localhost\r\ncookie: {cookie}\r\n\r\n"
    );
    let (mut reading, mut standing) = (thin(port).await, thin(port).await);
    for stream in [&mut reading, &mut standing] {
        stream.write_all(ask.as_bytes()).await.unwrap();
    }
    // Both files have begun, and the forms came before them: everything is under way.
    let mut read = [0; 1];
    reading.read_exact(&mut read).await.unwrap();
    standing.read_exact(&mut read).await.unwrap();

    let stopping = web.stop();
    let sent = async {
        tokio::time::sleep(LATE).await;
        sending.write_all(second_half.as_bytes()).await.unwrap();
        rest(sending).await
    };
    let slowly = async {
        let mut all = vec![read[0]];
        let mut piece = [0; 8 * 1024];
        while let Ok(count @ 1..) = reading.read(&mut piece).await {
            all.extend_from_slice(&piece[..count]);
            tokio::time::sleep(PAUSE).await;
        }
        String::from_utf8_lossy(&all).into_owned()
    };
    let (answer, copy, refused) = tokio::join!(sent, slowly, rest(silent));
    let took = stopping.ended().await;

    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert_eq!(acts(&stage, "portal.pause").await, 1);
    let (_, copy) = copy.split_once("\r\n\r\n").unwrap();
    let copy = copy.trim_start_matches(BYTE_ORDER_MARK);
    assert!(copy == file, "{} of {} bytes", copy.len(), file.len());
    // It has had its ten seconds, and hears why that was not enough.
    assert!(refused.starts_with("HTTP/1.1 408"), "{refused}");
    assert!(refused.contains("\"too_slow\""), "{refused}");
    let part = rest(standing).await;
    assert!(part.len() < file.len(), "{} bytes came", part.len());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("requests were cut off"), "{log}");
    println!("from SIGTERM to the end {took:.1?}");
}
