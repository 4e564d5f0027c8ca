//! First figures for the performance budgets, as ratios to a bare server measured in the same run.
//!
//! ```text
//! cargo bench --bench budgets                 # about three minutes once it is built
//! cargo bench --bench budgets -- --seconds 1  # a quicker, rougher look
//! cargo bench --bench budgets -- --expire 1000000  # orders that expire: size, memory, throughput
//! ```
//!
//! Everything runs on this machine, load generator included: the bare hyper server and each
//! host are processes of their own, the load comes from this one. Rounds of the bare server
//! and of the hosts alternate, and each figure is the median of its rounds, so that what
//! else the machine does falls on both.

// A benchmark stops at the first surprise, and prints a table of rounded figures.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../harness/mod.rs"]
#[allow(dead_code, unused_imports)] // shared with the tests, which use all of it
mod harness;

mod bare;
mod expiry;
mod load;
mod many;
mod swaps;
mod tree;

use std::{io::Write as _, time::Duration};

use gavel_example_solar::buyers::{MockBuyer, OnPing, OnPost};
use harness::{Account, Host, Market};
use load::{Load, Measured};

/// Rounds of each measurement; the median counts.
const ROUNDS: usize = 3;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    if args.iter().any(|arg| arg == bare::ARGUMENT) {
        return runtime.block_on(bare::serve());
    }
    let seconds = args
        .iter()
        .position(|arg| arg == "--seconds")
        .and_then(|at| args.get(at + 1))
        .and_then(|text| text.parse().ok())
        .unwrap_or(4);
    if let Some(at) = args.iter().position(|arg| arg == "--expire") {
        let orders = args.get(at + 1).and_then(|text| text.parse().ok());
        return runtime.block_on(expire(orders.unwrap_or(expiry::ORDERS)));
    }
    runtime.block_on(measure(Duration::from_secs(seconds)));
}

async fn expire(orders: u64) {
    say("building the plugins, starting the host");
    let buyer = harness::buyer(OnPing::never(), OnPost::accept()).await;
    expiry::measure(&buyer, orders).await;
}

#[allow(clippy::too_many_lines)] // one table, row by row
async fn measure(each: Duration) {
    say("building the plugins, starting the hosts");
    let buyer = harness::buyer(OnPing::never(), OnPost::accept()).await;
    let ten = Host::start_with(&ten_filtered(&buyer).toml(), QUIET).await;
    let many = Host::start_with(&ten_thousand(&buyer).toml(), QUIET).await;
    let few = Host::start_with(&ten_plain(&buyer).toml(), QUIET).await;
    let reused = ten_filtered(&buyer).reusing_roof_filter();
    let reused = Host::start_with(&reused.toml(), QUIET).await;
    let bare = bare::Bare::start().await;

    let mut rows = [const { Vec::new() }; 5];
    for round in 1..=ROUNDS {
        say(&format!("round {round} of {ROUNDS}"));
        rows[0].push(Load::to(bare.address).run(each).await);
        rows[1].push(Load::to(ten.api).run(each).await);
        rows[2].push(Load::to(few.api).run(each).await);
        rows[3].push(Load::to(many.api).run(each).await);
        rows[4].push(Load::to(reused.api).run(each).await);
    }
    let [bare, ten, few, many, reused] = rows.map(Measured::median);
    say("a plugin swapped every 100 ms");
    let swaps = swaps::measure(&buyer, each, ROUNDS).await;
    say("two hundred plugins");
    let started = many::measure(&buyer).await;
    say("a ping tree of 50 buyers over HTTP");
    let tree = tree::measure(each).await;

    let row = |name: &str, measured: &Measured, ratio: String, budget: &str| {
        println!(
            "| {name} | {:.0} | {:.2} | {:.2} | {ratio} | {budget} |",
            measured.per_second,
            measured.ms(50.0),
            measured.ms(99.0)
        );
    };
    println!("\n| work | pings/s | p50 ms | p99 ms | ratio | budget |\n|---|---|---|---|---|---|");
    row(
        "bare hyper server, same JSON parsed and written",
        &bare,
        "1".into(),
        "",
    );
    row(
        "ping, 10 accounts with a wasm filter, fresh instances, durable order",
        &ten,
        format!("{:.2} × bare", ten.per_second / bare.per_second),
        "≥ 0.2",
    );
    row(
        "the same with reused instances",
        &reused,
        format!("{:.2} × bare", reused.per_second / bare.per_second),
        "≥ 0.4",
    );
    row(
        "the same with fresh instances of another plugin, none swapped",
        &swaps.without,
        "1".into(),
        "",
    );
    row(
        &format!(
            "that plugin swapped every 100 ms ({} swaps), no request failed",
            swaps.swaps
        ),
        &swaps.with,
        format!(
            "{:.2} × unswapped",
            swaps.with.per_second / swaps.without.per_second
        ),
        "≥ 0.9",
    );
    row(
        "ping, 10 accounts with a fixed price, durable order",
        &few,
        format!("{:.2} × bare", few.per_second / bare.per_second),
        "",
    );
    row(
        "the same, 10 000 accounts of which 10 match",
        &many,
        format!("{:.2} × 10 accounts", many.per_second / few.per_second),
        "≥ 0.8",
    );
    let over = tree.ms(99.0) - ms(tree::DEADLINE);
    row(
        "ping tree of 50 HTTP buyers, one never answers, deadline 500 ms",
        &tree,
        format!("p99 = deadline {over:+.1} ms"),
        "≤ deadline + 10 ms",
    );
    for (what, (early, late)) in ["between two versions", "each to a new version"]
        .iter()
        .zip(swaps.memory)
    {
        println!(
            "1 000 swaps {what}: {early:.0} MiB resident after 100, {late:.0} MiB after 1 000"
        );
    }
    println!(
        "{} plugins, start to first answered ping: {:.2} s with compiled code kept (budget 1 s), {:.1} s without",
        many::PLUGINS,
        started.warm.as_secs_f64(),
        started.cold.as_secs_f64()
    );
}

/// No log lines: the tests' hosts write them to a file for every request.
pub(crate) const QUIET: &[(&str, &str)] = &[("GAVEL_LOG", "warn")];

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what} …");
}

const TERMS: &str = "cost = { per_lead = \"5.00\" }";

/// Ten accounts whose filters all qualify the lead: each is a call into fresh wasm.
fn ten_filtered(buyer: &MockBuyer) -> Market {
    let filter =
        "filter = { plugin = \"roof-filter\", config = { shade = [\"none\", \"partial\"] } }";
    Market::of(
        (0..10)
            .map(|at| Account::fixed(&format!("a{at}"), &format!("2{at}.00"), buyer).with(filter)),
    )
    .on_terms(TERMS)
}

fn ten_plain(buyer: &MockBuyer) -> Market {
    Market::of((0..10).map(|at| matching(buyer, at))).on_terms(TERMS)
}

/// Ten accounts that match and 9 990 that do not, each by one of several criteria.
fn ten_thousand(buyer: &MockBuyer) -> Market {
    let others = (10..10_000).map(|at| {
        let criteria = match at % 3 {
            0 => "{ field = \"state\", in = [\"TX\", \"NM\"] }".to_owned(),
            1 => format!("{{ field = \"zip\", in = [\"{at:05}\"] }}"),
            _ => format!("{{ field = \"monthly_bill\", min = \"{}\" }}", 200 + at),
        };
        Account::fixed(&format!("a{at}"), "21.00", buyer).with(&format!(
            "criteria = [{{ field = \"homeowner\", is = true }}, {criteria}]"
        ))
    });
    Market::of((0..10).map(|at| matching(buyer, at)).chain(others)).on_terms(TERMS)
}

fn matching(buyer: &MockBuyer, at: usize) -> Account {
    let criteria = "criteria = [{ field = \"homeowner\", is = true }, { field = \"state\", in = [\"CA\", \"NV\"] }]";
    Account::fixed(&format!("a{at}"), &format!("2{at}.00"), buyer).with(criteria)
}
