//! The admin API's small JSON bodies, read strictly.

use bytes::Bytes;
use gavel_market::reason::FieldCode;
use gavel_store::audit;
use http::{HeaderMap, Request};
use hyper::body::Incoming;
use serde_json::{Map, Value};

use crate::http::{
    body, json as strict, limits, negotiate,
    problem::{Code, Problem},
    query,
};

/// What of a request's body goes into the audit trail: what decides what is done. Not a `reason`,
/// which is free text and may hold anything.
const RECORDED: [&str; 7] = [
    "delivery_id",
    "digest",
    "price",
    "revision",
    "share",
    "sold",
    "valid_for",
];

/// The JSON object that is a request's body, with these keys and no others.
pub(super) async fn object(
    request: Request<Incoming>,
    known: &[&str],
) -> Result<Map<String, Value>, Problem> {
    expect_type(request.headers(), &["application/json"])?;
    let body: Bytes =
        body::read(request, limits::ADMIN_BODY_MAX_BYTES, limits::BODY_TIMEOUT).await?;
    let object = strict::parse_object(&body)?;
    let unknown = object.keys().filter(|key| !known.contains(&key.as_str()));
    let errors: Vec<_> = unknown.map(|key| query::unknown_name(key, known)).collect();
    if !errors.is_empty() {
        return Err(Problem::fields(&errors));
    }
    for (name, value) in &object {
        if RECORDED.contains(&name.as_str()) {
            let value = value.as_str().map_or(value.to_string(), str::to_owned);
            audit::with(name, &value);
        }
    }
    Ok(object)
}

/// Refuses bodies of other types; the one that it has.
pub(super) fn expect_type(
    headers: &HeaderMap,
    known: &[&'static str],
) -> Result<&'static str, Problem> {
    let sent = negotiate::content_type(headers)?;
    let known_type = known.iter().find(|known| **known == sent);
    known_type.copied().ok_or_else(|| {
        Problem::new(Code::UnsupportedMediaType).detail(format!("send {}", known.join(" or ")))
    })
}

/// A key that must be there and of this type.
pub(super) fn required<T>(
    object: &Map<String, Value>,
    key: &str,
    expected: &'static str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<T, Problem> {
    match object.get(key) {
        None | Some(Value::Null) => Err(Problem::field(key, FieldCode::Missing, expected)),
        Some(value) => {
            read(value).ok_or_else(|| Problem::field(key, FieldCode::WrongType, expected))
        }
    }
}

/// Two keys, or what is wrong with both.
pub(super) fn both<A, B>(
    one: Result<A, Problem>,
    other: Result<B, Problem>,
) -> Result<(A, B), Problem> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(one), Err(other)) => Err(one.and(other)),
        (Err(problem), Ok(_)) | (Ok(_), Err(problem)) => Err(problem),
    }
}
