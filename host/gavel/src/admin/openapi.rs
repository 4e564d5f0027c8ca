//! This API, described for machines: OpenAPI 3.1, kept by hand in `openapi.json` beside this
//! file, and held against what is served by the tests here and by black-box tests.

use http::StatusCode;

use crate::http::reply::{self, Reply};

const DOCUMENT: &str = include_str!("openapi.json");

/// `GET /openapi.json`.
pub(super) fn document() -> Reply {
    reply::with_body(StatusCode::OK, "application/json", DOCUMENT)
}

#[cfg(test)]
mod tests;
