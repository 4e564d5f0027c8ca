//! One connection and one exchange over it.
//!
//! The connection is driven by whoever waits for the answer, not by a task of its own: when a
//! request is given up its connection is gone with it, and nothing happens on a connection
//! behind its owner's back.

use std::{
    error::Error as _,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use gavel_market::model::Origin;
use gavel_sandbox::Response;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Body as _, Incoming},
    client::conn::http1::{Builder, Connection, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};

use super::{
    connect::Stream,
    limits::{ANSWER_HEAD_MAX_BYTES, ANSWER_HEADERS_MAX, ANSWER_MAX_BYTES},
    outgoing::Outgoing,
};
use crate::secrets::Secrets;

/// Why there is no answer to a request that may have reached the buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Not answered whole in time.
    #[error("no whole answer in time")]
    Timeout,
    /// The connection ended before a whole answer.
    #[error("the connection was lost before a whole answer")]
    Dropped,
    /// Longer than an answer may be.
    #[error("the answer is too long")]
    Oversized,
    /// Not HTTP.
    #[error("the answer is not HTTP")]
    Unreadable,
}

/// A new connection for one delivery: nothing has been sent on it yet.
///
/// Dropping it sends nothing. Once [`Line::send`] has begun, the buyer may have the lead.
pub struct Line {
    pub(super) wire: Wire,
    pub(super) origin: Origin,
    /// Its place among the requests out, until it is done.
    pub(super) _place: OwnedSemaphorePermit,
}

impl Line {
    /// Sends the request that this line was opened for, once, and reads the answer; secrets
    /// are taken out of it.
    ///
    /// `until` bounds the whole. However it ends, the connection is closed.
    pub async fn send(mut self, outgoing: &Outgoing, until: Instant) -> Result<Response, Lost> {
        if *outgoing.origin() != self.origin {
            // Another request's line. The caller's mistake may not show a lead to the wrong buyer.
            return Err(Lost::Dropped);
        }
        self.wire
            .exchange(outgoing, until)
            .await
            .map_err(|failure| failure.lost)
    }
}

/// How an exchange failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure {
    pub(super) lost: Lost,
    /// The connection ended before the head of an answer: on one that was kept, most likely
    /// because the buyer had closed it already.
    pub(super) maybe_stale: bool,
}

impl Failure {
    fn after_head(lost: Lost) -> Self {
        Self {
            lost,
            maybe_stale: false,
        }
    }

    fn before_head(lost: Lost) -> Self {
        Self {
            lost,
            maybe_stale: lost == Lost::Dropped,
        }
    }
}

type Driver = Pin<Box<Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>>>;

/// A connection that speaks HTTP/1.1.
pub(super) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    /// None once the connection has ended.
    driver: Option<Driver>,
}

impl Wire {
    pub(super) async fn over(stream: Box<dyn Stream>) -> hyper::Result<Self> {
        let (sender, connection) = Builder::new()
            .max_buf_size(ANSWER_HEAD_MAX_BYTES)
            .max_header_size(ANSWER_HEAD_MAX_BYTES)
            .max_headers(ANSWER_HEADERS_MAX)
            .handshake(TokioIo::new(stream))
            .await?;
        Ok(Self {
            sender,
            driver: Some(Box::pin(connection)),
        })
    }

    /// Sends one request and reads its answer whole, until `until`.
    pub(super) async fn exchange(
        &mut self,
        outgoing: &Outgoing,
        until: Instant,
    ) -> Result<Response, Failure> {
        let Self { sender, driver } = self;
        let mut work = pin!(async {
            let answer = sender.send_request(outgoing.request()).await;
            let answer = answer.map_err(|error| Failure::before_head(lost(&error)))?;
            read(answer, outgoing.secrets())
                .await
                .map_err(Failure::after_head)
        });
        let driven = poll_fn(|cx| {
            drive(driver, cx);
            work.as_mut().poll(cx)
        });
        timeout_at(until, driven)
            .await
            .unwrap_or(Err(Failure::after_head(Lost::Timeout)))
    }

    /// Whether the connection is still there and waits for a request. Notices when the buyer
    /// has closed it or has sent something unasked.
    pub(super) fn is_idle(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        drive(&mut self.driver, &mut cx);
        self.driver.is_some() && matches!(self.sender.poll_ready(&mut cx), Poll::Ready(Ok(())))
    }
}

/// Moves the connection on. Its errors are told to whoever waits for the answer.
fn drive(driver: &mut Option<Driver>, cx: &mut Context<'_>) {
    if driver
        .as_mut()
        .is_some_and(|driver| driver.as_mut().poll(cx).is_ready())
    {
        *driver = None;
    }
}

async fn read(answer: http::Response<Incoming>, secrets: &Secrets) -> Result<Response, Lost> {
    let (head, mut body) = answer.into_parts();
    let announced = body.size_hint().lower();
    if announced > ANSWER_MAX_BYTES as u64 {
        return Err(Lost::Oversized);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers are no part of an answer.
        let Ok(data) = frame.map_err(|error| lost(&error))?.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > ANSWER_MAX_BYTES {
            return Err(Lost::Oversized);
        }
        bytes.extend_from_slice(&data);
    }
    let body = secrets.redact(&bytes).into_owned();
    // A short secret, sent back over and over, is shorter than its placeholder.
    if body.len() > ANSWER_MAX_BYTES {
        return Err(Lost::Oversized);
    }
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| {
            let value = secrets.redact(value.as_bytes());
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(&value).into_owned(),
            )
        })
        .collect();
    Ok(Response {
        status: head.status.as_u16(),
        headers,
        body,
    })
}

/// What became of an answer that hyper could not give.
fn lost(error: &hyper::Error) -> Lost {
    // Wrong framing of a body comes as an I/O error that says so.
    let garbled = error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .is_some_and(|cause| {
            matches!(
                cause.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
            )
        });
    if error.is_parse_too_large() {
        Lost::Oversized
    } else if error.is_parse() || garbled {
        Lost::Unreadable
    } else {
        Lost::Dropped
    }
}
