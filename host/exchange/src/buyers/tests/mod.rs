//! Buyers' behaviour, good and bad, against servers on 127.0.0.1.

mod answers;
mod deliveries;
mod pings;
mod tls;

use std::{
    collections::BTreeMap,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use gavel_market::model::{HeldValue, Origin, SecretSource};
use gavel_sandbox::Request;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::*;
use crate::{
    secrets::{Fetching, Secrets},
    tokens::Tokens,
};

/// An answer that says yes and lets the connection be kept.
const YES: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes";

/// A buyer that treats each connection as the test says.
pub(crate) struct Buyer {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Buyer {
    /// `serve` gets each connection and its number, counted from 0.
    pub(crate) async fn that<F, Served>(serve: F) -> Self
    where
        F: Fn(TcpStream, usize) -> Served + Send + 'static,
        Served: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, number));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Reads each request and answers it with these bytes, over and over.
    pub(crate) async fn that_answers(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::that(move |mut stream, _| {
            let answer = Arc::clone(&answer);
            async move {
                while read_request(&mut stream).await.is_some()
                    && stream.write_all(&answer).await.is_ok()
                {}
            }
        })
        .await
    }

    /// Reads one request, answers with these bytes and closes.
    pub(crate) async fn that_answers_once(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::that(move |mut stream, _| {
            let answer = Arc::clone(&answer);
            async move {
                read_request(&mut stream).await;
                let _ = stream.write_all(&answer).await;
            }
        })
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/in", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The next request on a connection, head and body; none where the connection ended.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .unwrap_or("0");
            if body.len() >= length.parse().unwrap() {
                return Some(text.into_owned());
            }
        }
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
}

/// The way to buyers on this machine.
pub(crate) fn buyers() -> Buyers {
    Buyers::new(BuyerSettings {
        allow_private: true,
        ..BuyerSettings::default()
    })
    .unwrap()
}

/// A request to `url`, whose origin is allowed.
fn to(url: &str) -> Outgoing {
    let request = Request {
        method: "POST".into(),
        url: url.into(),
        headers: vec![("Content-Type".into(), "application/json".into())],
        body: b"{\"zip\":\"90210\"}".to_vec(),
    };
    prepare(&request, &Secrets::default())
}

fn prepare(request: &Request, secrets: &Secrets) -> Outgoing {
    let origin = Origin::of(&request.url.parse().unwrap()).unwrap();
    Outgoing::prepare(request, &[origin], secrets).unwrap()
}

fn secret(name: &str, value: &'static str) -> Secrets {
    let source = SecretSource::Held(HeldValue::Env(name.to_owned()));
    let sources = BTreeMap::from([(name.to_owned(), source)]);
    Secrets::read_with(
        &"sunco-west".parse().unwrap(),
        &sources,
        &Fetching {
            tokens: &Tokens::default(),
            allow_http: false,
        },
        |_| Some(value.into()),
    )
    .unwrap()
}

/// Long enough for everything that is meant to work.
pub(crate) fn in_time() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// Long enough to connect and send; for a test that waits until it has passed.
pub(crate) fn shortly() -> Instant {
    Instant::now() + Duration::from_millis(300)
}

/// A port on which nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}
