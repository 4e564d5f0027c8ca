//! What was taken of caps and budgets.

use gavel_example_solar::{
    buyers::{OnPing, OnPost},
    supplier::PingAnswer,
};
use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{Account, CAMPAIGN, Host, Market, buyer};

fn figures(period: &Value) -> Value {
    json!([
        period["limit"],
        period["sold"],
        period["held"],
        period["free"]
    ])
}

#[tokio::test]
async fn a_quote_holds_room_a_sale_takes_it_and_the_full_account_is_not_asked() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let market = Market::of([Account::bidding("solo", &buyer)
        .with("caps = { per_day = 2 }\nbudget = { per_month = \"50.00\" }")])
    .on_terms("cost = { per_lead = \"5.00\" }\ncaps = { total = 3 }");
    let text = market
        .toml()
        .replace("name = \"solo\"", "name = \"Solo Roofing Ltd\"");
    let mut host = Host::start_with(&text, &[]).await;

    let usage = host.get("/accounts/solo/usage").await;
    assert_eq!(
        usage["buyer"],
        json!({"id": "solo", "name": "Solo Roofing Ltd"})
    );
    assert_eq!(usage["timezone"], "America/New_York");
    assert_eq!(figures(&usage["caps"]["per_day"]), json!([2, 0, 0, 2]));
    assert_eq!(
        figures(&usage["caps"]["per_hour"]),
        json!([null, 0, 0, null])
    );
    assert_eq!(usage["caps"]["total"]["resets_at"], Value::Null);

    let order = host.order().await;
    let usage = host.get("/accounts/solo/usage").await;
    assert_eq!(figures(&usage["caps"]["per_day"]), json!([2, 0, 1, 1]));
    assert_eq!(
        figures(&usage["budget"]["per_month"]),
        json!(["50.00", "0.00", "20.00", "30.00"])
    );
    let of_campaign = host.get(&format!("/campaigns/{CAMPAIGN}/usage")).await;
    assert_eq!(of_campaign["timezone"], "America/Phoenix");
    assert_eq!(figures(&of_campaign["caps"]["total"]), json!([3, 0, 1, 2]));
    assert_eq!(of_campaign["budget"], Value::Null, "a campaign has none");

    host.post(&order).await.expect("sold");
    let _second = host.order().await;
    // What was counted is on disk.
    host.kill_and_restart().await;
    let usage = host.get("/accounts/solo/usage").await;
    assert_eq!(figures(&usage["caps"]["per_day"]), json!([2, 1, 1, 0]));
    let PingAnswer::NoBid { ping_id, .. } = host.ping().await else {
        panic!("both places are taken")
    };
    assert_eq!(host.outcome(&ping_id, "solo").await, "cap_reached");
}

#[tokio::test]
async fn who_is_not_in_the_market_has_no_usage() {
    let buyer = buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let host = Host::start(&Market::of([Account::bidding("solo", &buyer)])).await;
    for path in [
        "/accounts/nobody/usage",
        "/accounts/No%20Name/usage",
        "/campaigns/none/usage",
    ] {
        let (status, problem) = host.admin(Method::GET, path, "", "application/json").await;
        assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
    }
}
