//! A collector of traces, as operators have one: takes OTLP over HTTP and keeps what it was sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use tokio::net::TcpListener;

/// A span as it was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    pub service: String,
    pub name: String,
    pub trace: Vec<u8>,
    pub id: Vec<u8>,
    pub parent: Vec<u8>,
    pub attributes: BTreeMap<String, String>,
}

impl Sent {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// Ends with the test's runtime.
pub struct Collector {
    pub url: String,
    bodies: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    pub async fn open() -> Self {
        let bodies: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let kept = Arc::clone(&bodies);
        let take = move |body: Bytes| async move {
            if ExportTraceServiceRequest::decode(body.clone()).is_err() {
                return Err(StatusCode::BAD_REQUEST);
            }
            kept.lock().unwrap().push(body);
            let answer = ExportTraceServiceResponse::default().encode_to_vec();
            Ok(([(header::CONTENT_TYPE, "application/x-protobuf")], answer))
        };
        let router = Router::new().route("/v1/traces", post(take));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, bodies }
    }

    /// Everything as it came.
    pub fn bodies(&self) -> Vec<Vec<u8>> {
        let bodies = self.bodies.lock().unwrap();
        bodies.iter().map(|body| body.to_vec()).collect()
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Sent> {
        let mut spans = Vec::new();
        for body in self.bodies() {
            let sent = ExportTraceServiceRequest::decode(&*body).unwrap();
            for of_process in sent.resource_spans {
                let resource = of_process.resource.unwrap();
                let service = attributes(resource.attributes).remove("service.name");
                let service = service.unwrap_or_default();
                let all = of_process.scope_spans.into_iter();
                spans.extend(all.flat_map(|scope| scope.spans).map(|span| Sent {
                    service: service.clone(),
                    name: span.name,
                    trace: span.trace_id,
                    id: span.span_id,
                    parent: span.parent_span_id,
                    attributes: attributes(span.attributes),
                }));
            }
        }
        spans
    }
}

fn attributes(
    sent: Vec<opentelemetry_proto::tonic::common::v1::KeyValue>,
) -> BTreeMap<String, String> {
    let text = |value: Value| match value {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pair = |one: opentelemetry_proto::tonic::common::v1::KeyValue| {
        Some((one.key, text(one.value?.value?)))
    };
    sent.into_iter().filter_map(pair).collect()
}
