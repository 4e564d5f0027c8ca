//! A connection that knows when each request began, and that does not wait for ever.
//!
//! A ping's deadline counts from the first byte of its request, which hyper does not tell,
//! so [`Watched`] notes the first read after each answer. The same place bounds how long a
//! client may take over its headers, or stay idle, and lets a closing connection linger
//! ([`limits::LINGER_TIMEOUT`]).

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gavel_exchange::api::Received;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{instead::Instead, limits};

/// Now, on both clocks.
pub(crate) fn now() -> Received {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Received {
        at: Instant::now(),
        unix_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Where a connection stands between two answers.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// No byte of a request has come since this time; whether one was answered before.
    Idle {
        since: Instant,
        answered_before: bool,
    },
    /// A request began then, and its headers are not complete.
    Head(Received),
    /// A handler has the request.
    Serving,
    /// The handler is done; its answer is being written.
    Answered {
        /// Whether a byte of it has been.
        begun: bool,
    },
}

impl Phase {
    /// Until when the client must have done something.
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Idle {
                since,
                answered_before: true,
            } => Some(since + limits::IDLE_TIMEOUT),
            Self::Idle {
                since,
                answered_before: false,
            } => Some(since + limits::HEAD_TIMEOUT),
            Self::Head(began) => Some(began.at + limits::HEAD_TIMEOUT),
            Self::Serving | Self::Answered { .. } => None,
        }
    }
}

/// The handler's side of a [`Watched`] connection.
#[derive(Debug, Clone)]
pub(crate) struct Requests(Arc<Mutex<Phase>>);

impl Requests {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Phase::Idle {
            since: Instant::now(),
            answered_before: false,
        })))
    }

    fn phase(&self) -> std::sync::MutexGuard<'_, Phase> {
        // A phase is one word: a panic elsewhere cannot have left it half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request's headers are complete: when its first byte came.
    ///
    /// A pipelined request came together with the one before it; its time counts from when
    /// it is looked at, for its client chose to wait.
    pub(crate) fn begin(&self) -> Received {
        match std::mem::replace(&mut *self.phase(), Phase::Serving) {
            Phase::Head(began) => began,
            _ => now(),
        }
    }

    /// The answer is ready to be written.
    pub(crate) fn end(&self) {
        *self.phase() = Phase::Answered { begun: false };
    }

    /// Whether nothing would be lost if the connection were closed now.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(*self.phase(), Phase::Idle { .. })
    }
}

/// A connection, watched.
#[derive(Debug)]
pub(crate) struct Watched<IO> {
    inner: IO,
    requests: Requests,
    /// Ends the connection at the phase's deadline; boxed, since a `Sleep` may not move.
    alarm: Option<(Instant, Pin<Box<Sleep>>)>,
    linger: Option<Linger>,
    instead: Option<Instead>,
}

/// The end of a connection: our side is closed, the client's is being read to its end.
#[derive(Debug)]
struct Linger {
    until: Pin<Box<Sleep>>,
    bytes_left: usize,
}

impl<IO> Watched<IO> {
    /// Watches a connection that was accepted just now.
    pub(crate) fn new(inner: IO) -> (Self, Requests) {
        let requests = Requests::new();
        (
            Self {
                inner,
                requests: requests.clone(),
                alarm: None,
                linger: None,
                instead: None,
            },
            requests,
        )
    }

    /// Ready once the client has used up its time for what it is doing.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.requests.phase().deadline() else {
            self.alarm = None;
            return Poll::Pending;
        };
        let (_, sleep) = match &mut self.alarm {
            Some(alarm) if alarm.0 == deadline => alarm,
            alarm => alarm.insert((deadline, Box::pin(sleep_until(deadline)))),
        };
        sleep.as_mut().poll(cx)
    }

    /// Notes that bytes came.
    fn note_read(&self) {
        let mut phase = self.requests.phase();
        if let Phase::Idle { .. } = *phase {
            *phase = Phase::Head(now());
        }
    }

    /// Notes that bytes are written: of an answer, or while a handler has the request
    /// `100 Continue`. Whether somebody handled the request that this is about; if not, it
    /// is hyper that speaks.
    fn note_written(&self) -> bool {
        let mut phase = self.requests.phase();
        match &mut *phase {
            Phase::Answered { begun } => {
                *begun = true;
                true
            }
            Phase::Serving => true,
            Phase::Idle { .. } | Phase::Head(_) => false,
        }
    }

    /// Notes that all was written: after an answer the next request may begin.
    fn note_flushed(&self) {
        let mut phase = self.requests.phase();
        if let Phase::Answered { begun: true } = *phase {
            *phase = Phase::Idle {
                since: Instant::now(),
                answered_before: true,
            };
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.inner).poll_read(cx, buf) {
            Poll::Ready(result) => {
                if buf.filled().len() > before {
                    self.note_read();
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                ready!(self.poll_alarm(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.note_written() {
            return Pin::new(&mut this.inner).poll_write(cx, bytes);
        }
        let instead = this.instead.get_or_insert_with(|| Instead::of(bytes));
        ready!(instead.poll_write(&mut this.inner, cx))?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.note_written() {
            return Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        }
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.poll_write(cx, first.map_or(&[], |slice| slice))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.note_flushed();
        Poll::Ready(Ok(()))
    }

    /// Closes our side, then reads what the client still sends, so that it gets our answer.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let linger = if let Some(linger) = &mut this.linger {
            linger
        } else {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            this.linger.insert(Linger {
                until: Box::pin(tokio::time::sleep(limits::LINGER_TIMEOUT)),
                bytes_left: limits::LINGER_MAX_BYTES,
            })
        };
        linger.poll(&mut this.inner, cx).map(Ok)
    }
}

impl Linger {
    /// Ready once the client has closed, or has had enough time or bytes.
    fn poll<IO: AsyncRead + Unpin>(&mut self, inner: &mut IO, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 4096];
        while self.bytes_left > 0 {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut *inner).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.bytes_left = self.bytes_left.saturating_sub(buf.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.until.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    }
}

/// Times out a future; only there so that callers need not name tokio's error.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}

#[cfg(test)]
mod tests;
