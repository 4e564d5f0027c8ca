//! Hostile and odd clients against the real listener, with a small handler behind it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use gavel_exchange::api::Received;
use hyper::{Request, body::Incoming};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    time::Instant,
};

use super::{
    body,
    connection::{Handler, Shared, serve},
    json as strict, limits,
    listener::{Listener, Offer},
    problem::Problem,
    reply::{self, Reply},
};

const BODY_MAX_BYTES: usize = 64 << 10;

/// Echoes JSON; at `/panic` it panics, at `/wait` it waits to be let go.
#[derive(Clone, Default)]
struct Echo(Arc<Gate>);

#[derive(Default)]
struct Gate {
    entered: Notify,
    open: Notify,
    left: Notify,
}

impl Handler for Echo {
    const API: &'static str = "test";

    async fn answer(&self, request: Request<Incoming>, received: Received) -> Reply {
        match request.uri().path() {
            "/panic" => panic!("at the handler"),
            "/age" => reply::json(&json!(
                u64::try_from(received.at.elapsed().as_millis()).unwrap()
            )),
            "/early" => Problem::unauthenticated().into_reply(),
            "/wait" => {
                self.0.entered.notify_one();
                self.0.open.notified().await;
                self.0.left.notify_one();
                reply::json(&json!("waited"))
            }
            _ => read(request).await.unwrap_or_else(Problem::into_reply),
        }
    }
}

async fn read(request: Request<Incoming>) -> Result<Reply, Problem> {
    let body: Bytes = body::read(request, BODY_MAX_BYTES, limits::BODY_TIMEOUT).await?;
    Ok(reply::json(&strict::parse(&body)?))
}

fn listen(echo: Echo, max_connections: usize) -> Listener {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    Listener::start(Offer {
        listen,
        tls: None,
        max_connections,
        handler: echo,
    })
    .unwrap()
}

/// Sends bytes and reads all that comes back.
async fn talk(listener: &Listener, sent: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    // A server that has said enough closes while the client still writes.
    let write = async {
        let _ = writer.write_all(sent.as_ref()).await;
        let _ = writer.shutdown().await;
    };
    let (read, ()) = tokio::join!(reader.read_to_end(&mut answer), write);
    read.expect("the answer arrives before the connection is reset");
    String::from_utf8(answer).unwrap()
}

fn post(path: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let listener = listen(Echo::default(), 10);
    let answer = talk(&listener, post("/", "{}")).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("\r\nx-request-id: 01"),
        "{answer}"
    );
    let answer = talk(
        &listener,
        "POST / HTTP/1.1\r\nhost: x\r\nx-request-id: job-7\r\ncontent-length: 1\r\n\r\n{",
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("\r\nx-request-id: job-7\r\n"),
        "{answer}"
    );
}

// Other systems keep a shorter queue, whatever they are asked for.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn connections_that_come_at_once_wait_to_be_accepted() {
    let listener = listen(Echo::default(), 10_000);
    // This thread is the runtime's only one: nothing is accepted before all are there.
    let crowd: Vec<_> = (0..1000)
        .map(|_| {
            std::net::TcpStream::connect_timeout(&listener.address(), Duration::from_millis(900))
        })
        .collect();
    let turned_away = crowd.iter().filter(|connected| connected.is_err()).count();
    assert_eq!(turned_away, 0, "by a queue that is full");
    let answer = talk(&listener, post("/", "{}")).await;
    assert_eq!(status(&answer), "200");
}

#[tokio::test]
async fn what_hyper_answers_by_itself_is_a_problem_too() {
    let listener = listen(Echo::default(), 10);
    let answer = talk(&listener, "nonsense\r\n\r\n").await;
    assert!(answer.contains("\r\nx-request-id: 01"), "{answer}");
    assert!(
        answer.contains("application/problem+json") && answer.contains(r#""code":"malformed""#),
        "{answer}"
    );
    assert_eq!(
        answer.matches("HTTP/1.1").count(),
        2,
        "the status line and the detail: {answer}"
    );
    let answer = talk(
        &listener,
        format!(
            "{}GET /{} HTTP/1.1\r\n\r\n",
            post("/", "1"),
            "x".repeat(100_000)
        ),
    )
    .await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("HTTP/1.1 431"),
        "{answer}"
    );
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let listener = listen(Echo::default(), 10);
    let answer = talk(
        &listener,
        format!("{}{}{}", post("/", "1"), post("/", "[2]"), post("/", "3")),
    )
    .await;
    let bodies: Vec<_> = answer
        .split("HTTP/1.1 ")
        .skip(1)
        .filter_map(|one| one.split("\r\n\r\n").nth(1))
        .collect();
    assert_eq!(bodies, ["1", "[2]", "3"]);
}

#[tokio::test]
async fn a_panic_costs_one_answer() {
    let listener = listen(Echo::default(), 10);
    let answer = talk(
        &listener,
        format!("{}{}", post("/panic", ""), post("/", "1")),
    )
    .await;
    assert_eq!(status(&answer), "500");
    assert!(
        answer.contains(r#""code":"internal""#) && !answer.contains("at the handler"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n1"), "{answer}");
}

#[tokio::test]
async fn ten_megabytes_are_too_large_however_they_are_sent() {
    let listener = listen(Echo::default(), 10);
    let body = "x".repeat(10 << 20);
    assert_eq!(status(&talk(&listener, post("/", &body)).await), "413");
    let chunked = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    assert_eq!(status(&talk(&listener, chunked).await), "413");
    assert_eq!(status(&talk(&listener, post("/", "{}")).await), "200");
}

#[tokio::test]
async fn an_answer_before_the_body_is_read_arrives() {
    let listener = listen(Echo::default(), 10);
    assert_eq!(
        status(&talk(&listener, post("/early", &"x".repeat(10 << 20))).await),
        "401"
    );
}

#[tokio::test]
async fn a_million_header_bytes_are_too_many() {
    let listener = listen(Echo::default(), 10);
    let long = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "y".repeat(1_000_000)
    );
    assert_eq!(status(&talk(&listener, long).await), "431");
    let many = format!(
        "GET / HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "x: y\r\n".repeat(1000)
    );
    assert_eq!(status(&talk(&listener, many).await), "431");
    let endless = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}", "y".repeat(1_000_000));
    assert_eq!(status(&talk(&listener, endless).await), "431");
}

#[tokio::test]
async fn what_is_no_http_is_a_bad_request() {
    let listener = listen(Echo::default(), 10);
    for sent in [
        "\x16\x03\x01\x02\0\x01\0\0\r\n\r\n",
        "GET /\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header: x\r\n\r\n",
    ] {
        assert_eq!(status(&talk(&listener, sent).await), "400", "{sent:?}");
    }
    assert_eq!(status(&talk(&listener, post("/", "{}")).await), "200");
}

#[tokio::test]
async fn a_truncated_body_is_malformed() {
    let listener = listen(Echo::default(), 10);
    let answer = talk(
        &listener,
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"a\":",
    )
    .await;
    assert_eq!(status(&answer), "400");
    assert!(answer.contains("ended before it was complete"), "{answer}");
}

#[tokio::test]
async fn who_leaves_does_not_stop_what_was_understood() {
    let echo = Echo::default();
    let listener = listen(echo.clone(), 10);
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    stream
        .write_all(post("/wait", "").as_bytes())
        .await
        .unwrap();
    echo.0.entered.notified().await;
    stream.set_zero_linger().unwrap();
    drop(stream);
    echo.0.open.notify_one();
    echo.0.left.notified().await;
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_at_once() {
    let echo = Echo::default();
    let listener = listen(echo.clone(), 1);
    let mut first = TcpStream::connect(listener.address()).await.unwrap();
    first.write_all(post("/wait", "").as_bytes()).await.unwrap();
    echo.0.entered.notified().await;
    let answer = talk(&listener, post("/", "{}")).await;
    assert_eq!(status(&answer), "503");
    assert!(
        answer.contains("retry-after: 1") && answer.contains(r#""code":"overloaded""#),
        "{answer}"
    );
    echo.0.open.notify_one();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn stopping_answers_what_is_in_flight_and_nothing_more() {
    let echo = Echo::default();
    let listener = listen(echo.clone(), 10);
    let address = listener.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(post("/wait", "").as_bytes()).await.unwrap();
    echo.0.entered.notified().await;
    let finishing = tokio::spawn(listener.finish(Duration::from_secs(20)));
    assert_eq!(
        idle.read(&mut [0; 1]).await.unwrap(),
        0,
        "an idle connection is closed"
    );
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nothing listens any more"
    );
    echo.0.open.notify_one();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\"waited\""), "{answer}");
    drop(busy);
    assert!(finishing.await.unwrap(), "everything was answered");
}

/// Serves one end of a pipe in memory, so that time can be paused.
fn pipe(echo: Echo) -> tokio::io::DuplexStream {
    let (client, server) = tokio::io::duplex(1 << 16);
    let (busy, _) = tokio::sync::mpsc::channel(1);
    let (stop, stopping) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        let _running = stop;
        serve(
            server,
            Shared {
                handler: Arc::new(echo),
                busy,
                stopping,
            },
        )
        .await;
    });
    client
}

#[tokio::test(start_paused = true)]
async fn a_client_that_drips_its_headers_is_cut_off() {
    let mut client = pipe(Echo::default());
    let began = Instant::now();
    while client.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(began.elapsed() <= limits::HEAD_TIMEOUT + Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_drips_its_body_is_told_that_it_took_too_long() {
    let mut client = pipe(Echo::default());
    client
        .write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n")
        .await
        .unwrap();
    let began = Instant::now();
    let (mut reader, mut writer) = tokio::io::split(client);
    let dripping = tokio::spawn(async move {
        while writer.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    });
    let mut answer = [0; 12];
    reader.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert_eq!(began.elapsed().as_secs(), limits::BODY_TIMEOUT.as_secs());
    dripping.abort();
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_for_a_while() {
    let mut client = pipe(Echo::default());
    client.write_all(post("/", "1").as_bytes()).await.unwrap();
    let mut head = [0; 12];
    client.read_exact(&mut head).await.unwrap();
    let began = Instant::now();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), limits::IDLE_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_requests_time_counts_from_its_first_byte() {
    let mut client = pipe(Echo::default());
    let (one, other) = (
        "POST /age HTTP/1.1\r\nho",
        "st: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.write_all(one.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    client.write_all(other.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\n3000"), "{answer}");
}
