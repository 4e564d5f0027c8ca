//! A ping tree: fifty buyers asked over HTTP at once, of which one never answers.

use std::time::Duration;

use gavel_example_solar::buyers::{OnPing, OnPost};

use crate::{
    QUIET,
    harness::{self, Account, Host, Market},
    load::{Load, Measured},
};

/// The campaign's, which the silent buyer makes every ping last.
pub(crate) const DEADLINE: Duration = Duration::from_millis(500);

const BUYERS: usize = 50;

/// Pings one at a time on a few connections; asserts that nobody else's bid is lost.
pub(crate) async fn measure(time: Duration) -> Measured {
    let never = harness::buyer(OnPing::never(), OnPost::accept()).await;
    let quick = harness::buyer(OnPing::bid("20.00"), OnPost::accept()).await;
    let accounts = (0..BUYERS)
        .map(|at| Account::bidding(&format!("a{at}"), if at == 0 { &never } else { &quick }));
    let market = Market::of(accounts).on_terms(&format!(
        "cost = {{ per_lead = \"5.00\" }}\ndeadline = \"{}ms\"",
        DEADLINE.as_millis()
    ));
    let host = Host::start_with(&market.toml(), QUIET).await;
    let measured = Load::to(host.api)
        .over(4)
        .run(time.max(Duration::from_secs(4)))
        .await;
    let lost = host.root("/metrics").await;
    assert!(
        !lost.contains("result=\"no_time\"") && !lost.contains("result=\"no_coverage\""),
        "{lost}"
    );
    measured
}
