//! Who changed what.

use gavel_example_solar::buyers::{OnPing, OnPost};
use gavel_market::ids::Digest;
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{ADMIN_TOKEN, Account, Host, Market, buyer};

const JSON: &str = "application/json";

#[tokio::test]
async fn every_change_is_noted_with_who_made_it_and_what_it_changed() {
    let doubtful = buyer(OnPing::bid("20.00"), OnPost::accept_then_drop()).await;
    let market = Market::of([Account::bidding("doubtful", &doubtful)]);
    let mut host = Host::start(&market).await;
    let before = host.get("/audit").await["items"]
        .as_array()
        .expect("a list")
        .len();

    let order = host.order().await;
    host.post(&order).await.expect("answered");
    let unconfirmed = host.unconfirmed().await;
    let delivery = unconfirmed[0]["id"].as_str().expect("an id").to_owned();
    let rollback = json!({"revision": 1}).to_string();
    let (status, change) = host
        .admin(Method::POST, "/market/rollback", rollback, JSON)
        .await;
    assert_eq!((status, &change["revision"]), (200, &json!(2)), "{change}");
    assert_eq!(host.settle(&delivery, json!({"sold": true})).await.0, 200);

    // What looks, is refused or only tries is no change.
    host.get("/market").await;
    assert_eq!(host.settle(&delivery, json!({"sold": true})).await.0, 409);
    let refused = host
        .admin(Method::PUT, "/market", "nonsense", "application/toml")
        .await;
    assert_eq!(refused.0, 422);

    host.kill_and_restart().await;
    let page = host.get("/audit?limit=1").await;
    let newest = &page["items"][0];
    assert_eq!(
        newest["what"],
        format!("POST /admin/v1/deliveries/{delivery}/settle")
    );
    assert_eq!(newest["with"], json!({"sold": "true"}), "and how");
    assert_eq!(
        newest["token"],
        Digest::of(ADMIN_TOKEN.as_bytes()).short(),
        "who holds the token can be told, the token cannot"
    );
    assert!(
        newest["request_id"]
            .as_str()
            .is_some_and(|id| id.len() == 26)
    );
    let next = page["next"].as_str().expect("more");
    let page = host.get(&format!("/audit?after={next}")).await;
    let earlier = &page["items"][0];
    assert_eq!(earlier["what"], "POST /admin/v1/market/rollback");
    assert_eq!((&earlier["from"], &earlier["to"]), (&json!(1), &json!(2)));
    assert_eq!(earlier["with"], json!({"revision": "1"}));
    let all = host.get("/audit").await["items"]
        .as_array()
        .expect("a list")
        .len();
    assert_eq!(all, before + 2);
}

#[tokio::test]
async fn a_request_may_bring_its_own_name() {
    let one = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let host = Host::start(&Market::of([Account::bidding("one", &one)])).await;
    let (status, _) = host
        .admin_with(
            Method::POST,
            "/market/rollback",
            json!({"revision": 1}).to_string(),
            &[("content-type", JSON), ("x-request-id", "job-7")],
        )
        .await;
    assert_eq!(status, 200);
    let newest: Value = host.get("/audit?limit=1").await["items"][0].clone();
    assert_eq!(newest["request_id"], "job-7");
}
