//! `GET /metrics` on an address of its own, for a monitoring system: never among the pages.

use std::future::Future;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::serve::{Bounds, serve_router};

/// Open connections: a few monitoring systems, and nobody else.
const CONNECTIONS: usize = 32;
/// Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers with what `render` says until `shutdown` is cancelled.
pub async fn serve_metrics<F, R>(
    render: F,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> io::Result<()>
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = String> + Send,
{
    let answer = || async move { ([(header::CONTENT_TYPE, TEXT)], render().await) };
    let router = Router::new().route("/metrics", get(answer));
    let bounds = Bounds {
        connections: CONNECTIONS,
        each: CONNECTIONS,
        drain: Duration::ZERO,
        counts: false,
    };
    serve_router(router, HeaderMap::new(), listener, shutdown.into(), bounds).await
}
