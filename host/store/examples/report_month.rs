//! How long a report takes over a month of a million pings, and what counting them took.
//!
//! `cargo run --release -p gavel-store --example report_month [PINGS] [ACCOUNTS]`; by default a
//! million pings of four campaigns to sixty accounts, ten of which are in each record and fifty
//! derived. The pings are made up; they are counted and read by the store's own verbs, in a
//! temporary folder.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::indexing_slicing)] // a program for a person

#[allow(dead_code)] // shared with the tests, which use all of it
#[path = "../src/tests/sample.rs"]
mod sample;

use std::time::Instant;

use gavel_market::{
    reason::Outcome,
    record::PingRecord,
    report::{
        AccountLine, Counted, Hours,
        table::{By, Grain, Table},
    },
};
use gavel_store::{Settings, Store, StoreError, StoreKey};

const MONTH_MS: u64 = 30 * 24 * 3_600_000;
const CAMPAIGNS: u64 = 4;
const BIDS: u16 = 10;

/// Pings that are counted in one change, as the exchange does it.
const CHUNK: u64 = 512;

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|text| text.parse::<u64>().expect("a number"));
    let pings = arguments.next().unwrap_or(1_000_000);
    let accounts = arguments.next().unwrap_or(60).max(u64::from(BIDS));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(measure(pings, accounts));
}

async fn measure(pings: u64, accounts: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let key = StoreKey::from_bytes([1; 32]);
    let store = Store::open(folder.path(), &key, Settings::default()).expect("a store");
    let hours = Hours::named("America/New_York");
    let begun = Instant::now();
    for chunk in 0..pings.div_ceil(CHUNK) {
        let mut counted = Counted::default();
        for number in chunk * CHUNK..((chunk + 1) * CHUNK).min(pings) {
            let record = ping(number, pings);
            let hour_ms = hours.start_ms(record.input.received_at_ms);
            counted.add_ping(&record, hour_ms, |account| {
                account.as_str().replace("account", "buyer").parse().ok()
            });
            let derived = (u64::from(BIDS)..accounts).map(|account| derived(account, number));
            counted.add_derived(&record, hour_ms, 1, derived);
        }
        store
            .count_pings(Vec::new(), counted)
            .await
            .expect("counted");
    }
    let spent = begun.elapsed();
    println!(
        "{pings} pings of {accounts} accounts: {} µs each to make up and to count, {} MiB on disk",
        spent.as_micros() / u128::from(pings.max(1)),
        store.stats().bytes_on_disk >> 20
    );
    for by in [
        &[][..],
        &[By::Day],
        &[By::Campaign, By::Hour],
        &[By::SubId],
        &[By::Account],
        &[By::Account, By::Outcome],
        &[By::Account, By::Outcome, By::Day],
    ] {
        let begun = Instant::now();
        let (rows, said) = report(&store, &hours, by);
        let words: Vec<_> = by.iter().map(|by| by.word()).collect();
        println!(
            "by {:<24} {:>7} ms, {rows} rows, {said} pings",
            words.join(","),
            begun.elapsed().as_millis()
        );
    }
}

/// Rows of a report over everything, and the pings that they say.
fn report(store: &Store, hours: &Hours, by: &[By]) -> (usize, u64) {
    let mut table = Table::new(by.to_vec(), hours.clone());
    let few = |_| StoreError::Closed;
    match Grain::of(by, false).expect("kept") {
        Grain::Pings => store
            .ping_sums(
                0,
                u64::MAX,
                |_| true,
                |place, lines| table.add_pings(place, lines).map_err(few),
            )
            .expect("readable"),
        Grain::Accounts => store
            .account_sums(
                0,
                u64::MAX,
                |_| true,
                |place, lines| table.add_accounts(place, lines).map_err(few),
            )
            .expect("readable"),
    }
    let (rows, total) = table.finish();
    (rows.len(), total.pings)
}

fn ping(number: u64, of: u64) -> PingRecord {
    let at_ms = sample::NOW_MS + number * MONTH_MS / of.max(1);
    let order = sample::order(sample::id(at_ms, number), BIDS);
    let mut ping = sample::ping(&order);
    ping.campaign = format!("campaign-{}", number % CAMPAIGNS)
        .parse()
        .expect("a name");
    ping.input.sub_id = Some(format!("source-{}", number % 37));
    ping
}

fn derived(account: u64, number: u64) -> AccountLine {
    let field = ["state", "zip", "monthly_bill", "homeowner"]
        [usize::try_from((account + number) % 4).expect("less than four")];
    AccountLine {
        account: format!("account-{account}").parse().ok(),
        buyer: format!("buyer-{account}").parse().ok(),
        outcome: Some(Outcome::Criteria),
        field: Some(field.into()),
        code: None,
    }
}
