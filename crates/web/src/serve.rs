//! The accept loop: bounded in connections, patient with nobody, and quick to stop.
//!
//! axum's own `serve` sets no time-outs, so a few thousand half-open connections would hold it for ever.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use app::App;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::{ServiceBuilder, ServiceExt};
use tower_http::timeout::{RequestBodyDeadlineLayer, RequestBodyTimeoutLayer};

use crate::answer::common_headers;
use crate::places::Places;
use crate::refusal::{Answers, Completed};
use crate::router::{Stop, router};
use crate::slow::WriteLimited;
use crate::traffic::{Peer, Traffic, holder_of};

/// Time for the whole head of a request; also how long a kept-alive connection may rest.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two pieces of a body.
const BODY_IDLE: Duration = Duration::from_secs(10);
/// Time for a whole body: 64 KiB need no more.
const BODY_TOTAL: Duration = Duration::from_secs(30);
/// Time in which a client must take something of an answer.
const WRITE_IDLE: Duration = Duration::from_secs(30);
/// Open connections; more wait in the kernel's queue.
const CONNECTIONS: usize = 4_096;
/// Open connections of one client; more are closed at once. A browser opens six, HubSpot some ten.
const CONNECTIONS_OF_A_CLIENT: usize = 256;
/// Largest head of a request, in bytes.
const HEAD_BYTES: usize = 16 * 1024;
/// Time for open requests after the word to stop, with the time to drain.
const STOP_WITHIN: Duration = Duration::from_secs(17);
/// Pause after an accept that failed, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves so much `traffic` until `shutdown` is cancelled; then first everything on, as long as `traffic.drain` says, but with
/// the word that others should have what comes; then streams end and no connection is taken any more. Open requests
/// have 17 s in all.
pub async fn serve(
    app: App,
    listener: TcpListener,
    shutdown: CancellationToken,
    traffic: Traffic,
) -> io::Result<()> {
    let stop = Stop {
        said: shutdown,
        closing: CancellationToken::new(),
    };
    // Behind a proxy all connections come from it: it has to see to its clients.
    let each = match traffic.trusted_hops {
        0 => CONNECTIONS_OF_A_CLIENT,
        _ => CONNECTIONS,
    };
    let bounds = Bounds {
        connections: CONNECTIONS,
        each,
        drain: traffic.drain,
        counts: true,
    };
    let headers = common_headers(app.public_url());
    let router = router(app, stop.clone(), traffic);
    serve_router(router, headers, listener, stop, bounds).await
}

/// How many connections there may be, and how they end.
pub struct Bounds {
    /// Open ones; more wait in the kernel's queue.
    pub connections: usize,
    /// Open ones of one client; more are closed at once.
    pub each: usize,
    /// So long everything is served on after the word to stop.
    pub drain: Duration,
    /// Whether they are in the figures.
    pub counts: bool,
}

/// The loop. `headers` complete what hyper refuses before the router sees it.
pub async fn serve_router(
    router: Router,
    headers: HeaderMap,
    listener: TcpListener,
    stop: Stop,
    bounds: Bounds,
) -> io::Result<()> {
    let said = stop.said.clone();
    let headers = Arc::new(headers);
    let service = ServiceBuilder::new()
        .map_response(move |mut answer: Response<_>| {
            if said.is_cancelled() {
                // Whoever keeps the connection opens another one, which the load balancer leads elsewhere. Were it kept,
                // its next request could meet the end of the process half-way.
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
            }
            answer
        })
        .layer(RequestBodyTimeoutLayer::new(BODY_IDLE))
        .layer(RequestBodyDeadlineLayer::new(BODY_TOTAL))
        .map_request(|request: Request<_>| request.map(Body::new))
        .service(router);
    let places = Arc::new(Semaphore::new(bounds.connections));
    let clients: Arc<Places<IpAddr>> = Places::new(bounds.each);
    let graceful = GracefulShutdown::new();
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES);
    let drained = async {
        stop.said.cancelled().await;
        sleep(bounds.drain).await;
    };
    tokio::pin!(drained);
    loop {
        let accepted = tokio::select! {
            () = &mut drained => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let Some(of_client) = clients.take(holder_of(peer.0)) else {
                    tracing::debug!("a client has as many connections as it may");
                    continue;
                };
                let answers = Arc::new(Answers::default());
                let stream = WriteLimited::new(stream, WRITE_IDLE);
                let stream = Completed::new(stream, Arc::clone(&answers), Arc::clone(&headers));
                let service = service.clone();
                let service = service_fn(move |mut request: Request<_>| {
                    request.extensions_mut().insert(peer);
                    let (under_way, answer) = (answers.begin(), service.clone().oneshot(request));
                    async move { answer.await.map(|answer| under_way.until_sent(answer)) }
                });
                let connection = builder
                    .serve_connection(TokioIo::new(stream), service)
                    .into_owned();
                let connection = graceful.watch(connection);
                let counted = bounds.counts.then(telemetry::measure::connection);
                tokio::spawn(async move {
                    // Clients that go away or are too slow are no news.
                    if let Err(error) = connection.await {
                        tracing::debug!(error, "a connection ended early");
                    }
                    drop((place, of_client, counted));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    stop.closing.cancel();
    let left = STOP_WITHIN.saturating_sub(bounds.drain);
    if timeout(left, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were cut off at the end of the time to stop");
    }
    Ok(())
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, Peer, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    // Small answers should not wait for more; where this fails they wait, and that is all.
    let _ = stream.set_nodelay(true);
    Ok((stream, Peer(address.ip()), place))
}
