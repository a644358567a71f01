//! hyper itself refuses what is no request that the router could see: a malformed head (400), an address or a head that is
//! too long (414, 431). Those refusals are completed here, on their way out, with the headers that every answer has.
//!
//! What hyper writes while no answer of ours is under way is its own. It reads the next head only when the answer before has
//! been flushed; should one not have left yet, a refusal right behind it stays as hyper wrote it, and the answer whole.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, Response};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The answers of one connection: its service begins them, its stream sees them leave.
#[derive(Default)]
pub struct Answers {
    /// Requests that are being answered, to the end of the answer's body.
    open: AtomicUsize,
    /// Whether something of an answer may not have left yet.
    unsent: AtomicBool,
}

impl Answers {
    /// An answer is under way until what is returned is dropped and the stream has been flushed.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.unsent.store(true, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    fn are_none(&self) -> bool {
        !self.unsent.load(Ordering::Relaxed)
    }

    fn flushed(&self) {
        if self.open.load(Ordering::Relaxed) == 0 {
            self.unsent.store(false, Ordering::Relaxed);
        }
    }
}

/// Held while an answer is made and sent.
pub struct UnderWay(Arc<Answers>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl UnderWay {
    /// The answer, under way as long as its body is.
    pub fn until_sent(self, answer: Response<Body>) -> Response<Body> {
        answer.map(|body| Body::new(Held { body, _held: self }))
    }
}

struct Held {
    body: Body,
    _held: UnderWay,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream on which hyper's own refusals get headers.
pub struct Completed<S> {
    inner: S,
    answers: Arc<Answers>,
    headers: Arc<HeaderMap>,
    instead: Option<Instead>,
}

/// What is written instead of what hyper wrote.
struct Instead {
    bytes: Vec<u8>,
    written: usize,
    /// How many of hyper's bytes it stands for.
    of: usize,
}

impl<S> Completed<S> {
    /// Wraps `inner`; `answers` are those of the connection's service.
    pub fn new(inner: S, answers: Arc<Answers>, headers: Arc<HeaderMap>) -> Self {
        Self {
            inner,
            answers,
            headers,
            instead: None,
        }
    }
}

/// A head with `headers` behind its status line; `None` for what is no head.
fn completed(bytes: &[u8], headers: &HeaderMap) -> Option<Vec<u8>> {
    if !bytes.starts_with(b"HTTP/1.") {
        return None;
    }
    let line = bytes.windows(2).position(|two| two == b"\r\n")? + 2;
    let (line, rest) = bytes.split_at(line);
    let mut whole = line.to_vec();
    for (name, value) in headers {
        whole.extend_from_slice(name.as_str().as_bytes());
        whole.extend_from_slice(b": ");
        whole.extend_from_slice(value.as_bytes());
        whole.extend_from_slice(b"\r\n");
    }
    whole.extend_from_slice(rest);
    Some(whole)
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Completed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.instead.is_none() && this.answers.are_none() {
            this.instead = completed(bytes, &this.headers).map(|whole| Instead {
                bytes: whole,
                written: 0,
                of: bytes.len(),
            });
        }
        let Some(instead) = &mut this.instead else {
            return Pin::new(&mut this.inner).poll_write(context, bytes);
        };
        while instead.written < instead.bytes.len() {
            let left = &instead.bytes[instead.written..];
            let count = ready!(Pin::new(&mut this.inner).poll_write(context, left))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            instead.written += count;
        }
        let of = instead.of;
        this.instead = None;
        Poll::Ready(Ok(of))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.instead.is_some() || self.answers.are_none() {
            let first = slices.iter().find(|slice| !slice.is_empty());
            return self.poll_write(context, first.map_or(&[][..], |slice| slice));
        }
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(context))?;
        self.answers.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Completed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::X_FRAME_OPTIONS;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn a_head_is_completed_only_while_no_answer_is_under_way() {
        let (ours, mut theirs) = duplex(16);
        let answers = Arc::new(Answers::default());
        let deny = HeaderMap::from_iter([(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"))]);
        let mut stream = Completed::new(ours, Arc::clone(&answers), Arc::new(deny));
        let reader = tokio::spawn(async move {
            let mut all = String::new();
            theirs.read_to_string(&mut all).await.map(|_| all)
        });
        let refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let under_way = answers.begin();
        // A flush in the middle of an answer is no end of it, nor is the end of its body before a flush.
        stream.flush().await.unwrap();
        stream.write_all(refusal).await.unwrap();
        drop(under_way);
        stream.write_all(refusal).await.unwrap();
        stream.flush().await.unwrap();
        stream.write_all(refusal).await.unwrap();
        stream.flush().await.unwrap();
        stream.write_all(b"anything else").await.unwrap();
        drop(stream);
        let plain = String::from_utf8(refusal.to_vec()).unwrap();
        let whole =
            "HTTP/1.1 400 Bad Request\r\nx-frame-options: DENY\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(
            reader.await.unwrap().unwrap(),
            format!("{plain}{plain}{whole}anything else")
        );
    }
}
