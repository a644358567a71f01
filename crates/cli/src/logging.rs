//! Log lines and traces, as the environment says: `RUST_LOG` which lines, `LOG_FORMAT` (`text` or `json`) how,
//! `OTEL_EXPORTER_OTLP_ENDPOINT` where traces go. Lines go to standard error.

use anyhow::{Context, Result};
use telemetry::Lines;
use telemetry::lines::Ending;

use crate::config;

/// Starts logging. The demo is quiet unless asked: its lines are for a newcomer. Traces are made by what goes on for long.
pub fn start(quiet: bool, is_service: bool) -> Result<Ending> {
    let default = if quiet { "warn" } else { "info" };
    let collector = if is_service {
        config::collector()?
    } else {
        None
    };
    let lines = Lines {
        filter: config::optional("RUST_LOG").unwrap_or_else(|| default.to_owned()),
        json: config::optional("LOG_FORMAT").as_deref() == Some("json"),
        collector,
        service: config::optional("OTEL_SERVICE_NAME"),
    };
    lines.start().context(config::COLLECTOR)
}
