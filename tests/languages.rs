//! Filters in JavaScript and Python decide pings of a real host, each under raised limits.

use gavel_example_solar::{
    buyers::{OnPing, OnPost},
    supplier::PingAnswer,
};
use serde_json::{Map, Value, json};

use crate::harness::{Account, Host, MUCH_TO_BUILD, Market, buyer, object};

/// The plugins as a market has them, with what their READMEs tell an operator to raise; time for
/// a machine that runs all tests at once.
fn plugins() -> String {
    let mut said = |said: &str| eprintln!("{said}");
    let javascript =
        gavel_plugin_build::build_javascript(&mut said).unwrap_or_else(|error| panic!("{error}"));
    let python =
        gavel_plugin_build::build_python(&mut said).unwrap_or_else(|error| panic!("{error}"));
    let limits = "limits = { memory = \"64MiB\", time = \"1s\" }";
    format!(
        "[plugins.desert-sun]\npath = {:?}\n{limits}\n[plugins.lakeside-scorecard]\npath = {:?}\n{limits}\n",
        javascript.display().to_string(),
        python.display().to_string()
    )
}

const DESERT_SUN: &str = r#"filter = { plugin = "desert-sun", config = { areas = [{ name = "Phoenix", zips = ["850"], min_bill = 90 }] } }"#;

const LAKESIDE: &str = r#"filter = { plugin = "lakeside-scorecard", config = { cutoff = 40, parts = [
    { field = "monthly_bill", bands = [[200, 35]] },
    { field = "homeowner", values = { true = 25, false = -40 } },
] } }"#;

fn lead(zip: &str, bill: &str, homeowner: bool) -> Map<String, Value> {
    object(json!({"state": "AZ", "zip": zip, "monthly_bill": bill, "homeowner": homeowner}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_in_javascript_and_python_decide_pings() {
    let _turn = MUCH_TO_BUILD.lock().await;
    let taker = buyer(OnPing::never(), OnPost::accept()).await;
    let plugins = tokio::task::spawn_blocking(plugins).await.expect("built");
    let market = Market::of([
        Account::fixed("desert", "30.00", &taker).with(DESERT_SUN),
        Account::fixed("lakeside", "20.00", &taker).with(LAKESIDE),
    ])
    // The filters may take their time on a slow machine.
    .on_terms("cost = { per_lead = \"5.00\" }\ndeadline = \"5s\"");
    let market = market.toml();
    let host = Host::start_with(&format!("{market}\n{plugins}"), &[]).await;

    // Both want it, and the higher price wins.
    let PingAnswer::Bid {
        ping_id,
        ping_order_id,
        ..
    } = host
        .ping_lead(lead("85016", "250.00", true))
        .await
        .expect("understood")
    else {
        panic!("both filters let it through")
    };
    assert_eq!(host.outcome(&ping_id, "desert").await, "won");
    assert_eq!(host.outcome(&ping_id, "lakeside").await, "outbid");
    // At the post both are asked again, with the full lead.
    host.post(&ping_order_id).await.expect("sold");

    for (fields, desert, lakeside) in [
        (lead("85016", "150.00", true), "won", "filtered"),
        (lead("90210", "250.00", true), "filtered", "won"),
        (lead("90210", "250.00", false), "filtered", "filtered"),
    ] {
        let answer = host.ping_lead(fields).await.expect("understood");
        let (PingAnswer::Bid { ping_id, .. } | PingAnswer::NoBid { ping_id, .. }) = answer;
        assert_eq!(host.outcome(&ping_id, "desert").await, desert);
        assert_eq!(host.outcome(&ping_id, "lakeside").await, lakeside);
    }

    // The operator reads the filters' own codes and sentences.
    let answer = host.ping_lead(lead("90210", "150.00", true)).await;
    let PingAnswer::NoBid { ping_id, .. } = answer.expect("understood") else {
        panic!("nobody wants it")
    };
    let record = host.get(&format!("/pings/{ping_id}")).await.to_string();
    for words in [
        "outside_area",
        "no crew works in 90210",
        "score_too_low",
        "most are lost by monthly_bill",
    ] {
        assert!(record.contains(words), "{words}: {record}");
    }
}
