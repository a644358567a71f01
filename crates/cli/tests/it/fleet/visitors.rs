//! Who uses the service all the time: people with a connection that is kept and with new ones, a dashboard that listens, and
//! HubSpot with its events. Whatever does not come as it should is noted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sandbox::control::Contact;
use sandbox::{Control, DEMO_HUB_ID};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::line::{self, Line};
use crate::processes::{Stage, until};

/// Between two requests of one visitor.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two changes that HubSpot tells.
const CHANGE: Duration = Duration::from_secs(2);

/// What became of their requests.
#[derive(Debug, Default)]
pub struct Seen {
    /// How often something went well, by what it was.
    pub well: BTreeMap<&'static str, usize>,
    /// What did not.
    pub failures: Vec<String>,
}

#[derive(Clone)]
struct Notes(Arc<Mutex<Seen>>);

impl Notes {
    fn note<T>(&self, what: &'static str, done: Result<T>) -> Option<T> {
        let mut seen = self.0.lock().unwrap();
        match done {
            Ok(done) => {
                *seen.well.entry(what).or_default() += 1;
                Some(done)
            }
            Err(error) => {
                seen.failures.push(format!("{what}: {error:#}"));
                None
            }
        }
    }
}

pub struct Visitors {
    tasks: JoinSet<()>,
    leave: CancellationToken,
    notes: Notes,
    control: Control,
}

/// What one of them needs.
#[derive(Clone)]
struct Way {
    port: u16,
    cookie: String,
    paths: Vec<String>,
}

impl Visitors {
    /// They come and go on until they are told to leave.
    pub async fn come(stage: &Stage) -> Self {
        let dashboard = format!("/portals/{DEMO_HUB_ID}");
        let page = stage.browser.html(&dashboard).await;
        let file = page.split("src=\"").nth(1).expect("a page with a script");
        let file = file.split('"').next().unwrap().to_owned();
        let status = format!("{dashboard}/status.json");
        let way = Way {
            port: stage.port(),
            cookie: stage.browser.cookie(),
            paths: vec![dashboard, "/healthz".to_owned(), file, status],
        };
        let (control, notes) = (stage.control(), Notes(Arc::default()));
        let events = format!("{}/webhooks/hubspot", stage.public_url());
        control.set_webhook_target(Some(events.parse().unwrap()));
        let (leave, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(keep(way.clone(), notes.clone(), leave.clone()));
        for _ in 0..2 {
            tasks.spawn(open_anew(way.clone(), notes.clone(), leave.clone()));
        }
        tasks.spawn(listen(way, notes.clone(), leave.clone()));
        tasks.spawn(change(control.clone(), leave.clone()));
        Self {
            tasks,
            leave,
            notes,
            control,
        }
    }

    /// What they have seen.
    pub async fn leave(self) -> Seen {
        self.leave.cancel();
        self.tasks.join_all().await;
        until("the last delivery", async || !self.control.is_delivering()).await;
        self.control.set_webhook_target(None);
        for delivery in self.control.deliveries() {
            let done = match (delivery.status, delivery.attempt) {
                (Some(204), 0) => Ok(()),
                _ => Err(anyhow::anyhow!("{delivery:?}")),
            };
            self.notes.note("delivery of events", done);
        }
        std::mem::take(&mut self.notes.0.lock().unwrap())
    }
}

/// Asks on one connection until it is told that it ends, and opens the next one.
async fn keep(way: Way, notes: Notes, leave: CancellationToken) {
    let mut kept = None;
    for path in way.paths.iter().cycle() {
        if leave.is_cancelled() {
            return;
        }
        let asked = async {
            let mut line = if let Some(line) = kept.take() {
                line
            } else {
                let line = Line::open(way.port, &way.cookie).await?;
                notes.note("kept connection", Ok(()));
                line
            };
            let answer = line.get(path).await.with_context(|| path.clone())?;
            ensure!(answer.status == 200, "{} at {path}", answer.status);
            kept = (!answer.closes).then_some(line);
            anyhow::Ok(())
        };
        let done = asked.await;
        notes.note("request on a kept connection", done);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Opens a connection for each request.
async fn open_anew(way: Way, notes: Notes, leave: CancellationToken) {
    for path in way.paths.iter().cycle() {
        if leave.is_cancelled() {
            return;
        }
        let asked = async {
            let answer = line::get_once(way.port, &way.cookie, path).await;
            let answer = answer.with_context(|| path.clone())?;
            ensure!(answer.status == 200, "{} at {path}", answer.status);
            Ok(())
        };
        let done = asked.await;
        notes.note("request on a new connection", done);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Listens to the dashboard's events as a browser does: a stream that ends is opened again after as long as it was told; an answer
/// that is no stream ends it for good.
async fn listen(way: Way, notes: Notes, leave: CancellationToken) {
    let url = format!("http://localhost:{}/portals/{DEMO_HUB_ID}/events", way.port);
    let client = hubspot::http_client()
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_mins(10))
        .build()
        .unwrap();
    while !leave.is_cancelled() {
        let stream = async {
            let asked = client.get(&url).header("cookie", &way.cookie);
            let mut answer = asked.send().await?.error_for_status()?;
            let mut said = String::new();
            loop {
                let chunk = tokio::select! {
                    chunk = answer.chunk() => chunk?,
                    () = leave.cancelled() => return Ok(said),
                };
                match chunk {
                    Some(chunk) => said.push_str(&String::from_utf8_lossy(&chunk)),
                    None => return anyhow::Ok(said),
                }
            }
        };
        let told = stream.await.and_then(|said| retry_of(&said));
        let Some(retry) = notes.note("event stream", told) else {
            return;
        };
        tokio::select! {
            () = tokio::time::sleep(retry) => {}
            () = leave.cancelled() => {}
        }
    }
}

/// After how long a stream says to come back.
pub fn retry_of(said: &str) -> Result<Duration> {
    let Some(retry) = said.lines().find_map(|line| line.strip_prefix("retry:")) else {
        bail!("nobody said when to come back: {said}");
    };
    Ok(Duration::from_millis(retry.trim().parse()?))
}

/// People change things in HubSpot that concern no gift; HubSpot tells of them.
async fn change(control: Control, leave: CancellationToken) {
    for number in 0.. {
        if leave.is_cancelled() {
            return;
        }
        let contact = Contact {
            email: Some(format!("nobody-{number}@elsewhere.example")),
            ..Contact::default()
        };
        control.add_contact(DEMO_HUB_ID, &contact).unwrap();
        tokio::time::sleep(CHANGE).await;
    }
}
