//! How many orders a second can be opened durably, by how many callers at once.
//!
//! `cargo run -p gavel-store --example commit_rate [SECONDS] [CALLERS…]`; by default three
//! seconds each for 1, 8, 64 and 256 callers, in a temporary folder below the working
//! directory's target, so that it measures a disk and not memory.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::indexing_slicing)] // a program for a person

#[allow(dead_code)] // shared with the tests, which use all of it
#[path = "../src/tests/sample.rs"]
mod sample;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use gavel_store::{Settings, Store, StoreKey};

/// Bids of each order.
const BIDS: u16 = 10;

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|text| text.parse::<u64>().expect("a number"));
    let time = Duration::from_secs(arguments.next().unwrap_or(3).clamp(1, 60));
    let mut callers: Vec<u64> = arguments.collect();
    if callers.is_empty() {
        callers = vec![1, 8, 64, 256];
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    println!(
        "{:>8} {:>12} {:>14} {:>10} {:>10} {:>12}",
        "callers", "orders/s", "orders/commit", "mean ms", "worst ms", "bytes/order"
    );
    for callers in callers {
        runtime.block_on(measure(callers, time));
    }
}

async fn measure(callers: u64, time: Duration) {
    let folder = tempfile::tempdir_in(target()).expect("a folder");
    let key = StoreKey::from_bytes([1; 32]);
    let store = Store::open(folder.path(), &key, Settings::default()).expect("a store");
    let opened = Arc::new(AtomicU64::new(0));
    let worst_us = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            tokio::spawn(open_until(
                store.clone(),
                start + time,
                Arc::clone(&opened),
                Arc::clone(&worst_us),
            ))
        })
        .collect();
    for task in tasks {
        task.await.expect("a caller ends");
    }
    let (took, count, stats) = (
        start.elapsed().as_secs_f64(),
        opened.load(Ordering::Relaxed),
        store.stats(),
    );
    store.close().await;
    #[allow(clippy::cast_precision_loss)] // figures for a person
    let (orders, commits, bytes) = (
        count as f64,
        stats.commits as f64,
        stats.bytes_on_disk as f64,
    );
    println!(
        "{callers:>8} {:>12.0} {:>14.1} {:>10.2} {:>10.1} {:>12.0}",
        orders / took,
        orders / commits,
        1e3 * took * f64::from(u32::try_from(callers).unwrap_or(u32::MAX)) / orders,
        f64::from(u32::try_from(worst_us.load(Ordering::Relaxed)).unwrap_or(u32::MAX)) / 1e3,
        bytes / orders,
    );
}

async fn open_until(store: Store, end: Instant, opened: Arc<AtomicU64>, worst_us: Arc<AtomicU64>) {
    while Instant::now() < end {
        let number = opened.fetch_add(1, Ordering::Relaxed);
        // As many a millisecond as would be: ids that rise as those of real pings do.
        let order = sample::order(sample::id(sample::NOW_MS + number / 20, number), BIDS);
        let ping = sample::ping(&order);
        let begun = Instant::now();
        store
            .open_order(
                order,
                gavel_store::Rooms::default(),
                ping,
                None,
                begun + Duration::from_secs(10),
            )
            .await
            .expect("durable in time");
        worst_us.fetch_max(
            u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }
}

/// A folder on a disk: the build's own.
fn target() -> std::path::PathBuf {
    let program = std::env::current_exe().expect("a program");
    program.parent().unwrap_or(Path::new(".")).to_path_buf()
}
