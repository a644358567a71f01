//! Log lines: `RUST_LOG` says which, `LOG_FORMAT` (`text` or `json`) how. They go to standard error.

use tracing_subscriber::EnvFilter;

use crate::config;

/// Starts logging. The demo is quiet unless asked: its lines are for a newcomer.
pub fn start(quiet: bool) {
    let default = if quiet { "warn" } else { "info" };
    let filter = EnvFilter::new(config::optional("RUST_LOG").unwrap_or_else(|| default.to_owned()));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if config::optional("LOG_FORMAT").as_deref() == Some("json") {
        lines.json().flatten_event(true).init();
    } else {
        lines.init();
    }
}
