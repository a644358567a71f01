//! The environment, read once. A missing or malformed value is one line that names the variable.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use app::console::{Console, Operators, TraceUrl};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Everything that the environment says.
pub struct Config {
    /// `DATABASE_URL`: the app's role.
    pub database_url: String,
    /// `REDIS_URL`
    pub redis_url: String,
    /// `PUBLIC_URL`: what HubSpot and browsers use.
    pub public_url: Url,
    /// `LISTEN_ADDR`
    pub listen_addr: SocketAddr,
    /// `METRICS_ADDR`: where figures are told; without it nowhere.
    pub metrics_addr: Option<SocketAddr>,
    /// `HUBSPOT_CLIENT_ID`
    pub client_id: String,
    /// `HUBSPOT_CLIENT_SECRET`
    pub client_secret: SecretString,
    /// `HUBSPOT_PREVIOUS_CLIENT_SECRET`
    pub previous_client_secret: Option<SecretString>,
    /// `HUBSPOT_APP_ID`
    pub app_id: Option<i64>,
    /// `HUBSPOT_API_URL`
    pub hubspot_api_url: Url,
    /// `HUBSPOT_AUTHORIZE_URL`
    pub hubspot_authorize_url: Url,
    /// `HUBSPOT_RATE_PER_10S`
    pub hubspot_rate: u32,
    /// `THNKS_API_URL`
    pub thnks_api_url: Url,
    /// `SYNC_INTERVAL`
    pub sync_interval: Duration,
    /// `RETENTION_DAYS`
    pub retention_days: u32,
    /// `ENCRYPTION_KEYS`
    pub encryption_keys: SecretString,
    /// `REQUESTS_PER_SECOND`, `TRUSTED_HOPS` and `SHUTDOWN_DELAY`
    pub traffic: web::Traffic,
    /// `SMTP_URL` and `MAIL_FROM`: without the first no mail is sent.
    pub mail: Option<notify::MailConfig>,
    /// `OPERATORS` and `TRACE_URL_TEMPLATE`: without the first there is no console.
    pub console: Option<Arc<Console>>,
}

/// HubSpot allows 110 per ten seconds and portal; ten are left for everything else that the portal's admins use.
const DEFAULT_RATE: u32 = 100;
/// HubSpot's own limit (facts/hubspot.md §6).
const HIGHEST_RATE: u32 = 110;

/// The longest time to drain: a process that was told to stop ends within 20 s, and open requests need some of them.
const LONGEST_DRAIN: Duration = Duration::from_secs(10);

/// How long what is known of a disconnected portal is kept.
pub const DEFAULT_RETENTION_DAYS: u32 = 30;
/// Ten years.
const LONGEST_RETENTION_DAYS: u32 = 3_650;

impl Config {
    /// Reads the whole environment.
    pub fn from_environment() -> Result<Self> {
        let sync_interval = duration("SYNC_INTERVAL", Duration::from_hours(1))?;
        if sync_interval < Duration::from_secs(1) {
            bail!("SYNC_INTERVAL must be at least 1s");
        }
        let retention_days = parsed("RETENTION_DAYS", DEFAULT_RETENTION_DAYS)?;
        if !(1..=LONGEST_RETENTION_DAYS).contains(&retention_days) {
            bail!(
                "RETENTION_DAYS is {retention_days}: it must be between 1 and {LONGEST_RETENTION_DAYS}"
            );
        }
        let public_url = parsed("PUBLIC_URL", url("http://localhost:3000"))?;
        without_password("PUBLIC_URL", &public_url)?;
        encrypted("PUBLIC_URL", &public_url)?;
        let hubspot_api_url = parsed("HUBSPOT_API_URL", url("https://api.hubapi.com"))?;
        let hubspot_authorize_url = parsed(
            "HUBSPOT_AUTHORIZE_URL",
            url("https://app.hubspot.com/oauth/authorize"),
        )?;
        let thnks_api_url = parsed("THNKS_API_URL", url("https://api.thnks.com"))?;
        let hubspot_rate = parsed("HUBSPOT_RATE_PER_10S", DEFAULT_RATE)?;
        // A sandbox on this machine has limits of its own, or none.
        let highest_rate = if is_here(&hubspot_api_url) {
            u32::MAX
        } else {
            HIGHEST_RATE
        };
        if !(1..=highest_rate).contains(&hubspot_rate) {
            bail!(
                "HUBSPOT_RATE_PER_10S is {hubspot_rate}: it must be between 1 and {HIGHEST_RATE}, HubSpot's limit"
            );
        }
        without_password("HUBSPOT_API_URL", &hubspot_api_url)?;
        without_password("HUBSPOT_AUTHORIZE_URL", &hubspot_authorize_url)?;
        without_password("THNKS_API_URL", &thnks_api_url)?;
        if public_url.scheme() == "https" {
            // In a production that browsers reach over https, tokens and keys leave over https as well.
            encrypted("HUBSPOT_API_URL", &hubspot_api_url)?;
            encrypted("HUBSPOT_AUTHORIZE_URL", &hubspot_authorize_url)?;
            encrypted("THNKS_API_URL", &thnks_api_url)?;
        }
        let encryption_keys: SecretString = required("ENCRYPTION_KEYS")?.into();
        if public_url.scheme() == "https" && is_for_trials(&encryption_keys) {
            bail!(
                "ENCRYPTION_KEYS begins with a key that is for trials: it is one byte 32 times. Make one as .env.example says, and put it first."
            );
        }
        let traffic = web::Traffic {
            requests_per_second: parsed(
                "REQUESTS_PER_SECOND",
                web::Traffic::default().requests_per_second,
            )?,
            drain: drain()?,
            // This process speaks no TLS: over https there is a proxy.
            trusted_hops: parsed("TRUSTED_HOPS", u8::from(public_url.scheme() == "https"))?,
        };
        let redis_url = required("REDIS_URL")?;
        checked_redis(&redis_url)?;
        Ok(Self {
            database_url: required("DATABASE_URL")?,
            redis_url,
            public_url,
            listen_addr: parsed("LISTEN_ADDR", SocketAddr::from(([127, 0, 0, 1], 3000)))?,
            metrics_addr: metrics_addr()?,
            client_id: required("HUBSPOT_CLIENT_ID")?,
            client_secret: required("HUBSPOT_CLIENT_SECRET")?.into(),
            previous_client_secret: optional("HUBSPOT_PREVIOUS_CLIENT_SECRET")
                .map(SecretString::from),
            app_id: optional("HUBSPOT_APP_ID")
                .map(|_| parsed("HUBSPOT_APP_ID", 0))
                .transpose()?,
            hubspot_api_url,
            hubspot_authorize_url,
            hubspot_rate,
            thnks_api_url,
            sync_interval,
            retention_days,
            encryption_keys,
            traffic,
            mail: mail()?,
            console: console()?,
        })
    }
}

/// Refuses an address that holds a password: addresses are repeated in logs, links and messages.
fn without_password(name: &str, url: &Url) -> Result<()> {
    if !url.username().is_empty() || url.password().is_some() {
        bail!("{name} holds a user's name or a password: take it out of the address");
    }
    Ok(())
}

/// Refuses an address that sends what is secret in the clear: http is for this machine alone.
fn encrypted(name: &str, url: &Url) -> Result<()> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_here(url) => Ok(()),
        "http" => bail!(
            "{name} is {url}: cookies and tokens would cross the network in the clear. Use https; http is for localhost."
        ),
        scheme => bail!("{name} begins with {scheme}: it must be https"),
    }
}

/// Whether an address is on this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(host)) => host == "localhost" || host.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Refuses an address whose certificate would not be looked at: the library takes it and then never connects.
fn checked_redis(url: &str) -> Result<()> {
    if url.starts_with("rediss:") && url.contains('#') {
        bail!(
            "REDIS_URL ends in #…: certificates are always looked at. One of your own goes into SSL_CERT_FILE."
        );
    }
    Ok(())
}

/// The machine with which Redis is spoken to in the clear, where that may cross a network: not for this machine, and not for
/// a name without dots, which is a neighbour's in one container network.
pub fn clear_redis_host(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    if !matches!(url.scheme(), "redis" | "valkey") {
        return None;
    }
    // To an address of another scheme than http a number is a name.
    let host = url.host_str()?.trim_matches(['[', ']']);
    let is_near = match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => !host.contains('.') || host.ends_with(".localhost"),
    };
    (!is_near).then(|| host.to_owned())
}

/// Whether the key that seals is one that tests and demonstrations use: the same byte throughout. Those after it only open
/// what they have sealed before.
fn is_for_trials(keys: &SecretString) -> bool {
    let mut entries = keys.expose_secret().split(',').map(str::trim);
    let first = entries.find(|entry| !entry.is_empty()).unwrap_or_default();
    let encoded = first.split_once(':').map_or("", |(_, encoded)| encoded);
    let key = STANDARD.decode(encoded.trim()).unwrap_or_default();
    key.first()
        .is_some_and(|first| key.iter().all(|byte| byte == first))
}

/// `SHUTDOWN_DELAY`.
fn drain() -> Result<Duration> {
    let drain = duration("SHUTDOWN_DELAY", Duration::ZERO)?;
    if drain > LONGEST_DRAIN {
        bail!(
            "SHUTDOWN_DELAY must be at most {}s",
            LONGEST_DRAIN.as_secs()
        );
    }
    Ok(drain)
}

/// Where `migrate` connects: `MIGRATION_DATABASE_URL`, else `DATABASE_URL`.
pub fn migration_database_url() -> Result<String> {
    optional("MIGRATION_DATABASE_URL").map_or_else(database_url, Ok)
}

/// `SMTP_URL` and `MAIL_FROM`; `None` where no mail is sent.
pub fn mail() -> Result<Option<notify::MailConfig>> {
    let Some(smtp_url) = optional("SMTP_URL") else {
        return Ok(None);
    };
    Ok(Some(notify::MailConfig {
        smtp_url: smtp_url.into(),
        from: required("MAIL_FROM")?,
    }))
}

/// `OPERATORS` and `TRACE_URL_TEMPLATE`; `None` where there is no console. An address for traces is looked at in any case.
fn console() -> Result<Option<Arc<Console>>> {
    let trace_url = optional("TRACE_URL_TEMPLATE")
        .map(|text| TraceUrl::parse(&text))
        .transpose()
        .context("TRACE_URL_TEMPLATE")?;
    let Some(list) = optional("OPERATORS") else {
        return Ok(None);
    };
    let operators = Operators::parse(&list.into()).context("OPERATORS")?;
    Ok(Some(Arc::new(Console {
        operators,
        trace_url,
    })))
}

/// `DATABASE_URL`.
pub fn database_url() -> Result<String> {
    required("DATABASE_URL")
}

/// `REDIS_URL`.
pub fn redis_url() -> Result<String> {
    required("REDIS_URL")
}

/// `LISTEN_ADDR`.
pub fn listen_addr() -> Result<SocketAddr> {
    parsed("LISTEN_ADDR", SocketAddr::from(([127, 0, 0, 1], 3000)))
}

/// `METRICS_ADDR`; `None` where no figures are told.
fn metrics_addr() -> Result<Option<SocketAddr>> {
    let address = optional("METRICS_ADDR").map(|text| text.parse());
    address
        .transpose()
        .map_err(|error| anyhow!("METRICS_ADDR: {error}"))
}

/// Where traces go.
pub const COLLECTOR: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// `OTEL_EXPORTER_OTLP_ENDPOINT`: a collector of traces; `None` where none are made.
pub fn collector() -> Result<Option<Url>> {
    let Some(text) = optional(COLLECTOR) else {
        return Ok(None);
    };
    let url: Url = text
        .parse()
        .map_err(|error| anyhow!("{COLLECTOR}: {error}"))?;
    without_password(COLLECTOR, &url)?;
    if !matches!(url.scheme(), "http" | "https") {
        bail!("{COLLECTOR} is {url}: traces are sent over http or https");
    }
    Ok(Some(url))
}

/// The variable's value; an empty one counts as missing.
pub fn optional(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    std::env::var(name)
        .ok()
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

fn required(name: &str) -> Result<String> {
    optional(name).with_context(|| format!("{name} is not set"))
}

fn parsed<T>(name: &str, default: T) -> Result<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    optional(name).map_or(Ok(default), |text| {
        text.parse().map_err(|error| anyhow!("{name}: {error}"))
    })
}

fn duration(name: &str, default: Duration) -> Result<Duration> {
    optional(name).map_or(Ok(default), |text| {
        humantime::parse_duration(&text).map_err(|error| anyhow!("{name}: {error}"))
    })
}

fn url(text: &str) -> Url {
    text.parse().expect("an address written here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_in_the_clear_is_told_of_where_it_may_cross_a_network() {
        for near in [
            "redis://127.0.0.1:6379/0",
            "redis://:secret@localhost:6379/0",
            "redis://[::1]:6379/0",
            "redis://redis:6379/0",
            "redis+unix:///run/redis.sock",
            "rediss://redis.example:6379/0",
        ] {
            assert_eq!(clear_redis_host(near), None, "{near}");
        }
        for (far, host) in [
            ("redis://:secret@redis.example:6379/0", "redis.example"),
            ("redis://10.0.0.7/0", "10.0.0.7"),
            ("redis://[2001:db8::7]/0", "2001:db8::7"),
        ] {
            assert_eq!(clear_redis_host(far).as_deref(), Some(host));
        }
    }

    #[test]
    fn a_redis_whose_certificate_is_not_looked_at_is_refused() {
        assert!(checked_redis("rediss://:secret@redis.example/0#insecure").is_err());
        assert!(checked_redis("rediss://redis.example/0").is_ok());
    }
}
