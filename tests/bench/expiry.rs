//! Orders that are never posted to: how the store's folder, the host's memory and its throughput
//! level off while a steady load opens them, and they expire and are erased.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use gavel_example_solar::buyers::MockBuyer;

use crate::{
    QUIET, TERMS, bare,
    harness::{Account, Host, Market},
    load::Load,
    say,
};

/// Orders that are opened where nobody says how many.
pub(crate) const ORDERS: u64 = 100_000;

/// How long a quote stands: short, so that orders expire from the first seconds on.
const WINDOW: &str = "5s";

/// How long pings and orders are kept.
const KEPT: &str = "60s";

/// What is left of the throughput at the start, at least.
const THROUGHPUT: f64 = 0.8;

/// How much more than the most in the second quarter the store and the memory may be afterwards.
const LEVEL: f64 = 1.15;

/// How long the bare server is asked, after each stretch.
const BARE: Duration = Duration::from_secs(1);

/// Rows of the table, about: each is one stretch of the load.
const ROWS: u64 = 40;

/// One stretch of the load, and how things stood after it.
struct Row {
    at: Duration,
    orders: u64,
    per_second: f64,
    /// What a bare server answers at the same time, on a machine that is others' too.
    bare_per_second: f64,
    store_mib: f64,
    resident_mib: f64,
    /// What erasing what is due took the last time, in seconds.
    sweep_s: f64,
    /// How old the pings are that are counted for reports, in seconds.
    reports_s: f64,
}

/// Bytes of all files under a folder, in MiB.
fn size_mib(folder: &Path) -> f64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0.0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(there) if there.is_dir() => size_mib(&entry.path()),
            Ok(there) => there.len() as f64 / f64::from(1 << 20),
            // Erased between being listed and being looked at.
            Err(_) => 0.0,
        })
        .sum()
}

/// The figure under this name among the host's metrics.
fn metric(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|figure| figure.trim().parse().ok())
        .unwrap_or_default()
}

fn market(buyer: &MockBuyer) -> String {
    let accounts = (0..10).map(|at| Account::fixed(&format!("a{at}"), &format!("2{at}.00"), buyer));
    let terms = format!("{TERMS}\nwindow = \"{WINDOW}\"");
    let kept = format!("currency = \"USD\"\nretention = \"{KEPT}\"\nping_retention = \"{KEPT}\"");
    Market::of(accounts)
        .on_terms(&terms)
        .toml()
        .replacen("currency = \"USD\"", &kept, 1)
}

/// Opens so many orders and prints the table.
pub(crate) async fn measure(buyer: &MockBuyer, orders: u64) {
    let host = Host::start_with(&market(buyer), QUIET).await;
    let bare = bare::Bare::start().await;
    let began = Instant::now();
    // A short first stretch says how long one must be for the rows to be as many as wanted.
    let first = Load::to(host.api).run(Duration::from_secs(1)).await;
    let stretch = (orders as f64 / first.per_second / ROWS as f64).clamp(1.0, 30.0);
    let (mut opened, mut rows) = (first.per_second as u64, Vec::new());
    println!(
        "| after s | orders | pings/s | bare pings/s | store MiB | resident MiB | sweep s | reports behind s |\n|---|---|---|---|---|---|---|---|"
    );
    while opened < orders {
        let from = Instant::now();
        let measured = Load::to(host.api)
            .run(Duration::from_secs_f64(stretch))
            .await;
        opened += (measured.per_second * from.elapsed().as_secs_f64()) as u64;
        let beside = Load::to(bare.address).run(BARE).await;
        let metrics = host.root("/metrics").await;
        let row = Row {
            at: began.elapsed(),
            orders: opened,
            per_second: measured.per_second,
            bare_per_second: beside.per_second,
            store_mib: size_mib(&host.folder().join("data")),
            resident_mib: host.resident_mib(),
            sweep_s: metric(&metrics, "gavel_sweep_seconds "),
            reports_s: metric(&metrics, "gavel_report_behind_seconds "),
        };
        println!(
            "| {:.0} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} |",
            row.at.as_secs_f64(),
            row.orders,
            row.per_second,
            row.bare_per_second,
            row.store_mib,
            row.resident_mib,
            row.sweep_s,
            row.reports_s
        );
        rows.push(row);
    }
    say("done");
    summary(&rows);
}

/// What the figures show; fails where they are not what is promised.
fn summary(rows: &[Row]) {
    let tenth = rows.len().div_ceil(10);
    let mean = |rows: &[Row], figure: fn(&Row) -> f64| {
        rows.iter().map(figure).sum::<f64>() / rows.len() as f64
    };
    let (early, late) = (&rows[..tenth], &rows[rows.len() - tenth..]);
    let half = rows.len() / 2;
    let last_to_first = |figure: fn(&Row) -> f64| mean(late, figure) / mean(early, figure);
    let ratio = last_to_first(|row| row.per_second / row.bare_per_second);
    println!(
        "throughput of the last tenth ÷ the first tenth: {ratio:.2} as a share of the bare server's \
         (budget ≥ {THROUGHPUT}); {:.2} as it stands",
        last_to_first(|row| row.per_second)
    );
    assert!(ratio >= THROUGHPUT, "throughput falls");
    for (what, figure) in [
        ("store", (|row| row.store_mib) as fn(&Row) -> f64),
        ("resident memory", |row| row.resident_mib),
    ] {
        // The store's file is cut and grows again by whole pieces: the most counts.
        let most = |rows: &[Row]| rows.iter().map(figure).fold(0.0, f64::max);
        let (then, since) = (most(&rows[half / 2..half]), most(&rows[half..]));
        println!(
            "{what}: {then:.0} MiB at most in the second quarter, {since:.0} MiB after that, \
             {:.0} MiB at the end (budget ≤ {LEVEL} × the second quarter)",
            mean(late, figure)
        );
        assert!(since <= LEVEL * then, "{what} does not level off");
    }
}
