//! The command line, and `gavel demo`.

use std::process::Stdio;

use gavel_example_solar::{
    buyers::{OnPing, OnPost},
    supplier::PingAnswer,
};
use tokio::process::Command;

use crate::harness::{Account, Host, Market, buyer, within};

async fn gavel(args: &[&str]) -> (i32, String, String) {
    let output = within(
        "the command ends",
        Command::new(env!("CARGO_BIN_EXE_gavel"))
            .args(args)
            .stdin(Stdio::null())
            .output(),
    )
    .await
    .expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// `N  word` of the summary.
fn counted(summary: &str, word: &str) -> u64 {
    let line = summary.lines().find(|line| {
        line.trim_start()
            .split_once("  ")
            .is_some_and(|(_, rest)| rest.trim() == word)
    });
    line.and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[tokio::test]
async fn the_demo_sells_and_its_outcomes_differ() {
    crate::harness::plugins();
    let _turn = crate::harness::DEMO_STARTS.lock().await;
    let (status, said, errors) = gavel(&["demo", "--for", "8s", "--rate", "25"]).await;
    assert_eq!(status, 0, "{said}\n{errors}");
    let (lines, summary) = said.rsplit_once(" pings\n").expect("a summary");
    for word in ["bid", "no bid: no_coverage"] {
        assert!(counted(summary, word) > 0, "{word}: {summary}");
    }
    for word in ["sold", "accepted"] {
        assert!(counted(summary, word) > 0, "{word}: {summary}");
    }
    let sales: Vec<&str> = lines
        .lines()
        .filter(|line| line.contains("bought at"))
        .collect();
    assert!(sales.len() > 10, "a line for each sale: {lines}");
    let buyers = ["sunco-west", "brightroof", "helio", "peak-power"];
    assert!(
        buyers.iter().all(|buyer| sales
            .iter()
            .any(|line| line.contains(&format!("{buyer} bought")))),
        "each of {buyers:?} buys: {lines}"
    );
    assert!(
        sales.iter().any(|line| line.contains("fickle rejected")),
        "fallback is seen: {lines}"
    );
    assert!(summary.contains("profit"), "{summary}");
}

#[tokio::test]
async fn every_command_has_help_with_an_example_and_wrong_usage_is_2() {
    for command in [
        "demo",
        "serve",
        "check",
        "apply",
        "key",
        "explain",
        "plugin",
        "plugin check",
        "plugin run",
        "plugin replay",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let (status, help, _) = gavel(&words).await;
        assert_eq!(status, 0);
        assert!(help.contains("Example"), "{command}: {help}");
    }
    assert_eq!(gavel(&["nonsense"]).await.0, 2);
    assert_eq!(gavel(&["serve", "--listen", "nowhere"]).await.0, 2);
    let (status, _, errors) = gavel(&["check", "there-is-no-such-file.toml"]).await;
    assert_eq!(status, 1);
    assert!(errors.contains("there-is-no-such-file.toml"), "{errors}");
}

#[tokio::test]
async fn a_key_is_printed_once_with_the_hash_that_a_market_takes() {
    let (status, said, _) = gavel(&["key"]).await;
    assert_eq!(status, 0);
    let key = said
        .split_whitespace()
        .find(|word| word.starts_with("gk_"))
        .expect("a key")
        .to_owned();
    let hash = gavel_market::ids::Digest::of(key.as_bytes()).to_string();
    assert!(said.contains(&hash), "{said}");
}

#[tokio::test]
async fn explain_tells_a_pings_and_a_posts_story() {
    let (picky, good) = (
        buyer(OnPing::bid("30.00"), OnPost::reject("no")).await,
        buyer(OnPing::bid("20.00"), OnPost::accept()).await,
    );
    let host = Host::start(&Market::of([
        Account::bidding("picky", &picky),
        Account::bidding("good", &good),
        Account::bidding("texan", &good).with("criteria = [{ field = \"state\", in = [\"TX\"] }]"),
    ]))
    .await;
    let PingAnswer::Bid {
        ping_id,
        ping_order_id,
        ..
    } = host.ping().await
    else {
        panic!("somebody bids")
    };
    let lead = host.post(&ping_order_id).await.expect("sold");
    for id in [ping_id.as_str(), ping_order_id.as_str(), lead.lead_id()] {
        let output = host
            .command(&["explain", "--admin", &host.admin_url(), id])
            .await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{id}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        for word in [
            "picky", "good", "texan", "criteria", "state", "30.00", "20.00",
        ] {
            assert!(said.contains(word), "{id}: {word}: {said}");
        }
    }
}
