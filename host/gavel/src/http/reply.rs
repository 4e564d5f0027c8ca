//! Good answers.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Frame, SizeHint};
use serde::Serialize;

use super::{
    negotiate,
    problem::{Code, Problem},
    xml,
};

/// Any answer.
pub(crate) type Reply = Response<Body>;

/// An answer's body.
pub(crate) enum Body {
    /// It is there whole.
    Whole(Full<Bytes>),
    /// It comes bit by bit, and perhaps never ends by itself.
    Coming(Coming),
}

/// A body that comes bit by bit.
pub(crate) struct Coming {
    bits: BoxStream<'static, Bytes>,
    /// Dropped once the last bit was taken, or nobody takes any more.
    until_end: Option<Box<dyn Send>>,
}

impl Body {
    /// Lets go of `held` once the whole body was taken: at once where it is there.
    pub(crate) fn holding(&mut self, held: impl Send + 'static) {
        match self {
            Self::Whole(_) => drop(held),
            Self::Coming(coming) => coming.until_end = Some(Box::new(held)),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Whole",
            Self::Coming(_) => "Coming",
        })
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx),
            Self::Coming(coming) => {
                let bit = ready!(coming.bits.poll_next_unpin(cx));
                if bit.is_none() {
                    coming.until_end = None;
                }
                Poll::Ready(bit.map(|bit| Ok(Frame::data(bit))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Coming(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Coming(_) => SizeHint::default(),
        }
    }
}

/// An answer with a body of this type.
pub(crate) fn with_body(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Reply {
    with(status, content_type, Body::Whole(Full::new(body.into())))
}

/// `200` with a body of this type that comes bit by bit.
pub(crate) fn coming(
    content_type: &'static str,
    bits: impl Stream<Item = Bytes> + Send + 'static,
) -> Reply {
    let body = Body::Coming(Coming {
        bits: bits.boxed(),
        until_end: None,
    });
    with(StatusCode::OK, content_type, body)
}

fn with(status: StatusCode, content_type: &'static str, body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Every answer is about this moment and this caller.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// In which of the supplier API's notations an answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Notation {
    #[default]
    Json,
    Xml,
    /// The same, by its older name.
    TextXml,
}

impl Notation {
    /// Media types of what was asked for, the usual first.
    const ANSWERS: &[&str] = &["application/json", "application/xml", "text/xml"];

    /// The same, and those of problems.
    const OFFERED: &[&str] = &[
        "application/json",
        "application/problem+json",
        "application/xml",
        "text/xml",
        "application/problem+xml",
    ];

    /// The one that a request asks for.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        // Whoever names problems alone is not turned away.
        negotiate::choose(headers, Self::ANSWERS)
            .or_else(|_| negotiate::choose(headers, Self::OFFERED))
            .map(Self::named)
    }

    fn named(kind: &str) -> Self {
        match kind {
            "application/xml" | "application/problem+xml" => Self::Xml,
            "text/xml" => Self::TextXml,
            _ => Self::Json,
        }
    }

    /// The one for a problem: what was asked for, as far as it can be had. A browser, which
    /// takes XML too, is told in JSON: that can be read as it stands.
    pub(crate) fn of_problem(headers: &HeaderMap) -> Self {
        if negotiate::asks_for(headers, "text/html") {
            return Self::Json;
        }
        negotiate::choose(headers, Self::OFFERED).map_or_else(|_| Self::default(), Self::named)
    }
}

/// `200` in the notation that was asked for.
pub(crate) fn written(notation: Notation, value: &impl Serialize) -> Reply {
    let content_type = match notation {
        Notation::Json => return json(value),
        Notation::Xml => "application/xml",
        Notation::TextXml => "text/xml; charset=utf-8",
    };
    match serde_json::to_value(value) {
        Ok(value) => with_body(StatusCode::OK, content_type, xml::response(&value)),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as XML");
            Problem::new(Code::Internal).into_reply()
        }
    }
}

/// `200` with JSON.
pub(crate) fn json(value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => with_body(StatusCode::OK, "application/json", body),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            Problem::new(Code::Internal).into_reply()
        }
    }
}

/// `204`: done, and nothing to say about it.
pub(crate) fn no_content() -> Reply {
    let mut reply = Response::new(Body::Whole(Full::default()));
    *reply.status_mut() = StatusCode::NO_CONTENT;
    let no_store = HeaderValue::from_static("no-store");
    reply.headers_mut().insert(header::CACHE_CONTROL, no_store);
    reply
}

/// A time as the supplier API writes it: UTC, in whole seconds. Rounded down, so that an
/// `expires_at` is never later than the order's own.
pub(crate) fn time(unix_ms: u64) -> String {
    format!("{:.0}", timestamp(unix_ms / 1000 * 1000))
}

/// A time as the admin API writes it: UTC, in milliseconds, so that events have an order.
pub(crate) fn time_ms(unix_ms: u64) -> String {
    format!("{:.3}", timestamp(unix_ms))
}

fn timestamp(unix_ms: u64) -> jiff::Timestamp {
    let ms = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_in_the_notation_that_is_asked_for_and_a_problem_in_its_own() {
        for (accept, answer, problem) in [
            ("*/*", Notation::Json, Notation::Json),
            ("text/xml", Notation::TextXml, Notation::TextXml),
            ("application/json;q=0, */*", Notation::Xml, Notation::Json),
            (
                "application/problem+json, application/xml;q=0.5",
                Notation::Xml,
                Notation::Json,
            ),
            ("application/problem+xml", Notation::Xml, Notation::Xml),
        ] {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Notation::of(&headers).unwrap(), answer, "{accept}");
            assert_eq!(Notation::of_problem(&headers), problem, "{accept}");
        }
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(1_795_428_300_999), "2026-11-23T10:05:00Z");
        assert_eq!(time_ms(1_795_428_300_090), "2026-11-23T10:05:00.090Z");
        assert_eq!(time(u64::MAX), "9999-12-30T22:00:00Z");
    }
}
