//! Notices with real processes: set up in the browser, delivered by the workers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox::DEMO_HUB_ID;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::processes::Stage;

pub(crate) type Taken = Arc<Mutex<Vec<Value>>>;

/// A webhook on this machine, and what it has taken.
pub(crate) async fn webhook() -> (String, Taken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/notices", listener.local_addr().unwrap());
    let taken = Taken::default();
    let server = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, Arc::clone(&server)));
        }
    });
    (url, taken)
}

async fn take(stream: TcpStream, taken: Taken) {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while stream.read_line(&mut head).await.is_ok_and(|read| read > 2) {
        let line = head.lines().last().unwrap_or_default();
        if let Some((_, value)) = line.split_once("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    assert!(head.contains("webhook-signature: v1,"), "{head}");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    taken
        .lock()
        .unwrap()
        .push(serde_json::from_slice(&body).unwrap());
    let answer = b"HTTP/1.1 204 Taken\r\nconnection: close\r\n\r\n";
    stream.write_all(answer).await.unwrap();
}

pub(crate) async fn wait_for(taken: &Taken, count: usize) -> Vec<String> {
    for _ in 0..1_200 {
        if taken.lock().unwrap().len() >= count {
            // A second worker would be as quick.
            tokio::time::sleep(Duration::from_millis(500)).await;
            let taken = taken.lock().unwrap();
            let types = taken.iter().map(|body| body["type"].as_str().unwrap());
            return types.map(str::to_owned).collect();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("only {:?} came", taken.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_tell_of_the_backfill_and_of_a_test_each_once() {
    let stage = Stage::set(150).await;
    let (url, taken) = webhook().await;
    stage.install().await;
    let page = format!("/portals/{DEMO_HUB_ID}/settings/notifications");
    let fields = [
        ("webhook_url", url.as_str()),
        ("kind", "backfill_finished"),
        ("kind", "authorization_lost"),
    ];
    let (status, settings) = stage.browser.fill(&page, &page, &fields).await;
    assert_eq!(
        (status, &settings["webhook_url"]),
        (200, &url.clone().into())
    );
    let workers = [stage.worker(), stage.worker()];
    stage.wait_for_the_end().await;
    assert_eq!(wait_for(&taken, 1).await, ["backfill_finished"]);
    stage.browser.press(&page, &format!("{page}/test")).await;
    let types = wait_for(&taken, 2).await;
    assert_eq!(types, ["backfill_finished", "test"]);
    for worker in workers {
        assert_eq!(worker.terminate(), Some(0));
    }
}
