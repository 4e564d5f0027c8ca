//! The same cases against the real binary, over HTTP: what suppliers are told, every account's
//! outcome, quotes, deliveries, ledgers, returns and usage.
//!
//! | module | holds |
//! |---|---|
//! | `cases` | the case of a seed, and what is left out of it here |
//! | `world`, `buyers` | keys, plugins and buyers for it |
//! | `driver`, `shown` | requests, and what the two APIs say |
//! | `play`, `breakers` | the comparison after every step, and when a case stops pinging |
//!
//! `GAVEL_MODEL_HOSTED_CASES` says how many cases are played, `GAVEL_MODEL_SEED` which is the
//! first.
//!
//! Nobody moves the host's clock, so a case begins only where it will not see the end of an hour
//! or a day of any zone, or a schedule's: all of them are at a quarter of an hour.

mod breakers;
mod buyers;
mod cases;
mod driver;
mod play;
mod shown;
mod world;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use self::driver::Table;
use super::{
    play::{Disagreement, Done},
    runtime, setting,
};

/// Cases where nobody says how many: about half a minute of two processors.
const CASES: u64 = 300;

/// Cases on one host, whose store forgets none of them.
const CASES_PER_HOST: u64 = 250;

/// Threads, each with a host of its own.
const THREADS: usize = 2;

/// At each multiple of this an hour, a day or a schedule's window may end somewhere.
const QUARTER_MS: u64 = 15 * 60_000;

/// Longest that a case takes, and longest that one waits for the next quarter.
const ROOM_MS: u64 = 10_000;

fn quarter() -> u64 {
    play::clock_ms() / QUARTER_MS
}

/// Waits for the next quarter of an hour where this one is nearly over.
async fn begin() -> u64 {
    let left_ms = QUARTER_MS - play::clock_ms() % QUARTER_MS;
    if left_ms < ROOM_MS {
        tokio::time::sleep(Duration::from_millis(left_ms)).await;
    }
    quarter()
}

/// Plays the case of a seed; again, under another name, where it was too slow for its quarter.
async fn play_one(seed: u64, table: &mut Table, number: &mut u64) -> Result<Done, Disagreement> {
    loop {
        *number += 1;
        let case = cases::case(seed, &format!("k{number}-"));
        let began = begin().await;
        let played = play::play(&case, table).await;
        if quarter() == began {
            return played.map_err(|what| format!("{what}\n\n{case:#?}\n\n{what}"));
        }
    }
}

/// Plays the cases that `next` numbers until there is none left or one fails.
async fn play_some(next: &AtomicU64, end: u64) -> Result<Done, String> {
    let mut all = Done::default();
    let (mut table, mut number) = (Table::new().await, 0);
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return Ok(all);
        }
        if number >= CASES_PER_HOST {
            (table, number) = (Table::new().await, 0);
        }
        match play_one(seed, &mut table, &mut number).await {
            Ok(done) => all += done,
            Err(what) => {
                next.store(end, Ordering::Relaxed);
                return Err(format!("seed {seed}: {what}\n\nseed {seed}"));
            }
        }
    }
}

/// Cases in which the host was once wrong: which account's rule a return goes by, and, before
/// second markets had other terms, whether a sale of an erased lead was a partial loss.
const ONCE_WRONG: [u64; 4] = [102, 1961, 3242, 3961];

#[test]
fn the_cases_in_which_the_host_was_once_wrong_agree() {
    for seed in ONCE_WRONG {
        let played = runtime().block_on(play_some(&AtomicU64::new(seed), seed + 1));
        played.unwrap_or_else(|what| panic!("{what}"));
    }
}

#[test]
fn the_real_host_and_the_plain_reading_of_the_rules_agree() {
    let first = setting("GAVEL_MODEL_SEED").unwrap_or(0);
    let cases = setting("GAVEL_MODEL_HOSTED_CASES").unwrap_or(CASES);
    let (next, end) = (AtomicU64::new(first), first + cases);
    let began = Instant::now();
    let played = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| runtime().block_on(play_some(&next, end))))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect::<Vec<_>>()
    });
    let mut all = Done::default();
    for one in played {
        all += one.unwrap_or_else(|what| panic!("{what}"));
    }
    eprintln!("{cases} hosted cases in {:.0?}: {all:?}", began.elapsed());
    // A host that nothing happens in agrees with everything.
    assert!(
        cases < 100
            || all.pings > cases * 2
                && all.quotes > cases
                && all.tries > cases
                && all.sales > cases / 2
                && all.entries > cases
                && all.returns > cases / 10
                && all.duplicates > 0
                && all.left_out < all.pings / 20,
        "{all:?}"
    );
}
