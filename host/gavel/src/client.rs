//! The admin API's other end, for `apply`, `explain` and `plugin`.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use url::Url;

use crate::{cli::AdminArgs, http::first_byte::within, out::Failure};

/// For one request: an upload of megabytes is compiled before it is answered.
const TIMEOUT: Duration = Duration::from_mins(3);

/// Largest answer, in bytes: a market's text with room to spare.
const ANSWER_MAX_BYTES: usize = 64 << 20;

/// Items on a page of a list that is wanted whole: as many as the API gives.
const PAGE: &str = "1000";

/// Asks one host.
#[derive(Debug)]
pub(crate) struct AdminClient {
    base: Url,
    token: String,
}

/// What a host answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: StatusCode,
    /// JSON; null where it was none.
    pub(crate) body: Value,
}

impl AdminClient {
    /// For the host that the flags name, with the token from the environment.
    pub(crate) fn new(args: &AdminArgs) -> Result<Self, Failure> {
        let token = std::env::var("GAVEL_ADMIN_TOKEN")
            .ok()
            .filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| Failure("set GAVEL_ADMIN_TOKEN to the host's admin token; `gavel serve` printed it at its first start".into()))?;
        if args.admin.scheme() != "http" || args.admin.host_str().is_none() {
            return Err(Failure(format!(
                "{} is not an http:// URL of a host's admin API, such as http://127.0.0.1:8081",
                args.admin
            )));
        }
        Ok(Self {
            base: args.admin.clone(),
            token,
        })
    }

    /// `GET` below `/admin/v1/`.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.send(Method::GET, path, None).await
    }

    /// Every item of a list below `/admin/v1/`, page by page.
    pub(crate) async fn list(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let (mut items, mut after) = (Vec::new(), String::new());
        loop {
            let page = query(
                path,
                &[("limit", PAGE.to_owned()), ("after", after.clone())],
            );
            let mut page = self.get(&page).await?.ok()?;
            if let Some(more) = page.get_mut("items").and_then(Value::as_array_mut) {
                items.append(more);
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => next.clone_into(&mut after),
                None => return Ok(items),
            }
        }
    }

    /// `PUT` below `/admin/v1/`.
    pub(crate) async fn put(
        &self,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Answer, Failure> {
        self.send(Method::PUT, path, Some((content_type, body)))
            .await
    }

    /// `POST` of JSON below `/admin/v1/`.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        let body = body.to_string().into_bytes();
        self.send(Method::POST, path, Some(("application/json", body)))
            .await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Answer, Failure> {
        let answer = within(TIMEOUT, self.exchange(method, path, body)).await;
        let answer = answer.ok_or_else(|| {
            Failure(format!(
                "the host at {} did not answer within {} s",
                self.base,
                TIMEOUT.as_secs()
            ))
        })??;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(Failure(format!(
                "the host at {} does not take this token: set GAVEL_ADMIN_TOKEN to its admin token",
                self.base
            )));
        }
        Ok(answer)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Answer, Failure> {
        let (host, port) = (
            self.base.host_str().unwrap_or_default(),
            self.base.port_or_known_default().unwrap_or(80),
        );
        let lost = |error: hyper::Error| {
            Failure(format!(
                "the connection to the host at {} was lost: {error}",
                self.base
            ))
        };
        // An IPv6 address has brackets in a URL, and none where it is connected to.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, port))
            .await
            .map_err(|error| Failure(format!("no host answers at {} ({error}): is `gavel serve` running? Name another with --admin URL", self.base)))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(format!(
                "{}/admin/v1/{path}",
                self.base.path().trim_end_matches('/')
            ))
            .header(header::HOST, format!("{host}:{port}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        let body = body.map(|(content_type, body)| {
            request = std::mem::take(&mut request).header(header::CONTENT_TYPE, content_type);
            Bytes::from(body)
        });
        let request = request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|_| Failure("GAVEL_ADMIN_TOKEN has characters that no token has".into()))?;
        let (head, body) = sender
            .send_request(request)
            .await
            .map_err(lost)?
            .into_parts();
        let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await;
        let body = body
            .map_err(|error| Failure(format!("the host's answer was lost: {error}")))?
            .to_bytes();
        Ok(Answer {
            status: head.status,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        })
    }
}

/// A path with what follows `?`, written as URLs are.
pub(crate) fn query(path: &str, pairs: &[(&str, String)]) -> String {
    if pairs.is_empty() {
        return path.to_owned();
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    format!("{path}?{}", query.finish())
}

impl Answer {
    /// The body of a good answer; what a problem says otherwise.
    pub(crate) fn ok(self) -> Result<Value, Failure> {
        if self.status.is_success() {
            Ok(self.body)
        } else {
            Err(self.failure())
        }
    }

    /// What a problem says, for a person.
    pub(crate) fn failure(&self) -> Failure {
        let text = |key: &str| self.body.get(key).and_then(Value::as_str);
        let title = text("title").unwrap_or("the host answered without saying why");
        let detail = text("detail")
            .filter(|detail| *detail != title)
            .map(|detail| format!(": {detail}"))
            .unwrap_or_default();
        Failure(format!("{title}{detail} ({})", self.status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_written_as_urls_are() {
        assert_eq!(query("plugins/a", &[]), "plugins/a");
        let pairs = [("since", "2026-11-23T10:00:00+01:00".to_owned())];
        assert_eq!(
            query("p", &pairs),
            "p?since=2026-11-23T10%3A00%3A00%2B01%3A00"
        );
    }
}
