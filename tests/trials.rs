//! Versions tried beside the active one: shadows, canaries that roll themselves back, replays.

use gavel_example_solar::{
    buyers::{OnPing, OnPost},
    supplier::PingAnswer,
};
use serde_json::{Value, json};

use crate::{
    harness::{Account, Host, Market, buyer, digest, eventually, moody, plugins},
    versions::start,
};

/// Pings at most until a canary must have been rolled back.
const PINGS_MAX: usize = 2_000;

/// A canary with this mood, beside a calm version; why it was rolled back.
async fn rolled_back(mood: &str) -> String {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let host = start("calm", &buyer, "").await;
    let candidate = moody(mood);
    assert_eq!(host.upload("moody", candidate.clone(), "").await.0, 200);
    let (status, begun) = host
        .of_plugin(
            "moody",
            "canary",
            json!({"digest": digest(&candidate), "share": "50%"}),
        )
        .await;
    assert_eq!(
        (status, &begun["trial"]["mode"]),
        (200, &json!("canary")),
        "{begun}"
    );
    for _ in 0..PINGS_MAX {
        host.ping().await;
        if host.get("/plugins/moody").await["trial"].is_null() {
            break;
        }
    }
    // The end is kept a moment after it took effect.
    let ended = eventually("its end is kept", async || {
        let plugin = host.get("/plugins/moody").await;
        plugin["ended"]
            .as_array()
            .filter(|ended| !ended.is_empty())
            .map(|ended| ended[0].clone())
    })
    .await;
    assert_eq!(
        (&ended["mode"], &ended["digest"], &ended["by_itself"]),
        (&json!("canary"), &json!(digest(&candidate)), &json!(true)),
        "{ended}"
    );
    for _ in 0..20 {
        assert!(
            matches!(host.ping().await, PingAnswer::Bid { .. }),
            "the active version decides alone"
        );
    }
    ended["why"].as_str().expect("words").to_owned()
}

#[tokio::test]
async fn a_canary_that_refuses_everything_is_rolled_back_by_itself() {
    let why = rolled_back("picky").await;
    assert!(why.starts_with("refusals: "), "{why}");
}

#[tokio::test]
async fn a_canary_that_traps_one_time_in_five_is_rolled_back_by_itself() {
    let why = rolled_back("shaky").await;
    assert!(why.starts_with("faults: "), "{why}");
}

#[tokio::test]
async fn a_canary_that_is_ten_times_slower_is_rolled_back_by_itself() {
    let why = rolled_back("sleepy").await;
    assert!(why.starts_with("time: "), "{why}");
}

#[tokio::test]
async fn a_canary_decides_for_its_share_of_orders_and_for_their_posts_after_it_has_ended() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let mut host = start("picky", &buyer, "").await;
    let calm = moody("calm");
    host.upload("moody", calm.clone(), "").await;
    let (status, said) = host
        .of_plugin(
            "moody",
            "canary",
            json!({"digest": digest(&calm), "share": 0.5, "margins": {"time": 50}}),
        )
        .await;
    assert_eq!(status, 200, "{said}");
    let mut orders = Vec::new();
    for _ in 0..60 {
        if let PingAnswer::Bid {
            ping_order_id,
            ping_id,
            ..
        } = host.ping().await
        {
            assert_eq!(host.decided_by(&ping_id).await, digest(&calm));
            orders.push(ping_order_id);
        }
    }
    assert!(
        (10..50).contains(&orders.len()),
        "about half: {}",
        orders.len()
    );
    // It goes on after a restart, and what it quoted is posted by it after it has ended.
    host.kill_and_restart().await;
    assert_eq!(
        host.get("/plugins/moody").await["trial"]["digest"],
        digest(&calm)
    );
    let (status, ended) = host
        .of_plugin("moody", "canary", json!({"digest": null}))
        .await;
    assert_eq!((status, &ended["trial"]), (200, &Value::Null));
    assert!(matches!(host.ping().await, PingAnswer::NoBid { .. }));
    let sold = host.post(&orders[0]).await.expect("served");
    assert!(
        matches!(sold, gavel_example_solar::supplier::PostAnswer::Sold { .. }),
        "{sold:?}"
    );
}

#[tokio::test]
async fn a_shadow_decides_nothing_asks_nobody_and_only_its_differences_are_recorded() {
    let buyer = buyer(OnPing::bid("12.00"), OnPost::accept()).await;
    let account =
        Account::bidding("solo", &buyer).with("filter = { plugin = \"moody\", config = {} }");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("moody.wasm");
    std::fs::write(&path, moody("calm")).expect("writable");
    let market =
        Market::of([account]).plugins(&format!("[plugins.moody]\npath = \"{}\"", path.display()));
    let host = Host::start(&market).await;
    let shadow = moody("shaky");
    host.upload("moody", shadow.clone(), "").await;
    let (status, said) = host
        .of_plugin("moody", "shadow", json!({"digest": digest(&shadow)}))
        .await;
    assert_eq!(status, 200, "{said}");
    for _ in 0..50 {
        assert!(matches!(host.ping().await, PingAnswer::Bid { .. }));
    }
    let trial = eventually("all were shown", async || {
        let trial = host.get("/plugins/moody").await["trial"].clone();
        (trial["seen"] == 50).then_some(trial)
    })
    .await;
    assert_eq!(buyer.pings().len(), 50, "nobody is asked twice");
    let found = host.get("/plugins/moody/differences").await;
    let found = found["items"].as_array().expect("a list");
    assert!(!found.is_empty() && found.len() < 25, "{}", found.len());
    assert_eq!(trial["differed"], found.len());
    for one in found {
        assert_eq!(
            one["active"],
            json!({"outcome": "bids", "bid": "12.00"}),
            "{one}"
        );
        assert_eq!(one["shadow"]["outcome"], "plugin_trap", "{one}");
    }
    let ping = found[0]["ping_id"].as_str().expect("an id");
    assert_eq!(
        host.get(&format!("/pings/{ping}")).await["shadows"][0],
        found[0]
    );
}

#[tokio::test]
async fn a_replay_says_what_another_version_would_have_changed_and_a_decision_repeats() {
    let buyers = [
        buyer(OnPing::bid("30.00"), OnPost::accept()).await,
        buyer(OnPing::bid("25.00"), OnPost::accept()).await,
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("moody.wasm");
    std::fs::write(&path, moody("calm")).expect("writable");
    let market = Market::of([
        Account::bidding("first", &buyers[0]).with("filter = { plugin = \"moody\", config = {} }"),
        Account::bidding("second", &buyers[1]),
    ])
    .plugins(&format!("[plugins.moody]\npath = \"{}\"", path.display()));
    let host = Host::start(&market).await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        let PingAnswer::Bid { ping_id, .. } = host.ping().await else {
            panic!("somebody bids")
        };
        ids.push(ping_id);
    }
    let (status, again) = host
        .admin(
            hyper::Method::POST,
            &format!("/pings/{}/replay", ids[0]),
            "",
            "application/json",
        )
        .await;
    assert_eq!((status, &again["same"]), (200, &json!(true)), "{again}");

    let picky = moody("picky");
    host.upload("moody", picky.clone(), "").await;
    let (status, report) = host
        .of_plugin(
            "moody",
            "replay",
            json!({"digest": digest(&picky), "since": "1h"}),
        )
        .await;
    assert_eq!(status, 200, "{report}");
    assert_eq!(
        (&report["pings"], &report["replayed"], &report["changed"]),
        (&json!(10), &json!(10), &json!(10))
    );
    assert_eq!(
        report["accounts"]["first"],
        json!({"before": {"won": 10}, "after": {"filtered": 10}})
    );
    assert_eq!(
        report["accounts"]["second"],
        json!({"before": {"outbid": 10}, "after": {"won": 10}})
    );
    assert_eq!(
        report["before"],
        json!({"bids": 10, "revenue": "300.00", "cost": "50.00", "profit": "250.00"})
    );
    assert_eq!(
        report["after"],
        json!({"bids": 10, "revenue": "250.00", "cost": "50.00", "profit": "200.00"})
    );
    assert_eq!(buyers[0].pings().len(), 10, "nobody was asked again");

    // Of a version of the adapter: the answers that were recorded are read again.
    let adapter = std::fs::read(&plugins().http_buyer).expect("readable");
    let (status, report) = host
        .of_plugin("http-buyer", "replay", json!({"digest": digest(&adapter)}))
        .await;
    assert_eq!(
        (status, &report["changed"], &report["not_comparable"]),
        (200, &json!(0), &json!(0)),
        "{report}"
    );
}
