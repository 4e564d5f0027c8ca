//! `oauth2` secrets: tokens that the host fetches, from an endpoint on this machine.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use gavel_example_solar::{
    buyers::{Fault, OnPing, OnPost},
    supplier::{PingAnswer, PostAnswer},
};
use hyper::Method;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    harness::{Account, Host, Market, buyer},
    secrecy::files_with,
};

const TOKEN: &str = "t0k3n-unmistakable-value";
const SECRET: &str = "cl13nt-unmistakable-value";
const CLIENT: &[(&str, &str)] = &[("TEST_CLIENT", "gavel"), ("TEST_SECRET", SECRET)];

/// A token endpoint that answers every request like this; its URL, and how often it was asked.
async fn endpoint(status: &'static str, body: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!(
        "http://{}/token",
        listener.local_addr().expect("an address")
    );
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut request = Vec::new();
            // The form is the last that is sent.
            while !request.ends_with(b"grant_type=client_credentials")
                && stream
                    .read_buf(&mut request)
                    .await
                    .is_ok_and(|read| read > 0)
            {}
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, asked)
}

/// The account with a token in every request.
fn bearing(account: Account, token_url: &str) -> Account {
    account
        .replacing(
            "format = \"json\"",
            "format = \"json\", headers = { authorization = \"Bearer {{secret:TOKEN}}\" }",
        )
        .with(&format!(
            "secrets = {{ TOKEN = {{ oauth2 = {{ token_url = \"{token_url}\", client_id = {{ env = \"TEST_CLIENT\" }}, client_secret = {{ env = \"TEST_SECRET\" }} }} }} }}"
        ))
}

#[tokio::test]
async fn a_token_is_fetched_once_reaches_its_buyer_and_is_in_no_file_log_or_answer() {
    let grant = format!(r#"{{"access_token":"{TOKEN}","token_type":"Bearer","expires_in":3600}}"#);
    let (token_url, asked) = endpoint("200 OK", grant).await;
    let buyer = buyer(
        OnPing::no_bid(&format!("your token {TOKEN} is not good enough")),
        OnPost::accept(),
    )
    .await;
    let market = Market::of([bearing(Account::bidding("one", &buyer), &token_url)]);
    let mut host = Host::start_with(&market.toml(), CLIENT).await;
    for _ in 0..10 {
        let PingAnswer::NoBid { ping_id, .. } = host.ping().await else {
            panic!("the buyer declines")
        };
        let record = host.get(&format!("/pings/{ping_id}")).await.to_string();
        assert!(!record.contains(TOKEN), "{record}");
        assert!(record.contains("{{secret:TOKEN}}"), "{record}");
    }
    let bearer = format!("Bearer {TOKEN}");
    for ping in buyer.pings() {
        assert_eq!(ping.request.header("authorization"), Some(bearer.as_str()));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let (_, market) = host
        .admin(Method::GET, "/market", "", "application/json")
        .await;
    let metrics = host.root("/metrics").await;
    assert!(metrics.contains("gavel_token_fetches_total"), "{metrics}");
    assert!(host.stop().await.success());
    for value in [TOKEN, SECRET] {
        assert!(!market.to_string().contains(value) && !metrics.contains(value));
        assert_eq!(files_with(host.folder(), value), Vec::<String>::new());
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_a_ping_has_no_answer_and_a_delivery_moves_on() {
    let refusal = format!(r#"{{"error":"invalid_client","error_description":"{SECRET}"}}"#);
    let (token_url, _asked) = endpoint("401 Unauthorized", refusal).await;
    let bearer = buyer(OnPing::bid("40.00"), OnPost::accept()).await;
    let plain = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([
        bearing(Account::bidding("bidder", &bearer), &token_url),
        bearing(Account::fixed("first", "30.00", &bearer), &token_url),
        Account::bidding("second", &plain),
    ]);
    let mut host = Host::start_with(&market.toml(), CLIENT).await;
    let PingAnswer::Bid {
        ping_id,
        ping_order_id,
        ..
    } = host.ping().await
    else {
        panic!("a fixed price bids")
    };
    assert_eq!(host.outcome(&ping_id, "bidder").await, "unreachable");
    assert_eq!(host.outcome(&ping_id, "first").await, "won");
    let answer = host.post(&ping_order_id).await.expect("in time");
    assert!(matches!(answer, PostAnswer::Sold { .. }), "{answer:?}");
    assert_eq!(bearer.counts().total(), 0);
    assert_eq!(plain.counts().posts, 1);
    assert!(host.unconfirmed().await.is_empty());
    let metrics = host.root("/metrics").await;
    let refused = |line: &str| {
        line.starts_with("gavel_token_fetches_total") && line.contains("outcome=\"refused\"")
    };
    assert!(metrics.lines().any(refused), "{metrics}");
    assert!(host.stop().await.success());
    assert_eq!(files_with(host.folder(), SECRET), Vec::<String>::new());
}

#[tokio::test]
async fn a_buyer_that_does_not_accept_the_token_gets_its_lead_only_once() {
    let grant = format!(r#"{{"access_token":"{TOKEN}","token_type":"Bearer"}}"#);
    let (token_url, asked) = endpoint("200 OK", grant).await;
    let buyer = buyer(OnPing::bid("40.00"), OnPost::Fault(Fault::Status(401))).await;
    let market = Market::of([bearing(Account::fixed("one", "30.00", &buyer), &token_url)]);
    let host = Host::start_with(&market.toml(), CLIENT).await;
    let order = host.order().await;
    host.post(&order).await.expect("in time");
    assert_eq!(buyer.counts().posts, 1);
    assert_eq!(host.unconfirmed().await.len(), 1);
    // Another token is fetched all the same, for the leads to come.
    crate::harness::eventually("another token", || async {
        (asked.load(Ordering::SeqCst) == 2).then_some(())
    })
    .await;
}
