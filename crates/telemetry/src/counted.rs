//! Counts the lines that somebody should look at, those that nobody sees included: what is shown is a matter of taste, and
//! monitoring does not hang on it.

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::measure;

struct CountedLines;

/// Counts lines of `error` and `warn`. It asks for no others, and for no spans: those are as dear as before.
pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    let counts = filter_fn(|meta| meta.is_event() && *meta.level() <= Level::WARN);
    CountedLines.with_filter(counts.with_max_level_hint(LevelFilter::WARN))
}

impl<S: Subscriber> Layer<S> for CountedLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        match *event.metadata().level() {
            Level::ERROR => measure::log_line("error"),
            Level::WARN => measure::log_line("warn"),
            _ => {}
        }
    }
}
