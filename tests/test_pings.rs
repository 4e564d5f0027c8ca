//! Pings that are tests: the same path, and nothing real is touched.

use gavel_example_solar::buyers::{OnPing, OnPost};
use gavel_market::ids::Digest;
use hyper::{Method, body::Bytes};
use serde_json::{Value, json};

use crate::harness::{Account, CAMPAIGN, Host, Market, buyer, pinged};

const TEST_KEY: &str = "gk_test_key_for_tests_alone";

/// Sends a ping as it stands; what is answered.
async fn send(host: &Host, body: Value) -> Value {
    let path = format!("/v1/campaigns/{CAMPAIGN}/ping");
    let (status, _, answer) = host
        .supplier()
        .send_raw(&path, "application/json", body.to_string())
        .await
        .expect("answered");
    let answer = serde_json::from_slice(&answer).expect("JSON");
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn test_ping(host: &Host) -> Value {
    send(host, json!({"lead": pinged(), "test": true})).await
}

fn id(answer: &Value) -> &str {
    answer["ping_id"].as_str().expect("an id")
}

#[tokio::test]
async fn a_test_is_answered_by_the_accounts_scripts_and_no_buyer_hears_of_it() {
    let bidder = buyer(OnPing::bid("40.00"), OnPost::accept()).await;
    let market = Market::of([
        Account::bidding("scripted", &bidder).with("test = \"bid 20.00\""),
        Account::bidding("unwilling", &bidder).with("test = \"no_bid\""),
        Account::bidding("unscripted", &bidder),
        Account::bidding("rejecting", &bidder).with("test = \"reject\""),
        Account::fixed("fixed", "9.00", &bidder),
        Account::fixed("slow", "8.00", &bidder).with("test = \"slow\""),
        Account::bidding("floored", &bidder).with("test = \"bid 1.00\"\nmin_price = \"2.00\""),
        Account::bidding("picky", &bidder).with(
            "test = \"bid 20.00\"\nfilter = { plugin = \"roof-filter\", config = { shade = [\"none\"] } }",
        ),
        Account::bidding("texan", &bidder)
            .with("test = \"bid 20.00\"\ncriteria = [{ field = \"state\", in = [\"TX\"] }]"),
    ]);
    let host = Host::start(&market).await;
    let mut shaded = pinged();
    shaded.insert("roof_shade".into(), json!("full"));
    let answer = send(&host, json!({"lead": shaded, "test": "yes"})).await;
    assert_eq!(
        (&answer["status"], &answer["bid"]),
        (&json!("bid"), &json!("5.00")),
        "{answer}"
    );
    let record = host.get(&format!("/pings/{}", id(&answer))).await;
    assert_eq!(record["input"]["test"], true);
    let outcomes: Vec<_> = record["outcomes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or("").to_owned();
            (text("account"), text("code"), text("bid"))
        })
        .collect();
    let expected = [
        ("fixed", "outbid", "9.00"),
        ("floored", "below_floor", "1.00"),
        ("picky", "filtered", ""),
        ("rejecting", "outbid", "1.00"),
        ("scripted", "won", "20.00"),
        ("slow", "outbid", "8.00"),
        ("texan", "criteria", ""),
        ("unscripted", "declined", ""),
        ("unwilling", "declined", ""),
    ];
    let expected = expected.map(|(account, code, bid)| (account.into(), code.into(), bid.into()));
    assert_eq!(outcomes, expected);
    assert_eq!(bidder.counts().total(), 0);
    let replay = format!("/pings/{}/replay", id(&answer));
    let (_, said) = host
        .admin(Method::POST, &replay, Bytes::new(), "application/json")
        .await;
    assert_eq!(said["same"], true, "{said}");
}

#[tokio::test]
async fn tests_take_no_room_and_no_turn_and_no_notice_of_either() {
    let taker = buyer(OnPing::never(), OnPost::accept()).await;
    let market = Market::of([
        Account::fixed("a", "20.00", &taker).with("caps = { total = 1 }\nbudget = { total = \"20.00\" }"),
        Account::fixed("b", "20.00", &taker),
    ])
    .on_terms(
        "cost = { per_lead = \"5.00\" }\ncaps = { total = 2 }\nselection = { by = \"round_robin\" }",
    );
    let host = Host::start(&market).await;
    let (test, test_again) = (test_ping(&host).await, test_ping(&host).await);
    for answer in [&test, &test_again] {
        assert_eq!(
            host.outcome(id(answer), "a").await,
            "won",
            "ties go by name"
        );
    }
    // All of both accounts' and the campaign's room is still there, and it is a's turn.
    let (first, second) = (host.order().await, host.order().await);
    assert_eq!(host.outcome(&first.replace("po_", "pg_"), "a").await, "won");
    assert_eq!(
        host.outcome(&second.replace("po_", "pg_"), "b").await,
        "won"
    );
    assert!(
        host.ping_lead(pinged()).await.is_err(),
        "the campaign's cap is reached"
    );
    let answer = test_ping(&host).await;
    assert_eq!(
        host.outcome(id(&answer), "a").await,
        "won",
        "caps are not asked"
    );
}

#[tokio::test]
async fn a_test_and_a_real_ping_with_the_same_key_are_two() {
    let bidder = buyer(OnPing::bid("40.00"), OnPost::accept()).await;
    let host = Host::start(&Market::of([
        Account::bidding("one", &bidder).with("test = \"bid 20.00\"")
    ]))
    .await;
    let with = |test: bool| json!({"lead": pinged(), "test": test, "_idempotency_key": "click-1"});
    let (test, real) = (
        send(&host, with(true)).await,
        send(&host, with(false)).await,
    );
    assert_ne!(id(&test), id(&real));
    assert_eq!(send(&host, with(true)).await, test);
    assert_eq!(send(&host, with(false)).await, real);
    assert_eq!(bidder.counts().pings, 1);
}

#[tokio::test]
async fn every_ping_with_a_test_key_is_a_test() {
    let bidder = buyer(OnPing::bid("40.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("one", &bidder).with("test = \"bid 20.00\"")]);
    let keys = format!(
        "test_keys = [{{ sha256 = \"{}\" }}]\n\n[campaigns.{CAMPAIGN}]",
        Digest::of(TEST_KEY.as_bytes())
    );
    let text = market
        .toml()
        .replace(&format!("[campaigns.{CAMPAIGN}]"), &keys);
    let host = Host::start_with(&text, &[]).await;
    let supplier = gavel_example_solar::supplier::Supplier::new(host.api, TEST_KEY);
    let ping = gavel_example_solar::supplier::Ping {
        lead: pinged(),
        ..Default::default()
    };
    let answer = supplier.ping(CAMPAIGN, &ping).await.expect("understood");
    let order = answer.order().expect("the script bids");
    let record = host.get(&format!("/pings/{order}")).await;
    assert_eq!(record["input"]["test"], true);
    assert_eq!(bidder.counts().total(), 0);
}
