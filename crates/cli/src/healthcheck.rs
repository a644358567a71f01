//! Health checks for containers, whose images have no other client.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use crate::config;

/// A part of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The web process on `LISTEN_ADDR` answers and has its database.
    Serve,
    /// A worker would find its database and Redis.
    Work,
}

const TIMEOUT: Duration = Duration::from_secs(4);

/// Fails when the part is not well.
pub async fn run(part: Part) -> Result<()> {
    tokio::time::timeout(TIMEOUT, check(part))
        .await
        .context("no answer in time")?
}

async fn check(part: Part) -> Result<()> {
    match part {
        Part::Serve => {
            let mut addr = config::listen_addr()?;
            if addr.ip().is_unspecified() {
                addr.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
            }
            let client = hubspot::http_client().build()?;
            let status = client
                .get(format!("http://{addr}/readyz"))
                .send()
                .await?
                .status();
            ensure!(status.is_success(), "/readyz answers {status}");
        }
        Part::Work => {
            store::Db::open(&config::database_url()?, 1)?
                .check()
                .await
                .context("the database")?;
            worker::connect(&config::redis_url()?)?
                .check()
                .await
                .context("Redis")?;
        }
    }
    Ok(())
}
