//! One slow buyer slows nobody: every ping has a deadline, and what has not answered by then
//! has not bid.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use gavel_example_solar::{
    buyers::{OnPing, OnPost},
    supplier::{Ping, PingAnswer},
};

use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{Account, CAMPAIGN, Host, Market, buyer, pinged, within};

/// Beyond the deadline a busy machine may need this for reading the answer here; that the
/// host itself is within 10 ms is measured by the benchmark, not by a test.
const READING: Duration = Duration::from_millis(400);

/// Of the deadline, kept for the record: a disk that others keep busy may need it. A quote that is
/// not on disk by the deadline is not given (`no_time`), which is another promise than these.
const RESERVE: &[(&str, &str)] = &[("GAVEL_ANSWER_RESERVE", "600ms")];

#[tokio::test]
async fn no_ping_is_answered_after_its_deadline_and_whoever_answered_is_counted() {
    let (never, quick) = (
        buyer(OnPing::never(), OnPost::accept()).await,
        buyer(OnPing::bid("11.00"), OnPost::accept()).await,
    );
    let market = Market::of([
        Account::bidding("never", &never),
        Account::bidding("quick", &quick),
    ])
    .on_terms("cost = { per_lead = \"5.00\" }\ndeadline = \"1500ms\"");
    let host = Host::start_with(&market.toml(), RESERVE).await;
    let pings = (0..60).map(|_| async {
        let began = Instant::now();
        let answer = host.ping().await;
        (answer, began.elapsed())
    });
    for (answer, took) in join_all(pings).await {
        assert!(took < Duration::from_millis(1500) + READING, "{took:?}");
        let PingAnswer::Bid { ping_id, .. } = answer else {
            panic!("somebody bids: {answer:?}")
        };
        assert_eq!(host.outcome(&ping_id, "quick").await, "won");
        assert_eq!(host.outcome(&ping_id, "never").await, "timeout");
    }
    assert_eq!(quick.counts().pings, 60);
}

#[tokio::test]
async fn a_supplier_may_ask_for_less_time_than_the_campaign_gives() {
    let late = buyer(
        OnPing::bid("11.00").after(Duration::from_secs(20)),
        OnPost::accept(),
    )
    .await;
    let fixed = buyer(OnPing::never(), OnPost::accept()).await;
    let market = Market::of([
        Account::bidding("late", &late).with("ping_timeout = \"20s\""),
        Account::fixed("fixed", "10.00", &fixed),
    ])
    .on_terms("cost = { per_lead = \"5.00\" }\ndeadline = \"20s\"");
    let host = Host::start_with(&market.toml(), RESERVE).await;
    let began = Instant::now();
    let ping = Ping {
        lead: pinged(),
        tmax_ms: Some(1000),
        ..Ping::default()
    };
    let answer = host.supplier().ping(CAMPAIGN, &ping).await;
    assert!(began.elapsed() < Duration::from_secs(1) + READING);
    let Ok(PingAnswer::Bid { ping_id, .. }) = answer else {
        panic!("the fixed price bids: {answer:?}")
    };
    assert_eq!(host.outcome(&ping_id, "late").await, "timeout");
}

#[tokio::test]
async fn with_too_little_time_left_a_buyer_is_not_asked() {
    let quick = buyer(OnPing::bid("11.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("quick", &quick)]);
    let host = Host::start_with(&market.toml(), &[("GAVEL_ANSWER_RESERVE", "40ms")]).await;
    let ping = Ping {
        lead: pinged(),
        tmax_ms: Some(50),
        ..Ping::default()
    };
    let answer = host.supplier().ping(CAMPAIGN, &ping).await;
    let Ok(PingAnswer::NoBid { ping_id, .. }) = answer else {
        panic!("nobody is asked: {answer:?}")
    };
    assert_eq!(host.outcome(&ping_id, "quick").await, "no_time");
    assert_eq!(quick.counts().pings, 0);
}

#[tokio::test]
async fn a_buyer_that_was_never_asked_since_too_much_was_out_is_overloaded_and_at_no_fault() {
    let (hangs, fine) = (
        buyer(OnPing::never(), OnPost::accept()).await,
        buyer(OnPing::bid("11.00"), OnPost::accept()).await,
    );
    let market = Market::of([
        Account::bidding("hangs", &hangs)
            .with("ping_timeout = \"30s\"\ncriteria = [{ field = \"state\", in = [\"CA\"] }]"),
        Account::bidding("fine", &fine)
            .with("ping_timeout = \"100ms\"\ncriteria = [{ field = \"state\", in = [\"TX\"] }]"),
    ])
    .on_terms("cost = { per_lead = \"5.00\" }\ndeadline = \"30s\"");
    let one_out = &[("GAVEL_OUTBOUND_CONNECTIONS", "1")];
    let host = Host::start_with(&market.toml(), one_out).await;
    let texan = Ping {
        lead: pinged()
            .into_iter()
            .chain([("state".to_owned(), "TX".into())])
            .collect(),
        ..Ping::default()
    };
    let others = async {
        within("it is asked", hangs.wait_for_pings(1)).await;
        // One more than open a circuit.
        for _ in 0..6 {
            let answer = host.supplier().ping(CAMPAIGN, &texan).await;
            let Ok(PingAnswer::NoBid { ping_id, .. }) = answer else {
                panic!("nobody can be asked: {answer:?}")
            };
            assert_eq!(host.outcome(&ping_id, "fine").await, "overloaded");
        }
    };
    tokio::select! {
        answer = host.ping() => panic!("it is not answered meanwhile: {answer:?}"),
        () = others => {}
    }
    assert_eq!(fine.counts().pings, 0);
}

#[tokio::test]
async fn a_buyer_whose_turn_comes_when_its_time_is_over_is_not_late() {
    let (hangs, fine) = (
        buyer(OnPing::never(), OnPost::accept()).await,
        buyer(OnPing::bid("11.00"), OnPost::accept()).await,
    );
    // The one place that there is becomes free just when it is of no use to the other any more.
    let market = Market::of([
        Account::bidding("ahead", &hangs).with("ping_timeout = \"200ms\""),
        Account::bidding("fine", &fine).with("ping_timeout = \"200ms\""),
    ]);
    let one_out = &[("GAVEL_OUTBOUND_CONNECTIONS", "1")];
    let host = Host::start_with(&market.toml(), one_out).await;
    let mut asked = 0;
    for _ in 0..6 {
        let PingAnswer::NoBid { ping_id, .. } = host.ping().await else {
            // It was asked first.
            asked += 1;
            continue;
        };
        assert_eq!(host.outcome(&ping_id, "fine").await, "overloaded");
    }
    assert_eq!(fine.counts().pings, asked);
}

#[tokio::test]
async fn a_buyer_to_whom_there_is_no_connection_in_time_is_unreachable() {
    let buyer = buyer(OnPing::bid("11.00"), OnPost::accept()).await;
    // Takes one connection into its queue, and no more.
    let full = TcpSocket::new_v4().expect("a socket");
    full.bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a free port");
    let full = full.listen(0).expect("it listens");
    let address = full.local_addr().expect("bound");
    let _queued = TcpStream::connect(address).await.expect("the first");
    let account = Account::bidding("full", &buyer)
        .replacing(&buyer.address().to_string(), &address.to_string())
        .with("ping_timeout = \"200ms\"");
    let host = Host::start_with(&Market::of([account]).toml(), RESERVE).await;
    let PingAnswer::NoBid { ping_id, .. } = host.ping().await else {
        panic!("it cannot be asked")
    };
    assert_eq!(host.outcome(&ping_id, "full").await, "unreachable");
}
