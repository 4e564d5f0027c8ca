//! Connections of pings: kept, replaced, bounded, and only where they may go.

use tokio::sync::{Barrier, Notify, mpsc};

use super::*;

#[tokio::test]
async fn a_ping_is_sent_whole_and_answered() {
    let (saw, mut seen) = mpsc::unbounded_channel();
    let buyer = Buyer::that(move |mut stream, _| {
        let saw = saw.clone();
        async move {
            saw.send(read_request(&mut stream).await.unwrap()).unwrap();
            stream
                .write_all(b"HTTP/1.1 201 Created\r\nX-Bid: 7\r\nContent-Length: 2\r\n\r\nok")
                .await
                .unwrap();
        }
    })
    .await;
    let answer = buyers()
        .ping(&to(&format!("{}?a=b", buyer.url())), in_time())
        .await
        .unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (201, &b"ok"[..]));
    assert!(answer.headers.contains(&("x-bid".into(), "7".into())));
    let request = seen.recv().await.unwrap();
    assert!(
        request.starts_with("POST /in?a=b HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains(&format!("\r\nhost: {}\r\n", buyer.address)),
        "{request}"
    );
    assert!(request.contains("\r\ncontent-length: 15\r\n"), "{request}");
    assert!(
        request.ends_with("\r\n\r\n{\"zip\":\"90210\"}"),
        "{request}"
    );
    assert!(
        !request.to_lowercase().contains("accept-encoding"),
        "{request}"
    );
}

#[tokio::test]
async fn pings_share_a_connection() {
    let buyer = Buyer::that_answers(YES).await;
    let (buyers, ping) = (buyers(), to(&buyer.url()));
    for _ in 0..5 {
        assert_eq!(buyers.ping(&ping, in_time()).await.unwrap().body, b"yes");
    }
    assert_eq!(buyer.connections(), 1);
}

#[tokio::test]
async fn pings_to_one_buyer_run_in_parallel() {
    let both = Arc::new(Barrier::new(2));
    let buyer = Buyer::that(move |mut stream, _| {
        let both = Arc::clone(&both);
        async move {
            read_request(&mut stream).await;
            both.wait().await;
            let _ = stream.write_all(YES).await;
        }
    })
    .await;
    let (buyers, ping) = (buyers(), to(&buyer.url()));
    let (first, second) =
        tokio::join!(buyers.ping(&ping, in_time()), buyers.ping(&ping, in_time()));
    assert!(first.is_ok() && second.is_ok());
}

#[tokio::test]
async fn a_buyer_that_closes_a_kept_connection_fails_no_ping() {
    let buyer = Buyer::that_answers_once(YES).await;
    let (buyers, ping) = (buyers(), to(&buyer.url()));
    for _ in 0..10 {
        assert_eq!(buyers.ping(&ping, in_time()).await.unwrap().body, b"yes");
    }
    assert_eq!(buyer.connections(), 10);
}

#[tokio::test]
async fn a_buyer_that_closes_as_the_next_ping_arrives_fails_no_ping() {
    // Each connection answers once, takes the next request and closes: as seen from here, a
    // close that crossed the request on its way.
    let buyer = Buyer::that(|mut stream, _| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(YES).await;
        read_request(&mut stream).await;
    })
    .await;
    let (buyers, ping) = (buyers(), to(&buyer.url()));
    for _ in 0..5 {
        assert_eq!(buyers.ping(&ping, in_time()).await.unwrap().body, b"yes");
    }
    assert_eq!(buyer.connections(), 5);
}

#[tokio::test]
async fn a_connection_that_the_buyer_wants_closed_is_not_kept() {
    let buyer =
        Buyer::that_answers("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nyes")
            .await;
    let (buyers, ping) = (buyers(), to(&buyer.url()));
    for _ in 0..3 {
        assert!(buyers.ping(&ping, in_time()).await.is_ok());
    }
    assert_eq!(buyer.connections(), 3);
}

#[tokio::test]
async fn words_sent_unasked_answer_no_ping() {
    // Two answers to one request: the second may not become the next ping's.
    let buyer =
        Buyer::that_answers([YES, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"].concat())
            .await;
    let (buyers, ping) = (buyers(), to(&buyer.url()));
    for _ in 0..5 {
        assert_eq!(buyers.ping(&ping, in_time()).await.unwrap().body, b"yes");
    }
}

#[tokio::test]
async fn a_kept_connection_goes_before_one_that_is_needed() {
    let closed = Arc::new(Notify::new());
    let told = Arc::clone(&closed);
    let first = Buyer::that(move |mut stream, _| {
        let told = Arc::clone(&told);
        async move {
            while read_request(&mut stream).await.is_some() && stream.write_all(YES).await.is_ok() {
            }
            told.notify_one();
        }
    })
    .await;
    let second = Buyer::that_answers(YES).await;
    let settings = BuyerSettings {
        allow_private: true,
        max_requests: 1,
        ..BuyerSettings::default()
    };
    let buyers = Buyers::new(settings).unwrap();
    buyers.ping(&to(&first.url()), in_time()).await.unwrap();
    buyers.ping(&to(&second.url()), in_time()).await.unwrap();
    closed.notified().await;
}

#[tokio::test]
async fn a_connection_kept_too_long_is_closed() {
    let closed = Arc::new(Notify::new());
    let told = Arc::clone(&closed);
    let buyer = Buyer::that(move |mut stream, _| {
        let told = Arc::clone(&told);
        async move {
            while read_request(&mut stream).await.is_some() {
                let _ = stream.write_all(YES).await;
            }
            told.notify_one();
        }
    })
    .await;
    let buyers = buyers();
    buyers.ping(&to(&buyer.url()), in_time()).await.unwrap();
    let kept = Instant::now();
    assert!(buyers.0.pool.sweep(kept + limits::IDLE_MAX / 2));
    assert!(!buyers.0.pool.sweep(kept + limits::IDLE_MAX));
    closed.notified().await;
}

#[tokio::test]
async fn more_pings_than_allowed_wait_and_then_are_overload() {
    let buyer = Buyer::that(|mut stream, _| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let settings = BuyerSettings {
        allow_private: true,
        max_requests: 1,
        ..BuyerSettings::default()
    };
    let (buyers, ping) = (Buyers::new(settings).unwrap(), to(&buyer.url()));
    let until = shortly();
    let (first, second) = tokio::join!(buyers.ping(&ping, until), buyers.ping(&ping, until));
    assert_eq!(
        (first, second),
        (Err(PingFailure::Timeout), Err(PingFailure::Overloaded))
    );
    assert_eq!(buyer.connections(), 1);
}

#[tokio::test]
async fn a_ping_given_up_gives_its_place_back() {
    let buyer = Buyer::that(|mut stream, number| async move {
        read_request(&mut stream).await;
        if number == 0 {
            // Until the other end gives up.
            read_request(&mut stream).await;
            return;
        }
        let _ = stream.write_all(YES).await;
    })
    .await;
    let settings = BuyerSettings {
        allow_private: true,
        max_requests: 1,
        ..BuyerSettings::default()
    };
    let (buyers, ping) = (Buyers::new(settings).unwrap(), to(&buyer.url()));
    assert_eq!(
        buyers.ping(&ping, shortly()).await,
        Err(PingFailure::Timeout)
    );
    assert!(buyers.ping(&ping, in_time()).await.is_ok());
}

#[tokio::test]
async fn where_nobody_listens_is_unreachable() {
    let url = format!("http://{}/", nobody().await);
    assert_eq!(
        buyers().ping(&to(&url), in_time()).await,
        Err(PingFailure::Unreachable)
    );
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    // Where `localhost` is also `::1`, nobody listens there.
    let buyer = Buyer::that_answers(YES).await;
    let url = format!("http://localhost:{}/", buyer.address.port());
    assert!(buyers().ping(&to(&url), in_time()).await.is_ok());
}

#[tokio::test]
async fn a_private_address_is_refused_by_whatever_name() {
    let buyer = Buyer::that_answers(YES).await;
    let buyers = Buyers::new(BuyerSettings::default()).unwrap();
    for host in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "2130706433",
        "0177.0.0.1",
        "0x7f.1",
        "127.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
    ] {
        let outgoing = to(&format!("http://{host}:{}/", buyer.address.port()));
        assert_eq!(
            buyers.ping(&outgoing, in_time()).await,
            Err(PingFailure::Unreachable),
            "{host}"
        );
        assert!(
            buyers.connect(&outgoing, in_time()).await.is_err(),
            "{host}"
        );
    }
    assert_eq!(buyer.connections(), 0);
}
