//! How long things are kept, and how long a supplier waits.

use std::time::{Duration, Instant};

use gavel_example_solar::{
    buyers::{OnPing, OnPost},
    supplier::PostAnswer,
};
use hyper::{Method, StatusCode};

use crate::harness::{Account, Host, Market, buyer, eventually};

async fn is_gone(host: &Host, path: &str) -> Option<()> {
    let (status, _) = host.admin(Method::GET, path, "", "application/json").await;
    (status == StatusCode::NOT_FOUND).then_some(())
}

#[tokio::test]
async fn pings_and_leads_are_kept_as_long_as_the_market_says_and_counts_for_good() {
    let taker = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("one", &taker)])
        .on_terms("cost = { per_lead = \"5.00\" }\nwindow = \"1s\"");
    let kept = "currency = \"USD\"\nretention = \"4s\"\nping_retention = \"2s\"";
    let host = Host::start_with(&market.toml().replace("currency = \"USD\"", kept), &[]).await;
    let never_posted = host.order().await;
    let sold = host.order().await;
    let answer = host.post(&sold).await.expect("in time");
    assert!(matches!(answer, PostAnswer::Sold { .. }), "{answer:?}");
    let (order, ping) = (
        format!("/orders/{never_posted}"),
        format!("/pings/pg_{}", &never_posted[3..]),
    );
    let lead = format!("/leads/{}", answer.lead_id());
    assert_eq!(host.get(&lead).await["state"], "sold");
    eventually("a ping is erased", || is_gone(&host, &ping)).await;
    eventually("an order that nobody posted to is erased", || {
        is_gone(&host, &order)
    })
    .await;
    eventually("a posted lead is erased", || is_gone(&host, &lead)).await;
    // What was sold stays counted.
    let usage = host.get("/accounts/one/usage").await;
    assert_eq!(usage["budget"]["total"]["sold"], "20.00", "{usage}");
}

#[tokio::test]
async fn a_post_is_answered_by_its_deadline_and_what_is_out_is_unconfirmed() {
    let silent = buyer(OnPing::bid("20.00"), OnPost::never()).await;
    let market = Market::of([Account::bidding("silent", &silent).with("post_timeout = \"60s\"")])
        .post("deadline = \"1s\"");
    let host = Host::start(&market).await;
    let order = host.order().await;
    let began = Instant::now();
    let answer = host.post(&order).await.expect("answered");
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    let PostAnswer::Rejected { reason, .. } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(reason, "delivery_unconfirmed");
    assert_eq!(host.unconfirmed().await.len(), 1);
}
