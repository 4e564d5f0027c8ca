//! What a mock buyer puts on the wire.

use std::{error::Error, fmt};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Response, StatusCode,
    body::Frame,
    header::{CONTENT_TYPE, LOCATION},
};
use serde_json::{Map, Value};

use super::{
    log::{Did, Request},
    plan::{Fault, Offer, Verdict},
};

/// Bytes of an answer that is meant to be too large: four times what a host reads.
pub const HUGE_ANSWER: usize = 1 << 20;

/// In which form a buyer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

impl Format {
    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }
}

/// The body of an answer; it may break off.
pub(super) type Body = BoxBody<Bytes, BrokenOff>;

/// The end of a connection that a plan asked for.
#[derive(Debug)]
pub(super) struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is broken off on purpose")
    }
}

impl Error for BrokenOff {}

/// An answer in words that JSON and forms have in common. Absent ones are not written.
#[derive(Debug, Default)]
pub(super) struct Words {
    accepted: bool,
    price: Option<String>,
    reference: Option<String>,
    redirect_url: Option<String>,
    reason: Option<String>,
}

/// What can be said in answer to a request.
pub(super) trait Speak {
    /// What the buyer does by it, and its words.
    fn speak(self, request: &Request) -> (Did, Words);
}

impl Speak for Offer {
    fn speak(self, request: &Request) -> (Did, Words) {
        let price = match self {
            Self::NoBid(reason) => return (Did::NoBid, Words::no(reason)),
            Self::Accept => None,
            Self::Bid(amount) => match amount.for_lead(&request.fields) {
                Some(price) => Some(price),
                None => return (Did::NoBid, Words::no("not_wanted".to_owned())),
            },
        };
        let reference = Some(format!("quote-{}", request.number));
        (
            Did::Bid,
            Words {
                accepted: true,
                price,
                reference,
                ..Words::default()
            },
        )
    }
}

impl Speak for Verdict {
    fn speak(self, request: &Request) -> (Did, Words) {
        match self {
            Self::Reject(reason) => (Did::Rejected, Words::no(reason)),
            Self::Accept {
                price,
                redirect_url,
            } => {
                let price = price.and_then(|price| price.for_lead(&request.fields));
                let reference = Some(format!("deal-{}", request.number));
                (
                    Did::Accepted,
                    Words {
                        accepted: true,
                        price,
                        reference,
                        redirect_url,
                        reason: None,
                    },
                )
            }
        }
    }
}

impl Words {
    fn no(reason: String) -> Self {
        Self {
            reason: Some(reason),
            ..Self::default()
        }
    }

    fn encode(self, format: Format) -> String {
        let texts = [
            ("price", self.price),
            ("reference", self.reference),
            ("redirect_url", self.redirect_url),
            ("reason", self.reason),
        ];
        let texts = texts
            .into_iter()
            .filter_map(|(name, text)| Some((name, text?)));
        match format {
            Format::Json => {
                let mut object =
                    Map::from_iter([("accepted".to_owned(), Value::Bool(self.accepted))]);
                object.extend(texts.map(|(name, text)| (name.to_owned(), Value::String(text))));
                Value::Object(object).to_string()
            }
            Format::Form => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.append_pair("accepted", if self.accepted { "true" } else { "false" });
                form.extend_pairs(texts);
                form.finish()
            }
        }
    }
}

/// An answer in words.
pub(super) fn said(words: Words, format: Format) -> Response<Body> {
    with_body(words.encode(format).into(), format.content_type())
}

/// What a fault looks like to the client; none where the connection just ends.
/// [`Fault::Never`] is the caller's to wait out.
pub(super) fn faulty(fault: Fault, format: Format) -> Option<Response<Body>> {
    Some(match fault {
        Fault::Never | Fault::Drop => return None,
        Fault::Garbage => with_body(
            Bytes::from_static(b"<html><body>We'll be right back! {&%zz=</body></html>"),
            format.content_type(),
        ),
        Fault::Huge => {
            let reason = Some("x".repeat(HUGE_ANSWER));
            said(
                Words {
                    accepted: true,
                    reason,
                    ..Words::default()
                },
                format,
            )
        }
        Fault::HalfAnswer => half(format),
        Fault::Status(code) => {
            status(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        }
        Fault::Redirect(url) => {
            let mut response = status(StatusCode::FOUND);
            if let Ok(url) = url.parse() {
                response.headers_mut().insert(LOCATION, url);
            }
            response
        }
    })
}

/// A status with an empty body.
pub(super) fn status(code: StatusCode) -> Response<Body> {
    let mut response = with_body(Bytes::new(), "text/plain");
    *response.status_mut() = code;
    response
}

fn with_body(body: Bytes, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(body).map_err(|never| match never {}).boxed());
    response.headers_mut().insert(
        CONTENT_TYPE,
        hyper::header::HeaderValue::from_static(content_type),
    );
    response
}

/// The first half of an acceptance, then the end of the connection.
fn half(format: Format) -> Response<Body> {
    let whole = Words {
        accepted: true,
        reference: Some("deal".to_owned()),
        ..Words::default()
    };
    let mut first = whole.encode(format);
    first.truncate(first.len() / 2);
    let parts = stream::unfold(Some(first), |part| async move {
        let Some(part) = part.filter(|part| !part.is_empty()) else {
            // What was written so far is sent while this waits.
            tokio::task::yield_now().await;
            return Some((Err(BrokenOff), None));
        };
        Some((Ok(Frame::data(Bytes::from(part))), Some(String::new())))
    });
    let mut response = with_body(Bytes::new(), format.content_type());
    *response.body_mut() = BodyExt::boxed(StreamBody::new(parts));
    response
}
