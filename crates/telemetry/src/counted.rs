//! Counts the lines that somebody should look at.

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::measure;

/// Counts lines of `error` and `warn`.
pub struct CountedLines;

impl<S: Subscriber> Layer<S> for CountedLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        match *event.metadata().level() {
            Level::ERROR => measure::log_line("error"),
            Level::WARN => measure::log_line("warn"),
            _ => {}
        }
    }
}
