//! The sandbox as a process of its own.

use std::net::SocketAddr;

use anyhow::Result;
use chrono::{DateTime, Utc};
use sandbox::WorldSpec;

use crate::serve;

/// Where it listens and what is in it.
#[derive(clap::Args)]
pub struct Options {
    /// Where HubSpot and the control API listen
    #[arg(long, default_value = "127.0.0.1:4010")]
    hubspot_addr: SocketAddr,
    /// Where Thnks listens
    #[arg(long, default_value = "127.0.0.1:4020")]
    thnks_addr: SocketAddr,
    /// Seed of the world
    #[arg(long)]
    seed: Option<u64>,
    /// How many gifts
    #[arg(long)]
    transactions: Option<usize>,
}

/// Serves until told to stop.
#[expect(clippy::print_stdout, reason = "the answer of a command")]
pub async fn run(options: Options) -> Result<()> {
    let now: DateTime<Utc> = sandbox::machine_clock()();
    let mut world = match options.transactions {
        Some(transactions) => WorldSpec::small(now, transactions),
        None => WorldSpec::demo(now),
    };
    world.seed = options.seed.unwrap_or(world.seed);
    let mut config = sandbox::Config::new(world);
    config.hubspot_addr = options.hubspot_addr;
    config.thnks_addr = options.thnks_addr;
    let sandbox = sandbox::start(config).await?;
    println!("HUBSPOT_API_URL={}", sandbox.hubspot_url());
    println!("HUBSPOT_AUTHORIZE_URL={}", sandbox.authorize_url());
    println!("HUBSPOT_CLIENT_ID={}", sandbox::CLIENT_ID);
    println!("HUBSPOT_CLIENT_SECRET={}", sandbox::CLIENT_SECRET);
    println!("HUBSPOT_APP_ID={}", sandbox::APP_ID);
    println!("THNKS_API_URL={}", sandbox.thnks_url());
    println!("# Thnks API key: {}", sandbox::THNKS_API_KEY);
    println!("# Sandbox control: {}sandbox", sandbox.hubspot_url());
    serve::stop_signal()?.cancelled().await;
    sandbox.shutdown().await;
    Ok(())
}
