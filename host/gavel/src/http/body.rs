//! A request's body, bounded in bytes and in time.

use std::time::Duration;

use bytes::Bytes;
use http::header;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{Request, body::Incoming};

use super::{
    first_byte::within,
    problem::{Code, Problem},
};

/// The whole body, if it comes within `limit` and has at most `max_bytes`.
///
/// A body that says that it is longer is refused before a byte of it is read, one that
/// turns out longer as soon as it does.
pub(crate) async fn read(
    request: Request<Incoming>,
    max_bytes: usize,
    limit: Duration,
) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(Code::TooLarge).detail(format!("the body may have at most {max_bytes} bytes"))
    };
    if declared_length(&request).is_some_and(|length| length > max_bytes as u64) {
        return Err(too_large());
    }
    let collected = within(
        limit,
        Limited::new(request.into_body(), max_bytes).collect(),
    );
    match collected.await {
        Some(Ok(body)) => Ok(body.to_bytes()),
        Some(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Some(Err(_)) => Err(Problem::malformed("the body ended before it was complete")),
        None => Err(Problem::new(Code::RequestTimeout)),
    }
}

/// What `Content-Length` says; hyper has checked it.
fn declared_length<B>(request: &Request<B>) -> Option<u64> {
    request
        .headers()
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
