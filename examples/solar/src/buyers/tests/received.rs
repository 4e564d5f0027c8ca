use std::collections::BTreeSet;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request as HttpRequest, header::CONTENT_TYPE};
use serde_json::json;
use tokio::time::timeout;

use super::{super::*, LONG, answer, buyer, client, poster, send_json};

#[tokio::test]
async fn what_came_is_kept_with_what_was_done_about_it() {
    let buyer = poster(OnPost::reject("no")).await;
    answer(&buyer, "/ping", json!({"state": "CA", "monthly_bill": 180, "extra": {"a": {"b": 1}, "list": [1, 2]}, "gone": null})).await;
    answer(&buyer, "/post", json!({"state": "AZ"})).await;
    send_json(&buyer, "/elsewhere", &json!({})).await.unwrap();

    let received = buyer.stop().await;
    let said: Vec<_> = received
        .iter()
        .map(|received| (received.sequence, received.request.kind, received.did))
        .collect();
    assert_eq!(
        said,
        [
            (1, Kind::Ping, Did::Bid),
            (2, Kind::Post, Did::Rejected),
            (3, Kind::Other, Did::Unclear)
        ]
    );
    let ping = &received[0].request;
    assert_eq!(
        (ping.number, ping.path.as_str(), ping.order()),
        (1, "/ping", Some("po_1.aa"))
    );
    let fields: Vec<_> = ping
        .fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        fields,
        [
            ("extra.a.b", "1"),
            ("extra.list", "[1,2]"),
            ("monthly_bill", "180"),
            ("state", "CA")
        ]
    );
    assert!(ping.body.starts_with(b"{"));
}

#[tokio::test]
async fn an_order_may_stand_in_the_body_too() {
    let buyer = poster(OnPost::accept()).await;
    let request = HttpRequest::post(buyer.url("/post")).header(CONTENT_TYPE, "application/json");
    client()
        .request(
            request
                .body(Full::new(Bytes::from_static(br#"{"order": "po_2.bb"}"#)))
                .unwrap(),
        )
        .await
        .unwrap();
    assert_eq!(buyer.posts()[0].request.order(), Some("po_2.bb"));
}

#[tokio::test]
async fn a_wait_ends_with_the_post_that_was_waited_for() {
    let buyer = Arc::new(poster(OnPost::accept()).await);
    let waiting = tokio::spawn({
        let buyer = Arc::clone(&buyer);
        async move {
            buyer.wait_for_posts(3).await;
            buyer.posts().len()
        }
    });
    for _ in 0..3 {
        answer(&buyer, "/post", json!({})).await;
    }
    assert_eq!(timeout(LONG, waiting).await.unwrap().unwrap(), 3);
    assert_eq!(buyer.counts().accepted, 3);
    let now = buyer.wait_until(|counts| counts.posts == 3).await;
    assert_eq!(now, buyer.counts());
}

#[tokio::test]
async fn connections_are_told_apart() {
    let buyer = poster(OnPost::accept()).await;
    // Each request has a client, and so a connection, of its own.
    for _ in 0..2 {
        answer(&buyer, "/post", json!({})).await;
    }
    let connections: BTreeSet<_> = buyer
        .posts()
        .iter()
        .map(|post| post.request.connection)
        .collect();
    assert_eq!(connections.len(), 2);
}

#[tokio::test]
async fn a_stopped_buyer_is_unreachable_and_its_port_can_be_taken_again() {
    let first = buyer(OnPing::never(), OnPost::accept()).await;
    let address = first.address();
    let hanging = HttpRequest::post(first.url("/ping"))
        .body(Full::default())
        .unwrap();
    let hanging = tokio::spawn(client().request(hanging));
    timeout(LONG, first.wait_for_pings(1)).await.unwrap();

    let url = first.url("/post");
    assert_eq!(timeout(LONG, first.stop()).await.unwrap().len(), 1);
    assert!(
        hanging.await.unwrap().is_err(),
        "what was never answered is broken off"
    );
    let refused = client()
        .request(HttpRequest::post(&url).body(Full::default()).unwrap())
        .await;
    assert!(refused.unwrap_err().is_connect());

    let second = MockBuyer::start(Setup {
        address,
        ..Setup::default()
    })
    .await
    .unwrap();
    assert_eq!(answer(&second, "/post", json!({})).await["accepted"], true);
}

#[tokio::test]
async fn a_client_that_never_finishes_its_request_does_not_hold_up_a_stop() {
    use tokio::io::AsyncWriteExt as _;

    let buyer = poster(OnPost::accept()).await;
    let mut stuck = tokio::net::TcpStream::connect(buyer.address())
        .await
        .unwrap();
    stuck
        .write_all(b"POST /post HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{")
        .await
        .unwrap();
    buyer.wait_until(|counts| counts.connections == 1).await;
    assert!(timeout(LONG, buyer.stop()).await.unwrap().is_empty());
}
