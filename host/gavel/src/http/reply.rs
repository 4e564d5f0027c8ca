//! Good answers.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

use super::problem::{Code, Problem};

/// Any answer: its body is there whole.
pub(crate) type Reply = Response<Full<Bytes>>;

/// An answer with a body of this type.
pub(crate) fn with_body(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Every answer is about this moment and this caller.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
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
    fn times_are_utc() {
        assert_eq!(time(1_795_428_300_999), "2026-11-23T10:05:00Z");
        assert_eq!(time_ms(1_795_428_300_090), "2026-11-23T10:05:00.090Z");
        assert_eq!(time(u64::MAX), "9999-12-30T22:00:00Z");
    }
}
