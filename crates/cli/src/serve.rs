//! The two long-running processes, and the one that prepares the database for them.

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config};
use crate::wiring;

/// Serves pages until told to stop; with the worker in the same process when wished.
pub async fn serve(with_worker: bool) -> Result<()> {
    let config = Config::from_environment()?;
    let (app, redis) = wiring::checked_app(&config).await?;
    let listener = TcpListener::bind(config.listen_addr)
        .await
        .context("LISTEN_ADDR")?;
    tracing::info!(address = %config.listen_addr, public_url = %config.public_url, "serving");
    let shutdown = stop_signal()?;
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
    app.close().await;
    Ok(())
}

/// Works on runs until told to stop.
pub async fn work() -> Result<()> {
    let config = Config::from_environment()?;
    let (app, redis) = wiring::checked_app(&config).await?;
    tracing::info!("working");
    worker::run(
        app.clone(),
        redis,
        worker::Config::default(),
        stop_signal()?,
    )
    .await?;
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
    store::migrate(&config::migration_database_url()?, &app_role)
        .await
        .context("MIGRATION_DATABASE_URL")?;
    tracing::info!(role = app_role, "the schema is up to date");
    Ok(())
}

/// Cancelled at the first SIGTERM or Ctrl-C.
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
        stop.cancel();
    });
    Ok(token)
}
