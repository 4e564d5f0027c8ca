//! Deliveries: a connection of their own, sent once.

use tokio::sync::{mpsc, oneshot};

use super::*;

/// Connects and sends.
async fn deliver(buyer: &Buyer) -> Result<Response, Lost> {
    let outgoing = to(&buyer.url());
    let line = buyers().connect(&outgoing, in_time()).await.unwrap();
    line.send(&outgoing, in_time()).await
}

#[tokio::test]
async fn each_delivery_has_a_connection_of_its_own() {
    let buyer = Buyer::that_answers(YES).await;
    let (buyers, outgoing) = (buyers(), to(&buyer.url()));
    // One that is kept is there, and not used.
    buyers.ping(&outgoing, in_time()).await.unwrap();
    for _ in 0..3 {
        let line = buyers.connect(&outgoing, in_time()).await.unwrap();
        assert_eq!(line.send(&outgoing, in_time()).await.unwrap().body, b"yes");
    }
    assert_eq!(buyer.connections(), 4);
    buyers.ping(&outgoing, in_time()).await.unwrap();
    assert_eq!(buyer.connections(), 4);
}

#[tokio::test]
async fn a_line_not_used_sends_nothing() {
    let (saw, mut seen) = mpsc::unbounded_channel();
    let buyer = Buyer::that(move |mut stream, _| {
        let saw = saw.clone();
        async move {
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all).await;
            saw.send(all).unwrap();
        }
    })
    .await;
    drop(
        buyers()
            .connect(&to(&buyer.url()), in_time())
            .await
            .unwrap(),
    );
    assert_eq!(seen.recv().await.unwrap(), b"");
}

#[tokio::test]
async fn a_line_carries_no_request_to_somebody_else() {
    let (buyer, other) = (
        Buyer::that_answers(YES).await,
        Buyer::that_answers(YES).await,
    );
    let line = buyers()
        .connect(&to(&buyer.url()), in_time())
        .await
        .unwrap();
    assert_eq!(
        line.send(&to(&other.url()), in_time()).await,
        Err(Lost::Dropped)
    );
}

#[tokio::test]
async fn a_dropped_delivery_is_lost_and_not_repeated() {
    let deaf = Buyer::that(|stream, _| async move { drop(stream) }).await;
    assert_eq!(deliver(&deaf).await, Err(Lost::Dropped));
    assert_eq!(deaf.connections(), 1);
    for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nyes"] {
        let buyer = Buyer::that_answers_once(answer).await;
        assert_eq!(deliver(&buyer).await, Err(Lost::Dropped), "{answer}");
        assert_eq!(buyer.connections(), 1);
    }
}

#[tokio::test]
async fn a_buyer_that_hangs_up_before_the_lead_is_sent_loses_it() {
    let (hung_up, wait) = oneshot::channel();
    let mut hung_up = Some(hung_up);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let outgoing = to(&format!("http://{}/", listener.local_addr().unwrap()));
    tokio::spawn(async move {
        drop(listener.accept().await.unwrap());
        let _ = hung_up.take().unwrap().send(());
    });
    let line = buyers().connect(&outgoing, in_time()).await.unwrap();
    wait.await.unwrap();
    assert_eq!(line.send(&outgoing, in_time()).await, Err(Lost::Dropped));
}

#[tokio::test]
async fn an_answer_of_no_use_is_lost() {
    assert_eq!(
        deliver(&Buyer::that_answers("what?\r\n\r\n").await).await,
        Err(Lost::Unreadable)
    );
    let long = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{}",
        "x".repeat(300_000)
    );
    assert_eq!(
        deliver(&Buyer::that_answers(long).await).await,
        Err(Lost::Oversized)
    );
}

#[tokio::test]
async fn a_late_answer_is_lost() {
    let buyer = Buyer::that(|mut stream, _| async move {
        read_request(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let outgoing = to(&buyer.url());
    let line = buyers().connect(&outgoing, in_time()).await.unwrap();
    assert_eq!(line.send(&outgoing, shortly()).await, Err(Lost::Timeout));
}

#[tokio::test]
async fn a_buyer_that_does_not_read_is_left_in_time() {
    let buyer = Buyer::that(|stream, _| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    // More than the sockets' buffers hold.
    let request = Request {
        method: "POST".into(),
        url: buyer.url(),
        headers: Vec::new(),
        body: vec![b'x'; 16 << 20],
    };
    let outgoing = prepare(&request, &Secrets::default());
    let line = buyers().connect(&outgoing, in_time()).await.unwrap();
    assert_eq!(line.send(&outgoing, shortly()).await, Err(Lost::Timeout));
}

#[tokio::test]
async fn no_connection_is_unreachable() {
    let nobody = to(&format!("http://{}/", nobody().await));
    assert_eq!(
        buyers().connect(&nobody, in_time()).await.err(),
        Some(Unreachable)
    );
    // TLS that never begins.
    let mute = Buyer::that(|stream, _| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let outgoing = to(&format!("https://{}/", mute.address));
    assert_eq!(
        buyers().connect(&outgoing, shortly()).await.err(),
        Some(Unreachable)
    );
}

#[tokio::test]
async fn a_delivery_waits_for_a_place_and_keeps_it() {
    let buyer = Buyer::that_answers(YES).await;
    let settings = BuyerSettings {
        allow_private: true,
        max_requests: 1,
        ..BuyerSettings::default()
    };
    let (buyers, outgoing) = (Buyers::new(settings).unwrap(), to(&buyer.url()));
    let line = buyers.connect(&outgoing, in_time()).await.unwrap();
    assert_eq!(
        buyers.ping(&outgoing, shortly()).await,
        Err(PingFailure::Overloaded)
    );
    assert_eq!(
        buyers.connect(&outgoing, shortly()).await.err(),
        Some(Unreachable)
    );
    line.send(&outgoing, in_time()).await.unwrap();
    assert!(buyers.ping(&outgoing, in_time()).await.is_ok());
}
