//! A listener whose connections can be cut from inside a request, as a network would: nothing more is written,
//! the peer sees an end or a reset.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const OPEN: u8 = 0;
const CUT: u8 = 1;

/// The handle by which a request cuts its own connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scissors(Arc<AtomicU8>);

impl Scissors {
    /// From now on every write fails, so the server drops the connection without an answer.
    pub(crate) fn cut(&self) {
        self.0.store(CUT, Ordering::Release);
    }
}

/// A TCP listener that hands out [`Wire`]s; all of them end when the token is cancelled.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) stop: CancellationToken,
}

/// A connection that can be cut; it ends with a reset, so that the peer cannot take it for an orderly end.
pub(crate) struct Wire {
    stream: TcpStream,
    scissors: Scissors,
    stop: CancellationToken,
}

impl Listener for Door {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, addr) = Listener::accept(&mut self.listener).await;
        // Small answers would otherwise wait for the peer's acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
        let scissors = Scissors::default();
        let stop = self.stop.clone();
        let wire = Wire {
            stream,
            scissors,
            stop,
        };
        (wire, addr)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Door>> for Scissors {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().scissors.clone()
    }
}

impl Wire {
    fn broken(&self) -> Option<io::Error> {
        let open = self.scissors.0.load(Ordering::Acquire) == OPEN;
        if open && !self.stop.is_cancelled() {
            return None;
        }
        // Lingering zero turns the close into a reset.
        if let Err(error) = self.stream.set_zero_linger() {
            tracing::debug!(%error, "SO_LINGER was refused");
        }
        Some(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A closed sandbox takes no more requests on connections that clients keep alive.
        if self.stop.is_cancelled() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(error) = self.broken() {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(error) = self.broken() {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.broken() {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
