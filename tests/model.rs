//! The rules once more, written as a slow and plain reference, and held against the host's own
//! code over random markets, leads and interleavings of everything that happens to them.
//!
//! | module | holds |
//! |---|---|
//! | `case` | what a case is: markets and steps, as plain values |
//! | `random` | the case of a seed |
//! | `reference`, `auction`, `values`, `calendar` | the rules, read from `rules.md` alone |
//! | `driver`, `market_text` | the same on `gavel_market` and a real `gavel_store` |
//! | `picks` | which of the things that are there a step is about |
//! | `told`, `play` | what is compared, and the comparison after every step |
//! | `hosted` | the same cases against the real binary |
//!
//! A case is one random market (now and then changed on the way), its leads, and one interleaving
//! of pings, posts, buyers' ends, clock steps, expiries, settlements, erasures and returns. What
//! filters and buyers say is scripted for both sides alike. Some hundreds of the same cases are
//! played against the host itself, over HTTP, as far as its clock need not be moved (`hosted`).
//! What only the exchange decides – the circuit breaker, rate limits, repeats of a request,
//! deadlines of a ping – is not in here; it is shown from outside and beside its own code.
//!
//! `GAVEL_MODEL_CASES` says how many cases are played; without it as many as take about two
//! minutes. 100 000, which is what the exchange's own claim is about, take a few:
//!
//! ```text
//! GAVEL_MODEL_CASES=100000 cargo test --workspace --test black_box model::
//! ```
//!
//! A disagreement is printed with its seed and with the steps that are left when none more can
//! be taken out; `GAVEL_MODEL_SEED=… GAVEL_MODEL_CASES=1` plays that seed alone.
//!
//! # Readings, where `rules.md` leaves a choice
//!
//! - A budget has room for one more, before the bid is known, while any money is left (ping 7.2).
//! - An account that lost its room is none of the buyers that `min_deliveries` counts.
//! - In all fields equal (post 5) means by the same comparison: e-mail in lower case.
//! - A lead that is `duplicate` and for which the campaign has no room is `duplicate`.
//! - A test is ranked as though nobody had had a turn yet.
//! - An account was last held for at the latest moment at which it took room, released or not.
//! - `partial_loss` is judged when the lead is answered `sold`, or has nothing left to try, by
//!   an erasure, too; while a delivery is unconfirmed, when the last of them is settled.
//! - An operator's settlement as sold ends a stop as one as not sold does: other places go on.
//! - A delivery was sold when its buyer, or the operator, said so: that names the month in which
//!   a return is counted.
//! - Whether a delivery may be returned is asked of today's account.
//! - What is sold or paid after a return changes what the supplier is charged, in all, at once.

mod auction;
mod calendar;
mod case;
mod driver;
mod hosted;
mod market_text;
mod picks;
mod play;
mod random;
mod reference;
mod told;
mod values;

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use gavel_store::{Settings, Store, StoreKey};
use tempfile::TempDir;

use self::{
    case::Case,
    play::{Disagreement, Done, play},
};

/// Cases where nobody says how many: about two minutes of two processors.
const CASES: u64 = 20_000;

/// Cases that share a store: enough that opening one costs nothing, few enough that its memory
/// and its folder stay small.
const CASES_PER_STORE: u64 = 500;

/// Threads, each with a store of its own.
const THREADS: usize = 2;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A folder in memory where the machine has one: what is shown here is not durability.
fn folder() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a folder")
}

fn open(folder: &Path) -> Store {
    let settings = Settings {
        cache_bytes: 64 << 20,
        ..Settings::default()
    };
    Store::open(folder, &StoreKey::from_bytes([7; 32]), settings).expect("a store")
}

/// A store, and where its next case begins.
struct Table {
    store: Store,
    /// Numbers cases and orders, so that no two have a name in common.
    cases: u64,
    ids: u128,
    _folder: TempDir,
}

impl Table {
    fn new() -> Self {
        let folder = folder();
        Self {
            store: open(folder.path()),
            cases: 0,
            ids: 0,
            _folder: folder,
        }
    }

    async fn play(&mut self, case: &Case) -> Result<Done, Disagreement> {
        self.cases += 1;
        let mut case = case.clone();
        for market in &mut case.markets {
            market.prefix = format!("k{}-", self.cases);
        }
        play(&case, &self.store, &mut self.ids).await
    }
}

/// The case without whatever is not needed for the two sides to disagree.
async fn shrunk(mut case: Case, mut what: Disagreement) -> (Case, Disagreement) {
    let until = Instant::now() + Duration::from_mins(1);
    let mut table = Table::new();
    let mut at = case.steps.len();
    while at > 0 && Instant::now() < until {
        at -= 1;
        let mut less = case.clone();
        less.steps.remove(at);
        if let Err(still) = table.play(&less).await {
            (case, what) = (less, still);
            // A case that broke off leaves open orders behind.
            table = Table::new();
        }
    }
    (case, what)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Plays the cases that `next` numbers until there is none left or one fails.
fn play_some(next: &AtomicU64, end: u64) -> Result<Done, String> {
    let runtime = runtime();
    let mut all = Done::default();
    let mut table = Table::new();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return Ok(all);
        }
        if table.cases >= CASES_PER_STORE {
            table = Table::new();
        }
        let case = random::case(seed, "");
        match runtime.block_on(table.play(&case)) {
            Ok(done) => all += done,
            Err(what) => {
                next.store(end, Ordering::Relaxed);
                let (case, what) = runtime.block_on(shrunk(case, what));
                return Err(format!(
                    "seed {seed}: {what}\n\n{case:#?}\n\nseed {seed}: {what}"
                ));
            }
        }
    }
}

#[test]
fn the_host_and_the_plain_reading_of_the_rules_agree() {
    let first = setting("GAVEL_MODEL_SEED").unwrap_or(0);
    let cases = setting("GAVEL_MODEL_CASES").unwrap_or(CASES);
    let (next, end) = (AtomicU64::new(first), first + cases);
    let began = Instant::now();
    let played = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| play_some(&next, end)))
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
    eprintln!("{cases} cases in {:.0?}: {all:?}", began.elapsed());
    // A model that nothing happens in agrees with everything.
    assert!(
        all.pings > cases && all.quotes > cases / 2 && all.sales > cases / 5,
        "{all:?}"
    );
    assert!(
        cases < 1_000
            || [all.lost_room, all.duplicates, all.returns]
                .iter()
                .all(|n| *n > 0),
        "{all:?}"
    );
}
