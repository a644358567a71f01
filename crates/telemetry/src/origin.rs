//! Which request something came from: a click leaves it on the run that it asks for, and the run's worker takes it up again.
//!
//! It travels with the request's own task, like the span that puts its id on every line: whoever asks for a run need not think
//! of it.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use uuid::Uuid;

tokio::task_local! {
    static REQUEST: Uuid;
}

/// The header of W3C's Trace Context, whose value [`Origin::trace`] is.
const TRACEPARENT: &str = "traceparent";

/// Where something comes from, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The request that asked for it.
    pub request_id: Option<Uuid>,
    /// Its place in a trace, as W3C's `traceparent` has it: 55 characters. Only while traces are exported.
    pub trace: Option<String>,
}

impl Origin {
    /// That of what runs now.
    pub fn current() -> Self {
        let request_id = REQUEST.try_with(|id| *id).ok();
        let context = Span::current().context();
        let trace = context.span().span_context().is_valid().then(|| {
            let mut carrier = HashMap::new();
            TraceContextPropagator::new().inject_context(&context, &mut carrier);
            carrier.remove(TRACEPARENT)
        });
        Self {
            request_id,
            trace: trace.flatten(),
        }
    }

    /// Makes `span` a part of the trace that this came from. Only before the span is entered.
    pub fn adopt(&self, span: &Span) {
        if let Some(trace) = &self.trace {
            let carrier = HashMap::from([(TRACEPARENT.to_owned(), trace.clone())]);
            let context = TraceContextPropagator::new().extract(&carrier);
            // Fails only where traces are not exported.
            let _ = span.set_parent(context);
        }
    }

    /// Works on something that came from here: what it asks for comes from here as well.
    pub async fn carried<T>(&self, work: impl Future<Output = T>) -> T {
        match self.request_id {
            Some(id) => within_request(id, work).await,
            None => work.await,
        }
    }
}

/// Answers a request: what it asks for comes from it.
pub async fn within_request<T>(id: Uuid, work: impl Future<Output = T>) -> T {
    REQUEST.scope(id, work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_asked_for_within_a_request_comes_from_it() {
        let id = Uuid::now_v7();
        assert_eq!(Origin::current(), Origin::default());
        let origin = within_request(id, async { Origin::current() }).await;
        assert_eq!(origin.request_id, Some(id));
        // Without an exporter there is no trace to go on with.
        assert_eq!(origin.trace, None);
        let again = origin.carried(async { Origin::current() }).await;
        assert_eq!(again, origin);
        assert_eq!(Origin::current(), Origin::default());
    }
}
