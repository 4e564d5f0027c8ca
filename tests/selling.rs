//! A lead sold end to end, and what is kept of it.

use gavel_example_solar::{
    buyers::{Fault, MockBuyer, OnPing, OnPost, Setup},
    supplier::{PingAnswer, PostAnswer},
};
use serde_json::json;

use crate::harness::{Account, Host, Market, buyer, eventually, pinged, within};

#[tokio::test]
async fn the_best_of_several_bids_is_quoted_and_its_buyer_gets_the_whole_lead() {
    let (cheap, dear) = (
        buyer(OnPing::bid("12.00"), OnPost::accept()).await,
        buyer(
            OnPing::bid("31.50"),
            OnPost::accept_and_redirect("https://thanks.example.com/x"),
        )
        .await,
    );
    let fixed = buyer(OnPing::never(), OnPost::accept()).await;
    let market = Market::of([
        Account::bidding("cheap", &cheap),
        Account::bidding("dear", &dear),
        Account::fixed("fixed", "20.00", &fixed),
    ])
    .on_terms("cost = { revenue_share = \"70\" }");
    let host = Host::start(&market).await;

    let PingAnswer::Bid {
        ping_id,
        ping_order_id,
        bid,
        deliveries,
        currency,
        ..
    } = host.ping().await
    else {
        panic!("somebody bids")
    };
    assert_eq!(
        (bid.as_str(), deliveries, currency.as_str()),
        ("22.05", 1, "USD")
    );
    assert_eq!(
        (
            cheap.counts().pings,
            dear.counts().pings,
            fixed.counts().pings
        ),
        (1, 1, 0)
    );

    let answer = host.post(&ping_order_id).await.expect("in time");
    let PostAnswer::Sold {
        lead_id,
        payout,
        deliveries,
        redirect_url,
        ..
    } = answer
    else {
        panic!("sold: {answer:?}")
    };
    assert_eq!(
        (payout.as_str(), deliveries, redirect_url.as_deref()),
        ("22.05", 1, Some("https://thanks.example.com/x"))
    );
    assert_eq!(ping_id[3..], lead_id[3..], "one ULID");
    let posts = dear.posts();
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0].request.field("first_name"), Some("Philippa"));
    assert_eq!(posts[0].request.field("phone"), Some("+14155550137"));
    assert_eq!(posts[0].request.field("monthly_bill"), Some("180"));
    assert_eq!(cheap.counts().posts + fixed.counts().posts, 0);
    assert!(
        dear.pings()[0].request.field("first_name").is_none(),
        "nothing personal at the ping"
    );

    let lead = host.get(&format!("/leads/{lead_id}")).await;
    assert_eq!(lead["state"], "sold");
    assert_eq!(lead["deliveries"][0]["account"], "dear");
    assert_eq!(lead["deliveries"][0]["outcome"], "sold");
    assert_eq!(lead["deliveries"][0]["price"], "31.50");
    let record = host.get(&format!("/pings/{ping_id}")).await;
    assert_eq!(record["answer"]["status"], "bid");
    assert_eq!(record["outcomes"].as_array().map(Vec::len), Some(3));
    assert_eq!(host.outcome(&ping_id, "dear").await, "won");
    assert_eq!(host.outcome(&ping_id, "cheap").await, "outbid");
}

#[tokio::test]
async fn criteria_and_a_wasm_filter_decide_who_is_asked() {
    let bidder = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([
        Account::bidding("texan", &bidder)
            .with("criteria = [{ field = \"state\", in = [\"TX\"] }]"),
        Account::bidding("sunny", &bidder)
            .with("filter = { plugin = \"roof-filter\", config = { shade = [\"none\"] } }"),
        Account::bidding("floored", &bidder).with("min_price = \"20.01\""),
        Account::bidding("paused", &bidder).with("status = \"paused\""),
    ]);
    let host = Host::start(&market).await;
    let mut shaded = pinged();
    shaded.insert("roof_shade".into(), json!("full"));
    let answer = host.ping_lead(shaded).await.expect("understood");
    let PingAnswer::NoBid { ping_id, reason } = answer else {
        panic!("nobody bids: {answer:?}")
    };
    assert_eq!(reason, "no_coverage");
    assert_eq!(host.outcome(&ping_id, "texan").await, "criteria");
    assert_eq!(host.outcome(&ping_id, "sunny").await, "filtered");
    assert_eq!(host.outcome(&ping_id, "floored").await, "below_floor");
    assert_eq!(host.outcome(&ping_id, "paused").await, "not_active");
    let record = host.get(&format!("/pings/{ping_id}")).await;
    let of = |account: &str| {
        record["outcomes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["account"] == account)
            .unwrap()
            .clone()
    };
    assert_eq!(of("texan")["detail"]["field"], "state");
    assert_eq!(of("texan")["number"], 205);
    assert_eq!(of("sunny")["detail"]["code"], "roof_shaded");
    assert_eq!(
        bidder.counts().pings,
        1,
        "only the account with the floor was asked"
    );
}

#[tokio::test]
async fn every_kind_of_criterion_decides_who_is_asked() {
    let bidder = buyer(OnPing::never(), OnPost::accept()).await;
    // Of the usual lead: met, and not met.
    let criteria = [
        ("state", "in = [\"CA\", \"AZ\"]", "in = [\"AZ\"]"),
        ("state", "not_in = [\"NY\"]", "not_in = [\"NY\", \"CA\"]"),
        ("homeowner", "is = true", "is = false"),
        ("monthly_bill", "min = \"180\"", "min = \"180.01\""),
        ("monthly_bill", "max = \"180\"", "max = \"179.99\""),
        ("zip", "prefix = [\"80\", \"90\"]", "prefix = [\"80\"]"),
        ("zip", "matches = '902\\d\\d'", "matches = '902'"),
        ("zip", "present = true", "present = false"),
        ("roof_shade", "present = false", "present = true"),
        ("roof_shade", "present = false", "is = \"none\""),
    ];
    let (mut accounts, mut expected) = (Vec::new(), Vec::new());
    for (at, (field, met, failed)) in criteria.into_iter().enumerate() {
        for (test, outcome) in [(met, "outbid"), (failed, "criteria")] {
            let name = format!("a{at}-{outcome}");
            let account = Account::fixed(&name, "10.00", &bidder);
            accounts.push(account.with(&format!("criteria = [{{ field = \"{field}\", {test} }}]")));
            expected.push((name, format!("{field}, {test}"), outcome));
        }
    }
    accounts.push(Account::fixed("best", "11.00", &bidder));
    // Else what a ping lacks is asked only at the post.
    let host = Host::start(&Market::of(accounts).ping("qualify_all_criteria = true")).await;
    let PingAnswer::Bid { ping_id, .. } = host.ping().await else {
        panic!("the best one bids")
    };
    for (name, criterion, outcome) in expected {
        assert_eq!(host.outcome(&ping_id, &name).await, outcome, "{criterion}");
    }
}

#[tokio::test]
async fn every_way_in_which_a_buyer_fails_costs_its_account_the_ping_and_has_a_name() {
    let ways = [
        ("garbage", OnPing::Fault(Fault::Garbage), "invalid_response"),
        ("huge", OnPing::Fault(Fault::Huge), "invalid_response"),
        ("dropped", OnPing::Fault(Fault::Drop), "unreachable"),
        ("half", OnPing::Fault(Fault::HalfAnswer), "unreachable"),
        (
            "broken",
            OnPing::Fault(Fault::Status(500)),
            "invalid_response",
        ),
        (
            "moved",
            OnPing::Fault(Fault::Redirect("http://127.0.0.1:1/".into())),
            "invalid_response",
        ),
        ("never", OnPing::never(), "timeout"),
        ("unwilling", OnPing::no_bid("enough leads"), "declined"),
        ("absurd", OnPing::bid("1e400"), "invalid_bid"),
        ("negative", OnPing::bid("-5"), "invalid_bid"),
    ];
    let (mut buyers, mut accounts, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    for (name, way, outcome) in ways {
        let buyer = buyer(way, OnPost::accept()).await;
        accounts.push(Account::bidding(name, &buyer).with("ping_timeout = \"300ms\""));
        buyers.push(buyer);
        expected.push((name, outcome));
    }
    let good = buyer(OnPing::bid("9.00"), OnPost::accept()).await;
    accounts.push(Account::bidding("good", &good));
    let host = Host::start(&Market::of(accounts)).await;
    let PingAnswer::Bid { ping_id, .. } = host.ping().await else {
        panic!("the good one bids")
    };
    for (name, outcome) in expected {
        assert_eq!(host.outcome(&ping_id, name).await, outcome, "{name}");
    }
    assert_eq!(host.outcome(&ping_id, "good").await, "won");
}

#[tokio::test]
async fn a_buyer_that_is_gone_is_unreachable_and_one_elsewhere_is_not_asked() {
    let good = buyer(OnPing::bid("9.00"), OnPost::accept()).await;
    let gone = buyer(OnPing::bid("9.00"), OnPost::accept()).await;
    let market = Market::of([
        Account::bidding("gone", &gone),
        Account::bidding("elsewhere", &good).replacing(
            &format!("hosts = [\"{}\"]", good.url("")),
            "hosts = [\"http://127.0.0.1:1\"]",
        ),
    ]);
    let host = Host::start(&market).await;
    gone.stop().await;
    let PingAnswer::NoBid { ping_id, .. } = host.ping().await else {
        panic!("nobody bids")
    };
    assert_eq!(host.outcome(&ping_id, "gone").await, "unreachable");
    assert_eq!(
        host.outcome(&ping_id, "elsewhere").await,
        "host_not_allowed"
    );
    assert_eq!(good.counts().pings, 0);
}

#[tokio::test]
async fn a_rejected_lead_goes_to_the_next_bid_and_the_quote_is_kept() {
    let picky = buyer(OnPing::bid("40.00"), OnPost::reject("no capacity")).await;
    let second = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let host = Host::start(&Market::of([
        Account::bidding("picky", &picky),
        Account::bidding("second", &second),
    ]))
    .await;
    let order = host.order().await;
    let answer = host.post(&order).await.expect("in time");
    let PostAnswer::Sold {
        lead_id, payout, ..
    } = answer
    else {
        panic!("sold: {answer:?}")
    };
    assert_eq!(payout, "5.00");
    let lead = host.get(&format!("/leads/{lead_id}")).await;
    let outcomes: Vec<&str> = lead["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|delivery| delivery["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["rejected", "sold"]);
    assert_eq!((picky.counts().posts, second.counts().posts), (1, 1));
}

#[tokio::test]
async fn a_lead_that_nobody_takes_is_rejected_and_costs_nothing() {
    let picky = buyer(OnPing::bid("40.00"), OnPost::reject("no capacity")).await;
    let host = Host::start(&Market::of([Account::bidding("picky", &picky)])).await;
    let order = host.order().await;
    let answer = host.post(&order).await.expect("in time");
    let PostAnswer::Rejected { lead_id, reason } = answer else {
        panic!("rejected: {answer:?}")
    };
    assert_eq!(reason, "not_delivered");
    assert_eq!(
        host.get(&format!("/leads/{lead_id}")).await["ledger"],
        json!([])
    );
}

#[tokio::test]
async fn a_shared_lead_goes_to_several_buyers_at_once() {
    let buyers = [
        buyer(OnPing::bid("10.00"), OnPost::accept()).await,
        buyer(OnPing::bid("9.00"), OnPost::accept_at("8.00")).await,
        buyer(OnPing::bid("7.00"), OnPost::accept()).await,
    ];
    let market = Market::of([
        Account::bidding("one", &buyers[0]),
        Account::bidding("two", &buyers[1]),
        Account::bidding("three", &buyers[2]),
    ])
    .on_terms("cost = { margin = \"20\" }\nmax_deliveries = 2");
    let host = Host::start(&market).await;
    let PingAnswer::Bid {
        ping_order_id,
        bid,
        deliveries,
        ..
    } = host.ping().await
    else {
        panic!("somebody bids")
    };
    assert_eq!((bid.as_str(), deliveries), ("15.20", 2));
    let answer = host.post(&ping_order_id).await.expect("in time");
    let PostAnswer::Sold {
        lead_id,
        deliveries,
        ..
    } = answer
    else {
        panic!("sold: {answer:?}")
    };
    assert_eq!(deliveries, 2);
    assert_eq!(buyers[2].counts().posts, 0);
    let lead = host.get(&format!("/leads/{lead_id}")).await;
    let two = lead["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .find(|delivery| delivery["account"] == "two")
        .unwrap()
        .clone();
    assert_eq!(
        (two["price"].as_str(), &two["marks"]),
        (Some("8.00"), &json!(["price_cut"]))
    );
}

#[tokio::test]
async fn a_campaign_that_does_not_wait_accepts_at_once_and_retries_in_the_background() {
    let slow = buyer(OnPing::bid("10.00"), OnPost::accept()).await;
    let address = slow.address();
    let market = Market::of([
        Account::bidding("away", &slow).with("retry = { attempts = 50, wait = \"100ms\" }")
    ])
    .on_terms("cost = { per_sale = \"4.00\" }")
    .post("reject_for_not_delivered = false");
    let host = Host::start(&market).await;
    let order = host.order().await;
    slow.stop().await;
    let answer = host.post(&order).await.expect("in time");
    let PostAnswer::Accepted {
        lead_id,
        payout,
        payout_is,
        ..
    } = answer
    else {
        panic!("accepted: {answer:?}")
    };
    assert_eq!(
        (payout.as_str(), payout_is.as_deref()),
        ("4.00", Some("up_to"))
    );
    within(
        "a retry is listed",
        eventually("a retry", || async {
            let list = host.get("/deliveries?state=retrying").await;
            (list["items"].as_array().unwrap().len() == 1).then_some(())
        }),
    )
    .await;
    let back = MockBuyer::start(Setup {
        address,
        ..Setup::default()
    })
    .await
    .expect("the port is free again");
    within(
        "the buyer gets the lead once it is back",
        back.wait_for_posts(1),
    )
    .await;
    let sold = eventually("it is sold", || async {
        let lead = host.get(&format!("/leads/{lead_id}")).await;
        (lead["deliveries"][0]["outcome"] == "sold").then_some(lead)
    })
    .await;
    assert_eq!(sold["state"], "accepted");
    assert_eq!(back.counts().posts, 1);
}
