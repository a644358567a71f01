//! The two long-running processes, and the one that prepares the database for them.

use std::time::Duration;

use anyhow::{Context, Result};
use store::Migrated;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config};
use crate::metrics::Metrics;
use crate::wiring;

/// How long a process may take to end once it was told to. Requests, runs and deliveries have shorter times of their own; this
/// one holds whatever hangs, for example where PostgreSQL has gone away without a word. Nothing is lost by it.
const STOP_BOUND: Duration = Duration::from_secs(19);

/// Serves pages until told to stop; with the worker in the same process when wished.
pub async fn serve(with_worker: bool) -> Result<()> {
    let config = Config::from_environment()?;
    let metrics = Metrics::begin(&config).await?;
    let (app, redis) = wiring::checked_app(&config).await?;
    let listener = TcpListener::bind(config.listen_addr)
        .await
        .context("LISTEN_ADDR")?;
    tracing::info!(address = %config.listen_addr, public_url = %config.public_url, "serving");
    let shutdown = stop_signal()?;
    // Figures are told to the end, draining included.
    let over = CancellationToken::new();
    let telling = metrics.map(|metrics| metrics.serve(app.clone(), redis.clone(), over.clone()));
    let working = with_worker.then(|| {
        tokio::spawn(worker::run(
            app.clone(),
            redis,
            worker::Config::default(),
            shutdown.clone(),
        ))
    });
    web::serve(app.clone(), listener, shutdown.clone(), config.traffic).await?;
    shutdown.cancel();
    if let Some(working) = working {
        working.await??;
    }
    over.cancel();
    if let Some(telling) = telling {
        telling.await??;
    }
    app.close().await;
    Ok(())
}

/// Works on runs until told to stop.
pub async fn work() -> Result<()> {
    let config = Config::from_environment()?;
    let metrics = Metrics::begin(&config).await?;
    let (app, redis) = wiring::checked_app(&config).await?;
    tracing::info!("working");
    let shutdown = stop_signal()?;
    // Figures are told to the end, draining included.
    let over = CancellationToken::new();
    let telling = metrics.map(|metrics| metrics.serve(app.clone(), redis.clone(), over.clone()));
    let worked = worker::run(
        app.clone(),
        redis,
        worker::Config::default(),
        shutdown.clone(),
    )
    .await;
    // A pool that died ends the process; the figures end with it.
    over.cancel();
    if let Some(telling) = telling {
        telling.await??;
    }
    worked?;
    app.close().await;
    Ok(())
}

/// Brings the schema up to date and grants the app's role its rights.
pub async fn migrate() -> Result<()> {
    let app_url = config::database_url()?;
    let app_role = url::Url::parse(&app_url)
        .context("DATABASE_URL")?
        .username()
        .to_owned();
    let migrated = store::migrate(&config::migration_database_url()?, &app_role)
        .await
        .context("MIGRATION_DATABASE_URL")?;
    match migrated {
        Migrated::UpToDate => tracing::info!(role = app_role, "the schema is up to date"),
        Migrated::Newer => {
            tracing::warn!(
                "the schema is a newer version's and is left as it is; this one works on it"
            );
        }
    }
    Ok(())
}

/// Cancelled at the first SIGTERM or Ctrl-C; the process ends within 20 s from then on.
pub fn stop_signal() -> Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let stop = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop");
        stop.cancel();
        // A thread, which no blocked task keeps waiting.
        std::thread::spawn(|| {
            std::thread::sleep(STOP_BOUND);
            tracing::warn!(
                "what had not ended was cut off at the end of the time to stop; the next process goes on at the last commit"
            );
            std::process::exit(0);
        });
    });
    Ok(token)
}
