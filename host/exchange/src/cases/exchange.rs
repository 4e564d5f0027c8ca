//! The two sides of an exchange with a buyer: its answers, and the requests expected before them.

use gavel_market::file::{
    code,
    reading::{NodeValue, Section, Spot},
};
use gavel_sandbox::Response;
use serde_json::Value as Json;

use super::{ANSWERS_MAX, expect::Is};

/// Headers of one request or answer.
const HEADERS_MAX: usize = 64;

/// A request of which only the parts given are compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ExpectedRequest {
    pub(super) method: Option<String>,
    pub(super) url: Option<String>,
    pub(super) headers: Vec<(String, Is<String>)>,
    pub(super) body: Option<Body>,
}

/// A body as it is written in a case.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    Text(String),
    /// A table or a list.
    Json(Json),
}

impl ExpectedRequest {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let request = Self {
            method: section
                .get("method")
                .and_then(|spot| spot.text())
                .map(str::to_owned),
            url: section
                .get("url")
                .and_then(|spot| spot.text())
                .map(str::to_owned),
            headers: section
                .section("headers")
                .map(expected_headers)
                .unwrap_or_default(),
            body: section.get("body").and_then(|spot| body(&spot)),
        };
        section.finish();
        request
    }
}

fn expected_headers(section: Section<'_>) -> Vec<(String, Is<String>)> {
    let spots = section.spots(HEADERS_MAX).into_iter();
    spots
        .filter_map(|(name, spot)| Some((name.to_owned(), Is::text(&spot)?)))
        .collect()
}

/// The requests that a case expects before its answers.
pub(super) fn requests(section: &mut Section<'_>) -> Vec<ExpectedRequest> {
    let Some(list) = section.get("requests") else {
        return Vec::new();
    };
    let items = list.items(ANSWERS_MAX + 1).into_iter().flatten();
    items
        .filter_map(|item| item.section().map(ExpectedRequest::read))
        .collect()
}

/// The buyer's answers.
pub(super) fn answers(section: &mut Section<'_>) -> Vec<Response> {
    let Some(list) = section.get("answers") else {
        return Vec::new();
    };
    let items = list.items(ANSWERS_MAX).into_iter().flatten();
    items
        .filter_map(|item| item.section().map(answer))
        .collect()
}

fn answer(mut section: Section<'_>) -> Response {
    let status = section.get_or("status", 200, |spot| {
        spot.integer(&(100..=599))
            .and_then(|status| u16::try_from(status).ok())
    });
    let mut headers = section.section("headers").map(headers).unwrap_or_default();
    let body = section.get("body").and_then(|spot| body(&spot));
    section.finish();
    let body = match body {
        None => String::new(),
        Some(Body::Text(text)) => text,
        Some(Body::Json(json)) => {
            if !headers.iter().any(|(name, _)| name == "content-type") {
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
            }
            json.to_string()
        }
    };
    Response {
        status,
        headers,
        body: body.into_bytes(),
    }
}

/// Names in lower case, as buyers' answers have them when the host is done reading; a list of
/// values is a header that comes several times.
fn headers(section: Section<'_>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (name, spot) in section.spots(HEADERS_MAX) {
        let name = name.to_ascii_lowercase();
        if let NodeValue::List(_) = spot.node.value {
            let values = spot.items(HEADERS_MAX).into_iter().flatten();
            let texts = values.filter_map(|value| value.text().map(str::to_owned));
            headers.extend(texts.map(|text| (name.clone(), text)));
        } else if let Some(text) = spot.text() {
            headers.push((name, text.to_owned()));
        }
    }
    headers
}

fn body(spot: &Spot<'_>) -> Option<Body> {
    match (&spot.node.value, spot.node.to_json()) {
        (NodeValue::Text(text), _) => Some(Body::Text(text.clone())),
        (NodeValue::Table(_) | NodeValue::List(_), Some(json)) => Some(Body::Json(json)),
        _ => {
            spot.error(
                code::WRONG_TYPE,
                "a body is a string, or a table or a list, which stands for JSON",
            );
            None
        }
    }
}
