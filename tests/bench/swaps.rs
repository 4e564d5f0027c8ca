//! A plugin swapped every 100 ms under load, and memory over a thousand swaps.

use std::time::Duration;

use hyper::Method;
use serde_json::json;

use crate::{
    QUIET,
    harness::{Account, Host, Market, digest, moody, numbered},
    load::{Load, Measured},
    say,
};
use gavel_example_solar::buyers::MockBuyer;

/// Time between two swaps.
const EVERY: Duration = Duration::from_millis(100);

/// Swaps over which memory is watched.
const SWAPS: usize = 1_000;

/// What swapping costs.
pub(crate) struct Swapping {
    /// Without any.
    pub(crate) without: Measured,
    /// With one every 100 ms; a request that failed would have ended the load.
    pub(crate) with: Measured,
    /// Swaps made meanwhile.
    pub(crate) swaps: usize,
    /// Resident memory in MiB after 100 swaps and after 1 000, and that between two versions and
    /// with each swap a version of its own.
    pub(crate) memory: [(f64, f64); 2],
}

/// A market with ten accounts whose filter is `moody`.
fn market(buyer: &MockBuyer, path: &std::path::Path) -> Market {
    let account = |at| {
        Account::fixed(&format!("a{at}"), &format!("2{at}.00"), buyer)
            .with("filter = { plugin = \"moody\", config = {} }")
    };
    Market::of((0..10).map(account))
        .plugins(&format!("[plugins.moody]\npath = \"{}\"", path.display()))
}

async fn activate(host: &Host, bytes: Vec<u8>) {
    let (status, said) = host
        .admin(
            Method::PUT,
            "/plugins/moody?activate=true",
            bytes,
            "application/wasm",
        )
        .await;
    assert_eq!(status, 200, "{said}");
}

async fn go_to(host: &Host, digest: &str) {
    let body = json!({"digest": digest}).to_string();
    let (status, said) = host
        .admin(
            Method::POST,
            "/plugins/moody/activate",
            body,
            "application/json",
        )
        .await;
    assert_eq!(status, 200, "{said}");
}

/// Measures all of it; rounds with and without swaps alternate.
pub(crate) async fn measure(buyer: &MockBuyer, each: Duration, rounds: usize) -> Swapping {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("moody.wasm");
    let versions = [numbered(moody("calm"), 1), numbered(moody("calm"), 2)];
    std::fs::write(&path, &versions[0]).expect("writable");
    let host = Host::start_with(&market(buyer, &path).toml(), QUIET).await;
    activate(&host, versions[1].clone()).await;
    let digests = versions.each_ref().map(|bytes| digest(bytes));
    let (mut still, mut swapping, mut swaps) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        still.push(Load::to(host.api).run(each).await);
        let load = Load::to(host.api);
        let round = load.run(each);
        tokio::pin!(round);
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                measured = &mut round => break swapping.push(measured),
                _ = ticks.tick() => {
                    go_to(&host, &digests[swaps % 2]).await;
                    swaps += 1;
                }
            }
        }
    }
    say("a thousand swaps, between two versions and with each a version of its own");
    let between_two = memory(&host, async |at| go_to(&host, &digests[at % 2]).await).await;
    let all_new = memory(&host, async |at| {
        let number = u32::try_from(at).expect("small") + 10;
        activate(&host, numbered(moody("calm"), number)).await;
    })
    .await;
    Swapping {
        without: Measured::median(still),
        with: Measured::median(swapping),
        swaps,
        memory: [between_two, all_new],
    }
}

/// Resident memory after a tenth of the swaps and after all, in MiB, with a ping after each.
async fn memory(host: &Host, swap: impl AsyncFn(usize)) -> (f64, f64) {
    let mut early = 0.0;
    for at in 0..SWAPS {
        swap(at).await;
        host.ping().await;
        if at == SWAPS / 10 {
            early = host.resident_mib();
        }
    }
    (early, host.resident_mib())
}
