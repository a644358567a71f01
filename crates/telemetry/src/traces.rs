//! Traces over OTLP: HTTP with protobuf, by a thread of its own, in batches. What cannot be delivered is dropped; nothing waits
//! for it.

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Metadata;
use url::Url;

/// Where the standard has traces below a collector's address.
const PATH: &str = "v1/traces";
/// The name in traces, unless `OTEL_SERVICE_NAME` says another.
const SERVICE: &str = "thnks-hubspot";
/// The crates whose spans are exported: those of libraries may say anything.
const OURS: [&str; 8] = [
    "app", "cli", "hubspot", "notify", "store", "thnks", "web", "worker",
];
/// A span that is there for log lines alone: before it is known of which trace a run is a part.
pub const UNEXPORTED: &str = "ring";

/// Exports to the collector at `endpoint`, as a service of this name.
pub fn exporter(
    endpoint: &Url,
    service: Option<&str>,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let base = endpoint.as_str().trim_end_matches('/');
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{base}/{PATH}"))
        .build()?;
    let resource = Resource::builder()
        .with_service_name(service.unwrap_or(SERVICE).to_owned())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

/// The tracer behind spans.
pub fn tracer(provider: &SdkTracerProvider) -> SdkTracer {
    provider.tracer(SERVICE)
}

/// Whether a span is exported, or a line with its span: our own spans, and what went wrong in them.
pub fn is_exported(meta: &Metadata<'_>) -> bool {
    let root = meta.target().split("::").next().unwrap_or_default();
    OURS.contains(&root)
        && meta.name() != UNEXPORTED
        && (meta.is_span() || *meta.level() <= tracing::Level::WARN)
}
