//! That every plan does on the wire what it says.
//!
//! - `answers`: what a buyer says, in both forms.
//! - `faults`: how it fails.
//! - `received`: what it keeps, and how it starts, waits and stops.
//! - `characters`: the buyers of the example market.

mod answers;
mod characters;
mod faults;
mod received;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request as HttpRequest, Response, header::CONTENT_TYPE};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::time::timeout;

use super::*;
use crate::market::SECRET_VALUE;

/// Nothing here takes so long unless it hangs.
const LONG: Duration = Duration::from_secs(20);

/// Longer than any answer takes, short enough to wait for one that never comes.
const SHORT: Duration = Duration::from_millis(150);

fn client() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

async fn send(
    buyer: &MockBuyer,
    path: &str,
    content_type: &str,
    body: &str,
) -> Result<Response<hyper::body::Incoming>, Error> {
    let request = HttpRequest::post(buyer.url(path))
        .header(CONTENT_TYPE, content_type)
        .header("idempotency-key", "po_1.aa")
        .header("authorization", format!("Bearer {SECRET_VALUE}"))
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    client().request(request).await
}

async fn send_json(
    buyer: &MockBuyer,
    path: &str,
    body: &Value,
) -> Result<Response<hyper::body::Incoming>, Error> {
    send(buyer, path, "application/json", &body.to_string()).await
}

async fn answer(buyer: &MockBuyer, path: &str, body: Value) -> Value {
    let response = timeout(LONG, send_json(buyer, path, &body))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    serde_json::from_slice(&response.collect().await.unwrap().to_bytes()).unwrap()
}

async fn buyer(ping: OnPing, post: OnPost) -> MockBuyer {
    MockBuyer::start(Setup {
        ping,
        post,
        ..Setup::default()
    })
    .await
    .unwrap()
}

async fn poster(post: OnPost) -> MockBuyer {
    buyer(OnPing::bid("20.00"), post).await
}
