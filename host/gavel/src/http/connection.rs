//! One connection's requests.
//!
//! Each is handled in a task of its own, so that a request that was understood runs to its
//! end whether or not its client is still there (`rules.md`, Orders), and so that a handler
//! that panics costs one answer and not the process.

use std::{convert::Infallible, future::Future, pin::pin, sync::Arc, time::Duration};

use gavel_exchange::api::Received;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, watch},
};
use ulid::Ulid;

use super::{
    first_byte::{Requests, Watched},
    limits,
    problem::{Code, Problem},
    reply::Reply,
};

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Names the API in metrics.
    const API: &'static str;

    /// The answer to one request, of which the first byte came at `received`.
    fn answer(
        &self,
        request: Request<Incoming>,
        received: Received,
    ) -> impl Future<Output = Reply> + Send;
}

/// Held by everything that must end before the process may; whoever waits sees the last one go.
pub(crate) type Busy = mpsc::Sender<Infallible>;

/// A request's own name, in its extensions and in its answer.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(http::HeaderValue);

impl RequestId {
    /// The name of a request that came by a listener.
    pub(crate) fn of<B>(request: &Request<B>) -> String {
        let id = request.extensions().get::<Self>();
        id.and_then(|id| id.0.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    }
}

/// The parts of a listener that each of its connections needs.
#[derive(Debug)]
pub(crate) struct Shared<H> {
    pub(crate) handler: Arc<H>,
    pub(crate) busy: Busy,
    /// Turns true when the listener stops.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl<H> Clone for Shared<H> {
    fn clone(&self) -> Self {
        Self {
            handler: Arc::clone(&self.handler),
            busy: self.busy.clone(),
            stopping: self.stopping.clone(),
        }
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve<H: Handler>(io: impl AsyncRead + AsyncWrite + Unpin, shared: Shared<H>) {
    let (watched, requests) = Watched::new(io);
    let service = service_fn(|request| {
        let (shared, requests) = (shared.clone(), requests.clone());
        async move { Ok::<_, Infallible>(handle(request, shared, requests).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            // `Watched` bounds this: hyper's one timer would be for idle connections too.
            .header_read_timeout(None::<Duration>)
            .max_headers(limits::HEADERS_MAX)
            .max_header_size(limits::HEAD_MAX_BYTES)
            .max_buf_size(2 * limits::HEAD_MAX_BYTES)
            // Who closes their side after the request still gets its answer.
            .half_close(true)
            .keep_alive(true)
            .serve_connection(TokioIo::new(watched), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stopped(shared.stopping.clone()) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None if requests.is_idle() => Ok(()),
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients leave in the middle every day. hyper's errors hold nothing that was sent.
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Resolves when the listener stops, or is gone.
pub(super) async fn stopped(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Runs one request's handler, and puts on its answer what every answer carries.
async fn handle<H: Handler>(
    mut request: Request<Incoming>,
    shared: Shared<H>,
    requests: Requests,
) -> Reply {
    let received = requests.begin();
    let id = request_id(&request);
    request.extensions_mut().insert(RequestId(id.clone()));
    let busy = shared.busy.clone();
    let work = tokio::spawn(async move {
        let reply = shared.handler.answer(request, received).await;
        drop(shared.busy);
        reply
    });
    let mut reply = work.await.unwrap_or_else(|fault| {
        // The panic's own message went to the log through the hook; it may hold anything.
        tracing::error!(api = H::API, request_id = ?id, panicked = fault.is_panic(), "a handler ended without an answer");
        Problem::new(Code::Internal).into_reply()
    });
    reply.body_mut().holding((Serving(requests), busy));
    reply.headers_mut().insert("x-request-id", id);
    count::<H>(&reply, received);
    reply
}

/// A request that is being answered; dropped, its answer is ready to be written to its end.
struct Serving(Requests);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn count<H: Handler>(reply: &Reply, received: Received) {
    let status = reply.status().as_u16().to_string();
    metrics::counter!("gavel_http_requests_total", "api" => H::API, "status" => status)
        .increment(1);
    metrics::histogram!("gavel_http_request_seconds", "api" => H::API)
        .record(received.at.elapsed().as_secs_f64());
}

/// The client's own name for its request where that is a plain word, else a new one.
fn request_id<B>(request: &Request<B>) -> http::HeaderValue {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_';
    let sane = |value: &&http::HeaderValue| {
        let bytes = value.as_bytes();
        (1..=limits::REQUEST_ID_MAX_LENGTH).contains(&bytes.len()) && bytes.iter().all(plain)
    };
    let own = request.headers().get("x-request-id").filter(sane).cloned();
    own.unwrap_or_else(|| {
        let mut buffer = [0; ulid::ULID_LEN];
        let made = Ulid::new().array_to_str(&mut buffer);
        http::HeaderValue::from_str(made).unwrap_or(http::HeaderValue::from_static("unnamed"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(sent: &str) -> String {
        let request = Request::builder()
            .header("x-request-id", sent)
            .body(())
            .unwrap();
        request_id(&request).to_str().unwrap().to_owned()
    }

    #[test]
    fn a_sane_request_id_is_echoed() {
        assert_eq!(id_for("job-7_A"), "job-7_A");
    }

    #[test]
    fn any_other_is_replaced() {
        for sent in ["", "a b", "<script>", &"a".repeat(65)] {
            let id = id_for(sent);
            assert!(id.len() == 26 && id != sent, "{sent:?} -> {id:?}");
        }
    }
}
