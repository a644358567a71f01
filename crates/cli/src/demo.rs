//! The main job on this machine: the sandbox with a year of data, web and worker in one process. `--once` does by itself
//! what a person would do in the browser, and judges the outcome by the sandbox's own words.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use app::operator::{self, NewOrganization};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use sandbox::{DEMO_HUB_ID, Sandbox, WorldSpec};
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use url::Url;

use crate::config::{self, Config};
use crate::{serve, wiring};

/// How the demo runs.
#[derive(clap::Args)]
pub struct Options {
    /// Install the demo portal, wait for the backfill, print a summary and exit
    #[arg(long)]
    once: bool,
    /// Where the pages are served; a free port unless given
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How many gifts; the demo's year has 5,000
    #[arg(long)]
    transactions: Option<usize>,
}

/// HubSpot's pages let a person wait about this long; `--once` gives up then.
const PATIENCE: Duration = Duration::from_mins(5);
const LOOK: Duration = Duration::from_millis(250);

/// Runs the demo.
pub async fn run(options: Options) -> Result<()> {
    serve::migrate().await?;
    let now = sandbox::machine_clock()();
    let world = options.transactions.map_or_else(
        || WorldSpec::demo(now),
        |count| WorldSpec::small(now, count),
    );
    let sandbox = sandbox::start(sandbox::Config::new(world)).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
        .await
        .with_context(|| format!("port {} is taken: choose another with --port", options.port))?;
    let public_url: Url = format!("http://localhost:{}/", listener.local_addr()?.port()).parse()?;
    let config = demo_config(&sandbox, public_url.clone(), &listener)?;
    let (app, redis) = wiring::checked_app(&config).await?;
    let key = SecretString::from(sandbox::THNKS_API_KEY);
    let new = NewOrganization {
        name: "Acme",
        api_key: &key,
        portal: None,
        link_lifetime: TimeDelta::days(7),
    };
    let setup_link = operator::add_organization(&app, &new).await?;

    // HubSpot tells of contacts that appear: their gifts are linked within seconds.
    let events = public_url.join("/webhooks/hubspot")?;
    sandbox.control().set_webhook_target(Some(events));

    let shutdown = serve::stop_signal()?;
    let working = tokio::spawn(worker::run(
        app.clone(),
        redis,
        worker::Config::default(),
        shutdown.clone(),
    ));
    let serving = tokio::spawn(web::serve(
        app.clone(),
        listener,
        shutdown.clone(),
        web::Traffic::default(),
    ));
    let shown = if options.once {
        tokio::select! {
            shown = once(&sandbox, &public_url, &setup_link) => shown,
            () = shutdown.cancelled() => Err(anyhow::anyhow!("stopped before the backfill was done")),
        }
    } else {
        invite(&sandbox, &public_url, &setup_link);
        shutdown.cancelled().await;
        Ok(())
    };
    shutdown.cancel();
    serving.await??;
    working.await??;
    app.close().await;
    sandbox.shutdown().await;
    shown
}

fn demo_config(sandbox: &Sandbox, public_url: Url, listener: &TcpListener) -> Result<Config> {
    let mut key = [0_u8; 32];
    rand::fill(&mut key);
    Ok(Config {
        console: None,
        database_url: config::database_url()?,
        redis_url: config::redis_url()?,
        public_url,
        listen_addr: listener.local_addr()?,
        metrics_addr: None,
        client_id: sandbox::CLIENT_ID.to_owned(),
        client_secret: sandbox::CLIENT_SECRET.into(),
        previous_client_secret: None,
        app_id: Some(sandbox::APP_ID),
        hubspot_api_url: sandbox.hubspot_url().clone(),
        hubspot_authorize_url: sandbox.authorize_url(),
        hubspot_rate: 100,
        thnks_api_url: sandbox.thnks_url().clone(),
        sync_interval: Duration::from_mins(1),
        retention_days: config::DEFAULT_RETENTION_DAYS,
        encryption_keys: format!("demo:{}", STANDARD.encode(key)).into(),
        traffic: web::Traffic::default(),
        mail: config::mail()?,
    })
}

/// What a newcomer reads.
#[expect(clippy::print_stdout, reason = "the demo's own words")]
fn invite(sandbox: &Sandbox, public_url: &Url, setup_link: &Url) {
    let mut start = public_url.clone();
    start.set_query(setup_link.query());
    println!();
    println!("  Open {start}");
    println!();
    println!(
        "  Click Install, connect the sandbox's HubSpot account, and watch a year of gifts arrive."
    );
    println!(
        "  Then add contacts in \"HubSpot\", and watch the orphans among their gifts link themselves:"
    );
    println!(
        "    curl -s -X POST {}sandbox/portals/{DEMO_HUB_ID}/adopt-orphans \\",
        sandbox.hubspot_url()
    );
    println!("      -H 'content-type: application/json' -d '{{\"count\":50}}'");
    println!();
    println!("  Sandbox control: {}sandbox", sandbox.hubspot_url());
    println!("  Ctrl-C stops everything.");
}

/// Installs as a person would, waits for the backfill, and prints what the sandbox has seen.
#[expect(clippy::print_stdout, reason = "the demo's own words")]
async fn once(sandbox: &Sandbox, public_url: &Url, setup_link: &Url) -> Result<()> {
    let started = Instant::now();
    let browser = hubspot::http_client()
        .cookie_store(true)
        .redirect(reqwest::redirect::Policy::limited(10))
        .build()?;
    println!("Installing from the setup link …");
    let consent = browser.get(setup_link.clone()).send().await?;
    let authorize_url = consent.url().clone();
    let page = consent.error_for_status()?.text().await?;
    ensure!(
        page.contains("Connect app"),
        "HubSpot's consent page did not come up at {authorize_url}"
    );
    let mut form: Vec<(String, String)> = authorize_url.query_pairs().into_owned().collect();
    form.push(("hub_id".into(), DEMO_HUB_ID.to_string()));
    form.push(("decision".into(), "connect".into()));
    let dashboard = browser
        .post(authorize_url.join("/oauth/authorize/decision")?)
        .form(&form)
        .send()
        .await?;
    let status = dashboard.status();
    ensure!(
        status.is_success(),
        "the install ended with {status} at {}",
        dashboard.url()
    );

    println!("Installed. Waiting for the backfill …");
    let status_url = public_url.join(&format!("/portals/{DEMO_HUB_ID}/status.json"))?;
    let mut shown = 0;
    let status = loop {
        let status: Value = browser
            .get(status_url.clone())
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        if status["state"] == "active" && status["current_run"].is_null() {
            break status;
        }
        if status["needs"]
            .as_array()
            .is_some_and(|needs| !needs.is_empty())
        {
            bail!("the portal needs something: {}", status["needs"]);
        }
        let done = status["current_run"]["done"].as_i64().unwrap_or(0);
        if done >= shown + 1_000 {
            shown = done;
            println!(
                "  {done} of {} records written",
                status["current_run"]["total"]
            );
        }
        if started.elapsed() > PATIENCE {
            bail!(
                "the backfill did not end within {} s: {status}",
                PATIENCE.as_secs()
            );
        }
        tokio::time::sleep(LOOK).await;
    };
    let verdict_url = sandbox
        .hubspot_url()
        .join(&format!("/sandbox/portals/{DEMO_HUB_ID}/verify"))?;
    let verdict: Value = browser
        .get(verdict_url)
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    summarize(&status, &verdict, started.elapsed());
    ensure!(
        verdict["ok"] == true,
        "the sandbox finds faults: {verdict:#}"
    );
    ensure!(
        status["synced"] == verdict["records"],
        "the dashboard counts {} records, HubSpot has {}",
        status["synced"],
        verdict["records"]
    );
    ensure!(
        status["orphans"] == verdict["orphans"],
        "the dashboard counts {} orphans, HubSpot has {}",
        status["orphans"],
        verdict["orphans"]
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the demo's own words")]
fn summarize(status: &Value, verdict: &Value, elapsed: Duration) {
    let made = &verdict["associations"];
    println!();
    println!("Transactions at Thnks      {}", verdict["transactions"]);
    println!("Records in HubSpot         {}", verdict["records"]);
    println!("Refused rows               {}", status["failed"]);
    println!("Linked to contacts         {}", made["contact"]);
    println!("Linked to companies        {}", made["company"]);
    println!("Links to open deals        {}", made["deal"]);
    println!("Orphans                    {}", verdict["orphans"]);
    println!("HubSpot calls              {}", verdict["calls"]["total"]);
    println!(
        "  per 1,000 transactions   {}",
        verdict["calls"]["per_1000_transactions"]
    );
    println!("  most in any 10 s         {}", verdict["max_calls_in_10s"]);
    println!("Time                       {:.1} s", elapsed.as_secs_f64());
}
