//! How much disk a steady load of orders takes that are opened, expire and are erased.
//!
//! `cargo run -p gavel-store --example space [ROUNDS] [ORDERS] [KEPT]`; by default twenty rounds
//! of ten thousand orders, each with its ping, of which nothing is left after each round: the
//! figures in the second column must stop growing. With `KEPT`, the last so many rounds are kept
//! besides, and they stop growing once three times as many have gone through: sled cleans a
//! segment when half of it is dead, and until then the live records of all rounds mix.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::indexing_slicing)] // a program for a person

#[allow(dead_code)] // shared with the tests, which use all of it
#[path = "../src/tests/sample.rs"]
mod sample;

use std::time::{Duration, Instant};

use gavel_market::report::{Counted, Hours};
use gavel_store::{LIST_MAX, Settings, Store, StoreKey};

/// Orders opened at once.
const CALLERS: u64 = 64;

/// Bids of each order.
const BIDS: u16 = 10;

/// Pings that are counted in one change.
const COUNTED: usize = 512;

/// One round's time in the life of the store, in milliseconds: longer than a window.
const ROUND_MS: u64 = 2 * sample::WINDOW_MS;

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|text| text.parse::<u64>().expect("a number"));
    let rounds = arguments.next().unwrap_or(20);
    let orders = arguments.next().unwrap_or(10_000);
    let kept = arguments.next().unwrap_or(0);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(measure(rounds, orders, kept));
}

async fn measure(rounds: u64, orders: u64, kept: u64) {
    let program = std::env::current_exe().expect("a program");
    let folder = tempfile::tempdir_in(program.parent().expect("a folder")).expect("a folder");
    let key = StoreKey::from_bytes([1; 32]);
    let store = Store::open(folder.path(), &key, Settings::default()).expect("a store");
    let kept = Duration::from_millis(kept * ROUND_MS);
    println!(
        "{:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "orders", "MiB", "open µs", "count µs", "expire µs", "erase µs"
    );
    for round in 0..rounds {
        let at_ms = sample::NOW_MS + round * ROUND_MS;
        let after_ms = at_ms + ROUND_MS;
        let opening = each(orders, open_all(&store, at_ms, orders)).await;
        let counting = each(orders, count_all(&store, after_ms)).await;
        let expiring = each(orders, expire_all(&store, after_ms)).await;
        let erasing = each(orders, erase_all(&store, after_ms, kept)).await;
        let mib = store.stats().bytes_on_disk >> 20;
        println!(
            "{:>10} {mib:>10} {opening:>10} {counting:>10} {expiring:>10} {erasing:>10}",
            (round + 1) * orders
        );
    }
    store.close().await;
}

async fn open_all(store: &Store, at_ms: u64, orders: u64) {
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in (caller..orders).step_by(64) {
                    let order = sample::order(sample::id(at_ms + number / 100, number), BIDS);
                    let ping = sample::ping(&order);
                    let until = Instant::now() + Duration::from_mins(1);
                    let opened = store
                        .open_order(order, gavel_store::Rooms::default(), ping, None, until)
                        .await;
                    opened.expect("durable in time");
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("a caller ends");
    }
}

/// Counts every ping for reports, without which none is erased.
async fn count_all(store: &Store, now_ms: u64) {
    let hours = Hours::named("UTC");
    loop {
        let pings = store.uncounted(now_ms, COUNTED).expect("readable");
        if pings.is_empty() {
            return;
        }
        let mut counted = Counted::default();
        let mut marks = Vec::new();
        for ping in pings {
            let record = ping.record.expect("readable");
            let hour_ms = hours.start_ms(record.input.received_at_ms);
            counted.add_ping(&record, hour_ms, |_| None);
            marks.push(ping.mark);
        }
        store.count_pings(marks, counted).await.expect("counted");
    }
}

/// Lets every window pass.
async fn expire_all(store: &Store, now_ms: u64) {
    while store.expire_due(now_ms, LIST_MAX).await.expect("swept") > 0 {}
}

/// Erases what was kept long enough.
async fn erase_all(store: &Store, now_ms: u64, kept: Duration) {
    while store
        .erase_due(now_ms, kept, kept, LIST_MAX)
        .await
        .expect("swept")
        > 0
    {}
}

/// Microseconds that some work takes for each order.
async fn each(orders: u64, work: impl Future<Output = ()>) -> u128 {
    let begun = Instant::now();
    work.await;
    begun.elapsed().as_micros() / u128::from(orders.max(1))
}
