//! Puts the parts together as the environment says.

use std::sync::Arc;

use anyhow::{Context, Result};
use app::{App, KeyRing};
use chrono::TimeDelta;
use worker::{Redis, SharedBudget};

use crate::config::Config;

/// Connections of one process to the database for each of its cores: pages and runs hold one for milliseconds, and more
/// at once only wait for each other.
const CONNECTIONS_PER_CORE: usize = 4;
/// However many cores there are.
const MOST_CONNECTIONS: usize = 32;

/// The context of every use case and the connection to Redis.
pub fn app(config: &Config) -> Result<(App, Redis)> {
    let keys = KeyRing::parse(&config.encryption_keys).context("ENCRYPTION_KEYS")?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let connections = (cores * CONNECTIONS_PER_CORE).clamp(8, MOST_CONNECTIONS);
    let connections = u32::try_from(connections)?;
    let db = store::Db::open(&config.database_url, connections).context("DATABASE_URL")?;
    let redis = worker::connect(&config.redis_url).context("REDIS_URL")?;
    let redirect_uri = config
        .public_url
        .join("/oauth/callback")
        .context("PUBLIC_URL")?;
    let hubspot = hubspot::Client::new(
        hubspot::Config {
            api_url: config.hubspot_api_url.clone(),
            authorize_url: config.hubspot_authorize_url.clone(),
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.clone(),
            previous_client_secret: config.previous_client_secret.clone(),
            app_id: config.app_id,
            redirect_uri,
        },
        Arc::new(SharedBudget::new(redis.clone(), config.hubspot_rate)),
    )
    .context("HUBSPOT_API_URL")?;
    let thnks = thnks::Client::new(&thnks::Config {
        api_url: config.thnks_api_url.clone(),
    })
    .context("THNKS_API_URL")?;
    let app_config = app::Config {
        public_url: config.public_url.clone(),
        sync_interval: TimeDelta::from_std(config.sync_interval).context("SYNC_INTERVAL")?,
        retention: TimeDelta::days(config.retention_days.into()),
    };
    let app = App::new(db, hubspot, thnks, keys, app_config, app::system_clock());
    let app = app.with_notify(notify(config)?);
    let app = match &config.console {
        Some(console) => app.with_console(Arc::clone(console)),
        None => app,
    };
    Ok((app, redis))
}

/// What sends notices. A demo on this machine may call webhooks on it.
fn notify(config: &Config) -> Result<notify::Client> {
    let is_local = config.public_url.scheme() == "http"
        && matches!(
            config.public_url.host_str(),
            Some("localhost" | "127.0.0.1" | "[::1]")
        );
    let reach = if is_local {
        notify::Reach::PublicAndLoopback
    } else {
        notify::Reach::Public
    };
    let mail = config.mail.clone();
    notify::Client::new(notify::Config { mail, reach }).map_err(|error| {
        let variable = match &error {
            notify::ConfigError::Smtp(_) => "SMTP_URL",
            notify::ConfigError::From(_) => "MAIL_FROM",
            notify::ConfigError::Tls(_) => "notices",
        };
        anyhow::Error::new(error).context(variable)
    })
}

/// What holds, but should not be so in production, is told once at the start.
fn warn(config: &Config) {
    if config.public_url.scheme() == "https"
        && let Some(host) = crate::config::clear_redis_host(&config.redis_url)
    {
        tracing::warn!(redis.host = %host, "Redis is spoken to in the clear: begin REDIS_URL with rediss://");
    }
}

/// The same, and a database that answers with the right schema and was sealed with these keys.
pub async fn checked_app(config: &Config) -> Result<(App, Redis)> {
    let (app, redis) = self::app(config)?;
    warn(config);
    app.check().await.context("DATABASE_URL")?;
    app::keys::check(&app).await.map_err(|error| match error {
        app::keys::Unfit::Internal(error) => anyhow::Error::new(error).context("DATABASE_URL"),
        unfit => anyhow::Error::new(unfit).context("ENCRYPTION_KEYS"),
    })?;
    Ok((app, redis))
}
