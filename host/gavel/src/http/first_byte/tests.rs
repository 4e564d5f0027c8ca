//! Time on a connection, with the clock paused.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_request_begins_with_its_first_byte() {
    let (mut client, server) = tokio::io::duplex(64);
    let (mut watched, requests) = Watched::new(server);
    tokio::time::advance(Duration::from_secs(1)).await;
    let sent = Instant::now();
    client.write_all(b"a").await.unwrap();
    watched.read_u8().await.unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    client.write_all(b"b").await.unwrap();
    watched.read_u8().await.unwrap();
    assert_eq!(requests.begin().at, sent);
}

#[tokio::test(start_paused = true)]
async fn the_next_request_begins_after_the_answer() {
    let (mut client, server) = tokio::io::duplex(64);
    let (mut watched, requests) = Watched::new(server);
    client.write_all(b"a").await.unwrap();
    watched.read_u8().await.unwrap();
    requests.begin();
    watched.write_all(b"100 Continue").await.unwrap();
    assert!(!requests.is_idle());
    requests.end();
    watched.write_all(b"answer").await.unwrap();
    watched.flush().await.unwrap();
    assert!(requests.is_idle());
    tokio::time::advance(Duration::from_secs(5)).await;
    client.write_all(b"b").await.unwrap();
    watched.read_u8().await.unwrap();
    assert_eq!(requests.begin().at, Instant::now());
}

#[tokio::test(start_paused = true)]
async fn headers_that_never_end_are_cut_off() {
    let (mut client, server) = tokio::io::duplex(64);
    let (mut watched, _requests) = Watched::new(server);
    client.write_all(b"G").await.unwrap();
    let began = Instant::now();
    watched.read_u8().await.unwrap();
    let dripping = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if client.write_all(b"E").await.is_err() {
                return;
            }
        }
    });
    let error = loop {
        match watched.read_u8().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), limits::HEAD_TIMEOUT.as_secs());
    drop(watched);
    dripping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_closing_connection_reads_on_for_a_while_only() {
    let (_client, server) = tokio::io::duplex(64);
    let (mut watched, _requests) = Watched::new(server);
    let began = Instant::now();
    watched.shutdown().await.unwrap();
    assert_eq!(began.elapsed().as_secs(), limits::LINGER_TIMEOUT.as_secs());
}
