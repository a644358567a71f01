//! `METRICS_ADDR`: figures for a monitoring system, of `serve` and `work` alike.

use std::io;
use std::sync::Arc;

use anyhow::{Context, Result};
use app::App;
use telemetry::Figures;
use telemetry::figures::{UPKEEP, set_queue};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;
use worker::Redis;

use crate::config::Config;

/// An address that is taken, and the figures that will be told there.
pub struct Metrics {
    listener: TcpListener,
    figures: Figures,
}

impl Metrics {
    /// Takes the address, before anything else begins: what is wrong with it stops the start.
    pub async fn begin(config: &Config) -> Result<Option<Self>> {
        let Some(address) = config.metrics_addr else {
            return Ok(None);
        };
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("METRICS_ADDR is {address}"))?;
        let figures = Figures::start().context("METRICS_ADDR")?;
        tracing::info!(%address, "figures are told at /metrics");
        Ok(Some(Self { listener, figures }))
    }

    /// Tells them until `shutdown` is cancelled.
    pub fn serve(
        self,
        app: App,
        redis: Redis,
        shutdown: CancellationToken,
    ) -> JoinHandle<io::Result<()>> {
        tokio::spawn(async move {
            let upkeep = tokio::spawn(keep_up(self.figures.clone(), shutdown.clone()));
            let scrape = Arc::new(Scrape {
                app,
                redis,
                figures: self.figures,
                read_at: Mutex::new(None),
            });
            let render = move || {
                let scrape = Arc::clone(&scrape);
                async move { scrape.render().await }
            };
            let served = web::serve_metrics(render, self.listener, shutdown).await;
            upkeep.abort();
            served
        })
    }
}

async fn keep_up(figures: Figures, shutdown: CancellationToken) {
    let mut clock = interval(UPKEEP);
    while !shutdown.is_cancelled() {
        clock.tick().await;
        figures.upkeep();
    }
}

/// What a scrape needs.
struct Scrape {
    app: App,
    redis: Redis,
    figures: Figures,
    /// When the installation's figures were last read here. Whoever comes meanwhile waits for the one who reads.
    read_at: Mutex<Option<Instant>>,
}

impl Scrape {
    async fn render(&self) -> String {
        let mut read_at = self.read_at.lock().await;
        if read_at.is_none_or(|at| at.elapsed() >= app::figures::KEEP) {
            let (depth, ()) = tokio::join!(self.redis.depth(), app::figures::tell(&self.app));
            set_queue(depth.ok());
            *read_at = Some(Instant::now());
        }
        drop(read_at);
        self.figures.render()
    }
}
