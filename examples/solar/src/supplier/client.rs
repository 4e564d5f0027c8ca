//! A supplier's HTTP client: pings and posts in JSON or as a form, answers as types.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::message::{Ping, PingAnswer, Post, PostAnswer, Problem, SupplierError};
use crate::buyers::Format;

/// Longest answer that is read. The longest honest one names a few fields.
const ANSWER_MAX: usize = 1 << 20;

/// How long a connection may idle before it is closed; a host closes later.
const IDLE: Duration = Duration::from_secs(10);

/// One supplier at one host. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Supplier {
    client: Client<HttpConnector, Full<Bytes>>,
    api: SocketAddr,
    key: String,
    format: Format,
}

impl Supplier {
    /// A supplier with this key at the supplier API on this address; speaks JSON.
    pub fn new(api: SocketAddr, key: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            // A post that was sent twice on its own account would hide the host's answer to one.
            .retry_canceled_requests(false)
            .build(connector);
        Self {
            client,
            api,
            key: key.to_owned(),
            format: Format::Json,
        }
    }

    /// The same supplier, speaking another format.
    #[must_use]
    pub fn speaking(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Pings.
    pub async fn ping(&self, campaign: &str, ping: &Ping) -> Result<PingAnswer, SupplierError> {
        let controls = [
            ("tmax_ms", ping.tmax_ms.map(Value::from)),
            ("min_bid", ping.min_bid.clone().map(Value::from)),
            ("sub_id", ping.sub_id.clone().map(Value::from)),
        ];
        let body = self.encode(&ping.lead, controls);
        let key = ping.idempotency_key.as_deref();
        self.send(
            Method::POST,
            &format!("/v1/campaigns/{campaign}/ping"),
            key,
            body,
        )
        .await
    }

    /// Posts.
    pub async fn post(&self, campaign: &str, post: &Post) -> Result<PostAnswer, SupplierError> {
        let controls = [(
            "ping_order_id",
            Some(Value::from(post.ping_order_id.as_str())),
        )];
        let body = self.encode(&post.lead, controls);
        self.send(
            Method::POST,
            &format!("/v1/campaigns/{campaign}/post"),
            None,
            body,
        )
        .await
    }

    /// Asks what became of a lead; the answer as it is written.
    pub async fn lead(&self, lead_id: &str) -> Result<Value, SupplierError> {
        self.send(
            Method::GET,
            &format!("/v1/leads/{lead_id}"),
            None,
            Bytes::new(),
        )
        .await
    }

    /// Sends any bytes as any type of content to a path: for what must be refused.
    pub async fn send_raw(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Result<(StatusCode, HeaderMap, Bytes), SupplierError> {
        self.exchange(Method::POST, path, Some(content_type), None, body.into())
            .await
    }

    fn encode<const N: usize>(
        &self,
        lead: &Map<String, Value>,
        controls: [(&str, Option<Value>); N],
    ) -> Bytes {
        let controls = controls
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        match self.format {
            Format::Json => {
                let mut object = Map::from_iter([("lead".to_owned(), Value::Object(lead.clone()))]);
                object.extend(controls.map(|(name, value)| (name.to_owned(), value)));
                Value::Object(object).to_string().into()
            }
            Format::Form => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(
                    lead.iter()
                        .map(|(name, value)| (name.as_str(), in_a_form(value))),
                );
                form.extend_pairs(
                    controls.map(|(name, value)| (format!("_{name}"), in_a_form(&value))),
                );
                form.finish().into()
            }
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        idempotency_key: Option<&str>,
        body: Bytes,
    ) -> Result<T, SupplierError> {
        let content_type = (method == Method::POST).then(|| self.format.content_type());
        let (status, headers, body) = self
            .exchange(method, path, content_type, idempotency_key, body)
            .await?;
        let strange = || SupplierError::Strange {
            status: status.as_u16(),
            start: String::from_utf8_lossy(body.get(..200).unwrap_or(&body)).into_owned(),
        };
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|_| strange());
        }
        let mut problem: Problem = serde_json::from_slice(&body).map_err(|_| strange())?;
        let seconds = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        problem.retry_after = seconds.and_then(|seconds| seconds.parse().ok());
        Err(SupplierError::Refused(problem))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        idempotency_key: Option<&str>,
        body: Bytes,
    ) -> Result<(StatusCode, HeaderMap, Bytes), SupplierError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.api))
            .header(AUTHORIZATION, format!("Bearer {}", self.key));
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(key) = idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| SupplierError::Lost(error.into()))?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| SupplierError::Lost(error.into()))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_MAX)
            .collect()
            .await
            .map_err(SupplierError::Lost)?;
        Ok((head.status, head.headers, body.to_bytes()))
    }
}

/// A value as a form carries it.
fn in_a_form(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
