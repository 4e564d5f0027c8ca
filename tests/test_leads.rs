//! Tests: the same path, with nothing real touched and nobody asked.

use gavel_example_solar::{
    buyers::{OnPing, OnPost},
    supplier::Supplier,
};
use gavel_market::ids::Digest;
use serde_json::{Map, Value, json};

use crate::harness::{Account, Host, Market, buyer, personal, pinged, send_as, whole};

const TEST_KEY: &str = "gk_test_key_whose_requests_are_tests";

const PING: &str = "/v1/campaigns/solar/ping";
const POST: &str = "/v1/campaigns/solar/post";

/// Pings and posts a test lead: how the post is answered.
async fn tested(host: &Host) -> Value {
    let (status, bid) = host
        .send(PING, json!({"lead": pinged(), "test": true}))
        .await;
    assert_eq!((status, &bid["status"]), (200, &json!("bid")), "{bid}");
    let body = json!({"lead": personal(), "test": true, "ping_order_id": bid["ping_order_id"]});
    let (status, answer) = host.send(POST, body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn ledger(host: &Host, answer: &Value) -> Map<String, Value> {
    let id = answer["lead_id"].as_str().expect("an id");
    crate::harness::object(host.get(&format!("/leads/{id}")).await)
}

#[tokio::test]
async fn a_test_is_sold_by_its_accounts_script_again_and_again_and_nobody_hears_of_it() {
    let (bidder, fixed) = (
        buyer(OnPing::bid("50.00"), OnPost::accept()).await,
        buyer(OnPing::never(), OnPost::accept()).await,
    );
    let market = Market::of([
        Account::bidding("bidder", &bidder)
            .with("test = \"bid 30.00\"\ncaps = { total = 1 }\nduplicates = { fields = [\"phone\"], within = \"1d\" }"),
        Account::fixed("fixed", "20.00", &fixed),
    ])
    .on_terms("cost = { revenue_share = \"50\" }\ncaps = { total = 1 }");
    let host = Host::start(&market).await;
    for _ in 0..3 {
        let answer = tested(&host).await;
        assert_eq!(
            (&answer["status"], &answer["payout"]),
            (&json!("sold"), &json!("15.00")),
            "{answer}"
        );
        let story = ledger(&host, &answer).await;
        assert_eq!(story["ledger"], json!([]), "nothing is booked");
        assert_eq!(story["deliveries"][0]["account"], "bidder");
    }
    assert_eq!(bidder.counts().total() + fixed.counts().total(), 0);
    // The one that the caps let through is still there to be had, and is no duplicate.
    let order = host.order().await;
    let answer = host.post(&order).await.expect("in time");
    let story = host.get(&format!("/leads/{}", answer.lead_id())).await;
    assert_eq!(story["state"], "sold", "{story}");
    assert_eq!(bidder.counts().posts, 1);
}

#[tokio::test]
async fn a_test_finds_only_tests_orders_and_a_real_request_only_real_ones() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("one", &buyer).with("test = \"bid 20.00\"")]).toml();
    let key = Digest::of(TEST_KEY.as_bytes());
    let market = market.replace(
        "[campaigns.solar]\n",
        &format!("test_keys = [{{ sha256 = \"{key}\" }}]\n[campaigns.solar]\n"),
    );
    let host = Host::start_with(&market, &[]).await;
    let tester = Supplier::new(host.api, TEST_KEY);
    let (_, bid) = send_as(&tester, PING, json!({"lead": pinged()})).await;
    let test_order = bid["ping_order_id"].as_str().expect("a bid").to_owned();
    let real_order = host.order().await;
    let post = |order: &str| json!({"lead": personal(), "ping_order_id": order});
    let (status, _) = host.send(POST, post(&test_order)).await;
    assert_eq!(status, 404, "a real post finds no test");
    let (status, _) = send_as(&tester, POST, post(&real_order)).await;
    assert_eq!(status, 404, "a test finds nothing real");
    let (status, answer) = send_as(&tester, POST, post(&test_order)).await;
    assert_eq!((status, &answer["status"]), (200, &json!("sold")));
    let id = answer["lead_id"].as_str().expect("an id");
    let found = async |supplier: &Supplier, query: &str| {
        supplier.lead(&format!("{id}{query}")).await.is_ok()
    };
    assert!(found(&tester, "").await);
    assert!(found(&host.supplier(), "?test=true").await);
    assert!(!found(&host.supplier(), "").await);
    assert_eq!(buyer.counts().posts, 0);
    let real = host.post(&real_order).await.expect("in time");
    assert!(
        tester.lead(real.lead_id()).await.is_err(),
        "a test key finds only tests' leads"
    );
}

#[tokio::test]
async fn scripts_reject_are_slow_and_answer_nonsense_without_anybody_being_asked_to_settle() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    for (script, reason, outcome) in [
        ("reject", "not_delivered", "rejected"),
        ("slow", "delivery_unconfirmed", "unconfirmed"),
        ("garbled", "delivery_unconfirmed", "unconfirmed"),
    ] {
        let account = Account::fixed("one", "20.00", &buyer)
            .with(&format!("test = \"{script}\"\npost_timeout = \"300ms\""));
        let host = Host::start(&Market::of([account])).await;
        let answer = tested(&host).await;
        assert_eq!(
            (&answer["status"], &answer["reason"]),
            (&json!("rejected"), &json!(reason)),
            "{script}: {answer}"
        );
        let story = ledger(&host, &answer).await;
        assert_eq!(story["deliveries"][0]["outcome"], outcome, "{script}");
        assert!(host.unconfirmed().await.is_empty(), "{script}");
    }
    assert_eq!(buyer.counts().total(), 0);
}

#[tokio::test]
async fn a_direct_post_can_be_a_test_and_is_remembered_apart() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("one", &buyer).with("test = \"bid 9.00\"")])
        .on_terms("cost = { revenue_share = \"50\" }\nchannel = \"direct_post\"");
    let host = Host::start(&market).await;
    let lead = whole();
    let path = "/v1/campaigns/solar/lead";
    let test = json!({"lead": lead, "test": true});
    let first = host.send(path, test.clone()).await;
    assert_eq!(first.1["payout"], "4.50", "{}", first.1);
    assert_eq!(host.send(path, test).await, first);
    assert_eq!(buyer.counts().total(), 0);
    let (status, real) = host.direct(lead).await;
    assert_eq!((status, &real["payout"]), (200, &json!("10.00")), "{real}");
}
