//! One mock buyer's listener, connections and requests.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    Method, Response, StatusCode, body::Incoming, header::CONTENT_TYPE, server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use rand::rngs::SmallRng;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use super::{
    answer::{self, Body, BrokenOff, Format, Speak},
    log::{Did, Fields, Kind, Log, Request},
    plan::{Fault, OnPing, OnPost, Plan},
};

/// Connections held at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 4096;

/// How long a stopping buyer waits for requests that are half read or half answered.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Longest request body that is read. A lead is about half a kilobyte.
const BODY_MAX: usize = 256 << 10;

/// What a buyer's connections share.
pub(super) struct Shared {
    pub(super) format: Format,
    pub(super) plans: RwLock<Plans>,
    pub(super) rng: Mutex<SmallRng>,
    pub(super) log: Log,
    /// True once the buyer is to stop: whoever never answers lets go.
    pub(super) stopping: watch::Sender<bool>,
}

/// What a buyer does now.
#[derive(Clone)]
pub(super) struct Plans {
    pub(super) ping: OnPing,
    pub(super) post: OnPost,
}

/// Listens; a port just left by another buyer can be taken again. An error names the address.
pub(super) async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
    TcpListener::bind(address).await.map_err(named)
}

/// Serves until told to stop, then finishes what is being answered.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut stopping = shared.stopping.subscribe();
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                // An error here is one connection's, such as a client gone already.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, Arc::clone(&shared), graceful.watcher()));
                }
            }
        }
    }
    drop(listener);
    // A client that never finishes its request must not hold the test up.
    let _ = tokio::time::timeout(STOP_GRACE, graceful.shutdown()).await;
    connections.shutdown().await;
}

async fn connection(
    stream: TcpStream,
    shared: Arc<Shared>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let number = shared.log.connected();
    // Answers are small and wait for nothing.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| respond(request, number, Arc::clone(&shared)));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    // How a connection ends is the plan's or the client's doing.
    let _ = watcher.watch(served).await;
}

async fn respond(
    request: hyper::Request<Incoming>,
    connection: u64,
    shared: Arc<Shared>,
) -> Result<Response<Body>, BrokenOff> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_MAX).collect().await else {
        return Ok(answer::status(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let body = body.to_bytes();
    let content_type = head
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let request = Request {
        kind: match (&head.method, head.uri.path()) {
            (&Method::POST, "/ping") => Kind::Ping,
            (&Method::POST, "/post") => Kind::Post,
            _ => Kind::Other,
        },
        number: 0,
        connection,
        at: Instant::now(),
        path: head
            .uri
            .path_and_query()
            .map_or_else(String::new, ToString::to_string),
        fields: read_fields(content_type.unwrap_or_default(), &body),
        headers: head.headers,
        body,
    };
    let plans = shared
        .plans
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    match request.kind {
        Kind::Ping => carry_out(&plans.ping, request, &shared).await,
        Kind::Post => carry_out(&plans.post, request, &shared).await,
        Kind::Other => {
            shared.log.record(request, |_| (Did::Unclear, ()));
            Ok(answer::status(StatusCode::NOT_FOUND))
        }
    }
}

/// Records a request with what is done about it, and does that.
async fn carry_out<A: Clone + Speak>(
    plan: &Plan<A>,
    request: Request,
    shared: &Shared,
) -> Result<Response<Body>, BrokenOff> {
    let (wait, reply) = shared.log.record(request, |request| {
        let mut rng = shared.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let (wait, end) = plan.resolve(request, &mut rng);
        match end {
            Ok(answer) => {
                let (did, words) = answer.speak(request);
                (did, (wait, Ok(words)))
            }
            Err(fault) => (Did::Unclear, (wait, Err(fault))),
        }
    });
    let mut stopping = shared.stopping.subscribe();
    tokio::select! {
        biased;
        () = pause(wait) => {}
        _ = stopping.wait_for(|stop| *stop) => return Err(BrokenOff),
    }
    match reply {
        Ok(words) => Ok(answer::said(words, shared.format)),
        Err(Fault::Never) => {
            let _ = stopping.wait_for(|stop| *stop).await;
            Err(BrokenOff)
        }
        Err(fault) => answer::faulty(fault, shared.format).ok_or(BrokenOff),
    }
}

async fn pause(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

/// A body's fields; none where it is not what its type says.
fn read_fields(content_type: &str, body: &Bytes) -> Fields {
    let mut fields = Fields::new();
    if content_type.starts_with(Format::Json.content_type()) {
        if let Ok(value) = serde_json::from_slice(body) {
            flatten("", value, &mut fields);
        }
    } else if content_type.starts_with(Format::Form.content_type()) {
        fields.extend(form_urlencoded::parse(body).into_owned());
    }
    fields
}

/// JSON as flat text: objects within objects are named `outer.inner`, lists stay JSON.
/// `serde_json` reads no more than 128 levels, which bounds this too.
fn flatten(name: &str, value: Value, fields: &mut Fields) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let name = if name.is_empty() {
                    key
                } else {
                    format!("{name}.{key}")
                };
                flatten(&name, value, fields);
            }
        }
        Value::Null => {}
        Value::String(text) => {
            fields.insert(name.to_owned(), text);
        }
        other => {
            fields.insert(name.to_owned(), other.to_string());
        }
    }
}
