//! Several buyers for one lead, and who is asked just before.

use std::time::Duration;

use gavel_example_solar::{
    buyers::{MockBuyer, OnPing, OnPost, Setup},
    supplier::PostAnswer,
};
use serde_json::{Value, json};

use crate::harness::{Account, Host, Market, buyer, enquiry, eventually, within};

/// Account, outcome and marks of each delivery, in the order in which they were first tried.
fn deliveries(story: &Value) -> Vec<(String, String, Vec<String>)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let deliveries = story["deliveries"].as_array().expect("a list").iter();
    deliveries
        .map(|delivery| {
            let marks = delivery["marks"].as_array().expect("a list").iter();
            (
                text(&delivery["account"]),
                text(&delivery["outcome"]),
                marks.map(text).collect(),
            )
        })
        .collect()
}

async fn story(host: &Host, answer: &PostAnswer) -> Value {
    host.get(&format!("/leads/{}", answer.lead_id())).await
}

#[tokio::test]
async fn shared_buyers_get_a_lead_at_the_same_time_and_a_fallback_takes_the_place_of_one() {
    // None of them answers before all have it.
    let together = |bid: &str, post: OnPost| {
        let bid = OnPing::bid(bid);
        async move { buyer(bid, post.after(Duration::from_secs(1))).await }
    };
    let (first, second, third) = (
        together("30.00", OnPost::accept()).await,
        together("20.00", OnPost::reject("no")).await,
        together("10.00", OnPost::accept()).await,
    );
    let host = Host::start(
        &Market::of([
            Account::bidding("first", &first),
            Account::bidding("second", &second),
            Account::bidding("third", &third),
        ])
        .on_terms("cost = { revenue_share = \"50\" }\nmax_deliveries = 2"),
    )
    .await;
    let order = host.order().await;
    let began = std::time::Instant::now();
    let answer = host.post(&order).await.expect("in time");
    assert!(
        began.elapsed() < Duration::from_millis(2900),
        "two, and then one: {:?}",
        began.elapsed()
    );
    assert!(
        matches!(&answer, PostAnswer::Sold { deliveries: 2, payout, .. } if payout == "25.00"),
        "{answer:?}"
    );
    let story = story(&host, &answer).await;
    let mut outcomes = deliveries(&story);
    outcomes.sort();
    let is = |account: &str, outcome: &str, marks: &[&str]| {
        let marks = marks.iter().map(|mark| (*mark).to_owned()).collect();
        (account.to_owned(), outcome.to_owned(), marks)
    };
    assert_eq!(
        outcomes,
        [
            is("first", "sold", &[]),
            is("second", "rejected", &[]),
            is("third", "sold", &[])
        ]
    );
}

#[tokio::test]
async fn a_fallback_skips_an_account_whose_cap_is_full() {
    let (best, full, last) = (
        buyer(OnPing::bid("30.00"), OnPost::accept()).await,
        buyer(OnPing::bid("20.00"), OnPost::accept()).await,
        buyer(OnPing::bid("10.00"), OnPost::accept()).await,
    );
    let host = Host::start(&Market::of([
        Account::bidding("best", &best),
        Account::bidding("full", &full).with("caps = { total = 1 }"),
        Account::bidding("last", &last),
    ]))
    .await;
    // All three bid on both; the cap is still free for the one of them that gets it.
    let orders = [host.order().await, host.order().await];
    best.on_post(OnPost::reject("no"));
    for (order, expected) in orders.iter().zip([
        &[("best", "rejected"), ("full", "sold")][..],
        &[
            ("best", "rejected"),
            ("full", "lost_room"),
            ("last", "sold"),
        ],
    ]) {
        let answer = host.post(order).await.expect("in time");
        assert!(matches!(answer, PostAnswer::Sold { .. }), "{answer:?}");
        let outcomes = deliveries(&story(&host, &answer).await);
        let outcomes: Vec<_> = outcomes
            .iter()
            .map(|(account, outcome, _)| (account.as_str(), outcome.as_str()))
            .collect();
        assert_eq!(outcomes, expected);
    }
    assert_eq!(full.counts().posts, 1);
}

#[tokio::test]
async fn a_lower_price_is_a_price_cut_and_too_little_in_all_a_partial_loss() {
    let (first, second) = (
        buyer(OnPing::bid("12.00"), OnPost::accept_at("9.00")).await,
        buyer(OnPing::bid("11.00"), OnPost::reject("no")).await,
    );
    let host = Host::start(
        &Market::of([
            Account::bidding("first", &first),
            Account::bidding("second", &second),
        ])
        .on_terms("cost = { per_lead = \"15.00\" }\nmax_deliveries = 2"),
    )
    .await;
    let order = host.order().await;
    let answer = host.post(&order).await.expect("in time");
    assert!(
        matches!(&answer, PostAnswer::Sold { deliveries: 1, payout, .. } if payout == "15.00"),
        "the quote stands: {answer:?}"
    );
    let story = story(&host, &answer).await;
    let sold = deliveries(&story)
        .into_iter()
        .find(|(account, ..)| account == "first")
        .expect("tried");
    assert_eq!(sold.1, "sold");
    assert_eq!(sold.2, ["price_cut", "partial_loss"]);
    let prices = story["deliveries"].as_array().unwrap().iter();
    assert!(
        prices.into_iter().any(|sold| sold["price"] == "9.00"),
        "{story}"
    );
}

#[tokio::test]
async fn a_buyer_with_a_fixed_price_is_asked_just_before_and_passed_over_where_it_wants_less() {
    let asked = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let next = buyer(OnPing::never(), OnPost::accept()).await;
    let host = Host::start(&Market::of([
        Account::bidding("asked", &asked)
            .with("price = \"20.00\"\nping_during_sort = false\nping_before_post = true"),
        Account::fixed("next", "10.00", &next),
    ]))
    .await;
    let order = host.order().await;
    assert_eq!(asked.counts().pings, 0, "not at the ping");
    let answer = host.post(&order).await.expect("in time");
    assert_eq!(
        deliveries(&story(&host, &answer).await)[0].1,
        "sold",
        "{answer:?}"
    );
    assert!(asked.pings()[0].request.field("first_name").is_none());
    let post = &asked.posts()[0].request;
    assert_eq!(
        (post.field("reference"), post.field("price")),
        (Some("quote-1"), Some("20.00"))
    );
    for (plan, outcome) in [
        (OnPing::bid("19.99"), "below_floor"),
        (OnPing::no_bid("enough"), "declined"),
        (OnPing::bid("much"), "invalid_bid"),
    ] {
        asked.on_ping(plan);
        let order = host.order().await;
        let answer = host.post(&order).await.expect("in time");
        let outcomes = deliveries(&story(&host, &answer).await);
        let outcomes: Vec<_> = outcomes
            .iter()
            .map(|(account, outcome, _)| (account.as_str(), outcome.as_str()))
            .collect();
        assert_eq!(outcomes, [("asked", outcome), ("next", "sold")]);
    }
    // More than its price, or no amount: its price stands.
    for plan in [OnPing::bid("25.00"), OnPing::accept()] {
        asked.on_ping(plan);
        let order = host.order().await;
        let answer = host.post(&order).await.expect("in time");
        let story = story(&host, &answer).await;
        assert_eq!(story["deliveries"][0]["price"], "20.00", "{story}");
    }
}

#[tokio::test]
async fn an_accepted_lead_goes_on_over_restarts_until_every_place_is_filled() {
    let (first, second) = (
        buyer(OnPing::bid("30.00"), OnPost::accept()).await,
        buyer(OnPing::bid("20.00"), OnPost::accept()).await,
    );
    let address = second.address();
    let mut host = Host::start(
        &Market::of([
            Account::bidding("first", &first),
            Account::bidding("second", &second)
                .with("retry = { attempts = 100, wait = \"500ms\" }"),
        ])
        .on_terms("cost = { revenue_share = \"50\" }\nmax_deliveries = 2")
        .post("reject_for_not_delivered = false"),
    )
    .await;
    let order = host.order().await;
    second.stop().await;
    let answer = host.post(&order).await.expect("in time");
    assert!(matches!(answer, PostAnswer::Accepted { .. }), "{answer:?}");
    eventually("one has it, and the other is tried again", || async {
        let tried = deliveries(&story(&host, &answer).await);
        let is = |outcome: &str| tried.iter().any(|(_, found, _)| found == outcome);
        (is("sold") && is("retrying")).then_some(())
    })
    .await;
    host.kill_and_restart().await;
    let second = MockBuyer::start(Setup {
        address,
        ..Setup::default()
    })
    .await
    .expect("the port is free again");
    let story = eventually("both have it", || async {
        let story = story(&host, &answer).await;
        let sold = deliveries(&story)
            .iter()
            .filter(|(_, outcome, _)| outcome == "sold")
            .count();
        (sold == 2).then_some(story)
    })
    .await;
    assert_eq!((first.counts().posts, second.counts().posts), (1, 1));
    let costs = story["ledger"].as_array().unwrap().iter();
    let costs: Vec<_> = costs
        .filter(|entry| entry["kind"] == "cost")
        .map(|entry| entry["amount"].clone())
        .collect();
    assert_eq!(costs, [json!("15.00"), json!("10.00")]);
}

#[tokio::test]
async fn a_campaigns_cap_that_is_taken_at_the_post_rejects_what_comes_after() {
    let one = buyer(OnPing::bid("30.00"), OnPost::accept()).await;
    let host = Host::start(
        &Market::of([Account::bidding("one", &one)])
            .on_terms("cost = { per_lead = \"5.00\" }\ncaps = { total = 1 }\nhold = \"post\""),
    )
    .await;
    let orders = [host.order().await, host.order().await];
    let first = host.post(&orders[0]).await.expect("in time");
    assert!(matches!(first, PostAnswer::Sold { .. }), "{first:?}");
    let second = host.post(&orders[1]).await.expect("in time");
    assert!(
        matches!(&second, PostAnswer::Rejected { reason, .. } if reason == "campaign_cap_reached"),
        "{second:?}"
    );
    assert_eq!(
        host.post(&orders[1]).await.expect("in time"),
        second,
        "the same post again"
    );
    assert!(
        host.ping_lead(enquiry()).await.is_err(),
        "and the next ping is told so"
    );
    assert_eq!(one.counts().posts, 1);
}

#[tokio::test]
async fn a_place_that_is_free_is_tried_again_while_another_buyer_takes_its_time() {
    let (slow, away) = (
        buyer(
            OnPing::bid("30.00"),
            OnPost::accept().after(Duration::from_secs(3)),
        )
        .await,
        buyer(OnPing::bid("20.00"), OnPost::accept()).await,
    );
    let address = away.address();
    let host = Host::start(
        &Market::of([
            Account::bidding("slow", &slow),
            Account::bidding("away", &away).with("retry = { attempts = 50, wait = \"200ms\" }"),
        ])
        .on_terms("cost = { per_lead = \"5.00\" }\nmax_deliveries = 2"),
    )
    .await;
    let order = host.order().await;
    away.stop().await;
    let back = async {
        within("the other has it", slow.wait_for_posts(1)).await;
        let back = MockBuyer::start(Setup {
            address,
            ..Setup::default()
        });
        let back = back.await.expect("the port is free again");
        within("it is tried again", back.wait_for_posts(1)).await;
        back
    };
    let waiting = host.post(&order);
    tokio::pin!(waiting);
    let _back = tokio::select! {
        answer = &mut waiting => panic!("the slow one is waited for: {answer:?}"),
        back = back => back,
    };
    let answer = waiting.await.expect("in time");
    assert!(
        matches!(answer, PostAnswer::Sold { deliveries: 2, .. }),
        "{answer:?}"
    );
}
