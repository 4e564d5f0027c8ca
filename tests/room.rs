//! Caps, budgets, turns and duplicates: what quotes hold of an account's room and of a campaign's, and
//! what an account has already.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use gavel_example_solar::{
    buyers::{MockBuyer, OnPing, OnPost},
    supplier::{PingAnswer, PostAnswer, SupplierError},
};
use hyper::{Method, body::Bytes};

use crate::harness::{Account, Host, Market, buyer, eventually, pinged};

/// A buyer of fixed prices: it is never pinged.
async fn taker() -> MockBuyer {
    buyer(OnPing::never(), OnPost::accept()).await
}

/// Pings, and says who won, if anybody did.
async fn winner(host: &Host) -> Option<String> {
    let PingAnswer::Bid { ping_id, .. } = host.ping().await else {
        return None;
    };
    Some(winner_of(host, &ping_id).await)
}

async fn winner_of(host: &Host, ping: &str) -> String {
    let record = host.get(&format!("/pings/{ping}")).await;
    let outcomes = record["outcomes"].as_array().expect("a list");
    let won = outcomes.iter().find(|one| one["code"] == "won");
    won.expect("somebody won")["account"]
        .as_str()
        .expect("a name")
        .to_owned()
}

/// A ping that nobody bids on: its id.
async fn nobody(host: &Host) -> String {
    match host.ping().await {
        PingAnswer::NoBid { ping_id, .. } => ping_id,
        other @ PingAnswer::Bid { .. } => panic!("nobody bids: {other:?}"),
    }
}

/// Whether a recorded ping, decided again, comes to the same.
async fn replays_the_same(host: &Host, ping: &str) -> bool {
    let path = format!("/pings/{ping}/replay");
    let (status, said) = host
        .admin(Method::POST, &path, Bytes::new(), "application/json")
        .await;
    assert_eq!(status, 200, "{said}");
    said["same"] == true
}

#[tokio::test]
async fn an_account_whose_cap_is_held_is_not_asked_until_the_window_ends() {
    let bidder = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("one", &bidder).with("caps = { per_day = 1 }")])
        .on_terms("cost = { per_lead = \"5.00\" }\nwindow = \"5s\"");
    let host = Host::start(&market).await;
    host.order().await;
    let ping = nobody(&host).await;
    assert_eq!(host.outcome(&ping, "one").await, "cap_reached");
    assert_eq!(bidder.counts().pings, 1, "only the first ping was told");
    assert!(replays_the_same(&host, &ping).await);
    eventually("the hold ends with its order", async || winner(&host).await).await;
}

#[tokio::test]
async fn what_is_sold_stays_counted_and_what_is_held_only_at_the_post_does_not_count_before() {
    let taker = taker().await;
    let market = Market::of([
        Account::fixed("one", "20.00", &taker).with("caps = { per_day = 1 }\nhold = \"post\"")
    ]);
    let host = Host::start(&market).await;
    let (first, _second) = (host.order().await, host.order().await);
    let answer = host.post(&first).await.expect("in time");
    assert!(matches!(answer, PostAnswer::Sold { .. }), "{answer:?}");
    let ping = nobody(&host).await;
    assert_eq!(host.outcome(&ping, "one").await, "cap_reached");
}

#[tokio::test]
async fn a_bid_above_what_is_left_of_its_budget_is_not_taken_and_without_any_left_nobody_is_asked()
{
    let (large, small) = (taker().await, taker().await);
    let market = Market::of([
        Account::fixed("large", "20.00", &large).with("budget = { per_day = \"30.00\" }"),
        Account::fixed("small", "10.00", &small).with("budget = { per_day = \"10.00\" }"),
    ]);
    let host = Host::start(&market).await;
    assert_eq!(winner(&host).await.as_deref(), Some("large"));
    assert_eq!(winner(&host).await.as_deref(), Some("small"));
    let ping = nobody(&host).await;
    let record = host.get(&format!("/pings/{ping}")).await;
    let outcomes = record["outcomes"].as_array().expect("a list");
    assert_eq!(outcomes[0]["code"], "budget_reached");
    assert_eq!(outcomes[0]["bid"], "20.00", "10.00 of it are left");
    assert_eq!(outcomes[1]["code"], "budget_reached");
    assert!(outcomes[1]["bid"].is_null(), "nothing of it is left");
    assert!(replays_the_same(&host, &ping).await);
}

#[tokio::test]
async fn pings_that_race_for_the_last_room_get_it_once_each_and_the_rest_go_elsewhere() {
    const ROOM: usize = 3;
    const PINGS: usize = 16;
    let dear = buyer(
        OnPing::bid("20.00").after(Duration::from_millis(1500)),
        OnPost::accept(),
    )
    .await;
    let cheap = taker().await;
    let market = Market::of([
        Account::bidding("dear", &dear).with(&format!(
            "caps = {{ total = {ROOM} }}\nping_timeout = \"8s\""
        )),
        Account::fixed("cheap", "10.00", &cheap),
    ])
    .on_terms("cost = { per_lead = \"5.00\" }\ndeadline = \"10s\"");
    let host = Host::start(&market).await;
    let mut outcomes = BTreeMap::<(String, String), usize>::new();
    for answer in join_all((0..PINGS).map(|_| host.ping())).await {
        let PingAnswer::Bid {
            ping_id,
            ping_order_id,
            ..
        } = answer
        else {
            panic!("the cheap one always has room: {answer:?}")
        };
        let both = (
            host.outcome(&ping_id, "dear").await,
            host.outcome(&ping_id, "cheap").await,
        );
        let order = host.get(&format!("/orders/{ping_order_id}")).await;
        let bids = order["bids"].as_array().expect("a list");
        if both.0 == "won" {
            assert_eq!((&bids[0]["account"], bids.len()), (&"dear".into(), 2));
        } else {
            // What lost its room is no bid of the order's: its places are the others'.
            assert_eq!((&bids[0]["account"], bids.len()), (&"cheap".into(), 1));
        }
        assert!(replays_the_same(&host, &ping_id).await);
        *outcomes.entry(both).or_default() += 1;
    }
    let of = |dear: &str, cheap: &str| {
        let key = (dear.to_owned(), cheap.to_owned());
        outcomes.get(&key).copied().unwrap_or_default()
    };
    assert_eq!(of("won", "outbid"), ROOM, "{outcomes:?}");
    let (lost, full) = (of("lost_room", "won"), of("cap_reached", "won"));
    assert_eq!(lost + full, PINGS - ROOM, "{outcomes:?}");
    assert!(lost > 0, "they raced: {outcomes:?}");
}

#[tokio::test]
async fn a_campaign_without_room_says_so_before_anybody_is_asked() {
    let bidder = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("one", &bidder)])
        .on_terms("cost = { per_lead = \"5.00\" }\ncaps = { per_day = 2 }");
    let host = Host::start(&market).await;
    let pings = join_all((0..6).map(|_| host.ping_lead(pinged()))).await;
    let (quoted, refused): (Vec<_>, Vec<_>) = pings.into_iter().partition(Result::is_ok);
    assert_eq!(quoted.len(), 2);
    for refusal in refused {
        let Err(SupplierError::Refused(problem)) = refusal else {
            panic!("a problem")
        };
        assert_eq!(
            (problem.status, problem.code.as_str()),
            (429, "campaign_cap_reached")
        );
    }
    let asked = bidder.counts().pings;
    assert!(host.ping_lead(pinged()).await.is_err());
    assert_eq!(bidder.counts().pings, asked);
}

#[tokio::test]
async fn taking_turns_goes_by_whoever_was_sold_to_longest_ago() {
    let taker = taker().await;
    let market = Market::of([
        Account::fixed("a", "10.00", &taker),
        Account::fixed("b", "30.00", &taker),
        Account::fixed("c", "20.00", &taker),
    ])
    .on_terms("cost = { per_lead = \"5.00\" }\nselection = { by = \"round_robin\" }");
    let host = Host::start(&market).await;
    let mut pings = Vec::new();
    for expected in ["a", "b", "c", "a", "b", "c"] {
        let PingAnswer::Bid { ping_id, .. } = host.ping().await else {
            panic!("all bid")
        };
        assert_eq!(winner_of(&host, &ping_id).await, expected);
        pings.push(ping_id);
    }
    // Whose turn it was then is kept: it is another's by now.
    for ping in pings {
        assert!(replays_the_same(&host, &ping).await);
    }
}

#[tokio::test]
async fn by_weight_each_gets_its_part() {
    let taker = taker().await;
    let market = Market::of([
        Account::fixed("large", "10.00", &taker).with("weight = 3"),
        Account::fixed("small", "30.00", &taker),
    ])
    .on_terms(
        "cost = { per_lead = \"5.00\" }\nselection = { by = \"weighted\", then = \"price\" }",
    );
    let host = Host::start(&market).await;
    let mut won = BTreeMap::<String, u32>::new();
    for _ in 0..8 {
        *won.entry(winner(&host).await.expect("all bid"))
            .or_default() += 1;
    }
    assert_eq!(
        won,
        BTreeMap::from([("large".into(), 6), ("small".into(), 2)])
    );
}

#[tokio::test]
async fn an_account_is_not_asked_for_a_lead_that_it_has_as_far_as_a_ping_can_tell() {
    let taker = taker().await;
    let market = Market::of([
        Account::fixed("by-zip", "30.00", &taker).with(
            "duplicates = { fields = [\"zip\", \"phone\"], match = \"any\", within = \"1d\" }",
        ),
        Account::fixed("by-both", "20.00", &taker).with(
            "duplicates = { fields = [\"zip\", \"phone\"], match = \"all\", within = \"1d\" }",
        ),
    ])
    .on_terms("cost = { per_lead = \"5.00\" }\nmax_deliveries = 2");
    let host = Host::start(&market).await;
    let order = host.order().await;
    let answer = host.post(&order).await.expect("in time");
    assert!(
        matches!(answer, PostAnswer::Sold { deliveries: 2, .. }),
        "{answer:?}"
    );
    // The phone number comes only with the post.
    let PingAnswer::Bid { ping_id, .. } = host.ping().await else {
        panic!("one of them cannot know yet")
    };
    assert_eq!(host.outcome(&ping_id, "by-zip").await, "duplicate");
    assert_eq!(host.outcome(&ping_id, "by-both").await, "won");
    let mut elsewhere = pinged();
    elsewhere.insert("zip".into(), "10001".into());
    let answer = host.ping_lead(elsewhere).await.expect("understood");
    let PingAnswer::Bid { ping_id, .. } = answer else {
        panic!("another zip: {answer:?}")
    };
    assert_eq!(host.outcome(&ping_id, "by-zip").await, "won");
}
