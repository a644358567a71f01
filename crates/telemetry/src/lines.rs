//! Sets up log lines and traces at the start of a process. Lines go to standard error.

use std::time::Duration;

use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};
use url::Url;

use crate::json::FlatJson;
use crate::{counted, traces};

/// How long a process that ends waits for a collector that does not take its last spans. Runs and requests have had up to 16 s by
/// then, of the 20 s in which a process ends.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Which lines there are, how they look, and where traces go.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// Which lines: directives as in `RUST_LOG`.
    pub filter: String,
    /// One JSON object a line; otherwise text.
    pub json: bool,
    /// A collector of traces that speaks OTLP over HTTP; without it none are made.
    pub collector: Option<Url>,
    /// The name in traces.
    pub service: Option<String>,
}

/// Traces could not be set up.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] opentelemetry_otlp::ExporterBuildError);

/// What has to be finished at the end of the process.
#[must_use]
#[derive(Debug)]
pub struct Ending(Option<SdkTracerProvider>);

impl Ending {
    /// Sends the spans that wait. Blocks for two seconds at most, where the collector does not answer.
    pub fn finish(self) {
        if let Some(provider) = self.0
            && let Err(error) = provider.shutdown_with_timeout(LAST_SPANS)
        {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

impl Lines {
    /// Sets them up, once in a process.
    pub fn start(self) -> Result<Ending, Error> {
        let provider = match &self.collector {
            Some(collector) => Some(traces::exporter(collector, self.service.as_deref())?),
            None => None,
        };
        let traced = provider.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(traces::tracer(provider))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_filter(filter_fn(traces::is_exported))
        });
        let lines = fmt::layer().with_writer(std::io::stderr);
        let lines = if self.json {
            lines
                .fmt_fields(JsonFields::new())
                .event_format(FlatJson)
                .boxed()
        } else {
            lines.boxed()
        };
        let filter = EnvFilter::new(self.filter);
        registry()
            .with(lines.with_filter(filter))
            .with(counted::layer())
            .with(traced)
            .init();
        Ok(Ending(provider))
    }
}
