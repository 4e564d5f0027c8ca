//! A change takes effect at once and whole; a bad one not at all.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use gavel_example_solar::{
    buyers::{MockBuyer, OnPing, OnPost},
    supplier::{PingAnswer, PostAnswer},
};
use hyper::Method;
use serde_json::json;

use crate::harness::{Account, Host, Market, buyer};

const TOML: &str = "application/toml";

/// Two revisions that no answer may mix: the cost and the number of buyers go together.
fn revisions(buyers: &[MockBuyer]) -> [Market; 2] {
    let accounts = || {
        [
            Account::fixed("first", "20.00", &buyers[0]),
            Account::fixed("second", "20.00", &buyers[1]),
        ]
    };
    let one = Market::of(accounts()).on_terms("cost = { per_lead = \"1.00\" }");
    let two = Market::of(accounts()).on_terms("cost = { per_lead = \"2.00\" }\nmax_deliveries = 2");
    [one, two]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applying_a_market_under_load_fails_no_request_and_mixes_no_revisions() {
    let buyers = [
        buyer(OnPing::never(), OnPost::accept()).await,
        buyer(OnPing::never(), OnPost::accept()).await,
    ];
    let [one, two] = revisions(&buyers);
    let host = Host::start(&one).await;
    let (file_one, file_two) = (
        host.folder().join("one.toml"),
        host.folder().join("two.toml"),
    );
    std::fs::write(&file_one, one.toml()).expect("writable");
    std::fs::write(&file_two, two.toml()).expect("writable");
    let over = AtomicBool::new(false);
    let supply = async || {
        let (mut ones, mut twos) = (0_u32, 0_u32);
        while !over.load(Ordering::Relaxed) {
            let PingAnswer::Bid {
                ping_order_id,
                bid,
                deliveries,
                ..
            } = host.ping().await
            else {
                panic!("somebody always bids")
            };
            match (bid.as_str(), deliveries) {
                ("1.00", 1) => ones += 1,
                ("2.00", 2) => twos += 1,
                mixed => panic!("two revisions in one answer: {mixed:?}"),
            }
            // The post is served by the revision that quoted, whatever is in force by now.
            let answer = host.post(&ping_order_id).await.expect("served");
            let PostAnswer::Sold {
                payout,
                deliveries: sold,
                ..
            } = answer
            else {
                panic!("sold: {answer:?}")
            };
            assert_eq!((payout, sold), (bid, deliveries));
        }
        (ones, twos)
    };
    let apply = async {
        for file in [&file_two, &file_one].into_iter().cycle().take(12) {
            let output = host
                .command(&[
                    "apply",
                    "--admin",
                    &host.admin_url(),
                    &file.display().to_string(),
                ])
                .await;
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        over.store(true, Ordering::Relaxed);
    };
    let (counts, ()) = tokio::join!(join_all((0..4).map(|_| supply())), apply);
    let (ones, twos): (Vec<u32>, Vec<u32>) = counts.into_iter().unzip();
    assert!(
        ones.iter().sum::<u32>() > 0 && twos.iter().sum::<u32>() > 0,
        "both revisions served: {ones:?} {twos:?}"
    );
}

#[tokio::test]
async fn an_order_is_posted_under_the_revision_that_quoted_it_after_a_restart_too() {
    let buyers = [
        buyer(OnPing::never(), OnPost::accept()).await,
        buyer(OnPing::never(), OnPost::accept()).await,
    ];
    let market = |cost: &str, price: &str| {
        Market::of([Account::fixed("solo", price, &buyers[0])])
            .on_terms(&format!("cost = {{ per_lead = \"{cost}\" }}"))
    };
    let mut host = Host::start(&market("1.00", "20.00")).await;
    let order = host.order().await;
    std::fs::write(host.market_file(), market("2.00", "30.00").toml()).expect("writable");
    host.kill_and_restart().await;
    let PingAnswer::Bid { bid, .. } = host.ping().await else {
        panic!("somebody bids")
    };
    assert_eq!(bid, "2.00", "the changed file was applied at the start");
    let answer = host.post(&order).await.expect("served");
    let PostAnswer::Sold {
        payout, lead_id, ..
    } = answer
    else {
        panic!("sold: {answer:?}")
    };
    assert_eq!(payout, "1.00");
    assert_eq!(
        host.get(&format!("/leads/{lead_id}")).await["deliveries"][0]["price"],
        "20.00"
    );
}

#[tokio::test]
async fn a_bad_market_is_refused_with_every_error_and_the_last_good_one_stays() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let market =
        Market::of([Account::fixed("one", "20.00", &buyer).with("caps = 5\nhodl = \"post\"")]);
    let good = Market::of([Account::fixed("one", "20.00", &buyer)]);
    let host = Host::start(&good).await;
    let before = host.get("/market").await["revision"].clone();
    let (status, problem) = host
        .admin(Method::PUT, "/market", market.toml(), TOML)
        .await;
    assert_eq!(status, 422, "{problem}");
    let errors = problem["errors"].as_array().expect("a list");
    let message = |path: &str| {
        errors
            .iter()
            .find(|error| error["path"] == path)
            .unwrap_or_else(|| panic!("{path}: {problem}"))["message"]
            .as_str()
            .unwrap()
    };
    assert!(
        message("accounts.one.caps").contains("a table is expected"),
        "{problem}"
    );
    assert!(
        errors.iter().all(|error| error["line"].is_u64()),
        "{problem}"
    );
    let unknown = errors
        .iter()
        .find(|error| error["path"] == "accounts.one.hodl")
        .expect("the unknown key");
    assert_eq!(unknown["suggestion"], "hold");
    assert_eq!(host.get("/market").await["revision"], before);
    assert!(matches!(host.ping().await, PingAnswer::Bid { .. }));
}

#[tokio::test]
async fn a_configuration_that_its_plugin_refuses_is_refused_with_account_path_and_line() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let good = Market::of([Account::fixed("one", "20.00", &buyer)]);
    let host = Host::start(&good).await;
    let bad = Market::of([Account::fixed("one", "20.00", &buyer)
        .with("filter = { plugin = \"roof-filter\", config = { shade = 3 } }")]);
    let file = host.folder().join("bad.toml");
    std::fs::write(&file, bad.toml()).expect("writable");
    for args in [vec!["apply", "--admin", &host.admin_url()], vec!["check"]] {
        let output = host
            .command(&[args, vec![file.to_str().unwrap()]].concat())
            .await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let line = bad
            .toml()
            .lines()
            .position(|line| line.starts_with("filter"))
            .unwrap()
            + 1;
        assert!(
            said.contains("accounts.one.filter.config.shade")
                && said.contains(&format!("bad.toml:{line}")),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_a_rollback_brings_back_what_was() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let market = |cost: &str| {
        Market::of([Account::fixed("one", "20.00", &buyer)])
            .on_terms(&format!("cost = {{ per_lead = \"{cost}\" }}"))
    };
    let host = Host::start(&market("1.00")).await;
    let file = host.folder().join("new.toml");
    std::fs::write(&file, market("2.00").toml()).expect("writable");
    let (admin, file) = (host.admin_url(), file.display().to_string());
    let bid = async || match host.ping().await {
        PingAnswer::Bid { bid, .. } => bid,
        other @ PingAnswer::NoBid { .. } => panic!("{other:?}"),
    };
    let output = host
        .command(&["apply", "--admin", &admin, "--dry-run", &file])
        .await;
    assert!(output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("campaigns.solar"),
        "{output:?}"
    );
    assert_eq!(bid().await, "1.00");
    assert!(
        host.command(&["apply", "--admin", &admin, &file])
            .await
            .status
            .success()
    );
    assert_eq!(bid().await, "2.00");
    let (status, changed) = host
        .admin(
            Method::POST,
            "/market/rollback",
            json!({"revision": 1}).to_string(),
            "application/json",
        )
        .await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(bid().await, "1.00");
    let (status, problem) = host
        .admin_with(
            Method::POST,
            "/market/rollback",
            json!({"revision": 2}).to_string(),
            &[("content-type", "application/json"), ("if-match", "\"2\"")],
        )
        .await;
    assert_eq!(
        (status, &problem["code"]),
        (412, &json!("revision_conflict"))
    );
    let revisions = host.get("/market/revisions").await;
    assert_eq!(revisions["items"].as_array().map(Vec::len), Some(3));
    let (status, problem) = host
        .admin(
            Method::POST,
            "/market/rollback",
            json!({"revision": 99}).to_string(),
            "application/json",
        )
        .await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("not_found")));
}

#[tokio::test]
async fn a_plugin_that_the_gate_refuses_is_listed_with_its_report_and_cannot_be_used() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let host = Host::start(&Market::of([Account::fixed("one", "20.00", &buyer)])).await;
    let (status, problem) = host
        .admin(
            Method::PUT,
            "/plugins/broken",
            &b"\0asm nonsense"[..],
            "application/wasm",
        )
        .await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (422, Some("not_compilable")),
        "{problem}"
    );
    let list = host.get("/plugins").await.to_string();
    assert!(
        list.contains("broken") && list.contains("http-buyer"),
        "{list}"
    );
}

#[tokio::test]
async fn a_stopping_host_finishes_what_is_in_flight() {
    let slow = buyer(
        OnPing::bid("20.00").after(Duration::from_millis(300)),
        OnPost::accept().after(Duration::from_millis(500)),
    )
    .await;
    let mut host = Host::start(&Market::of([Account::bidding("slow", &slow)])).await;
    let order = host.order().await;
    let supplier = host.supplier();
    let post = gavel_example_solar::supplier::Post {
        ping_order_id: order,
        lead: crate::harness::personal(),
    };
    let posting = tokio::spawn(async move { supplier.post(crate::harness::CAMPAIGN, &post).await });
    slow.wait_for_posts(1).await;
    assert!(host.stop().await.success());
    let answer = posting
        .await
        .expect("no panic")
        .expect("answered before the end");
    assert!(matches!(answer, PostAnswer::Sold { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_dry_run_is_one_however_it_is_written_and_no_slip_makes_it_real() {
    let buyer = buyer(OnPing::never(), OnPost::accept()).await;
    let host = Host::start(&Market::of([Account::fixed("solo", "20.00", &buyer)])).await;
    // As it is in force it names its plugins by digest.
    let in_force = host.get("/market").await["text"].clone();
    let dearer = in_force.as_str().expect("TOML").replace("20.00", "30.00");
    let put = async |query: &str| {
        let path = format!("/market{query}");
        let sent = host.admin(Method::PUT, &path, dearer.clone(), TOML);
        let (status, said) = sent.await;
        (status, said["dry_run"].clone())
    };
    for query in ["?dry_run", "?dry_run=", "?dry_run=true"] {
        assert_eq!(put(query).await, (200, json!(true)), "{query}");
    }
    for query in ["?dry-run", "?dryrun=true", "?dry_run=yes"] {
        assert_eq!(put(query).await.0, 422, "{query}");
    }
    let rollback = json!({"revision": 1}).to_string();
    let path = "/market/rollback?dry_run=true";
    let rolled_back = host.admin(Method::POST, path, rollback, "application/json");
    assert_eq!(rolled_back.await.0, 422, "which knows no dry run");
    assert_eq!(host.get("/market").await["revision"], 1);
    assert_eq!(put("").await, (200, json!(false)));
    assert_eq!(host.get("/market").await["revision"], 2);
}
